use super::*;
use crate::Api;
use crate::MicroTime;
use crate::Time;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
#[kind(group = "", version = "v1", plural = "events", short = "ev")]
pub struct Event {
    #[api(tag = 1, required)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, required)]
    pub involved_object: ObjectReference,
    #[api(tag = 3, omitempty)]
    pub reason: String,
    #[api(tag = 4, omitempty)]
    pub message: String,
    #[api(tag = 5, omitempty)]
    pub source: EventSource,
    #[api(tag = 6, omitempty, nullable)]
    pub first_timestamp: Option<Time>,
    #[api(tag = 7, omitempty, nullable)]
    pub last_timestamp: Option<Time>,
    #[api(tag = 8, omitempty)]
    pub count: i32,
    #[api(tag = 9, omitempty)]
    pub type_: String,
    #[api(tag = 10, omitempty, nullable)]
    pub event_time: Option<MicroTime>,
    #[api(tag = 11)]
    pub series: Option<Box<EventSeries>>,
    #[api(tag = 12, omitempty)]
    pub action: String,
    #[api(tag = 13)]
    pub related: Option<Box<ObjectReference>>,
    #[api(tag = 14)]
    pub reporting_component: String,
    #[api(tag = 15)]
    pub reporting_instance: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EventSource {
    #[api(tag = 1, omitempty)]
    pub component: String,
    #[api(tag = 2, omitempty)]
    pub host: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "core.v1")]
pub struct EventSeries {
    #[api(tag = 1, omitempty)]
    pub count: i32,
    #[api(tag = 2, omitempty, nullable)]
    pub last_observed_time: Option<MicroTime>,
}
