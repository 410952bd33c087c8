use crate::Api;
use crate::Raw;

/// One event of a watch.
#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct WatchEvent {
    #[api(tag = 1, required)]
    pub type_: String,
    #[api(tag = 2, required)]
    pub object: Raw,
}
