use super::*;
use crate::pod::memory::{ProbeState, Restart};
use crate::pod::observed::Sandbox;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("in range")
}

fn container(name: &str) -> Container {
    Container { name: name.into(), ..Container::default() }
}

fn pod(policy: &str) -> Pod {
    let mut pod = Pod::default();
    pod.spec.restart_policy = policy.into();
    pod.spec.containers = vec![container("a"), container("b")];
    pod
}

fn memory() -> Memory {
    Memory { mounted: true, ..Memory::new(at(0)) }
}

fn running(name: &str, attempt: u32) -> Seen {
    seen(name, attempt, SeenState::Running { since: at(1) })
}

fn exited(name: &str, attempt: u32, code: i32) -> Seen {
    seen(
        name,
        attempt,
        SeenState::Exited {
            code,
            reason: String::new(),
            message: String::new(),
            started: Some(at(1)),
            finished: at(2),
        },
    )
}

fn seen(name: &str, attempt: u32, state: SeenState) -> Seen {
    Seen {
        id: format!("{name}{attempt}"),
        sandbox: "s".into(),
        name: name.into(),
        attempt,
        state,
        image: String::new(),
        image_id: String::new(),
        annotations: Default::default(),
        user: None,
    }
}

fn up(containers: Vec<Seen>) -> Observed {
    Observed { sandboxes: vec![Sandbox { id: "s".into(), attempt: 0, ready: true, ips: vec![] }], containers }
}

fn words(plan: &Plan) -> Vec<String> {
    plan.actions
        .iter()
        .map(|a| match a {
            Action::Mount => "mount".into(),
            Action::StartSandbox { attempt } => format!("sandbox {attempt}"),
            Action::StopSandbox { id } => format!("stop {id}"),
            Action::StartContainer { name, attempt, .. } => format!("start {name}{attempt}"),
            Action::Kill { id, grace, .. } => format!("kill {id} {}", grace.as_secs()),
            Action::Replace { id, why, .. } => format!("replace {id}: {why}"),
            Action::Remove { id } => format!("remove {id}"),
            Action::Collect { .. } => "collect".into(),
            Action::Resize { changes, .. } => format!("resize {}", changes.len()),
            Action::Finish => "finish".into(),
        })
        .collect()
}

#[test]
fn a_pod_comes_up_step_by_step() {
    let p = pod("Always");
    let look = |o: &Observed, m: &Memory| words(&plan(&p, o, m, at(10)));
    assert_eq!(look(&Observed::default(), &Memory::new(at(0))), ["mount"]);
    assert_eq!(look(&Observed::default(), &memory()), ["sandbox 0"]);
    assert_eq!(look(&up(vec![]), &memory()), ["start a0", "start b0"]);
    assert_eq!(look(&up(vec![running("a", 0)]), &memory()), ["start b0"]);
    assert!(look(&up(vec![running("a", 0), running("b", 0)]), &memory()).is_empty());
}

#[test]
fn init_containers_run_in_order_and_sidecars_stay() {
    let mut p = pod("Always");
    let mut sidecar = container("side");
    sidecar.restart_policy = Some("Always".into());
    p.spec.init_containers = vec![container("i"), sidecar, container("j")];
    let look = |seen: Vec<Seen>| words(&plan(&p, &up(seen), &memory(), at(10)));
    assert_eq!(look(vec![]), ["start i0"]);
    assert!(look(vec![running("i", 0)]).is_empty());
    assert_eq!(look(vec![exited("i", 0, 1)]), ["start i1"]);
    assert_eq!(look(vec![exited("i", 0, 0)]), ["start side0"]);
    assert_eq!(look(vec![exited("i", 0, 0), running("side", 0)]), ["start j0"]);
    assert_eq!(
        look(vec![exited("i", 0, 0), running("side", 0), exited("j", 0, 0)]),
        ["start a0", "start b0"]
    );
}

#[test]
fn restart_policies_decide_what_an_exit_means() {
    for (policy, code, want) in [
        ("Always", 0, vec!["start a1"]),
        ("OnFailure", 1, vec!["start a1"]),
        ("OnFailure", 0, vec![]),
        ("Never", 1, vec![]),
    ] {
        let got = plan(&pod(policy), &up(vec![exited("a", 0, code), running("b", 0)]), &memory(), at(10));
        assert_eq!(words(&got), want, "{policy} {code}");
    }
}

#[test]
fn an_ended_pod_is_finished() {
    let done = up(vec![exited("a", 0, 0), exited("b", 0, 0)]);
    assert_eq!(words(&plan(&pod("Never"), &done, &memory(), at(10))), ["finish"]);
    let mut p = pod("Never");
    p.spec.init_containers = vec![container("i")];
    assert_eq!(words(&plan(&p, &up(vec![exited("i", 0, 1)]), &memory(), at(10))), ["finish"]);
}

#[test]
fn crashes_wait_before_the_next_start() {
    let mut m = memory();
    m.count_crash("a", Some(at(1)), at(2), None);
    m.count_crash("a", Some(at(5)), at(6), None);
    let mut again = exited("a", 1, 1);
    again.state = SeenState::Exited {
        code: 1,
        reason: String::new(),
        message: String::new(),
        started: Some(at(5)),
        finished: at(6),
    };
    let got = plan(&pod("Always"), &up(vec![again, running("b", 0)]), &m, at(10));
    assert_eq!((words(&got), got.again), (vec![], Some(Duration::from_secs(6))));
}

#[test]
fn deletion_stops_containers_and_a_shorter_grace_replaces_a_longer() {
    let mut p = pod("Always");
    p.metadata.deletion_timestamp = Some(Default::default());
    p.metadata.deletion_grace_period_seconds = Some(30);
    let seen = up(vec![running("a", 0), exited("b", 0, 0)]);
    assert_eq!(words(&plan(&p, &seen, &memory(), at(10))), ["kill a0 30"]);
    let mut m = memory();
    m.killing.insert("a0".into(), Duration::from_secs(30));
    assert!(plan(&p, &seen, &m, at(10)).actions.is_empty());
    p.metadata.deletion_grace_period_seconds = Some(0);
    assert_eq!(words(&plan(&p, &seen, &m, at(10))), ["kill a0 0"]);
    let gone = up(vec![exited("a", 0, 137), exited("b", 0, 0)]);
    assert_eq!(words(&plan(&p, &gone, &m, at(10))), ["finish"]);
}

#[test]
fn a_failed_liveness_probe_restarts_with_its_own_grace() {
    let mut m = memory();
    let restart = Some(Restart { message: "Container a failed liveness probe".into(), grace: Some(5) });
    m.probes.insert("a0".into(), ProbeState { restart, ..ProbeState::default() });
    let got = plan(&pod("Always"), &up(vec![running("a", 0), running("b", 0)]), &m, at(10));
    assert_eq!(words(&got), ["kill a0 5"]);
}

#[test]
fn a_dead_sandbox_is_replaced_when_its_containers_are_gone() {
    let mut dead = up(vec![running("a", 0)]);
    dead.sandboxes[0].ready = false;
    assert_eq!(words(&plan(&pod("Always"), &dead, &memory(), at(10))), ["kill a0 2"]);
    dead.containers = vec![exited("a", 0, 137)];
    assert_eq!(words(&plan(&pod("Always"), &dead, &memory(), at(10))), ["sandbox 1"]);
}

#[test]
fn a_deadline_fails_the_pod() {
    let mut p = pod("Always");
    p.spec.active_deadline_seconds = Some(5);
    let seen = up(vec![running("a", 0), running("b", 0)]);
    assert_eq!(plan(&p, &seen, &memory(), at(3)).again, Some(Duration::from_secs(2)));
    let late = plan(&p, &seen, &memory(), at(6));
    assert_eq!(late.failed.map(|f| f.0), Some("DeadlineExceeded".into()));
    assert_eq!(
        words(&Plan { failed: None, ..plan(&p, &seen, &memory(), at(6)) }),
        ["kill a0 30", "kill b0 30"]
    );
}

#[test]
fn a_container_whose_definition_changed_is_replaced_whatever_the_policy() {
    let mut p = pod("Never");
    p.spec.containers[0].image = "new".into();
    let noted = |mut s: Seen, image: &str| {
        s.annotations.insert(crate::pod::names::SPEC_IMAGE.into(), image.into());
        s
    };
    let look = |a: Seen, m: &Memory| words(&plan(&p, &up(vec![a, running("b", 0)]), m, at(10)));
    let replace = "replace a0: Container a definition changed, will be restarted";
    let mut stopping = memory();
    stopping.killing.insert("a0".into(), Duration::from_secs(30));
    let mut replaced = memory();
    replaced.replaced.insert("a0".into());
    for (a, m, want) in [
        (noted(running("a", 0), "new"), &memory(), vec![]),
        (running("a", 0), &memory(), vec![]),
        (noted(running("a", 0), "old"), &memory(), vec![replace]),
        (noted(running("a", 0), "old"), &stopping, vec![]),
        (noted(exited("a", 0, 0), "old"), &replaced, vec!["start a1"]),
        (noted(exited("a", 0, 0), "old"), &memory(), vec![]),
    ] {
        assert_eq!(look(a.clone(), m), want, "{a:?}");
    }
}

#[test]
fn an_ephemeral_container_starts_once() {
    let mut p = pod("Always");
    let mut look_in = corten_api::core::v1::EphemeralContainer::default();
    look_in.ephemeral_container_common.name = "e".into();
    p.spec.ephemeral_containers = vec![look_in];
    let look = |e: Vec<Seen>| {
        let seen = [running("a", 0), running("b", 0)].into_iter().chain(e).collect();
        words(&plan(&p, &up(seen), &memory(), at(10)))
    };
    assert_eq!(look(vec![]), ["start e0"]);
    assert!(look(vec![running("e", 0)]).is_empty());
    assert!(look(vec![exited("e", 0, 1)]).is_empty());
}

#[test]
fn a_containers_own_rules_come_before_its_policy_and_that_before_the_pods() {
    use corten_api::core::v1::{ContainerRestartRule, ContainerRestartRuleOnExitCodes};
    let rule = |operator: &str, values: &[i32]| ContainerRestartRule {
        action: "Restart".into(),
        exit_codes: Some(Box::new(ContainerRestartRuleOnExitCodes {
            operator: operator.into(),
            values: values.to_vec(),
        })),
    };
    let with = |policy: Option<&str>, rules: Vec<ContainerRestartRule>| Container {
        restart_policy: policy.map(str::to_string),
        restart_policy_rules: rules,
        ..container("a")
    };
    for (pods, c, code, want) in [
        ("Never", with(None, vec![]), 1, false),
        ("Never", with(Some("OnFailure"), vec![]), 1, true),
        ("Always", with(Some("Never"), vec![]), 1, false),
        ("Never", with(Some("Never"), vec![rule("In", &[42])]), 42, true),
        ("Never", with(Some("Never"), vec![rule("In", &[42])]), 1, false),
        ("Never", with(Some("Never"), vec![rule("NotIn", &[0, 1])]), 2, true),
        ("Never", with(Some("OnFailure"), vec![rule("In", &[42])]), 1, true),
    ] {
        assert_eq!(restarts(&pod(pods), &c, code), want, "{pods} {c:?} {code}");
    }
    // An init container that is not to restart fails its pod, whatever the pod's policy.
    let mut p = pod("Always");
    p.spec.init_containers = vec![Container { name: "i".into(), ..with(Some("Never"), vec![]) }];
    assert_eq!(words(&plan(&p, &up(vec![exited("i", 0, 1)]), &memory(), at(10))), ["finish"]);
}

#[test]
fn sidecars_stop_last_in_reverse_and_within_the_same_time() {
    let mut p = pod("Always");
    let sidecar = |name: &str| Container { restart_policy: Some("Always".into()), ..container(name) };
    p.spec.init_containers = vec![sidecar("x"), sidecar("y")];
    p.metadata.deletion_timestamp = Some(Default::default());
    p.metadata.deletion_grace_period_seconds = Some(30);
    let mut m = memory();
    let look = |seen: Vec<Seen>, m: &Memory, now| words(&plan(&p, &up(seen), m, at(now)));
    let all = vec![running("a", 0), exited("b", 0, 0), running("x", 0), running("y", 0)];
    assert_eq!(look(all, &m, 100), ["kill a0 30"]);
    m.ending = Some(at(100));
    let left = || vec![exited("a", 0, 0), exited("b", 0, 0), running("x", 0), running("y", 0)];
    assert_eq!(look(left(), &m, 110), ["kill y0 20"]);
    m.killing.insert("y0".into(), Duration::from_secs(20));
    assert!(look(left(), &m, 112).is_empty());
    let last = vec![exited("a", 0, 0), exited("b", 0, 0), running("x", 0), exited("y", 0, 0)];
    assert_eq!(look(last, &m, 150), ["kill x0 2"]);
}

#[test]
fn a_sidecar_that_was_stopped_with_its_pod_does_not_start_again() {
    let mut p = pod("Never");
    p.spec.init_containers = vec![Container { restart_policy: Some("Always".into()), ..container("x") }];
    let seen = vec![exited("a", 0, 0), exited("b", 0, 0), exited("x", 0, 0)];
    let mut m = memory();
    // The runtime told of the end before the one who stopped it did.
    m.killing.insert("x0".into(), Duration::from_secs(30));
    assert_eq!(words(&plan(&p, &up(seen), &m, at(10))), ["finish"]);
}
