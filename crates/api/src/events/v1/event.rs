use crate::Api;
use crate::MicroTime;
use crate::Time;
use crate::core::v1::EventSource;
use crate::core::v1::ObjectReference;
use crate::meta::v1::ObjectMeta;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "events.v1")]
#[kind(group = "events.k8s.io", version = "v1", plural = "events", short = "ev")]
pub struct Event {
    #[api(tag = 1)]
    pub metadata: ObjectMeta,
    #[api(tag = 2, nullable, required)]
    pub event_time: Option<MicroTime>,
    #[api(tag = 3)]
    pub series: Option<Box<EventSeries>>,
    #[api(tag = 4, omitempty)]
    pub reporting_controller: String,
    #[api(tag = 5, omitempty)]
    pub reporting_instance: String,
    #[api(tag = 6, omitempty)]
    pub action: String,
    #[api(tag = 7, omitempty)]
    pub reason: String,
    #[api(tag = 8, omitempty)]
    pub regarding: ObjectReference,
    #[api(tag = 9)]
    pub related: Option<Box<ObjectReference>>,
    #[api(tag = 10, omitempty)]
    pub note: String,
    #[api(tag = 11, omitempty)]
    pub type_: String,
    #[api(tag = 12, omitempty)]
    pub deprecated_source: EventSource,
    #[api(tag = 13, omitempty, nullable)]
    pub deprecated_first_timestamp: Option<Time>,
    #[api(tag = 14, omitempty, nullable)]
    pub deprecated_last_timestamp: Option<Time>,
    #[api(tag = 15, omitempty)]
    pub deprecated_count: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "events.v1")]
pub struct EventSeries {
    #[api(tag = 1, required)]
    pub count: i32,
    #[api(tag = 2, nullable, required)]
    pub last_observed_time: Option<MicroTime>,
}
