//! The version of the CLI, and what depends on it.

/// A version's first three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    /// The first that heeds `agents.enabled`; 0.144.6 and earlier refuse to start with it.
    pub const SWITCHES_AGENTS: Self = Self(0, 147, 0);
    /// The first of those tried that tolerates `features.code_mode` as a table; 0.132.0 refuses to
    /// start with it.
    pub const EXCLUDES_TOOLS: Self = Self(0, 140, 0);
    /// The first for which the feature `imagegenext` is an earlier name of `image_generation`. In
    /// 0.140.0 and 0.142.5 it is a tool of its own, off by default, which draws without the other.
    pub const RENAMES_IMAGE_FEATURE: Self = Self(0, 144, 6);
    /// The first whose default model cannot draw without the program `codex-code-mode-host`, which
    /// npm's package has from 0.144.6 on; that version does without.
    pub const NEEDS_CODE_MODE_HOST: Self = Self(0, 147, 0);
    /// The first whose `workspace-write` holds against root on Linux: up to 0.147.0 `mount -o
    /// remount,rw,bind /` leaves it.
    pub const CONFINES_ROOT: Self = Self(0, 153, 4);

    /// Reads "0.169.0" or "0.172.0-alpha.3".
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.splitn(3, '.');
        let digits = |part: &str| part.bytes().take_while(u8::is_ascii_digit).count();
        let mut next = || numbers.next().and_then(|part| part[..digits(part)].parse().ok());
        Some(Self(next()?, next()?, next()?))
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn a_version_is_compared_by_its_numbers() {
        assert_eq!(Version::parse("0.153.4"), Some(Version::CONFINES_ROOT));
        assert!(Version::parse("0.150.1") < Some(Version::CONFINES_ROOT));
        assert!(Version::parse("0.172.0-alpha.3") > Some(Version::CONFINES_ROOT));
        assert!(Version::parse("1.0.0") > Version::parse("0.999.999"));
        for text in ["", "0", "0.1", "x.y.z", "0.1.x", "99999999999.0.0"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
