mod api_service;

pub use api_service::*;
