//! What of a pod that lives on is no longer needed: ended containers of which there are newer ones, and ended
//! sandboxes (upstream's container garbage collection).

use super::names::Places;
use super::observed::{Observed, Seen, SeenState};
use super::plan::Action;
use crate::Settings;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// An ended container that is not needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    pub id: String,
    /// Its log, in the directory of its pod's.
    pub log: PathBuf,
}

/// What to remove, and when there will be more. Of each container the newest always stays: from it follows what
/// is next. Of the others as many ended ones stay as the settings say, for status and `logs --previous`.
pub fn collect(
    observed: &Observed,
    settings: &Settings,
    now: Timestamp,
) -> (Option<Action>, Option<Duration>) {
    let (old, again) = old_containers(observed, settings, now);
    let newest = observed.sandboxes.first().map(|s| &s.id);
    let holds = |id: &str| {
        let left = |c: &&Seen| !old.iter().any(|o| o.id == c.id);
        observed.containers.iter().filter(left).any(|c| c.sandbox == id)
    };
    let empty = observed.sandboxes.iter().filter(|s| !s.ready && Some(&s.id) != newest && !holds(&s.id));
    let sandboxes: Vec<String> = empty.map(|s| s.id.clone()).collect();
    let some = !old.is_empty() || !sandboxes.is_empty();
    let leftover = |c: &&Seen| Leftover { id: c.id.clone(), log: Places::container_log(&c.name, c.attempt) };
    let containers = old.iter().map(leftover).collect();
    (some.then_some(Action::Collect { containers, sandboxes }), again)
}

fn old_containers<'a>(
    observed: &'a Observed,
    settings: &Settings,
    now: Timestamp,
) -> (Vec<&'a Seen>, Option<Duration>) {
    let Some(keep) = settings.most_dead_per_container else { return (Vec::new(), None) };
    let mut attempts: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for c in &observed.containers {
        attempts.entry(&c.name).or_default().push(c);
    }
    let (mut old, mut again) = (Vec::new(), None);
    for of_one in attempts.values_mut() {
        of_one.sort_by_key(|s| std::cmp::Reverse(s.attempt));
        let ended = of_one.iter().skip(1).filter_map(|c| match &c.state {
            SeenState::Exited { started, finished, .. } => Some((c, started.unwrap_or(*finished))),
            _ => None,
        });
        for (c, since) in ended.skip(keep) {
            let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
            match settings.minimum_container_age.checked_sub(age).filter(|left| !left.is_zero()) {
                None => old.push(*c),
                Some(left) => again = Some(again.map_or(left, |a: Duration| a.min(left))),
            }
        }
    }
    (old, again)
}

#[cfg(test)]
mod tests {
    use super::super::observed::Sandbox;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    /// `b2x` is the third run of `b`, which has ended and began at 2; it ran in the sandbox `s2`.
    fn seen(text: &str) -> Seen {
        let attempt: u32 = text[1..2].parse().expect("a number");
        let since = at(i64::from(attempt));
        let state = match text.ends_with('x') {
            true => SeenState::Exited {
                code: 1,
                reason: String::new(),
                message: String::new(),
                started: Some(since),
                finished: at(100),
            },
            false => SeenState::Running { since },
        };
        Seen {
            id: text.into(),
            sandbox: format!("s{attempt}"),
            name: text[..1].into(),
            attempt,
            state,
            image: String::new(),
            image_id: String::new(),
            annotations: Default::default(),
            user: None,
        }
    }

    #[test]
    fn a_few_ended_containers_stay() {
        for (keep, age, now, containers, removed, wait) in [
            (Some(1), 0, 100, "a0x a1x a2", "a0x s0", None),
            (Some(1), 0, 100, "a0x a1x a2x", "a0x s0", None),
            (Some(0), 0, 100, "a0x a1x a2x b0", "a1x a0x s1", None),
            (Some(2), 0, 100, "a0x a1x a2", "", None),
            (None, 0, 100, "a0x a1x a2", "", None),
            (Some(0), 100, 100, "a0x a1x a2", "a0x s0", Some(1)),
            (Some(1), 0, 100, "b2 c1x c2", "s0", None),
            (Some(1), 0, 100, "b0x b1 b2", "", None),
        ] {
            let settings = Settings {
                most_dead_per_container: keep,
                minimum_container_age: Duration::from_secs(age),
                ..Settings::default()
            };
            let sandboxes = [2, 1, 0].map(|n| Sandbox {
                id: format!("s{n}"),
                attempt: n,
                ready: n == 2,
                ips: Vec::new(),
            });
            let observed = Observed {
                sandboxes: sandboxes.to_vec(),
                containers: containers.split(' ').map(seen).collect(),
            };
            let (action, again) = collect(&observed, &settings, at(now));
            let got: Vec<String> = match action {
                Some(Action::Collect { containers, sandboxes }) => {
                    assert!(containers.iter().all(|c| c.log.starts_with(&c.id[..1])), "{containers:?}");
                    containers.into_iter().map(|c| c.id).chain(sandboxes).collect()
                }
                _ => Vec::new(),
            };
            assert_eq!(got.join(" "), removed, "{keep:?} {containers}");
            assert_eq!(again, wait.map(Duration::from_secs), "{keep:?} {containers}");
        }
    }
}
