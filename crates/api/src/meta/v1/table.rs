use super::*;
use crate::Api;
use crate::Raw;

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
#[kind(group = "meta.k8s.io", version = "v1", bare)]
pub struct Table {
    #[api(omitempty)]
    pub metadata: ListMeta,
    #[api(required)]
    pub column_definitions: Vec<TableColumnDefinition>,
    #[api(required)]
    pub rows: Vec<TableRow>,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct TableColumnDefinition {
    #[api(required)]
    pub name: String,
    #[api(required)]
    pub type_: String,
    #[api(required)]
    pub format: String,
    #[api(required)]
    pub description: String,
    #[api(required)]
    pub priority: i32,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct TableRow {
    #[api(omitempty)]
    pub conditions: Vec<TableRowCondition>,
    #[api(omitempty)]
    pub object: Raw,
}

#[derive(Api, Clone, Default, PartialEq)]
#[api(package = "meta.v1")]
pub struct TableRowCondition {
    #[api(required)]
    pub type_: String,
    #[api(required)]
    pub status: String,
    #[api(omitempty)]
    pub reason: String,
    #[api(omitempty)]
    pub message: String,
}
