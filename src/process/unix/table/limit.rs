//! The resource limit that marks the processes of a run on Linux.

use crate::process::marker::Marker;

/// The resource limit that stands for the marker on Linux: real-time CPU use, in microseconds, of
/// at least 146,000 years. It is the marker's hash (FNV-1a), the same in every daemon.
pub fn limit_of(marker: &Marker) -> u64 {
    let hash = marker
        .value
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    1 << 62 | hash >> 2
}

/// Whether [`limit_of`] some marker can be that limit.
#[cfg(target_os = "linux")]
pub const fn is_limit_of_a_run(limit: u64) -> bool {
    limit >> 62 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_marker_has_a_limit_of_its_own_that_limits_nothing() {
        let limits = ["", "0000000000000001", "0000000000000002", "ffffffffffffffff"]
            .map(|value| limit_of(&Marker { name: "X", value: value.into(), dir: None }));
        #[cfg(target_os = "linux")]
        {
            assert!(limits.iter().all(|&limit| is_limit_of_a_run(limit)));
            assert!(!is_limit_of_a_run(u64::MAX) && !is_limit_of_a_run(1_000_000));
        }
        assert_eq!(limits.iter().collect::<std::collections::HashSet<_>>().len(), limits.len());
    }
}
