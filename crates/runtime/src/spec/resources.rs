//! A container's resources as a control group's limits.

use corten_node_api::cri;
use corten_sys::cgroups::Limits;

use super::Refusal;
use super::refusal::invalid;

/// Least memory that a container starts with; less is a mistake in units.
const LEAST_MEMORY: i64 = 4096;

/// Limits of a control group. Zero and nothing leave a limit as it is, as CRI has it. Without a limit of its
/// own, swap is none: memory with swap is as much as memory.
///
/// For UpdateContainerResources too; [`corten_sys::cgroups::Cgroups::set`] writes them in an order that the
/// kernel takes whether they grow or shrink.
pub fn limits(resources: &cri::LinuxContainerResources) -> Result<Limits, Refusal> {
    check(resources)?;
    let given = |value: i64| (value != 0).then_some(value);
    let text = |value: &String| (!value.is_empty()).then(|| value.clone());
    let memory = given(resources.memory_limit_in_bytes);
    let hugepages = resources.hugepage_limits.iter().map(|h| (h.page_size.clone(), h.limit));
    Ok(Limits {
        cpu_shares: u64::try_from(resources.cpu_shares).ok().filter(|s| *s > 0),
        cpu_quota_us: given(resources.cpu_quota),
        cpu_period_us: u64::try_from(resources.cpu_period).ok().filter(|p| *p > 0),
        memory_bytes: memory,
        memory_swap_bytes: given(resources.memory_swap_limit_in_bytes).or(memory),
        cpuset_cpus: text(&resources.cpuset_cpus),
        cpuset_mems: text(&resources.cpuset_mems),
        pids: None,
        hugepages: hugepages.collect(),
        unified: resources.unified.clone().into_iter().collect(),
    })
}

/// Refuses what the kernel would, or what would write elsewhere.
pub(super) fn check(resources: &cri::LinuxContainerResources) -> Result<(), Refusal> {
    let memory = resources.memory_limit_in_bytes;
    if memory > 0 && memory < LEAST_MEMORY {
        return Err(invalid(format!("memory limit {memory} is less than {LEAST_MEMORY} bytes")));
    }
    let both = resources.memory_swap_limit_in_bytes;
    if both > 0 && memory > both {
        return Err(invalid(format!("memory+swap limit {both} is less than the memory limit {memory}")));
    }
    let word = |text: &str, more: &str| {
        text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c)) && !text.is_empty()
    };
    for set in [&resources.cpuset_cpus, &resources.cpuset_mems] {
        if !set.is_empty() && !word(set, ",-") {
            return Err(invalid(format!("{set:?} is not a list of numbers and ranges")));
        }
    }
    if let Some(limit) = resources.hugepage_limits.iter().find(|h| !word(&h.page_size, "")) {
        return Err(invalid(format!("{:?} is not a size of pages, such as \"2MB\"", limit.page_size)));
    }
    let file =
        |name: &str| word(name, "._") && name.split('.').all(|part| !part.is_empty()) && name.contains('.');
    match resources.unified.keys().find(|name| !file(name)) {
        Some(name) => {
            Err(invalid(format!("unified resource {name:?} must be a file name of a control group")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_nothing_and_swap_follows_memory() {
        let pages = cri::HugepageLimit { page_size: "2MB".into(), limit: 0 };
        let all = cri::LinuxContainerResources {
            cpu_period: 100_000,
            cpu_quota: 20_000,
            cpu_shares: 512,
            memory_limit_in_bytes: 1 << 20,
            cpuset_cpus: "0-1".into(),
            hugepage_limits: vec![pages],
            unified: [("memory.high".to_owned(), "1000".to_owned())].into(),
            ..Default::default()
        };
        let expected = Limits {
            cpu_shares: Some(512),
            cpu_quota_us: Some(20_000),
            cpu_period_us: Some(100_000),
            memory_bytes: Some(1 << 20),
            memory_swap_bytes: Some(1 << 20),
            cpuset_cpus: Some("0-1".to_owned()),
            hugepages: [("2MB".to_owned(), 0)].into(),
            unified: [("memory.high".to_owned(), "1000".to_owned())].into(),
            ..Limits::default()
        };
        assert_eq!(limits(&all), Ok(expected));
        assert_eq!(limits(&cri::LinuxContainerResources::default()), Ok(Limits::default()));
        let lifted = cri::LinuxContainerResources {
            cpu_quota: -1,
            memory_limit_in_bytes: -1,
            memory_swap_limit_in_bytes: -1,
            ..Default::default()
        };
        let expected = Limits {
            cpu_quota_us: Some(-1),
            memory_bytes: Some(-1),
            memory_swap_bytes: Some(-1),
            ..Limits::default()
        };
        assert_eq!(limits(&lifted), Ok(expected));
    }

    #[test]
    fn what_the_kernel_refuses_is_refused_before() {
        type Change = fn(&mut cri::LinuxContainerResources);
        let cases: [(&str, Change); 6] = [
            ("memory limit 5", |r| r.memory_limit_in_bytes = 5),
            ("memory+swap limit 5000 is less", |r| {
                r.memory_limit_in_bytes = 6000;
                r.memory_swap_limit_in_bytes = 5000;
            }),
            ("\"0 1\"", |r| r.cpuset_cpus = "0 1".into()),
            ("../x", |r| drop(r.unified.insert("../x".into(), "1".into()))),
            ("\"max\"", |r| drop(r.unified.insert("max".into(), "1".into()))),
            ("\"2/B\"", |r| r.hugepage_limits.push(cri::HugepageLimit { page_size: "2/B".into(), limit: 1 })),
        ];
        for (text, change) in cases {
            let mut resources = cri::LinuxContainerResources::default();
            change(&mut resources);
            let message = limits(&resources).expect_err(text).to_string();
            assert!(message.contains(text), "{message}");
        }
    }
}
