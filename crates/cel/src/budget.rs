//! What evaluations may cost.

/// What one evaluation may cost: about a tenth of a second.
pub const PER_CALL_LIMIT: u64 = 1_000_000;
/// What all expressions for one object, or for one binding of a policy, may cost together: about a second.
pub const RUNTIME_BUDGET: u64 = 10_000_000;
/// What all match conditions of one webhook or policy may cost together.
pub const MATCH_CONDITIONS_BUDGET: u64 = 2_500_000;

/// Cost that several evaluations share.
#[derive(Clone, Debug)]
pub struct Budget {
    pub(crate) per_call: u64,
    remaining: Option<u64>,
    spent: u64,
}

impl Budget {
    /// `total` for all evaluations together, [`PER_CALL_LIMIT`] for each.
    pub fn new(total: u64) -> Self {
        Budget { per_call: PER_CALL_LIMIT, remaining: Some(total), spent: 0 }
    }

    /// What is left; `None` when more was spent than there was.
    pub fn remaining(&self) -> Option<u64> {
        self.remaining
    }

    /// What was spent in all.
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Whether more was spent than there was.
    pub fn is_exhausted(&self) -> bool {
        self.remaining.is_none()
    }

    /// Takes the cost of an evaluation off.
    pub fn spend(&mut self, cost: u64) {
        self.spent = self.spent.saturating_add(cost);
        self.remaining = self.remaining.and_then(|remaining| remaining.checked_sub(cost));
    }
}
