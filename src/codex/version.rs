//! Parses the version of the CLI, and names the versions that changed something.

/// Version of the CLI: its first three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u32, u32, u32);

impl Version {
    /// First version that supports `agents.enabled`. 0.144.6 and earlier refuse to start with it.
    pub const SWITCHES_AGENTS: Self = Self(0, 147, 0);
    /// First tried version that accepts `features.code_mode` as a table. 0.132.0 refuses to start
    /// with it.
    pub const EXCLUDES_TOOLS: Self = Self(0, 140, 0);
    /// First version in which the feature `imagegenext` is an alias of `image_generation`. In
    /// 0.140.0 and 0.142.5 it is a separate tool, off by default, which draws without
    /// `image_generation`.
    pub const RENAMES_IMAGE_FEATURE: Self = Self(0, 144, 6);
    /// First version whose default model cannot draw without the program `codex-code-mode-host`.
    /// The npm package of 0.144.6 contains it as well, but that version draws without it.
    pub const NEEDS_CODE_MODE_HOST: Self = Self(0, 147, 0);
    /// First version whose `workspace-write` confines root on Linux. Up to 0.147.0 `mount -o
    /// remount,rw,bind /` escapes the sandbox.
    pub const CONFINES_ROOT: Self = Self(0, 153, 4);

    /// Parses "0.169.0" or "0.172.0-alpha.3".
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
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(Version::parse("0.153.4"), Some(Version::CONFINES_ROOT));
        assert!(Version::parse("0.150.1") < Some(Version::CONFINES_ROOT));
        assert!(Version::parse("0.172.0-alpha.3") > Some(Version::CONFINES_ROOT));
        assert!(Version::parse("1.0.0") > Version::parse("0.999.999"));
        for text in ["", "0", "0.1", "x.y.z", "0.1.x", "99999999999.0.0"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
