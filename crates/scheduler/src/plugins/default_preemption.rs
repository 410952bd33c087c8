//! Says whether removing pods of lower priority could make room. It removes none yet.

use crate::diagnosis::Unfit;
use crate::framework::{Failed, Plugin, PostFilter, Rejection};

/// The plugin.
pub struct DefaultPreemption;

impl Plugin for DefaultPreemption {
    fn name(&self) -> &'static str {
        "DefaultPreemption"
    }
    fn post_filter(&self) -> Option<&dyn PostFilter> {
        Some(self)
    }
}

impl PostFilter for DefaultPreemption {
    fn post_filter(&self, failed: &Failed<'_>) -> String {
        if failed.pod.pod.spec.preemption_policy.as_deref() == Some("Never") {
            return "preemption: not eligible due to preemptionPolicy=Never.".into();
        }
        let hopeful = failed.rejections.iter().filter(|(_, rejection)| rejection.resolvable);
        let mut unfit = Unfit::new(failed.cluster.present().len());
        for _ in hopeful {
            unfit.add(&Rejection::unresolvable("No preemption victims found for incoming pod"));
        }
        unfit.add_to_rest("Preemption is not helpful for scheduling");
        format!("preemption: {unfit}")
    }
}
