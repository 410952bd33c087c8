use crate::Api;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct ListOptions {
    #[api(tag = 1, omitempty)]
    pub label_selector: String,
    #[api(tag = 2, omitempty)]
    pub field_selector: String,
    #[api(tag = 3, omitempty)]
    pub watch: bool,
    #[api(tag = 9, omitempty)]
    pub allow_watch_bookmarks: bool,
    #[api(tag = 4, omitempty)]
    pub resource_version: String,
    #[api(tag = 10, omitempty)]
    pub resource_version_match: String,
    #[api(tag = 5)]
    pub timeout_seconds: Option<i64>,
    #[api(tag = 7, omitempty)]
    pub limit: i64,
    #[api(tag = 8, omitempty)]
    pub continue_: String,
    #[api(tag = 11)]
    pub send_initial_events: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct GetOptions {
    #[api(tag = 1, omitempty)]
    pub resource_version: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct DeleteOptions {
    #[api(tag = 1)]
    pub grace_period_seconds: Option<i64>,
    #[api(tag = 2)]
    pub preconditions: Option<Box<Preconditions>>,
    #[api(tag = 3)]
    pub orphan_dependents: Option<bool>,
    #[api(tag = 4)]
    pub propagation_policy: Option<String>,
    #[api(tag = 5, omitempty)]
    pub dry_run: Vec<String>,
    #[api(tag = 6)]
    pub ignore_store_read_error_with_cluster_breaking_potential: Option<bool>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct Preconditions {
    #[api(tag = 1)]
    pub uid: Option<String>,
    #[api(tag = 2)]
    pub resource_version: Option<String>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct CreateOptions {
    #[api(tag = 1, omitempty)]
    pub dry_run: Vec<String>,
    #[api(tag = 3, omitempty)]
    pub field_manager: String,
    #[api(tag = 4, omitempty)]
    pub field_validation: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct PatchOptions {
    #[api(tag = 1, omitempty)]
    pub dry_run: Vec<String>,
    #[api(tag = 2)]
    pub force: Option<bool>,
    #[api(tag = 3, omitempty)]
    pub field_manager: String,
    #[api(tag = 4, omitempty)]
    pub field_validation: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct UpdateOptions {
    #[api(tag = 1, omitempty)]
    pub dry_run: Vec<String>,
    #[api(tag = 2, omitempty)]
    pub field_manager: String,
    #[api(tag = 3, omitempty)]
    pub field_validation: String,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "", version = "v1", bare)]
pub struct TableOptions {
    #[api(tag = 1, omitempty)]
    pub include_object: String,
}
