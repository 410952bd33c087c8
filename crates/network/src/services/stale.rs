//! UDP has no end of a connection: the kernel goes on sending a client's packets where the first one went.
//! When that is no longer right, the connection must be forgotten.

use std::collections::HashSet;
use std::net::SocketAddr;

use corten_sys::conntrack::{Conntrack, Flow};

use super::frontends::{Action, Frontend, Target};
use super::model::Protocol;
use crate::Result;

/// A UDP frontend that lost backends, or got its first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    frontend: Frontend,
    lost: HashSet<SocketAddr>,
    /// Whether packets went to the frontend's own address until now.
    was_unanswered: bool,
    /// The only ones that may answer, when it is not known who did before.
    only: Option<HashSet<SocketAddr>>,
}

fn backends(action: Option<&Action>) -> HashSet<SocketAddr> {
    match action {
        Some(Action::Spread { backends, .. }) => backends.iter().copied().collect(),
        _ => HashSet::new(),
    }
}

impl Moved {
    /// What a change of a frontend leaves behind, if anything.
    pub(super) fn between(frontend: Frontend, was: Option<&Action>, now: Option<&Action>) -> Option<Self> {
        if frontend.protocol != Protocol::Udp || was == now {
            return None;
        }
        let (was, now) = (backends(was), backends(now));
        let moved = Moved {
            frontend,
            lost: was.difference(&now).copied().collect(),
            was_unanswered: was.is_empty() && !now.is_empty(),
            only: None,
        };
        (moved.was_unanswered || !moved.lost.is_empty()).then_some(moved)
    }

    /// What an earlier process may have left behind. Only for addresses that are the Service's alone.
    pub(super) fn since_unknown(frontend: Frontend, now: &Action) -> Option<Self> {
        let Target::Address(_) = frontend.target else { return None };
        let udp = frontend.protocol == Protocol::Udp;
        let only = Some(backends(Some(now)));
        udp.then(|| Moved { frontend, lost: HashSet::new(), was_unanswered: false, only })
    }

    /// Whether the connection follows the old way.
    fn is_stale(&self, flow: &Flow) -> bool {
        let is_to_frontend = flow.destination.port() == self.frontend.port
            && match self.frontend.target {
                Target::Address(address) => flow.destination.ip() == address,
                Target::Node(family) | Target::NodeFromInside(family) => flow.family == family,
            };
        is_to_frontend
            && (self.lost.contains(&flow.answers)
                || self.was_unanswered && flow.answers == flow.destination
                || self.only.as_ref().is_some_and(|only| !only.contains(&flow.answers)))
    }
}

/// Forgets the connections that these frontends left behind.
pub(super) fn forget(conntrack: &dyn Conntrack, moved: &[Moved]) -> Result<()> {
    let mut families: Vec<_> = moved.iter().map(|m| m.frontend.target.family()).collect();
    families.sort();
    families.dedup();
    for family in families {
        for flow in conntrack.flows(family, Protocol::Udp.number())? {
            if moved.iter().any(|m| m.is_stale(&flow)) {
                conntrack.forget(&flow)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_sys::conntrack::FakeConntrack;
    use corten_sys::nft::Family;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("address")
    }

    fn spread(list: &[&str]) -> Action {
        Action::Spread { backends: list.iter().map(|b| at(b)).collect(), masquerade: false, sticky: None }
    }

    #[test]
    fn only_connections_on_the_old_way_are_forgotten() {
        let frontend =
            Frontend { target: Target::Address([10, 96, 0, 9].into()), protocol: Protocol::Udp, port: 53 };
        let node = Frontend { target: Target::Node(Family::V4), protocol: Protocol::Udp, port: 30053 };
        let two = spread(&["10.244.0.2:53", "10.244.0.3:53"]);
        let one = spread(&["10.244.0.3:53"]);
        let moved = [
            Moved::between(frontend, Some(&two), Some(&one)).expect("lost one"),
            Moved::between(node, Some(&Action::Reject), Some(&one)).expect("got its first"),
        ];
        let client = at("10.244.0.9:4000");
        let flow = |to, answers| Flow::example(17, client, at(to), at(answers));
        let keep = [
            flow("10.96.0.9:53", "10.244.0.3:53"),
            flow("10.96.0.8:53", "10.244.0.2:53"),
            flow("10.96.0.9:54", "10.244.0.2:53"),
            flow("192.168.0.1:30053", "10.244.0.3:53"),
        ];
        let go = [flow("10.96.0.9:53", "10.244.0.2:53"), flow("192.168.0.1:30053", "192.168.0.1:30053")];
        let conntrack = FakeConntrack::new(keep.iter().chain(&go).cloned().collect());
        forget(&conntrack, &moved).expect("forget");
        assert_eq!(conntrack.flows(Family::V4, 17).expect("flows"), keep);
    }

    #[test]
    fn after_a_restart_only_endpoints_of_now_may_answer() {
        let frontend =
            Frontend { target: Target::Address([10, 96, 0, 9].into()), protocol: Protocol::Udp, port: 53 };
        let moved: Vec<Moved> =
            Moved::since_unknown(frontend, &spread(&["10.244.0.3:53"])).into_iter().collect();
        let flow = |answers| Flow::example(17, at("10.244.0.9:4000"), at("10.96.0.9:53"), at(answers));
        let conntrack = FakeConntrack::new(vec![flow("10.244.0.2:53"), flow("10.244.0.3:53")]);
        forget(&conntrack, &moved).expect("forget");
        assert_eq!(conntrack.flows(Family::V4, 17).expect("flows"), [flow("10.244.0.3:53")]);
    }

    #[test]
    fn tcp_and_equal_actions_leave_nothing_behind() {
        let udp = Frontend { target: Target::Node(Family::V4), protocol: Protocol::Udp, port: 1 };
        let tcp = Frontend { protocol: Protocol::Tcp, ..udp };
        let (one, two) = (spread(&["10.0.0.1:1"]), spread(&["10.0.0.1:1", "10.0.0.2:1"]));
        assert_eq!(Moved::between(tcp, Some(&one), None), None);
        assert_eq!(Moved::between(udp, Some(&one), Some(&one)), None);
        assert_eq!(Moved::between(udp, Some(&one), Some(&two)), None, "one more takes nothing away");
        assert!(Moved::between(udp, Some(&one), None).is_some());
    }
}
