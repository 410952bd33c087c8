use crate::Api;
use crate::Raw;
use crate::meta::v1::Status;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
#[kind(group = "apiextensions.k8s.io", version = "v1", bare)]
pub struct ConversionReview {
    #[api(tag = 1)]
    pub request: Option<Box<ConversionRequest>>,
    #[api(tag = 2)]
    pub response: Option<Box<ConversionResponse>>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct ConversionRequest {
    #[api(tag = 1, required)]
    pub uid: String,
    #[api(tag = 2, json = "desiredAPIVersion", required)]
    pub desired_api_version: String,
    #[api(tag = 3, required)]
    pub objects: Vec<Raw>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "apiextensions.v1")]
pub struct ConversionResponse {
    #[api(tag = 1, required)]
    pub uid: String,
    #[api(tag = 2, required)]
    pub converted_objects: Vec<Raw>,
    #[api(tag = 3, required)]
    pub result: Status,
}
