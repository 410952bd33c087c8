//! The group `autoscaling`.

mod horizontal_pod_autoscaler;

pub use horizontal_pod_autoscaler::{HorizontalPodAutoscalerStrategy, HorizontalPodAutoscalerV1Strategy};
