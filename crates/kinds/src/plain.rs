//! The strategy of kinds without behaviour.

use crate::rules::Rules;
use crate::strategy::Strategy;

/// Only the rules that all kinds share.
#[derive(Clone, Copy, Debug)]
pub struct Plain(pub Rules);

impl Strategy for Plain {
    fn rules(&self) -> &Rules {
        &self.0
    }
}
