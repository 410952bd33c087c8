//! `/`: which paths there are, for people who look around.

use serde_json::{Value, json};

use super::chain::Exchange;
use super::discovery;
use super::response::{self, Response};

/// Paths that do not follow from kinds and checks.
const OTHERS: [&str; 11] = [
    "/.well-known/openid-configuration",
    "/api",
    "/apis",
    "/apis/",
    "/metrics",
    "/metrics/slis",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/",
    "/openid/v1/jwks",
    "/version",
];

/// Answers `/` with the paths that a `GET` may go on with, in order.
pub fn answer(exchange: &Exchange) -> Response {
    let mut paths: Vec<String> = OTHERS.iter().map(|path| path.to_string()).collect();
    paths.extend(exchange.api.health.paths());
    paths.extend(discovery::paths(exchange));
    paths.sort_unstable();
    paths.dedup();
    let document: Value = json!({ "paths": paths });
    response::json(format!("{document:#}"))
}
