mod api_group_discovery;

pub use api_group_discovery::*;
