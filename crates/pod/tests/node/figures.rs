//! What a pod costs: printed, and held to generous bounds that only a mistake would break.

use crate::kernel::uptime;
use crate::pod::{Cgroup, Pod, able, process, since};
use corten_pod::protocol::{Reply, Request};
use std::time::Duration;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn private_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
}

/// User and system time of our children that were waited for.
fn children_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<u64> =
        stat.rsplit(") ").next().unwrap().split(' ').filter_map(|field| field.parse().ok()).collect();
    // Fields 16 and 17, of which the first is 3 and no number.
    Duration::from_millis((fields[12] + fields[13]) * 10)
}

#[test]
fn a_pod_is_quick_and_small() {
    if !able() {
        return;
    }
    let groups: Vec<Cgroup> =
        ["cpu", "cpuacct", "memory", "pids"].into_iter().filter_map(Cgroup::new).collect();
    let (mut pods, mut starts, mut launches, mut execs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..20 {
        let pod = Pod::start(|_| {});
        starts.push(pod.ready_after);
        let mut plan = pod.plan("a", "exec sleep 1000");
        plan.cgroups = groups.iter().map(Cgroup::path).collect();
        let launching = uptime();
        pod.launch(plan).unwrap();
        launches.push(since(launching));
        let executing = uptime();
        assert_eq!(pod.exec("a", process(&["true"]), "").unwrap().0, 0);
        execs.push(since(executing));
        pods.push(pod);
    }
    let memory = pods.iter().map(|pod| private_kib(pod.child.id())).max().unwrap();
    println!(
        "sandbox p50 {:?}, launch p50 {:?}, exec p50 {:?}, private memory {memory} KiB",
        median(starts),
        median(launches.clone()),
        median(execs.clone())
    );
    let before = children_time();
    let count = pods.len() as u32;
    for pod in &pods {
        assert_eq!(pod.ask(&Request::Shutdown), Reply::Done);
    }
    drop(pods);
    println!("CPU of a pod's life, all its processes: {:?}", (children_time() - before) / count);
    assert!(memory < 2048, "{memory} KiB");
    assert!(median(launches) < Duration::from_millis(500));
    assert!(median(execs) < Duration::from_millis(500));
}

/// Pods are made and ended, two at a time.
#[test]
fn pods_come_and_go() {
    if !able() {
        return;
    }
    let (begin, before, count) = (uptime(), children_time(), 60);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..count / 2 {
                    let mut pod = Pod::start(|_| {});
                    pod.launch(pod.plan("a", "exec sleep 1000")).unwrap();
                    assert_eq!(pod.ask(&Request::Shutdown), Reply::Done);
                    assert!(pod.child.wait().unwrap().success());
                }
            });
        }
    });
    let took = since(begin);
    let used = (children_time() - before) / count;
    println!("{:.0} pods/s, {used:?} of CPU each", f64::from(count) / took.as_secs_f64());
    assert!(took < Duration::from_secs(60));
}
