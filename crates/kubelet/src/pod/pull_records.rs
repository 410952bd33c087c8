//! With whose credentials images were pulled. A pod whose image is here already may use it without asking the
//! registry only if the image was here from the start, if anybody may have it, or if the pod brings the
//! credentials with which it was pulled (upstream's `NeverVerifyPreloadedImages`).

use super::pull_secrets::Credential;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use tokio::sync::{Semaphore, SemaphorePermit};

/// One file per image that was pulled, in a directory.
#[derive(Debug)]
pub struct Pulls {
    dir: PathBuf,
    /// The images that have a file.
    known: parking_lot::Mutex<HashSet<String>>,
    /// As many images may be pulled at once; without, any number.
    turns: Option<Semaphore>,
}

impl Pulls {
    /// With the records in `dir`; `most` images are pulled at once.
    pub fn new(dir: PathBuf, most: Option<usize>) -> Self {
        let files = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let known = files.map(|f| f.file_name().to_string_lossy().into_owned()).collect();
        Pulls { dir, known: parking_lot::Mutex::new(known), turns: most.map(Semaphore::new) }
    }

    /// Waits until so few other images are being pulled that another may be: first come, first served.
    pub async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        match &self.turns {
            Some(turns) => turns.acquire().await.ok(),
            None => None,
        }
    }

    /// Whether this image was pulled by the kubelet.
    pub fn has(&self, id: &str) -> bool {
        self.known.lock().contains(&file_name(id))
    }

    /// Whether who has these credentials may use the image under this name.
    pub fn allows(&self, id: &str, name: &str, credentials: &[Credential]) -> bool {
        if !self.has(id) {
            return true;
        }
        let Some(users) = self.read(id).get_mut(repository(name)).map(Value::take) else { return false };
        if users == "anyone" {
            return true;
        }
        let mine: Vec<Value> = credentials.iter().map(user).collect();
        let same = |a: &Value, b: &Value| a["uid"] == b["uid"] || a["hash"] == b["hash"];
        users.as_array().is_some_and(|users| users.iter().any(|u| mine.iter().any(|m| same(u, m))))
    }

    /// Notes that the image was pulled under this name, with a credential or without.
    ///
    /// # Errors
    /// The disk failed.
    pub fn note(&self, id: &str, name: &str, with: Option<&Credential>) -> io::Result<()> {
        let mut record = self.read(id);
        let users = &mut record[repository(name)];
        let before = users.clone();
        match with {
            None => *users = json!("anyone"),
            Some(_) if *users == "anyone" => {}
            Some(credential) => {
                let new = user(credential);
                match users.as_array_mut() {
                    Some(list) if list.contains(&new) => {}
                    Some(list) => list.push(new),
                    None => *users = json!([new]),
                }
            }
        }
        if *users == before {
            return Ok(());
        }
        std::fs::create_dir_all(&self.dir)?;
        let file = file_name(id);
        let path = self.dir.join(&file);
        // A record that is half there would keep nobody out.
        let fresh = self.dir.join(format!(".{file}"));
        std::fs::write(&fresh, record.to_string())?;
        std::fs::rename(&fresh, &path)?;
        self.known.lock().insert(file);
        Ok(())
    }

    fn read(&self, id: &str) -> Value {
        let text = std::fs::read(self.dir.join(file_name(id))).unwrap_or_default();
        serde_json::from_slice(&text).ok().filter(Value::is_object).unwrap_or_else(|| json!({}))
    }
}

fn user(c: &Credential) -> Value {
    let a = &c.auth;
    let secret = format!("{}\0{}\0{}\0{}", a.username, a.password, a.identity_token, a.registry_token);
    json!({
        "namespace": c.namespace, "name": c.name, "uid": c.uid, "hash": digest(&secret),
    })
}

/// Tells credentials apart without showing them.
fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file_name(id: &str) -> String {
    id.replace(['/', ':'], "-").trim_start_matches('.').to_string()
}

/// An image's name without tag and digest.
fn repository(name: &str) -> &str {
    let bare = name.split('@').next().unwrap_or(name);
    match bare.rfind(':') {
        Some(at) if !bare[at..].contains('/') => &bare[..at],
        _ => bare,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::cri::AuthConfig;

    fn credential(uid: &str, password: &str) -> Credential {
        let auth = AuthConfig { password: password.into(), ..AuthConfig::default() };
        Credential { auth, uid: uid.into(), ..Credential::default() }
    }

    #[test]
    fn an_image_is_for_those_who_could_pull_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let pulls = Pulls::new(dir.path().join("pulled"), Some(1));
        assert!(pulls.allows("sha256:a", "reg/a:1", &[]), "it was here before");
        pulls.note("sha256:a", "reg/a:1", Some(&credential("1", "x"))).expect("noted");
        for (name, who, want) in [
            ("reg/a:2", vec![], false),
            ("reg/a:1", vec![credential("1", "new")], true),
            ("reg/a:1", vec![credential("2", "x")], true),
            ("reg/a:1", vec![credential("2", "y")], false),
            ("reg/b:1", vec![credential("1", "x")], false),
        ] {
            // Another process finds the same.
            assert_eq!(
                Pulls::new(dir.path().join("pulled"), Some(1)).allows("sha256:a", name, &who),
                want,
                "{name}"
            );
        }
        pulls.note("sha256:a", "reg/a:1", None).expect("noted");
        assert!(pulls.allows("sha256:a", "reg/a@sha256:b", &[]), "anybody may have it");
    }

    #[tokio::test(start_paused = true)]
    async fn images_are_pulled_in_turn() {
        use futures::FutureExt;
        for (most, at_once) in [(Some(1), 1), (Some(2), 2), (None, 3)] {
            let pulls = Pulls::new("/nowhere".into(), most);
            let turns: Vec<_> = (0..3).map(|_| pulls.turn().now_or_never()).collect();
            assert_eq!(turns.iter().filter(|t| t.is_some()).count(), at_once, "{most:?}");
            drop(turns);
            assert!(pulls.turn().now_or_never().is_some(), "{most:?}");
        }
    }

    #[test]
    fn names_without_tags_and_digests() {
        for (name, want) in
            [("a", "a"), ("a:1", "a"), ("reg:5000/a", "reg:5000/a"), ("reg:5000/a:1@sha256:b", "reg:5000/a")]
        {
            assert_eq!(repository(name), want);
        }
    }
}
