//! Why volumes are not in place, in the words of upstream's events.

/// Why one volume is not in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It could not be brought to the pod.
    SetUp(String),
    /// What several pods share of it could not be brought to the node.
    Device(String),
    /// A block device could not be brought to the node.
    MapDevice(String),
    /// A block device could not be brought to the pod.
    MapPod(String),
    /// What stands behind it is not known yet: a claim without volume.
    Unprocessed(String),
    /// Nobody has attached it to the node yet.
    Unattached(String),
}

impl From<String> for Trouble {
    fn from(message: String) -> Self {
        Trouble::SetUp(message)
    }
}

/// Why a pod's volumes are not in place; the texts are those of upstream's events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// A step on a volume failed.
    #[error("{step} failed for volume \"{volume}\" : {message}")]
    Step {
        /// `MountVolume.SetUp` and the like.
        step: &'static str,
        /// The volume's name in the pod, or that of the PersistentVolume.
        volume: String,
        /// Why.
        message: String,
    },
    /// Volumes cannot be had yet.
    #[error(
        "Unable to attach or mount volumes: unmounted volumes=[{}], unattached volumes=[{}], failed to process \
         volumes=[{}]: {message}",
        unmounted.join(" "), unattached.join(" "), unprocessed.join(" ")
    )]
    Waiting {
        /// The names in the pod of all that are not in place.
        unmounted: Vec<String>,
        /// Of these, those that nobody has attached.
        unattached: Vec<String>,
        /// Of these, those behind which nothing stands yet.
        unprocessed: Vec<String>,
        /// Why.
        message: String,
    },
    /// A pod's volumes could not be taken away.
    #[error("UnmountVolume.TearDown failed for pod \"{uid}\" : {message}")]
    TearDown {
        /// The pod.
        uid: String,
        /// Why.
        message: String,
    },
    /// A path inside a volume cannot be had.
    #[error("subPath \"{path}\": {message}")]
    SubPath {
        /// The path within the volume.
        path: String,
        /// Why.
        message: String,
    },
}

impl VolumeError {
    /// The reason of the event.
    pub fn reason(&self) -> &'static str {
        match self {
            VolumeError::Step { step, .. } if step.starts_with("MapVolume") => "FailedMapVolume",
            VolumeError::Step { .. } | VolumeError::Waiting { .. } | VolumeError::SubPath { .. } => {
                "FailedMount"
            }
            VolumeError::TearDown { .. } => "FailedUnMount",
        }
    }
}

/// A volume that is not in place: its name in the pod, the name it is known by, and why.
pub(super) struct Missing {
    pub name: String,
    pub known_as: String,
    pub trouble: Trouble,
}

/// The error of a pod whose volumes in `missing` are not in place. A step that failed comes first: who waits
/// shows in it nothing that would help.
pub(super) fn sum_up(missing: Vec<Missing>) -> Option<VolumeError> {
    let step = missing.iter().find_map(|m| {
        let (step, message) = match &m.trouble {
            Trouble::SetUp(why) => ("MountVolume.SetUp", why),
            Trouble::Device(why) => ("MountVolume.MountDevice", why),
            Trouble::MapDevice(why) => ("MapVolume.SetUpDevice", why),
            Trouble::MapPod(why) => ("MapVolume.MapPodDevice", why),
            Trouble::Unprocessed(_) | Trouble::Unattached(_) => return None,
        };
        Some(VolumeError::Step { step, volume: m.known_as.clone(), message: message.clone() })
    });
    if missing.is_empty() || step.is_some() {
        return step;
    }
    let mut why: Vec<&str> = Vec::new();
    let names = |wanted: fn(&Trouble) -> bool| {
        let mut names: Vec<String> =
            missing.iter().filter(|m| wanted(&m.trouble)).map(|m| m.name.clone()).collect();
        names.sort();
        names
    };
    for m in &missing {
        if let Trouble::Unprocessed(text) | Trouble::Unattached(text) = &m.trouble
            && !why.contains(&text.as_str())
        {
            why.push(text);
        }
    }
    Some(VolumeError::Waiting {
        unmounted: names(|_| true),
        unattached: names(|t| matches!(t, Trouble::Unattached(_))),
        unprocessed: names(|t| matches!(t, Trouble::Unprocessed(_))),
        message: why.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(name: &str, trouble: Trouble) -> Missing {
        Missing { name: name.into(), known_as: format!("pv-{name}"), trouble }
    }

    #[test]
    fn what_failed_is_told_before_what_waits() {
        assert_eq!(sum_up(Vec::new()), None);
        let waiting = || {
            vec![
                missing("b", Trouble::Unprocessed("error processing PVC ns/b: PVC is not bound".into())),
                missing("a", Trouble::Unattached("context deadline exceeded".into())),
            ]
        };
        let text = sum_up(waiting()).expect("an error").to_string();
        assert_eq!(
            text,
            "Unable to attach or mount volumes: unmounted volumes=[a b], unattached volumes=[a], failed to process \
             volumes=[b]: error processing PVC ns/b: PVC is not bound, context deadline exceeded"
        );
        let mut all = waiting();
        all.push(missing("c", Trouble::MapDevice("no device".into())));
        let error = sum_up(all).expect("an error");
        assert_eq!(error.to_string(), "MapVolume.SetUpDevice failed for volume \"pv-c\" : no device");
        assert_eq!(error.reason(), "FailedMapVolume");
    }
}
