//! Resource limit that marks the processes of a run on Linux.

use crate::process::marker::Marker;

/// Returns the resource limit that stands for the marker: a limit on real-time CPU use in
/// microseconds, at least 146,000 years. Made from a hash of the marker (FNV-1a), so that it is the
/// same in every daemon.
pub fn marker_limit(marker: &Marker) -> u64 {
    let hash = marker
        .value
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    1 << 62 | hash >> 2
}

/// Whether `limit` can be the [`marker_limit`] of some marker.
#[cfg(target_os = "linux")]
pub const fn is_marker_limit(limit: u64) -> bool {
    limit >> 62 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_marker_has_its_own_unreachable_limit() {
        let limits = ["", "0000000000000001", "0000000000000002", "ffffffffffffffff"]
            .map(|value| marker_limit(&Marker { name: "X", value: value.into(), dir: None }));
        #[cfg(target_os = "linux")]
        {
            assert!(limits.iter().all(|&limit| is_marker_limit(limit)));
            assert!(!is_marker_limit(u64::MAX) && !is_marker_limit(1_000_000));
        }
        assert_eq!(limits.iter().collect::<std::collections::HashSet<_>>().len(), limits.len());
    }
}
