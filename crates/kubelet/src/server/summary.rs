//! `/stats/summary`: what node, pods and containers use, in upstream's form (`stats/v1alpha1`).

use super::Node;
use super::query::Query;
use crate::stats::{Cpu, DISK_FRESH, Disk, Disks, Interface, Memory, PodDisk, PodUse, Usage};
use corten_api::Time;
use corten_rt::Timestamp;
use serde_json::{Value, json};

/// The document; with `only_cpu_and_memory`, no more than that is measured.
pub async fn answer(node: &Node, query: &Query) -> Vec<u8> {
    let brief = query.flag(&["only_cpu_and_memory"]);
    let usage = node.directory.usage().await;
    let disks = if brief { None } else { Some(node.directory.disks(DISK_FRESH).await) };
    document(&node.name, &usage, disks.as_deref()).to_string().into_bytes()
}

fn document(name: &str, usage: &Usage, disks: Option<&Disks>) -> Value {
    let now = time(usage.time);
    let pods: Vec<Value> = usage.pods.iter().map(|p| pod(p, usage.time, disks)).collect();
    let system = json!({
        "name": "pods",
        "startTime": time(booted(usage)),
        "cpu": cpu(&usage.pods_cpu, &now),
        "memory": memory(&usage.pods_memory, &now),
    });
    let mut node = json!({
        "nodeName": name,
        "systemContainers": [system],
        "startTime": time(booted(usage)),
        "cpu": cpu(&usage.cpu, &now),
        "memory": machine_memory(usage, &now),
        "swap": swap(usage.machine.swap_capacity, usage.machine.swap_usage, &now),
    });
    if let Some(disks) = disks {
        let at = time(disks.time);
        node["network"] = network(&usage.machine.network, &now);
        node["fs"] = disk(&disks.node, &at);
        node["runtime"] =
            json!({ "imageFs": disk(&disks.images, &at), "containerFs": disk(&disks.containers, &at) });
        node["rlimit"] =
            json!({ "time": now, "maxpid": usage.machine.pids_max, "curproc": usage.machine.pids });
    }
    json!({ "node": node, "pods": pods })
}

fn booted(usage: &Usage) -> Timestamp {
    Timestamp::from_second(usage.machine.booted).unwrap_or_default()
}

fn pod(p: &PodUse, at: Timestamp, disks: Option<&Disks>) -> Value {
    let now = time(at);
    let files = disks.and_then(|d| d.pods.get(&p.uid));
    let containers: Vec<Value> = p
        .containers
        .iter()
        .map(|c| {
            let mut out = json!({
                "name": c.name,
                "startTime": time(c.started.unwrap_or_default()),
                "cpu": cpu(&c.cpu, &now),
                "memory": memory(&c.memory, &now),
                "swap": swap(0, 0, &now),
            });
            if let (Some(files), Some(disks)) = (files, disks) {
                let zero = Disk { used: 0, inodes_used: 0, ..disks.containers };
                let of_logs = Disk { used: 0, inodes_used: 0, ..disks.node };
                let at = time(disks.time);
                out["rootfs"] = disk(files.layers.get(&c.name).unwrap_or(&zero), &at);
                out["logs"] = disk(files.logs.get(&c.name).unwrap_or(&of_logs), &at);
            }
            out
        })
        .collect();
    let mut out = json!({
        "podRef": { "name": p.name, "namespace": p.namespace, "uid": p.uid },
        "startTime": time(p.started.unwrap_or_default()),
        "containers": containers,
        "cpu": cpu(&p.cpu, &now),
        "memory": memory(&p.memory, &now),
        "swap": swap(0, 0, &now),
    });
    if let Some(disks) = disks {
        if let Some(interfaces) = &p.network {
            out["network"] = network(interfaces, &now);
        }
        out["process_stats"] = json!({ "process_count": p.pids });
        add_files(&mut out, files.unwrap_or(&PodDisk::default()), disks);
    }
    out
}

fn add_files(out: &mut Value, files: &PodDisk, disks: &Disks) {
    let at = time(disks.time);
    let volumes: Vec<Value> = files
        .volumes
        .iter()
        .map(|v| {
            let mut volume = disk(&v.disk, &at);
            volume["name"] = v.name.clone().into();
            if let Some((namespace, name)) = &v.claim {
                volume["pvcRef"] = json!({ "name": name, "namespace": namespace });
            }
            volume
        })
        .collect();
    if !volumes.is_empty() {
        out["volume"] = volumes.into();
    }
    let (used, inodes_used) = files.ephemeral();
    out["ephemeral-storage"] = disk(&Disk { used, inodes_used, ..disks.node }, &at);
}

fn cpu(cpu: &Cpu, time: &str) -> Value {
    let mut value = json!({ "time": time, "usageCoreNanoSeconds": cpu.nanoseconds });
    if let Some(cores) = cpu.nano_cores {
        value["usageNanoCores"] = cores.into();
    }
    value
}

fn memory(memory: &Memory, time: &str) -> Value {
    let mut value = json!({
        "time": time,
        "usageBytes": memory.usage,
        "workingSetBytes": memory.working_set,
        "rssBytes": memory.rss,
        "pageFaults": memory.faults,
        "majorPageFaults": memory.major_faults,
    });
    if let Some(limit) = memory.limit {
        value["availableBytes"] = limit.saturating_sub(memory.working_set).into();
    }
    value
}

fn machine_memory(usage: &Usage, time: &str) -> Value {
    let m = &usage.machine;
    json!({
        "time": time,
        "availableBytes": m.memory_available(),
        "usageBytes": m.memory_usage,
        "workingSetBytes": m.memory_working_set,
        "rssBytes": m.memory_rss,
        "pageFaults": m.faults,
        "majorPageFaults": m.major_faults,
    })
}

fn swap(capacity: u64, used: u64, time: &str) -> Value {
    json!({ "time": time, "swapAvailableBytes": capacity.saturating_sub(used), "swapUsageBytes": used })
}

fn disk(disk: &Disk, time: &str) -> Value {
    json!({
        "time": time,
        "availableBytes": disk.available,
        "capacityBytes": disk.capacity,
        "usedBytes": disk.used,
        "inodesFree": disk.inodes_free,
        "inodes": disk.inodes,
        "inodesUsed": disk.inodes_used,
    })
}

fn network(interfaces: &[Interface], time: &str) -> Value {
    let one = |i: &Interface| {
        json!({
            "name": i.name,
            "rxBytes": i.rx_bytes,
            "rxErrors": i.rx_errors,
            "txBytes": i.tx_bytes,
            "txErrors": i.tx_errors,
        })
    };
    let first = interfaces.iter().find(|i| i.name == "eth0").or(interfaces.first());
    let mut value = first.map_or_else(|| json!({}), one);
    value["time"] = time.into();
    value["interfaces"] = interfaces.iter().map(one).collect();
    value
}

fn time(at: Timestamp) -> String {
    Time::new(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{ContainerUse, VolumeUse};

    #[test]
    fn the_document_has_upstreams_fields() {
        let container = ContainerUse { name: "c".into(), ..ContainerUse::default() };
        let p = PodUse {
            uid: "u".into(),
            name: "p".into(),
            memory: Memory { working_set: 4, limit: Some(10), ..Memory::default() },
            network: Some(vec![Interface { name: "eth0".into(), rx_bytes: 5, ..Interface::default() }]),
            containers: vec![container],
            ..PodUse::default()
        };
        let usage = Usage { pods: vec![p], ..Usage::default() };
        let brief = document("n", &usage, None);
        assert!(brief["node"].get("fs").is_none() && brief["pods"][0].get("volume").is_none());
        let volume = |name: &str, claim: Option<&str>, used| VolumeUse {
            name: name.into(),
            claim: claim.map(|c| ("ns".to_string(), c.to_string())),
            ephemeral: claim.is_none(),
            disk: Disk { used, ..Disk::default() },
        };
        let files = PodDisk {
            volumes: vec![volume("scratch", None, 7), volume("data", Some("d"), 9)],
            logs: [("c".to_string(), Disk { used: 2, ..Disk::default() })].into(),
            other: 1,
            ..PodDisk::default()
        };
        let disks = Disks { pods: [("u".to_string(), files)].into(), ..Disks::default() };
        let full = document("n", &usage, Some(&disks));
        for (pointer, want) in [
            ("/node/nodeName", json!("n")),
            ("/node/runtime/imageFs/usedBytes", json!(0)),
            ("/pods/0/memory/availableBytes", json!(6)),
            ("/pods/0/network/name", json!("eth0")),
            ("/pods/0/network/interfaces/0/rxBytes", json!(5)),
            ("/pods/0/containers/0/logs/usedBytes", json!(2)),
            ("/pods/0/volume/1/pvcRef/name", json!("d")),
            ("/pods/0/ephemeral-storage/usedBytes", json!(10)),
        ] {
            assert_eq!(full.pointer(pointer), Some(&want), "{pointer} in {full}");
        }
    }
}
