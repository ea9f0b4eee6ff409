//! Resource limit that marks the processes of a run on Linux.

use crate::process::run_tag::RunTag;

/// Returns the resource limit that stands for the tag: a limit on real-time CPU use in
/// microseconds, at least 146,000 years. Made from a hash of the tag (FNV-1a), so that it is the
/// same in every host process.
pub fn tag_rlimit(tag: &RunTag) -> u64 {
    let hash = tag
        .value
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    1 << 62 | hash >> 2
}

/// Whether `limit` can be the [`tag_rlimit`] of some tag.
#[cfg(target_os = "linux")]
pub const fn is_tag_rlimit(limit: u64) -> bool {
    limit >> 62 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_has_its_own_unreachable_limit() {
        let limits = ["", "0000000000000001", "0000000000000002", "ffffffffffffffff"]
            .map(|value| tag_rlimit(&RunTag { name: "X", value: value.into(), dir: None }));
        #[cfg(target_os = "linux")]
        {
            assert!(limits.iter().all(|&limit| is_tag_rlimit(limit)));
            assert!(!is_tag_rlimit(u64::MAX) && !is_tag_rlimit(1_000_000));
        }
        assert_eq!(limits.iter().collect::<std::collections::HashSet<_>>().len(), limits.len());
    }
}
