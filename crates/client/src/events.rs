//! Events: what happened to an object, for people to read. Equal ones are counted instead of repeated.

use crate::{Client, PatchType};
use corten_api::core::v1::{Event, EventSource, ObjectReference};
use corten_api::{Object, Time};
use corten_rt::{Clock, Tasks};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Waiting events beyond this are dropped: events inform, they must not hold up work.
const WAITING: usize = 1000;
/// How long an equal event is counted on before a new one is written.
const SAME_FOR: Duration = Duration::from_secs(600);

/// Writes events in the name of one component. Cheap to clone.
#[derive(Clone)]
pub struct EventRecorder {
    queue: mpsc::Sender<Note>,
}

struct Note {
    about: ObjectReference,
    kind: &'static str,
    reason: String,
    message: String,
    /// What tells whether another is equal to it; the message when `None`.
    same: Option<String>,
    annotations: BTreeMap<String, String>,
}

impl EventRecorder {
    /// A recorder for `component` (`kubelet` with the node's name as host, `default-scheduler`, ...).
    pub fn start(client: Client, component: &str, host: &str, clock: Clock, tasks: &Tasks) -> Self {
        let (queue, notes) = mpsc::channel(WAITING);
        let writer = Writer {
            client,
            source: EventSource { component: component.into(), host: host.into() },
            clock,
            written: HashMap::new(),
        };
        tasks.spawn_until_stopped("events", writer.run(notes));
        EventRecorder { queue }
    }

    /// A recorder whose events go nowhere, for tests.
    pub fn discarding() -> Self {
        EventRecorder { queue: mpsc::channel(1).0 }
    }

    /// Something went as it should.
    pub fn normal(&self, object: &dyn Object, reason: &str, message: impl Into<String>) {
        self.note(reference(object), "Normal", reason, message.into());
    }

    /// Something a person should know.
    pub fn warning(&self, object: &dyn Object, reason: &str, message: impl Into<String>) {
        self.note(reference(object), "Warning", reason, message.into());
    }

    /// An event about a reference, such as one with a field path (`spec.containers{web}`).
    pub fn note(&self, about: ObjectReference, kind: &'static str, reason: &str, message: String) {
        self.send(Note {
            about,
            kind,
            reason: reason.into(),
            message,
            same: None,
            annotations: BTreeMap::new(),
        });
    }

    /// An event about something that goes on: of those with the same `story` the last message stands, in one
    /// event that counts them.
    pub fn follow(&self, about: ObjectReference, reason: &str, story: &str, message: String) {
        let same = Some(story.to_string());
        let annotations = BTreeMap::new();
        self.send(Note { about, kind: "Normal", reason: reason.into(), message, same, annotations });
    }

    fn send(&self, note: Note) {
        if self.queue.try_send(note).is_err() {
            tracing::debug!("an event was dropped");
        }
    }
}

/// A reference to an object, as events carry it.
pub fn reference(object: &dyn Object) -> ObjectReference {
    let (meta, info) = (object.meta(), object.info());
    ObjectReference {
        kind: info.kind.into(),
        api_version: info.api_version(),
        namespace: meta.namespace.clone(),
        name: meta.name.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        ..ObjectReference::default()
    }
}

type Same = (String, String, &'static str, String, String);

struct Writer {
    client: Client,
    source: EventSource,
    clock: Clock,
    written: HashMap<Same, (Arc<Event>, corten_rt::Instant)>,
}

impl Writer {
    async fn run(mut self, mut notes: mpsc::Receiver<Note>) {
        while let Some(note) = notes.recv().await {
            let same: Same = (
                note.about.uid.clone(),
                note.about.field_path.clone(),
                note.kind,
                note.reason.clone(),
                note.same.clone().unwrap_or_else(|| note.message.clone()),
            );
            self.written.retain(|_, (_, at)| at.elapsed() < SAME_FOR);
            let outcome = match self.written.get(&same).cloned() {
                Some((event, _)) => match self.count_on(&event, &note.message).await {
                    Err(e) if e.is_not_found() => self.write(&note).await,
                    other => other,
                },
                None => self.write(&note).await,
            };
            match outcome {
                Ok(event) => {
                    self.written.insert(same, (event, corten_rt::Instant::now()));
                }
                Err(error) => tracing::debug!(%error, reason = note.reason, "an event was not written"),
            }
        }
    }

    async fn write(&self, note: &Note) -> corten_semantics::ApiResult<Arc<Event>> {
        let now = Time::new(self.clock.now());
        let namespace = if note.about.namespace.is_empty() { "default" } else { &note.about.namespace };
        let mut event = Event {
            involved_object: note.about.clone(),
            reason: note.reason.clone(),
            message: note.message.clone(),
            type_: note.kind.into(),
            source: self.source.clone(),
            reporting_component: self.source.component.clone(),
            reporting_instance: self.source.host.clone(),
            first_timestamp: Some(now),
            last_timestamp: Some(now),
            count: 1,
            ..Event::default()
        };
        event.metadata.namespace = namespace.into();
        event.metadata.name = format!("{}.{:x}", note.about.name, self.clock.now().as_nanosecond());
        event.metadata.annotations = note.annotations.clone();
        self.client.namespaced::<Event>(namespace).create(event).await
    }

    async fn count_on(&self, event: &Event, message: &str) -> corten_semantics::ApiResult<Arc<Event>> {
        let now = Time::new(self.clock.now()).to_string();
        let mut patch = serde_json::json!({ "count": event.count + 1, "lastTimestamp": now });
        if event.message != message {
            patch["message"] = message.into();
        }
        let patch = patch.to_string().into_bytes();
        self.client.beside(event).patch(&event.metadata.name, PatchType::Merge, patch).await
    }
}
