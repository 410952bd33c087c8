//! Units of processor time, as the kubelet converts them (KEP-2254).

/// Shares of a group that asks for nothing: the kernel's least.
const MIN_SHARES: u64 = 2;
const MAX_SHARES: u64 = 262_144;
/// The default period of a quota, in microseconds.
pub(super) const QUOTA_PERIOD_US: u64 = 100_000;
const MIN_QUOTA_US: i64 = 1_000;

/// Version 1's shares for a request in thousandths of a core: 1024 per core, within the kernel's bounds.
pub fn milli_cpu_to_shares(milli: i64) -> u64 {
    if milli <= 0 {
        return MIN_SHARES;
    }
    (milli as u64 * 1024 / 1000).clamp(MIN_SHARES, MAX_SHARES)
}

/// The quota in microseconds per `period_us` for a limit in thousandths of a core; at least 1 ms, and
/// `None` for no limit.
pub fn milli_cpu_to_quota(milli: i64, period_us: u64) -> Option<i64> {
    (milli > 0).then(|| (milli * period_us as i64 / 1000).max(MIN_QUOTA_US))
}

/// Version 2's weight (1 to 10,000) for version 1's shares (2 to 262,144), linearly.
pub fn shares_to_weight(shares: u64) -> u64 {
    (shares.clamp(MIN_SHARES, MAX_SHARES) - 2) * 9999 / 262_142 + 1
}

/// The other way round; rounding loses a little.
pub fn weight_to_shares(weight: u64) -> u64 {
    (weight.clamp(1, 10_000) - 1) * 262_142 / 9999 + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_become_shares_and_limits_quotas() {
        for (milli, shares) in
            [(0, 2), (1, 2), (100, 102), (1000, 1024), (256_000, 262_144), (900_000, 262_144)]
        {
            assert_eq!(milli_cpu_to_shares(milli), shares, "{milli}m");
        }
        for (milli, quota) in [(0, None), (1, Some(1000)), (200, Some(20_000)), (2500, Some(250_000))] {
            assert_eq!(milli_cpu_to_quota(milli, QUOTA_PERIOD_US), quota, "{milli}m");
        }
    }

    #[test]
    fn shares_and_weights_follow_the_enhancement_proposal() {
        for (shares, weight) in [(0, 1), (2, 1), (102, 4), (1024, 39), (262_144, 10_000)] {
            assert_eq!(shares_to_weight(shares), weight, "{shares} shares");
        }
        for (weight, shares) in [(1, 2), (39, 998), (10_000, 262_144)] {
            assert_eq!(weight_to_shares(weight), shares, "weight {weight}");
        }
    }
}
