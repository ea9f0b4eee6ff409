//! Compares the aspect ratio that was asked for with that of the image.

use crate::png::ImageInfo;

/// Largest difference between two ratios that count as the same, in per cent.
///
/// image_gen draws about 1.57 megapixels, at best in the ratio that it was asked for: 1672 by 941
/// pixels for 16:9. Rounding both sides to multiples of 16 changes a ratio by less than 2 per cent.
/// The common ratios that are closest to each other, 4:3 and 5:4 or 3:2 and 16:10, differ by 6.7.
const TOLERANCE_PERCENT: u64 = 3;

/// The aspect ratio that was asked for, and that of the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aspect {
    /// Width to height, as the caller wrote it, such as `16:9`.
    pub requested: String,
    /// Width to height of the image, reduced, such as `3:2`.
    pub received: String,
    /// Whether they differ by at most [`TOLERANCE_PERCENT`].
    pub matches: bool,
}

impl Aspect {
    /// Compares a validated aspect with the size of an image. Returns None if the size is unknown.
    #[must_use]
    pub fn of(requested: &str, image: &ImageInfo) -> Option<Self> {
        let sides = requested.split_once(':')?;
        let (asked_width, asked_height): (u64, u64) = (sides.0.parse().ok()?, sides.1.parse().ok()?);
        let (width, height) = (u64::from(image.width), u64::from(image.height));
        let divisor = greatest_common_divisor(width, height);
        if width == 0 || height == 0 {
            return None;
        }
        // Sides have at most 32 and 14 bits, so that no product overflows.
        let (one, other) = (width * asked_height, height * asked_width);
        let matches = one.max(other) * 100 <= one.min(other) * (100 + TOLERANCE_PERCENT);
        let received = format!("{}:{}", width / divisor, height / divisor);
        Some(Self { requested: requested.to_owned(), received, matches })
    }

    /// Returns the warning if the ratios differ.
    #[must_use]
    pub fn warning(&self, image: &ImageInfo) -> Option<String> {
        let (width, height, requested) = (image.width, image.height, &self.requested);
        let warning = format!(
            "The picture has {width} × {height} pixels, which is not the aspect ratio {requested} that Codex was asked for."
        );
        (!self.matches).then_some(warning)
    }
}

const fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aspect(requested: &str, width: u32, height: u32) -> Option<Aspect> {
        Aspect::of(requested, &ImageInfo { width, height, has_alpha: None })
    }

    #[test]
    fn sizes_of_the_image_tool_match_the_ratio_that_they_stand_for() {
        for (requested, width, height) in [
            ("1:1", 1254, 1254),
            ("16:9", 1672, 941),
            ("9:16", 941, 1672),
            ("3:2", 1536, 1024),
            ("2:3", 1024, 1536),
            ("0004:3", 1448, 1086),
            ("16:9", 1664, 928),
            ("1:1", 103, 100),
            ("9999:1", u32::MAX, 429_539),
        ] {
            let found = aspect(requested, width, height).unwrap();
            assert!(found.matches, "{found:?}");
        }
    }

    #[test]
    fn another_common_ratio_does_not_match() {
        for (requested, width, height, received) in [
            ("16:9", 1536, 1024, "3:2"),
            ("16:9", 1254, 1254, "1:1"),
            ("9:16", 1024, 1536, "2:3"),
            ("9:16", 1536, 1024, "3:2"),
            ("4:3", 1536, 1024, "3:2"),
            ("4:3", 1280, 1024, "5:4"),
            ("3:2", 1600, 1000, "8:5"),
            ("1:1", 104, 100, "26:25"),
            ("1:9999", u32::MAX, 1, "4294967295:1"),
        ] {
            let found = aspect(requested, width, height).unwrap();
            assert_eq!((found.received.as_str(), found.matches), (received, false), "{requested}");
        }
    }

    #[test]
    fn an_image_without_a_size_has_no_aspect() {
        assert_eq!(aspect("1:1", 0, 0), None);
        assert_eq!(aspect("1:1", 0, 5), None);
    }
}
