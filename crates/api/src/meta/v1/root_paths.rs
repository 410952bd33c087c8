use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct RootPaths {
    #[api(tag = 1, required)]
    pub paths: Vec<String>,
}
