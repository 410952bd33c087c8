//! The group `autoscaling`.

mod horizontal_pod_autoscaler;
mod scale;
mod validate;

pub use horizontal_pod_autoscaler::{HorizontalPodAutoscalerStrategy, HorizontalPodAutoscalerV1Strategy};
pub use scale::ScaleStrategy;
