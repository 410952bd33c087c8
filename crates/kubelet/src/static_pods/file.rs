//! Definitions of static pods in files.

use super::seen;
use crate::pod::names::{CONFIG_HASH, CONFIG_SEEN, CONFIG_SOURCE};
use corten_api::core::v1::{Pod, Toleration};
use corten_codec::{Problems, json, yaml};
use corten_rt::Timestamp;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A larger file defines no pod.
const MOST: u64 = 1 << 20;

/// What changes when a file does: names, sizes and times.
pub type Stamp = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// How the files of the directory are now.
pub fn stamp(dir: &Path) -> Stamp {
    let mut out: Stamp = files(dir)
        .filter_map(|path| {
            let meta = std::fs::metadata(&path).ok()?;
            Some((path, meta.len(), meta.modified().ok()))
        })
        .collect();
    out.sort();
    out
}

fn files(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let plain = |path: &PathBuf| {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        !name.starts_with('.') && !name.ends_with('~') && path.is_file()
    };
    entries.map(|e| e.path()).filter(plain)
}

/// The pods that the files define, by UID. A file that defines none is told of in the log.
pub fn read(dir: &Path, node: &str, default: fn(&mut Pod), now: Timestamp) -> BTreeMap<String, Arc<Pod>> {
    let mut out = BTreeMap::new();
    let mut paths: Vec<PathBuf> = files(dir).collect();
    paths.sort();
    for path in paths {
        let large = std::fs::metadata(&path).is_ok_and(|m| m.len() > MOST);
        let text = match std::fs::read(&path) {
            _ if large => Err("the file is too large".to_string()),
            read => read.map_err(|e| e.to_string()),
        };
        let pod = text.and_then(|text| parse(&text, &path.to_string_lossy(), node, default, now));
        match pod {
            Ok(pod) => {
                out.insert(pod.metadata.uid.clone(), Arc::new(pod));
            }
            Err(error) => {
                tracing::warn!(file = %path.display(), error, "the file defines no static pod");
            }
        }
    }
    out
}

/// The pod that a file defines, as it runs on this node.
fn parse(text: &[u8], file: &str, node: &str, default: fn(&mut Pod), now: Timestamp) -> Result<Pod, String> {
    let mut pod = Pod::default();
    let mut problems = Problems::ignore();
    let json = yaml::to_json(text, &mut problems).map_err(|e| e.to_string())?;
    json::decode(&json, &mut pod, &mut problems).map_err(|e| e.to_string())?;
    if pod.metadata.name.is_empty() {
        return Err("the pod has no name".into());
    }
    if pod.spec.containers.is_empty() {
        return Err("the pod has no containers".into());
    }
    if let Some(why) = needs_api(&pod) {
        return Err(format!("a static pod may not use {why}: the API would have to be there"));
    }
    default(&mut pod);
    let m = &mut pod.metadata;
    m.name = format!("{}-{}", m.name, node.to_lowercase());
    if m.namespace.is_empty() {
        m.namespace = "default".into();
    }
    if m.uid.is_empty() {
        let mut hash = Sha256::new();
        for part in [node.as_bytes(), file.as_bytes(), &json] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        m.uid = hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    }
    m.annotations.insert(CONFIG_SOURCE.into(), "file".into());
    m.annotations.insert(CONFIG_SEEN.into(), seen(now));
    m.annotations.insert(CONFIG_HASH.into(), m.uid.clone());
    m.generation = m.generation.max(1);
    pod.spec.node_name = node.into();
    pod.spec.tolerations.push(Toleration {
        operator: "Exists".into(),
        effect: "NoExecute".into(),
        ..Toleration::default()
    });
    pod.status = Default::default();
    pod.status.phase = "Pending".into();
    Ok(pod)
}

/// What of the pod would need objects of the API.
fn needs_api(pod: &Pod) -> Option<&'static str> {
    let volumes = pod.spec.volumes.iter().map(|v| &v.volume_source);
    for v in volumes {
        let found = [
            (v.config_map.is_some(), "ConfigMaps"),
            (v.secret.is_some(), "Secrets"),
            (v.persistent_volume_claim.is_some(), "PersistentVolumeClaims"),
            (v.projected.is_some(), "projected volumes"),
            (v.ephemeral.is_some(), "ephemeral volumes"),
        ];
        if let Some((_, what)) = found.into_iter().find(|(is, _)| *is) {
            return Some(what);
        }
    }
    (!pod.spec.service_account_name.is_empty()).then_some("service accounts")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(pod: &mut Pod) {
        pod.spec.restart_policy = "Always".into();
    }

    const WEB: &str =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: i}]}\n";

    #[test]
    fn files_define_pods_of_this_node() {
        let dir = tempfile::tempdir().expect("a directory");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("written");
        write("web.yaml", WEB);
        write(".hidden", WEB);
        write("wrong.yaml", "kind: [");
        write(
            "db.json",
            r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"db","namespace":"x","uid":"own"},"spec":{"containers":[{"name":"a"}]}}"#,
        );
        let before = stamp(dir.path());
        let found = read(dir.path(), "Node1", policy, Timestamp::UNIX_EPOCH);
        let names: Vec<String> =
            found.values().map(|p| format!("{}/{}", p.metadata.namespace, p.metadata.name)).collect();
        assert_eq!(names.len(), 2, "{names:?}");
        assert_eq!(found["own"].metadata.name, "db-node1");
        let web = found.values().find(|p| p.metadata.name == "web-node1").expect("defined");
        let note = |name: &str| web.metadata.annotations.get(name).map(String::as_str);
        assert_eq!((note(CONFIG_SOURCE), note(CONFIG_HASH)), (Some("file"), Some(web.metadata.uid.as_str())));
        assert_eq!((web.spec.node_name.as_str(), web.spec.restart_policy.as_str()), ("Node1", "Always"));
        assert_eq!(before, stamp(dir.path()));
        // Another definition is another pod.
        write("web.yaml", &WEB.replace("image: i", "image: j"));
        assert_ne!(before, stamp(dir.path()));
        let again = read(dir.path(), "Node1", policy, Timestamp::UNIX_EPOCH);
        assert!(!again.contains_key(&web.metadata.uid) && again.contains_key("own"));
    }

    #[test]
    fn what_needs_the_api_is_refused() {
        let text = WEB.replace("spec: {", "spec: {volumes: [{name: v, secret: {secretName: s}}], ");
        let got = parse(text.as_bytes(), "f", "n", policy, Timestamp::UNIX_EPOCH);
        assert!(got.expect_err("refused").contains("Secrets"));
    }
}
