//! Which of the objects that match a selector an owner has, takes in, or lets go (upstream's
//! `ControllerRefManager`).

use corten_api::selector::Selector;
use corten_api::{Kind, Object};
use corten_client::{Client, PatchType};
use corten_semantics::ApiResult;
use corten_semantics::owner::{controller_of, controller_reference};
use std::sync::Arc;

/// What to do with the objects at hand.
#[derive(Debug)]
pub struct Claims<K> {
    /// Owned and matching, or to be adopted.
    pub owned: Vec<Arc<K>>,
    /// Orphans that match.
    pub adopt: Vec<Arc<K>>,
    /// Owned but no longer matching.
    pub release: Vec<Arc<K>>,
}

/// Sorts `objects` by what `owner` with `selector` does with them.
pub fn claims<K: Kind>(owner: &dyn Object, selector: &Selector, objects: Vec<Arc<K>>) -> Claims<K> {
    let mut claims = Claims { owned: Vec::new(), adopt: Vec::new(), release: Vec::new() };
    let leaving = owner.meta().deletion_timestamp.is_some();
    for object in objects {
        let meta = object.meta();
        let matches = selector.matches(&meta.labels);
        match controller_of(meta) {
            Some(r) if r.uid != owner.meta().uid => {}
            Some(_) if matches => claims.owned.push(object),
            Some(_) if !leaving => claims.release.push(object),
            Some(_) => {}
            None if matches && !leaving && meta.deletion_timestamp.is_none() => claims.adopt.push(object),
            None => {}
        }
    }
    claims
}

/// Carries the claims out and gives the objects that `owner` has now.
pub async fn settle<K: Kind>(
    client: &Client,
    owner: &dyn Object,
    claims: Claims<K>,
) -> ApiResult<Vec<Arc<K>>> {
    let mut owned = claims.owned;
    for object in claims.adopt {
        let r = controller_reference(owner);
        let patch = format!(
            r#"{{"metadata":{{"ownerReferences":[{{"apiVersion":"{}","kind":"{}","name":"{}","uid":"{}","controller":true,"blockOwnerDeletion":true}}],"uid":"{}"}}}}"#,
            r.api_version,
            r.kind,
            r.name,
            r.uid,
            object.meta().uid
        );
        match patched(client, &*object, patch).await? {
            Some(adopted) => owned.push(adopted),
            None => continue,
        }
    }
    for object in claims.release {
        let patch = format!(
            r#"{{"metadata":{{"ownerReferences":[{{"$patch":"delete","uid":"{}"}}],"uid":"{}"}}}}"#,
            owner.meta().uid,
            object.meta().uid
        );
        patched(client, &*object, patch).await?;
    }
    Ok(owned)
}

async fn patched<K: Kind>(client: &Client, object: &K, patch: String) -> ApiResult<Option<Arc<K>>> {
    let api = client.beside(object);
    match api.patch(&object.meta().name, PatchType::Strategic, patch.into_bytes()).await {
        Ok(object) => Ok(Some(object)),
        Err(e) if e.is_not_found() || e.code() == 422 => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::apps::v1::ReplicaSet;
    use corten_api::core::v1::Pod;

    #[test]
    fn objects_are_owned_adopted_released_or_left() {
        let mut owner = ReplicaSet::default();
        owner.metadata.uid = "me".into();
        let selector = Selector::parse("a=b").expect("valid");
        let pod = |name: &str, label: &str, owned_by: Option<&str>| {
            let mut pod = Pod::default();
            pod.metadata.name = name.into();
            pod.metadata.labels.insert("a".into(), label.into());
            if let Some(uid) = owned_by {
                let mut r = controller_reference(&owner);
                r.uid = uid.into();
                pod.metadata.owner_references = vec![r];
            }
            Arc::new(pod)
        };
        let got = claims(
            &owner,
            &selector,
            vec![
                pod("mine", "b", Some("me")),
                pod("orphan", "b", None),
                pod("strayed", "c", Some("me")),
                pod("foreign", "b", Some("other")),
                pod("stranger", "c", None),
            ],
        );
        let names = |l: &[Arc<Pod>]| l.iter().map(|p| p.metadata.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&got.owned), ["mine"]);
        assert_eq!(names(&got.adopt), ["orphan"]);
        assert_eq!(names(&got.release), ["strayed"]);
    }
}
