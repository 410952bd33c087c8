//! What a pod costs: printed, and held to generous bounds that only a mistake would break.

use crate::pod::{Pod, able, process};
use std::time::{Duration, Instant};

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
    let (mut pods, mut starts, mut launches, mut execs) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..20 {
        let begin = Instant::now();
        let pod = Pod::start(|_| {});
        starts.push(pod.ready_after);
        let plan = pod.plan("a", "exec sleep 1000");
        let launching = Instant::now();
        pod.launch(plan).unwrap();
        launches.push(launching.elapsed());
        let executing = Instant::now();
        assert_eq!(pod.exec("a", process(&["true"]), "").unwrap().0, 0);
        execs.push(executing.elapsed());
        pods.push((begin, pod));
    }
    let memory = pods.iter().map(|(_, pod)| private_kib(pod.child.id())).max().unwrap();
    println!(
        "sandbox p50 {:?}, launch p50 {:?}, exec p50 {:?}, private memory {memory} KiB",
        median(starts),
        median(launches.clone()),
        median(execs.clone())
    );
    let before = children_time();
    let count = pods.len() as u32;
    drop(pods);
    println!("CPU of a pod's life, all its processes: {:?}", (children_time() - before) / count);
    assert!(memory < 2048, "{memory} KiB");
    assert!(median(launches) < Duration::from_millis(500));
    assert!(median(execs) < Duration::from_millis(500));
}
