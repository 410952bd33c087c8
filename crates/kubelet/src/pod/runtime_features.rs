//! What the runtime can do beyond what every runtime can; a pod that asks for more is refused.

use corten_node_api::cri::{StatusRequest, StatusResponse};
use corten_node_api::{CriClient, CriResult};
use corten_rt::Instant;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an answer holds: a runtime may be replaced by a newer one.
const HOLDS: Duration = Duration::from_secs(60);

/// What one runtime can do.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Features {
    /// The runtime applies `supplementalGroupsPolicy`.
    pub supplemental_groups_policy: bool,
    handlers: BTreeMap<String, Handler>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Handler {
    user_namespaces: bool,
    recursive_read_only: bool,
}

impl Features {
    /// From the runtime's status.
    pub fn of(status: &StatusResponse) -> Self {
        let handlers = status.runtime_handlers.iter().map(|h| {
            let f = h.features.unwrap_or_default();
            let handler = Handler {
                user_namespaces: f.user_namespaces,
                recursive_read_only: f.recursive_read_only_mounts,
            };
            (h.name.clone(), handler)
        });
        Features {
            supplemental_groups_policy: status.features.is_some_and(|f| f.supplemental_groups_policy),
            handlers: handlers.collect(),
        }
    }

    /// Whether a RuntimeClass's handler (the default one if empty) can run pods in user namespaces.
    pub fn user_namespaces(&self, handler: &str) -> bool {
        self.handlers.get(handler).is_some_and(|h| h.user_namespaces)
    }

    /// Whether a handler can make mounts read-only with all that is mounted below.
    pub fn recursive_read_only(&self, handler: &str) -> bool {
        self.handlers.get(handler).is_some_and(|h| h.recursive_read_only)
    }
}

/// Remembers the runtime's answer for a while.
#[derive(Default)]
pub struct RuntimeFeatures(Mutex<Option<(Instant, Features)>>);

impl RuntimeFeatures {
    /// What the runtime could do when it was asked last; nothing if it never was.
    pub fn known(&self) -> Features {
        self.0.lock().as_ref().map(|(_, features)| features.clone()).unwrap_or_default()
    }

    /// What the runtime can do.
    ///
    /// # Errors
    /// The runtime did not answer.
    pub async fn get(&self, cri: &CriClient) -> CriResult<Features> {
        if let Some((_, known)) = self.0.lock().as_ref().filter(|(at, _)| at.elapsed() < HOLDS) {
            return Ok(known.clone());
        }
        let features = Features::of(&cri.status(StatusRequest { verbose: false }).await?);
        *self.0.lock() = Some((Instant::now(), features.clone()));
        Ok(features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::cri::{RuntimeHandler, RuntimeHandlerFeatures};

    #[test]
    fn a_handler_can_what_it_says() {
        let features =
            Some(RuntimeHandlerFeatures { user_namespaces: true, recursive_read_only_mounts: false });
        let status = StatusResponse {
            runtime_handlers: vec![RuntimeHandler { name: String::new(), features }],
            ..StatusResponse::default()
        };
        let features = Features::of(&status);
        assert!(features.user_namespaces("") && !features.recursive_read_only(""));
        assert!(!features.user_namespaces("other") && !features.supplemental_groups_policy);
    }
}
