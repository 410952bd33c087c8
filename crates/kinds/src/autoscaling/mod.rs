//! The group `autoscaling`.

mod horizontal_pod_autoscaler;
mod validate;

pub use horizontal_pod_autoscaler::{HorizontalPodAutoscalerStrategy, HorizontalPodAutoscalerV1Strategy};
