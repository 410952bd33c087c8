//! The second round of mutation: when something outside changed the object, all checks run once more, and of
//! webhooks and policies those that ran before the change and wish to.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is known of the rounds of one request.
#[derive(Debug, Default)]
pub struct Reinvocation {
    wanted: AtomicBool,
    second: AtomicBool,
    /// The webhooks that ran.
    pub webhooks: Rounds,
    /// The policies that ran.
    pub policies: Rounds,
}

impl Reinvocation {
    /// Asks for the second round.
    pub fn ask(&self) {
        self.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether this is the second round.
    pub fn is_second(&self) -> bool {
        self.second.load(Ordering::Relaxed)
    }

    /// Begins the second round, if somebody asked for it.
    pub(crate) fn begin_second(&self) -> bool {
        let wanted = self.wanted.load(Ordering::Relaxed);
        self.second.store(wanted, Ordering::Relaxed);
        wanted
    }
}

/// Those of one sort that ran, and those of them that are to run again.
#[derive(Debug, Default)]
pub struct Rounds(Mutex<Run>);

#[derive(Debug, Default)]
struct Run {
    ran: BTreeSet<String>,
    again: BTreeSet<String>,
    /// The object after the sort's last run, as JSON; kept only when somebody may run again.
    left: Option<Vec<u8>>,
}

impl Rounds {
    /// One that may run again has run.
    pub fn ran(&self, who: &str) {
        self.with(|run| run.ran.insert(who.to_string()));
    }

    /// The object changed: all that ran are to run again.
    pub fn changed(&self) {
        self.with(|run| {
            let ran = std::mem::take(&mut run.ran);
            run.again.extend(ran);
        });
    }

    /// Whether that one is to run again.
    pub fn again(&self, who: &str) -> bool {
        self.with(|run| run.again.contains(who))
    }

    /// Keeps the object as the sort leaves it, if somebody might want to see a later change of it.
    pub fn leave(&self, object: impl FnOnce() -> Vec<u8>) {
        self.with(|run| run.left = (!run.ran.is_empty()).then(object));
    }

    /// Whether the object has changed since the sort left it.
    pub fn differs(&self, object: impl FnOnce() -> Vec<u8>) -> bool {
        self.with(|run| run.left.as_ref().is_some_and(|left| *left != object()))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Run) -> R) -> R {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_before_a_change_run_again() {
        let rounds = Rounds::default();
        rounds.ran("a");
        rounds.changed();
        rounds.ran("b");
        assert_eq!((rounds.again("a"), rounds.again("b"), rounds.again("c")), (true, false, false));
        rounds.leave(|| b"1".to_vec());
        assert_eq!((rounds.differs(|| b"1".to_vec()), rounds.differs(|| b"2".to_vec())), (false, true));
    }

    #[test]
    fn there_is_a_second_round_only_for_who_asks() {
        let rounds = Reinvocation::default();
        assert!(!rounds.begin_second() && !rounds.is_second());
        rounds.ask();
        assert!(rounds.begin_second() && rounds.is_second());
    }
}
