//! Images that nobody uses, and containers that have ended: removed when their disk fills up (upstream's
//! image and container garbage collection).

use crate::Shared;
use crate::pod::names::POD_UID;
use corten_node_api::cri::{
    ContainerFilter, ContainerState, ContainerStateValue, ListContainersRequest, ListImagesRequest,
    RemoveContainerRequest, RemoveImageRequest,
};
use corten_rt::Timestamp;
use corten_semantics::pod::is_terminal;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How often is looked.
const PERIOD: Duration = Duration::from_secs(300);

/// An image, and when it was first seen and last used.
#[derive(Clone, Debug, PartialEq)]
struct Record {
    detected: Timestamp,
    used: Option<Timestamp>,
    size: u64,
    pinned: bool,
}

/// What is remembered of images, by ID.
#[derive(Debug, Default)]
pub struct Images(tokio::sync::Mutex<HashMap<String, Record>>);

/// Which images to remove, and what that frees.
fn choose(
    records: &HashMap<String, Record>,
    in_use: &HashSet<String>,
    wanted: u64,
    minimum_age: Duration,
    now: Timestamp,
) -> (Vec<String>, u64) {
    let old =
        |since: Timestamp| Duration::try_from(now.duration_since(since)).is_ok_and(|age| age >= minimum_age);
    let mut free: Vec<(&String, &Record)> =
        records.iter().filter(|(id, r)| !r.pinned && !in_use.contains(*id) && old(r.detected)).collect();
    free.sort_by_key(|(id, r)| (r.used, r.detected, (*id).clone()));
    let (mut out, mut freed) = (Vec::new(), 0);
    for (id, record) in free {
        if freed >= wanted {
            break;
        }
        freed += record.size;
        out.push(id.clone());
    }
    (out, freed)
}

/// Images unused for longer than allowed.
fn too_old(
    records: &HashMap<String, Record>,
    in_use: &HashSet<String>,
    most: Duration,
    started: Timestamp,
    now: Timestamp,
) -> Vec<String> {
    if most.is_zero() {
        return Vec::new();
    }
    let unused = |r: &Record| {
        // What was used before this process is not known.
        let since = r.used.unwrap_or(started.max(r.detected));
        Duration::try_from(now.duration_since(since)).is_ok_and(|age| age > most)
    };
    records
        .iter()
        .filter(|(id, r)| !r.pinned && !in_use.contains(*id) && unused(r))
        .map(|(id, _)| id.clone())
        .collect()
}

/// How many bytes must be freed; `None` when there is room.
fn excess(capacity: u64, available: u64, high: u8, low: u8) -> Option<u64> {
    if capacity == 0 {
        return None;
    }
    let used = 100 - (available.min(capacity) as u128 * 100 / u128::from(capacity)) as u64;
    let target = (u128::from(capacity) * u128::from(100 - low.min(100)) / 100) as u64;
    (used >= u64::from(high)).then(|| target.saturating_sub(available))
}

/// Looks until dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    let started = shared.clock.now();
    loop {
        let settings = &shared.settings;
        if let Some(in_use) = refresh(&shared).await {
            let old = {
                let records = shared.images.0.lock().await;
                too_old(&records, &in_use, settings.image_maximum_age, started, shared.clock.now())
            };
            remove(&shared, old, "age").await;
            let disk = shared.stats.file_systems(&shared).await.images;
            let wanted = excess(disk.capacity, disk.available, settings.image_gc_high, settings.image_gc_low);
            if let Some(wanted) = wanted {
                collect(&shared, &in_use, wanted).await;
            }
        }
        corten_rt::sleep(PERIOD).await;
    }
}

async fn collect(shared: &Arc<Shared>, in_use: &HashSet<String>, wanted: u64) {
    let (chosen, found) = {
        let records = shared.images.0.lock().await;
        choose(&records, in_use, wanted, shared.settings.image_minimum_age, shared.clock.now())
    };
    remove(shared, chosen, "space").await;
    if found < wanted {
        let message = format!(
            "Failed to garbage collect required amount of images. Attempted to free {wanted} bytes, but only found {found} bytes eligible to free."
        );
        let about = crate::node::reference(&shared.node_name);
        shared.events.note(about, "Warning", "FreeDiskSpaceFailed", message);
    }
}

/// Removes every image that no container has, however young.
pub(crate) async fn remove_unused(shared: &Arc<Shared>) {
    let Some(in_use) = refresh(shared).await else { return };
    let (chosen, _) = {
        let records = shared.images.0.lock().await;
        choose(&records, &in_use, u64::MAX, Duration::ZERO, shared.clock.now())
    };
    remove(shared, chosen, "space").await;
}

/// Looks which images there are; gives those that containers have. `None` if the runtime did not answer.
async fn refresh(shared: &Arc<Shared>) -> Option<HashSet<String>> {
    let images = shared.cri.list_images(ListImagesRequest { filter: None }).await.ok()?.images;
    let containers =
        shared.cri.list_containers(ListContainersRequest { filter: None }).await.ok()?.containers;
    let now = shared.clock.now();
    let mut names: HashSet<String> = HashSet::new();
    for c in containers {
        names.insert(c.image_ref);
        names.insert(c.image_id);
        names.extend(c.image.map(|i| i.image));
    }
    // Pods that are about to start have pulled theirs.
    let specs = shared.pods.list();
    for pod in specs.iter().filter(|p| !is_terminal(p)) {
        names.extend(pod.spec.containers.iter().chain(&pod.spec.init_containers).map(|c| c.image.clone()));
    }
    let mut in_use = HashSet::new();
    let mut records = shared.images.0.lock().await;
    records.retain(|id, _| images.iter().any(|i| i.id == *id));
    for image in images {
        let holds_pods = |tag: &String| tag.contains("/pause:");
        let pinned = image.pinned || image.repo_tags.iter().any(holds_pods);
        let record =
            records.entry(image.id.clone()).or_insert(Record { detected: now, used: None, size: 0, pinned });
        record.size = image.size;
        let mut known = std::iter::once(&image.id).chain(&image.repo_tags).chain(&image.repo_digests);
        if known.any(|n| names.contains(n)) {
            record.used = Some(now);
            in_use.insert(image.id);
        }
    }
    Some(in_use)
}

async fn remove(shared: &Arc<Shared>, ids: Vec<String>, why: &str) {
    for id in ids {
        let image = Some(corten_node_api::cri::ImageSpec { image: id.clone(), ..Default::default() });
        match shared.cri.remove_image(RemoveImageRequest { image }).await {
            Ok(_) => {
                tracing::info!(id, why, "an unused image was removed");
                shared.meters.count("kubelet_image_garbage_collected_total", &[("reason", why)]);
            }
            Err(error) => tracing::warn!(id, %error, "an unused image was not removed"),
        }
    }
}

/// Removes ended containers of pods that are over: nobody starts from them again, and what their logs and
/// statuses tell stays.
pub(crate) async fn remove_ended_containers(shared: &Arc<Shared>) {
    let exited = ContainerStateValue { state: ContainerState::ContainerExited as i32 };
    let filter = ContainerFilter { state: Some(exited), ..ContainerFilter::default() };
    let Ok(listed) = shared.cri.list_containers(ListContainersRequest { filter: Some(filter) }).await else {
        return;
    };
    let over: HashSet<String> =
        shared.pods.list().iter().filter(|p| is_terminal(p)).map(|p| p.metadata.uid.clone()).collect();
    for c in listed.containers {
        if c.labels.get(POD_UID).is_some_and(|uid| over.contains(uid)) {
            let request = RemoveContainerRequest { container_id: c.id.clone() };
            if let Err(error) = shared.cri.remove_container(request).await {
                tracing::debug!(id = c.id, %error, "an ended container was not removed");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("in range")
    }

    fn record(detected: i64, used: Option<i64>, pinned: bool) -> Record {
        Record { detected: at(detected), used: used.map(at), size: 100, pinned }
    }

    #[test]
    fn the_longest_unused_go_first_until_enough_is_free() {
        let records = HashMap::from([
            ("never".to_string(), record(0, None, false)),
            ("long".to_string(), record(0, Some(10), false)),
            ("lately".to_string(), record(0, Some(900), false)),
            ("held".to_string(), record(0, Some(5), false)),
            ("pinned".to_string(), record(0, None, true)),
            ("young".to_string(), record(990, None, false)),
        ]);
        let in_use = HashSet::from(["held".to_string()]);
        let minute = Duration::from_secs(60);
        for (wanted, age, want, freed) in [
            (1, minute, vec!["never"], 100),
            (101, minute, vec!["never", "long"], 200),
            (u64::MAX, minute, vec!["never", "long", "lately"], 300),
            (u64::MAX, Duration::ZERO, vec!["never", "young", "long", "lately"], 400),
        ] {
            let (got, got_freed) = choose(&records, &in_use, wanted, age, at(1000));
            assert_eq!((got, got_freed), (want.iter().map(ToString::to_string).collect(), freed));
        }
        let mut old = too_old(&records, &in_use, Duration::from_secs(500), at(600), at(1000));
        old.sort();
        assert_eq!(old, ["long"], "what was not used since this process started is not old yet");
        assert!(too_old(&records, &in_use, Duration::ZERO, at(0), at(1000)).is_empty());
    }

    #[test]
    fn watermarks_say_how_much_goes() {
        for (capacity, available, want) in
            [(1000, 500, None), (1000, 160, None), (1000, 150, Some(50)), (1000, 0, Some(200)), (0, 0, None)]
        {
            assert_eq!(excess(capacity, available, 85, 80), want, "{available} of {capacity}");
        }
    }
}
