use super::*;
use crate::pod::memory::Waiting;
use crate::pod::observed::Sandbox;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("in range")
}

fn pod(policy: &str) -> Pod {
    let mut pod = Pod::default();
    pod.spec.restart_policy = policy.into();
    pod.spec.containers = vec![Container { name: "a".into(), ..Container::default() }];
    pod
}

fn seen(attempt: u32, state: SeenState) -> Seen {
    Seen {
        id: format!("a{attempt}"),
        sandbox: "s".into(),
        name: "a".into(),
        attempt,
        state,
        image: String::new(),
        image_id: String::new(),
        annotations: Default::default(),
        user: None,
    }
}

fn exited(code: i32) -> SeenState {
    SeenState::Exited {
        code,
        reason: String::new(),
        message: String::new(),
        started: Some(at(1)),
        finished: at(2),
    }
}

fn look(pod: &Pod, containers: Vec<Seen>) -> PodStatus {
    let sandboxes = vec![Sandbox { id: "s".into(), attempt: 0, ready: true, ips: vec!["10.0.0.5".into()] }];
    let observed = Observed { sandboxes, containers };
    status(pod, &observed, &Memory::new(at(0)), &Surroundings::default(), at(10))
}

fn condition<'a>(s: &'a PodStatus, kind: &str) -> (&'a str, &'a str) {
    s.conditions.iter().find(|c| c.type_ == kind).map(|c| (c.status.as_str(), c.reason.as_str())).expect(kind)
}

#[test]
fn phases_follow_the_containers() {
    let running = SeenState::Running { since: at(1) };
    for (policy, state, want) in [
        ("Always", None, "Pending"),
        ("Always", Some(running.clone()), "Running"),
        ("Always", Some(exited(1)), "Running"),
        ("Never", Some(exited(1)), "Failed"),
        ("Never", Some(exited(0)), "Succeeded"),
        ("OnFailure", Some(exited(1)), "Running"),
        ("OnFailure", Some(exited(0)), "Succeeded"),
    ] {
        let got = look(&pod(policy), state.iter().cloned().map(|s| seen(0, s)).collect());
        assert_eq!(got.phase, want, "{policy} {state:?}");
    }
}

#[test]
fn a_running_pod_is_ready_and_has_its_address() {
    let s = look(&pod("Always"), vec![seen(0, SeenState::Running { since: at(1) })]);
    assert_eq!(condition(&s, "Ready"), ("True", ""));
    assert_eq!(condition(&s, "PodReadyToStartContainers"), ("True", ""));
    assert_eq!(s.pod_ip, "10.0.0.5");
    let s = look(&pod("Always"), vec![]);
    assert_eq!(condition(&s, "Ready"), ("False", "ContainersNotReady"));
}

#[test]
fn a_restarted_container_shows_its_former_end() {
    let s = look(&pod("Always"), vec![seen(1, SeenState::Running { since: at(5) }), seen(0, exited(3))]);
    let c = &s.container_statuses[0];
    assert_eq!(c.restart_count, 1);
    assert_eq!(c.last_state.terminated.as_ref().map(|t| t.exit_code), Some(3));
}

#[test]
fn what_is_to_start_again_shows_its_end_until_it_has_to_wait() {
    let mut memory = Memory::new(at(0));
    let look = |memory: &Memory| {
        let observed = Observed { sandboxes: vec![], containers: vec![seen(0, exited(1))] };
        let s = status(&pod("Always"), &observed, memory, &Surroundings::default(), at(10));
        let c = &s.container_statuses[0];
        let waits = c.state.waiting.as_ref().map(|w| w.reason.clone()).unwrap_or_default();
        (s.phase, waits, c.state.terminated.is_some(), c.last_state.terminated.is_some())
    };
    assert_eq!(look(&memory), ("Running".into(), "".into(), true, false));
    let waiting = Waiting { reason: "ErrImagePull".into(), message: "none".into(), until: at(20), times: 1 };
    memory.waiting.insert("a".into(), waiting);
    assert_eq!(look(&memory), ("Running".into(), "ErrImagePull".into(), false, true));
}

#[test]
fn before_it_is_made_a_container_waits_for_the_first_ones() {
    let reasons = |pod: &Pod| -> Vec<String> {
        let s = look(pod, vec![]);
        let all = s.init_container_statuses.iter().chain(&s.container_statuses);
        all.flat_map(|c| c.state.waiting.as_ref()).map(|w| w.reason.clone()).collect()
    };
    let mut p = pod("Always");
    assert_eq!(reasons(&p), ["ContainerCreating"]);
    p.spec.init_containers = vec![Container { name: "i".into(), ..Container::default() }];
    assert_eq!(reasons(&p), ["PodInitializing", "PodInitializing"]);
}

#[test]
fn the_phase_never_goes_back() {
    let mut p = pod("Never");
    p.status.phase = "Failed".into();
    assert_eq!(look(&p, vec![seen(0, SeenState::Running { since: at(1) })]).phase, "Failed");
    p.status.phase = "Running".into();
    assert_eq!(look(&p, vec![]).phase, "Running");
}

#[test]
fn a_phase_is_final_only_when_nothing_runs() {
    let mut memory = Memory::new(at(0));
    memory.failed = Some(("DeadlineExceeded".into(), "late".into()));
    let look = |state: SeenState| {
        let observed = Observed { sandboxes: vec![], containers: vec![seen(0, state)] };
        let s = status(&pod("Always"), &observed, &memory, &Surroundings::default(), at(10));
        (s.phase, s.reason)
    };
    assert_eq!(look(SeenState::Running { since: at(1) }), ("Running".into(), "".into()));
    assert_eq!(look(exited(137)), ("Failed".into(), "DeadlineExceeded".into()));
}

#[test]
fn a_containers_own_policy_ends_its_pod_whatever_the_pods() {
    let mut p = pod("Always");
    p.spec.containers[0].restart_policy = Some("Never".into());
    assert_eq!(look(&p, vec![seen(0, exited(1))]).phase, "Failed");
    assert_eq!(look(&p, vec![seen(0, exited(0))]).phase, "Succeeded");
    p.spec.containers.push(Container { name: "b".into(), ..Container::default() });
    let other = Seen { name: "b".into(), id: "b0".into(), ..seen(0, exited(1)) };
    assert_eq!(look(&p, vec![seen(0, exited(0)), other]).phase, "Running");
}

#[test]
fn a_change_of_resources_shows_what_a_container_has_and_where_it_stands() {
    use crate::pod::allocation::{Resize, Stage};
    let cpu = |milli| [("cpu".to_string(), corten_api::Quantity::milli(milli))].into();
    let mut p = pod("Always");
    p.spec.containers[0].resources.requests = cpu(200);
    let mut memory = Memory::new(at(0));
    let has = ResourceRequirements { requests: cpu(100), ..Default::default() };
    memory.held.insert("a0".into(), has.clone());
    let stage = Stage { generation: 2, ..Stage::default() };
    memory.resize = Resize { pending: None, progress: Some(stage) };
    let observed =
        Observed { sandboxes: vec![], containers: vec![seen(0, SeenState::Running { since: at(1) })] };
    let look = |p: &Pod, memory: &Memory| status(p, &observed, memory, &Surroundings::default(), at(10));
    let s = look(&p, &memory);
    assert_eq!(s.container_statuses[0].resources.as_deref(), Some(&has));
    assert_eq!(s.container_statuses[0].allocated_resources, cpu(200));
    assert_eq!(condition(&s, "PodResizeInProgress"), ("True", ""));
    p.status = s;
    memory.resize = Resize::default();
    assert!(look(&p, &memory).conditions.iter().all(|c| !c.type_.starts_with("PodResize")));
}
