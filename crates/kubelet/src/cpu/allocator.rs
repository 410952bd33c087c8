//! Which processors to take: whole sockets, then whole cores, then single threads of cores that are in use
//! already, so that what is left stays whole (upstream's `takeByTopology`).

use super::CpuSet;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Where a processor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub core: u32,
    pub socket: u32,
}

/// The machine's processors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topology(pub BTreeMap<u32, Place>);

impl Topology {
    /// Reads `/sys/devices/system/cpu`. A processor that does not tell its place is a core of its own.
    pub fn read(dir: &Path) -> Self {
        let number = |path: std::path::PathBuf| {
            std::fs::read_to_string(path).ok().and_then(|t| t.trim().parse::<u32>().ok())
        };
        let online: CpuSet =
            std::fs::read_to_string(dir.join("online")).unwrap_or_default().parse().unwrap_or_default();
        let place = |cpu: &u32| {
            let topology = dir.join(format!("cpu{cpu}/topology"));
            let core = number(topology.join("core_id")).unwrap_or(*cpu);
            let socket = number(topology.join("physical_package_id")).unwrap_or(0);
            (*cpu, Place { core, socket })
        };
        Topology(online.0.iter().map(place).collect())
    }

    /// All of them.
    pub fn all(&self) -> CpuSet {
        CpuSet(self.0.keys().copied().collect())
    }

    fn core(&self, cpu: u32) -> (u32, u32) {
        self.0.get(&cpu).map_or((0, cpu), |p| (p.socket, p.core))
    }
}

/// Takes `wanted` of the available processors; `None` if there are not so many.
pub fn take(topology: &Topology, available: &CpuSet, wanted: usize) -> Option<CpuSet> {
    if available.len() < wanted {
        return None;
    }
    let mut left: BTreeSet<u32> = available.0.clone();
    let mut out = BTreeSet::new();
    take_whole(topology, &mut left, &mut out, wanted, |cpu| (topology.core(cpu).0, 0));
    take_whole(topology, &mut left, &mut out, wanted, |cpu| topology.core(cpu));
    while out.len() < wanted {
        // Of a core that is in use already, in a socket that the container has, with the lowest number.
        let free = |of: &dyn Fn(u32) -> bool| left.iter().filter(|c| of(**c)).count();
        let best = left.iter().copied().min_by_key(|cpu| {
            let (socket, core) = topology.core(*cpu);
            let same_socket = out.iter().any(|c| topology.core(*c).0 == socket);
            let in_socket = free(&|c| topology.core(c).0 == socket);
            let in_core = free(&|c| topology.core(c) == (socket, core));
            (!same_socket, in_socket, in_core, *cpu)
        })?;
        left.remove(&best);
        out.insert(best);
    }
    Some(CpuSet(out))
}

/// Takes groups of processors that are wholly free, as long as no more is taken than wanted.
fn take_whole(
    topology: &Topology,
    left: &mut BTreeSet<u32>,
    out: &mut BTreeSet<u32>,
    wanted: usize,
    group: impl Fn(u32) -> (u32, u32),
) {
    let mut groups: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for cpu in topology.0.keys() {
        groups.entry(group(*cpu)).or_default().push(*cpu);
    }
    for cpus in groups.into_values() {
        if cpus.len() <= wanted - out.len() && cpus.iter().all(|c| left.contains(c)) {
            cpus.iter().for_each(|c| {
                left.remove(c);
            });
            out.extend(cpus);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sockets of two cores of two threads; the threads of a core are N and N + 4.
    fn machine() -> Topology {
        let place = |cpu: u32| Place { core: cpu % 4, socket: (cpu % 4) / 2 };
        Topology((0..8).map(|cpu| (cpu, place(cpu))).collect())
    }

    #[test]
    fn whole_sockets_then_cores_then_threads() {
        for (available, wanted, want) in [
            ("0-7", 4, Some("0-1,4-5")),
            ("0-7", 2, Some("0,4")),
            ("0-7", 1, Some("0")),
            ("0-7", 6, Some("0-2,4-6")),
            ("0-7", 5, Some("0-2,4-5")),
            // Half a core is left in the first socket: it is taken before a whole one is broken.
            ("1,2-3,5-7", 1, Some("1")),
            ("4,2-3,6-7", 1, Some("4")),
            ("1-7", 2, Some("1,5")),
            ("1,2,3,4", 3, Some("1-2,4")),
            ("0-7", 0, Some("")),
            ("0", 2, None),
        ] {
            let got = take(&machine(), &available.parse().expect("valid"), wanted);
            assert_eq!(got.map(|s| s.to_string()).as_deref(), want, "{wanted} of {available}");
        }
    }

    #[test]
    fn the_machine_is_read() {
        let dir = tempfile::tempdir().expect("directory");
        assert_eq!(Topology::read(dir.path()), Topology::default());
        std::fs::write(dir.path().join("online"), "0-1\n").expect("written");
        let topology = dir.path().join("cpu1/topology");
        std::fs::create_dir_all(&topology).expect("made");
        std::fs::write(topology.join("core_id"), "7\n").expect("written");
        std::fs::write(topology.join("physical_package_id"), "1\n").expect("written");
        let got = Topology::read(dir.path());
        assert_eq!(got.0[&1], Place { core: 7, socket: 1 });
        assert_eq!(got.0[&0], Place { core: 0, socket: 0 });
    }
}
