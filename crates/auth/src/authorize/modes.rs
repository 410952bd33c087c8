//! Authorizers in the order that an operator sets.

use super::{Attributes, Authorizer, Decision, Policies, Reason, node};
use std::sync::Arc;

/// One authorizer of the order.
#[derive(Clone)]
pub enum Mode {
    /// What nodes may do.
    Node,
    /// Roles and their bindings.
    Rbac,
    /// Everything is allowed.
    AlwaysAllow,
    /// Nothing is allowed.
    AlwaysDeny,
    /// Policies of a file.
    Abac(Arc<Policies>),
    /// Somebody outside is asked.
    Webhook(Arc<dyn Webhook>),
}

/// What an authorizer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes.
    Allow,
    /// No, whatever others would say.
    Deny,
    /// The next is asked.
    NoOpinion,
}

/// What an authorizer outside says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// Why.
    pub reason: String,
    /// What went wrong; mostly nothing.
    pub error: String,
}

/// Asks somebody outside. The caller's thread waits for the answer.
pub trait Webhook: Send + Sync {
    /// Whether it may be done.
    fn decide(&self, attributes: &Attributes<'_>) -> Verdict;
}

impl Authorizer {
    /// Asks these from now on, in their order.
    pub fn set_modes(&self, modes: Vec<Mode>) {
        self.modes.store(Some(Arc::new(modes)));
    }

    pub(super) fn ask(&self, modes: &[Mode], attributes: &Attributes<'_>) -> Decision {
        let (mut reasons, mut errors) = (Vec::new(), Vec::new());
        for mode in modes {
            let decision = match mode {
                Mode::Node => node::authorize(&self.nodes, attributes),
                Mode::Rbac => self.rbac.authorize(attributes),
                Mode::AlwaysAllow => Decision::allow(Reason::Text(String::new())),
                Mode::AlwaysDeny => Decision::no_opinion("Everything is forbidden."),
                Mode::Abac(policies) => policies.authorize(attributes),
                Mode::Webhook(webhook) => Decision::from(webhook.decide(attributes)),
            };
            if decision.allowed || decision.denied {
                return decision;
            }
            let reason = decision.reason.to_string();
            reasons.extend(Some(reason).filter(|text| !text.is_empty()));
            errors.extend(Some(decision.error).filter(|text| !text.is_empty()));
        }
        let error = match errors.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            several => format!("[{}]", several.join(", ")),
        };
        Decision { error, ..Decision::no_opinion(reasons.join("\n")) }
    }
}

impl From<Verdict> for Decision {
    fn from(verdict: Verdict) -> Self {
        let (allowed, denied) = (verdict.answer == Answer::Allow, verdict.answer == Answer::Deny);
        Decision { allowed, denied, error: verdict.error, reason: Reason::Text(verdict.reason) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::authentication::v1::UserInfo;

    struct Says(Answer, &'static str);

    impl Webhook for Says {
        fn decide(&self, _: &Attributes<'_>) -> Verdict {
            Verdict { answer: self.0, reason: self.1.into(), error: String::new() }
        }
    }

    #[test]
    fn the_first_who_has_an_opinion_decides() {
        let hook = |answer, why| Mode::Webhook(Arc::new(Says(answer, why)));
        for (modes, allowed, denied, reason) in [
            (vec![Mode::Rbac, hook(Answer::Allow, "fine")], true, false, "fine"),
            (vec![hook(Answer::Deny, "never"), Mode::AlwaysAllow], false, true, "never"),
            (vec![hook(Answer::NoOpinion, "who knows"), Mode::AlwaysAllow], true, false, ""),
            (
                vec![hook(Answer::NoOpinion, "who knows"), Mode::AlwaysDeny],
                false,
                false,
                "who knows\nEverything is forbidden.",
            ),
        ] {
            let authorizer = Authorizer::default();
            authorizer.set_modes(modes);
            let joe = UserInfo { username: "joe".into(), ..UserInfo::default() };
            let got = authorizer.authorize(&Attributes::resource(&joe, "get", "", "pods"));
            assert_eq!((got.allowed, got.denied, got.reason.to_string().as_str()), (allowed, denied, reason));
            let root = UserInfo { groups: vec!["system:masters".into()], ..joe };
            assert!(authorizer.authorize(&Attributes::resource(&root, "get", "", "pods")).allowed);
        }
    }
}
