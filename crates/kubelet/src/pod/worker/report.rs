//! Telling the API how the pod is.

use super::*;
use crate::pod::names;

/// How long operations may go on before the status tells of what they have done so far: most pods are up by
/// then, and a single write tells it.
const HOLD: Duration = Duration::from_millis(100);

/// What became of a write.
#[derive(Debug)]
pub enum Outcome {
    /// The status, and the pod that has it.
    Written(Box<PodStatus>, Arc<Pod>),
    /// The pod has changed since; this is how it is now.
    Changed(Arc<Pod>),
    Gone,
    Failed,
}

/// What was told so far.
#[derive(Default)]
pub(super) struct Reporter {
    /// A write is under way.
    pub writing: bool,
    written: Option<PodStatus>,
    /// The UID of the mirror that was told.
    mirror: Option<String>,
    failed: bool,
    /// The API has what there is to tell.
    pub settled: bool,
}

impl Worker {
    /// Writes the status, beside the worker's loop, if it differs from what the API has. Tells when to look
    /// again if that has to wait.
    pub(super) fn report(&mut self, actions: &[Action], now: Timestamp) -> Option<Duration> {
        if self.forgotten {
            self.reporter.settled = true;
            return None;
        }
        // Now: the files go when the pod has ended.
        self.read_words();
        if self.reporter.writing {
            return None;
        }
        let around = Surroundings {
            host_ip: self.shared.host_ip.clone(),
            runtime: self.shared.runtime.clone(),
            last_words: self.words.clone(),
            recursive_read_only: self.shared.features.known().recursive_read_only(""),
        };
        let wanted = status::status(&self.pod, &self.observed, &self.memory, &around, now);
        let shown = self.shown(&wanted)?;
        self.reporter.settled = wanted == shown.status || self.reporter.written.as_ref() == Some(&wanted);
        if self.reporter.settled {
            return None;
        }
        if let Some(wait) = self.hold(actions) {
            return Some(wait);
        }
        if std::mem::take(&mut self.reporter.failed) {
            return Some(TROUBLE);
        }
        self.reporter.writing = true;
        let api = self.shared.client.beside(&*shown);
        let mut changed = (*shown).clone();
        changed.status = wanted.clone();
        let (uid, tell) = (shown.metadata.uid.clone(), self.tell.clone());
        self.tasks.spawn_until_stopped("pod status", async move {
            let name = changed.metadata.name.clone();
            let outcome = match Box::pin(api.update_status(changed)).await {
                Ok(pod) => Outcome::Written(Box::new(wanted), pod),
                Err(e) if e.is_not_found() => Outcome::Gone,
                Err(e) if e.is_conflict() => match api.get(&name).await {
                    Ok(fresh) if fresh.metadata.uid == uid => Outcome::Changed(fresh),
                    Ok(_) => Outcome::Gone,
                    Err(e) if e.is_not_found() => Outcome::Gone,
                    Err(_) => Outcome::Failed,
                },
                Err(error) => {
                    tracing::debug!(pod = name, %error, "a status was not written");
                    Outcome::Failed
                }
            };
            let _ = tell.send(Told::Written(outcome));
        });
        None
    }

    /// The pod as the API has it: of a static pod its mirror, if there is one.
    fn shown(&mut self, wanted: &PodStatus) -> Option<Arc<Pod>> {
        if !names::is_static(&self.pod) {
            return Some(self.pod.clone());
        }
        // What a static pod is like is known here alone.
        if self.pod.status != *wanted {
            Arc::make_mut(&mut self.pod).status = wanted.clone();
        }
        let mirror = self.shared.pods.get(&Key::of(&*self.pod));
        let uid = Some(&self.pod.metadata.uid);
        let mirror = mirror.filter(|m| m.metadata.annotations.get(names::CONFIG_MIRROR) == uid);
        if self.reporter.mirror != mirror.as_ref().map(|m| m.metadata.uid.clone()) {
            self.reporter.mirror = mirror.as_ref().map(|m| m.metadata.uid.clone());
            self.reporter.written = None;
        }
        self.reporter.settled |= mirror.is_none();
        mirror
    }

    /// How long the status may wait because more is about to happen.
    fn hold(&mut self, actions: &[Action]) -> Option<Duration> {
        let starts = |a: &Action| {
            matches!(a, Action::Mount | Action::StartSandbox { .. } | Action::StartContainer { .. })
        };
        if is_terminating(&self.pod) || (self.operation.is_none() && !actions.iter().any(starts)) {
            self.busy = None;
            return None;
        }
        let since = self.busy.get_or_insert_with(Instant::now).elapsed();
        HOLD.checked_sub(since).filter(|left| !left.is_zero())
    }

    /// Takes up what became of a write.
    pub(super) fn reported(&mut self, outcome: Outcome) {
        self.reporter.writing = false;
        if names::is_static(&self.pod) {
            match outcome {
                Outcome::Written(status, _) => self.reporter.written = Some(*status),
                Outcome::Failed => self.reporter.failed = true,
                // The mirror will be seen as it is now.
                Outcome::Changed(_) | Outcome::Gone => {}
            }
            return;
        }
        match outcome {
            Outcome::Written(status, pod) => {
                self.reporter.written = Some(*status);
                self.take(pod);
            }
            Outcome::Changed(pod) => self.take(pod),
            Outcome::Gone => self.forgotten = true,
            Outcome::Failed => self.reporter.failed = true,
        }
    }

    /// Reads what ended containers left as their termination messages: once, since they say no more.
    fn read_words(&mut self) {
        let ended: Vec<&observed::Seen> =
            self.observed.containers.iter().filter(|c| c.exit_code().is_some()).collect();
        self.words.retain(|id, _| ended.iter().any(|c| c.id == *id));
        for seen in ended {
            if !self.words.contains_key(&seen.id) {
                self.words.insert(seen.id.clone(), self.words_of(seen).unwrap_or_default());
            }
        }
    }

    fn words_of(&self, seen: &observed::Seen) -> Option<String> {
        let (file, logs) = status::last_words_of(seen)?;
        let log = super::super::names::Places::container_log(&seen.name, seen.attempt);
        let log = self.shared.places.pod_logs(&self.pod).join(log);
        let words = read_end(file.as_ref(), 4096).filter(|w| !w.is_empty());
        // An ended pod's files are gone; the status still has what they said.
        let words = words.or_else(|| status::known_words(&self.pod, &seen.id).filter(|w| !w.is_empty()));
        words.or_else(|| logs.then(|| crate::logs::last_lines(&log, 80, 2048)))
    }
}

fn read_end(file: &std::path::Path, most: usize) -> Option<String> {
    let bytes = std::fs::read(file).ok()?;
    Some(String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(most)..]).into_owned())
}
