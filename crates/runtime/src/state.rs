//! What a container's state is and becomes: pure. News comes from two sides, the answer to a launch and the
//! supervisor's events, in any order; a state never goes back.

use crate::record::Outcome;
use corten_node_api::cri::{ContainerState as CriState, ContainerUser, LinuxContainerUser};
use corten_pod::protocol::{Exit, Launched};

/// Exit code of a container that could not be started, as containerd has it.
pub const START_ERROR: i32 = 128;
/// Exit code of what was killed by SIGKILL.
pub const KILLED: i32 = 137;

/// Where a container stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// What became of it so far.
    pub outcome: Outcome,
    /// Whether it is being started.
    pub starting: bool,
    /// Whether it is being removed.
    pub removing: bool,
}

impl State {
    /// As CRI names it.
    pub fn cri(&self) -> CriState {
        if self.has_ended() {
            CriState::ContainerExited
        } else if self.outcome.started_at != 0 {
            CriState::ContainerRunning
        } else {
            CriState::ContainerCreated
        }
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        self.cri() == CriState::ContainerRunning
    }

    /// Whether it ran, or was to run, and no longer does.
    pub fn has_ended(&self) -> bool {
        self.outcome.finished_at != 0
    }

    /// Whether it never was started.
    pub fn is_created(&self) -> bool {
        self.cri() == CriState::ContainerCreated
    }

    /// It runs. Returns whether that is news.
    pub fn launched(&mut self, launched: &Launched) -> bool {
        self.starting = false;
        if self.outcome.started_at != 0 || self.has_ended() {
            return false;
        }
        self.outcome.pid = launched.pid;
        self.outcome.uid = launched.uid;
        self.outcome.gid = launched.gid;
        self.outcome.groups = launched.groups.clone();
        // Zero stands for never.
        self.outcome.started_at = launched.started_at.max(1);
        true
    }

    /// It has ended. Returns whether that is news.
    pub fn exited(&mut self, exit: &Exit) -> bool {
        let reason = match exit.code {
            _ if exit.out_of_memory => "OOMKilled",
            0 => "Completed",
            _ => "Error",
        };
        self.end(exit.code, exit.finished_at, reason, String::new())
    }

    /// It could not be started.
    pub fn failed(&mut self, message: String, now: i64) -> bool {
        self.starting = false;
        self.end(START_ERROR, now, "StartError", message)
    }

    /// Its supervisor is gone, and so is it: what had not ended was killed.
    pub fn lost(&mut self, now: i64) -> bool {
        if self.outcome.started_at == 0 {
            return false;
        }
        let message = "the pod's supervisor ended, and its containers were killed";
        self.end(KILLED, now, "Error", message.to_owned())
    }

    fn end(&mut self, code: i32, at: i64, reason: &str, message: String) -> bool {
        if self.has_ended() {
            return false;
        }
        self.outcome.exit_code = code;
        // Never before its start, whatever the clock was set to meanwhile.
        self.outcome.finished_at = at.max(self.outcome.started_at).max(1);
        self.outcome.reason = reason.to_owned();
        self.outcome.message = message;
        true
    }

    /// As whom it runs, once that is known.
    pub fn user(&self) -> Option<ContainerUser> {
        let outcome = &self.outcome;
        (outcome.pid != 0).then(|| ContainerUser {
            linux: Some(LinuxContainerUser {
                uid: i64::from(outcome.uid),
                gid: i64::from(outcome.gid),
                supplemental_groups: outcome.groups.iter().map(|g| i64::from(*g)).collect(),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launched() -> Launched {
        Launched { pid: 9, uid: 1, gid: 2, groups: vec![2, 3], started_at: 100 }
    }

    fn exit(code: i32, out_of_memory: bool) -> Exit {
        Exit { code, signal: 0, out_of_memory, finished_at: 200 }
    }

    #[test]
    fn news_in_either_order_ends_in_the_same_state() {
        let mut usual = State { starting: true, ..State::default() };
        assert_eq!(usual.cri(), CriState::ContainerCreated);
        assert!(usual.launched(&launched()) && usual.is_running() && !usual.starting);
        assert!(!usual.launched(&launched()), "twice is no news");
        assert!(usual.exited(&exit(0, false)) && usual.has_ended());
        assert!(!usual.exited(&exit(1, false)), "an end is final");
        // The event brings start and end together, before the answer to the launch is read.
        let mut quick = State { starting: true, ..State::default() };
        assert!(quick.launched(&launched()) && quick.exited(&exit(0, false)));
        assert!(!quick.launched(&launched()));
        assert_eq!(usual, quick);
    }

    #[test]
    fn reasons_as_the_kubelet_knows_them() {
        for (exit, reason) in
            [(exit(0, false), "Completed"), (exit(3, false), "Error"), (exit(KILLED, true), "OOMKilled")]
        {
            let mut state = State::default();
            state.launched(&launched());
            state.exited(&exit);
            assert_eq!((state.outcome.reason.as_str(), state.outcome.exit_code), (reason, exit.code));
        }
        let mut state = State::default();
        assert!(state.failed("no such file".into(), 5));
        assert_eq!((state.outcome.exit_code, state.outcome.reason.as_str()), (128, "StartError"));
        assert_eq!(state.cri(), CriState::ContainerExited);
    }

    #[test]
    fn what_never_ran_is_not_lost_with_its_supervisor() {
        let mut state = State::default();
        assert!(!state.lost(7) && state.is_created());
        state.launched(&launched());
        // The clock was set back: an end is not before its beginning.
        assert!(state.lost(7));
        assert_eq!((state.outcome.exit_code, state.outcome.finished_at), (KILLED, 100));
    }
}
