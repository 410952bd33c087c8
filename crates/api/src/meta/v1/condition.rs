use crate::Api;
use crate::Time;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct Condition {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub status: String,
    #[api(tag = 3, omitempty)]
    pub observed_generation: i64,
    #[api(tag = 4, nullable, required)]
    pub last_transition_time: Option<Time>,
    #[api(tag = 5, required)]
    pub reason: String,
    #[api(tag = 6, required)]
    pub message: String,
}
