//! The whole scheduler against a server of two collections.

use super::*;
use crate::plugins::testing::{node, pod};
use async_trait::async_trait;
use corten_api::Object;
use corten_client::{Answer, Call, Event, Target, Transport, WatchOptions, WatchStream};
use corten_rt::Stop;
use corten_semantics::ApiResult;
use futures::StreamExt;
use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Keeps nodes and pods, answers bindings, and remembers what else was written.
#[derive(Default)]
struct Server {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    revision: u64,
    objects: BTreeMap<(&'static str, String), Arc<dyn Object>>,
    watchers: Vec<(&'static str, mpsc::UnboundedSender<ApiResult<Event>>)>,
    events: Vec<String>,
    conditions: Vec<String>,
    refuse_bindings: usize,
}

impl Server {
    fn put(&self, mut object: impl corten_api::Kind) {
        let mut state = self.state.lock();
        state.revision += 1;
        object.meta_mut().resource_version = state.revision.to_string();
        let (kind, object): (_, Arc<dyn Object>) = (object.info().kind, Arc::new(object));
        state.objects.insert((kind, object.meta().name.clone()), object.clone());
        state.tell(kind, || Event::Modified(object.clone()));
    }

    fn delete(&self, kind: &'static str, name: &str) {
        let mut state = self.state.lock();
        if let Some(object) = state.objects.remove(&(kind, name.to_string())) {
            state.tell(kind, || Event::Deleted(object.clone()));
        }
    }

    fn node_of(&self, name: &str) -> String {
        let state = self.state.lock();
        let pod = state.objects.get(&("Pod", name.to_string())).and_then(|o| o.downcast_ref::<Pod>());
        pod.map(|p| p.spec.node_name.clone()).unwrap_or_default()
    }

    async fn until(&self, what: &str, done: impl Fn(&Server) -> bool) {
        for _ in 0..2000 {
            if done(self) {
                return;
            }
            corten_rt::sleep(Duration::from_millis(10)).await;
        }
        panic!("not in time: {what}; events {:?}", self.state.lock().events);
    }
}

impl State {
    fn tell(&mut self, kind: &str, event: impl Fn() -> Event) {
        self.watchers.retain(|(k, w)| *k != kind || w.send(Ok(event())).is_ok());
    }
}

#[async_trait]
impl Transport for Server {
    async fn call(&self, target: Target, call: Call) -> ApiResult<Answer> {
        match (call, target.subresource) {
            (Call::Create(body, _), "binding") => {
                let node =
                    body.downcast_ref::<corten_api::core::v1::Binding>().map(|b| b.target.name.clone());
                let bound = {
                    let mut state = self.state.lock();
                    if state.refuse_bindings > 0 {
                        state.refuse_bindings -= 1;
                        return Err(ApiError::internal("no"));
                    }
                    let pod = state.objects.get(&("Pod", target.name)).and_then(|o| o.downcast_ref::<Pod>());
                    let mut pod = pod.ok_or_else(|| ApiError::internal("no such pod"))?.clone();
                    pod.spec.node_name = node.unwrap_or_default();
                    pod
                };
                self.put(bound);
            }
            (Call::Create(body, _), "") => {
                if let Some(event) = body.downcast_ref::<corten_api::core::v1::Event>() {
                    let text = format!("{}: {}", event.reason, event.message);
                    self.state.lock().events.push(text);
                    return Ok(Answer::Object(body));
                }
            }
            (Call::Patch(_, patch, _), "status") => {
                let mut state = self.state.lock();
                state.conditions.push(String::from_utf8_lossy(&patch).into_owned());
                let object = state.objects.get(&("Pod", target.name)).cloned();
                return object.map(Answer::Object).ok_or_else(|| ApiError::internal("no such pod"));
            }
            (Call::Delete(options), "") => {
                assert!(options.preconditions.is_some(), "only this very pod");
                self.delete("Pod", &target.name);
            }
            _ => {}
        }
        Ok(Answer::Done)
    }

    async fn watch(&self, target: Target, _: WatchOptions) -> ApiResult<WatchStream> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut state = self.state.lock();
        for ((kind, _), object) in &state.objects {
            if *kind == target.kind.kind {
                let _ = sender.send(Ok(Event::Added(object.clone())));
            }
        }
        let resource_version = state.revision.to_string();
        let _ = sender.send(Ok(Event::Bookmark { resource_version, initial_end: true }));
        state.watchers.push((target.kind.kind, sender));
        Ok(futures::stream::poll_fn(move |context| receiver.poll_recv(context)).boxed())
    }
}

struct Running {
    server: Arc<Server>,
    tasks: Tasks,
}

fn running(nodes: Vec<Node>) -> Running {
    let server = Arc::new(Server::default());
    nodes.into_iter().for_each(|node| server.put(node));
    let tasks = Tasks::new(Stop::new());
    let client = Client::new(server.clone());
    let informers = Informers::new(client.clone(), tasks.clone());
    start(Config::default(), client, informers, Clock::system(), &tasks);
    Running { server, tasks }
}

impl Running {
    async fn end(self) {
        assert!(self.tasks.shutdown(Duration::from_secs(5)).await, "all tasks ended");
    }
}

#[tokio::test(start_paused = true)]
async fn pods_are_bound_and_told_so() {
    let r = running(vec![node("a", 1000), node("b", 1000)]);
    for i in 0..20 {
        r.server.put(pod(&format!("p{i}"), 100));
    }
    r.server.until("all bound", |s| (0..20).all(|i| !s.node_of(&format!("p{i}")).is_empty())).await;
    let on_a = (0..20).filter(|i| r.server.node_of(&format!("p{i}")) == "a").count();
    assert_eq!(on_a, 10, "spread evenly");
    r.server.until("events", |s| s.state.lock().events.len() == 20).await;
    assert!(r.server.state.lock().events[0].starts_with("Scheduled: Successfully assigned default/p"));
    r.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_pod_without_a_node_waits_for_what_helps() {
    let r = running(vec![]);
    r.server.put(pod("p", 600));
    r.server.until("condition", |s| !s.state.lock().conditions.is_empty()).await;
    {
        let state = r.server.state.lock();
        assert_eq!(state.events, ["FailedScheduling: no nodes available to schedule pods"]);
        assert!(state.conditions[0].contains("\"reason\":\"Unschedulable\""), "{:?}", state.conditions);
    }
    r.server.put(node("a", 1000));
    r.server.until("bound to the new node", |s| s.node_of("p") == "a").await;
    r.server.put(pod("q", 600));
    r.server.until("no room", |s| s.state.lock().events.iter().any(|e| e.contains("Insufficient cpu"))).await;
    r.server.delete("Pod", "p");
    r.server.until("takes the room", |s| s.node_of("q") == "a").await;
    r.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_binding_is_tried_again_and_its_room_given_back() {
    let r = running(vec![node("a", 1000)]);
    r.server.state.lock().refuse_bindings = 2;
    let start = Instant::now();
    r.server.put(pod("p", 800));
    r.server.until("bound in the end", |s| s.node_of("p") == "a").await;
    assert!(start.elapsed() >= Duration::from_secs(3), "1 s, then 2 s: {:?}", start.elapsed());
    assert!(r.server.state.lock().conditions[0].contains("SchedulerError"));
    r.end().await;
}

#[tokio::test(start_paused = true)]
async fn pods_that_are_not_ours_gated_or_going_are_left_alone() {
    let r = running(vec![node("a", 1000)]);
    let mut other = pod("other", 0);
    other.spec.scheduler_name = "another".into();
    let mut gated = pod("gated", 0);
    gated.spec.scheduling_gates = vec![corten_api::core::v1::PodSchedulingGate { name: "g".into() }];
    let mut going = pod("going", 0);
    going.metadata.deletion_timestamp = Some(Time::new(Clock::system().now()));
    let mut ended = pod("ended", 0);
    ended.status.phase = "Failed".into();
    for pod in [other, gated.clone(), going, ended, pod("ours", 0)] {
        r.server.put(pod);
    }
    r.server.until("ours is bound", |s| s.node_of("ours") == "a").await;
    for name in ["other", "gated", "going", "ended"] {
        assert_eq!(r.server.node_of(name), "", "{name}");
    }
    gated.spec.scheduling_gates.clear();
    r.server.put(gated);
    r.server.until("the gate is open", |s| s.node_of("gated") == "a").await;
    let skipped = "FailedScheduling: skip schedule deleting pod: default/going";
    r.server.until("skipped", |s| s.state.lock().events.iter().any(|e| e == skipped)).await;
    r.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_important_pod_takes_the_place_of_another() {
    let r = running(vec![node("a", 1000)]);
    r.server.put(pod("small", 800));
    r.server.until("small is bound", |s| s.node_of("small") == "a").await;
    let mut important = pod("important", 800);
    important.spec.priority = Some(100);
    r.server.put(important);
    r.server.until("important is bound", |s| s.node_of("important") == "a").await;
    let wanted = "Preempted: Preempted by pod uid-important on node a";
    r.server.until("told so", |s| s.state.lock().events.iter().any(|e| e == wanted)).await;
    let state = r.server.state.lock().conditions.join(" ");
    assert!(
        state.contains("PreemptionByScheduler") && state.contains("\"nominatedNodeName\":\"a\""),
        "{state}"
    );
    r.end().await;
}
