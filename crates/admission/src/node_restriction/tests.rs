use super::*;
use crate::sample::{self, Request, meta};
use corten_api::authentication::v1::BoundObjectReference;
use corten_api::authentication::v1::TokenRequest;
use corten_api::core::v1::{
    AzureFileVolumeSource, CSIPersistentVolumeSource, CSIVolumeSource, EphemeralVolumeSource,
    PersistentVolume, PersistentVolumeClaimVolumeSource, ProjectedVolumeSource,
    ServiceAccountTokenProjection, Taint, Volume, VolumeProjection, VolumeSource,
};
use corten_api::meta::v1::OwnerReference;
use corten_api::storage::v1::{CSIDriver, TokenRequest as DriverTokens};
use corten_semantics::pod_references::MIRROR_ANNOTATION;

fn node(name: &str) -> Node {
    let mut node = Node { metadata: meta("", name), ..Node::default() };
    node.metadata.uid = "7".into();
    node
}

fn pod_on(name: &str, node: &str) -> Pod {
    let mut pod = sample::pod(name);
    pod.metadata.uid = "8".into();
    pod.spec.node_name = node.into();
    let token =
        ServiceAccountTokenProjection { path: "t".into(), ..ServiceAccountTokenProjection::default() };
    let source =
        VolumeProjection { service_account_token: Some(Box::new(token)), ..VolumeProjection::default() };
    let projected = ProjectedVolumeSource { sources: vec![source], ..ProjectedVolumeSource::default() };
    let volume_source = VolumeSource { projected: Some(Box::new(projected)), ..VolumeSource::default() };
    pod.spec.volumes = vec![Volume { name: "v".into(), volume_source }];
    pod
}

fn told(result: ApiResult<()>) -> Option<String> {
    result.err().map(|e| e.to_string())
}

async fn update_node(change: impl FnOnce(&mut Node)) -> Option<String> {
    let mut new = node("n1");
    change(&mut new);
    let request = Request::of::<Node>(Operation::Update, "", "n1").by_node("n1").old(node("n1"));
    told(request.admit(&NodeRestriction, &mut new).await)
}

#[tokio::test]
async fn a_node_changes_only_itself_and_not_everything() {
    assert_eq!(update_node(|n| n.spec.unschedulable = true).await, None);
    let label =
        |key: &'static str| move |n: &mut Node| drop(n.metadata.labels.insert(key.into(), "x".into()));
    assert_eq!(update_node(label("kubernetes.io/hostname")).await, None);
    assert_eq!(
        update_node(label("node-role.kubernetes.io/control-plane")).await.as_deref(),
        Some(
            "nodes \"n1\" is forbidden: is not allowed to modify labels: node-role.kubernetes.io/control-plane"
        )
    );
    assert_eq!(
        update_node(|n| n.spec.taints.push(Taint::default())).await.as_deref(),
        Some("nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints")
    );
    assert_eq!(
        update_node(|n| n.metadata.owner_references.push(OwnerReference::default())).await.as_deref(),
        Some("nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify ownerReferences")
    );
    let other = Request::of::<Node>(Operation::Update, "", "n2").by_node("n1").old(node("n2"));
    assert_eq!(
        told(other.admit(&NodeRestriction, &mut node("n2")).await).as_deref(),
        Some("nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"")
    );
    let mut marked = node("n1");
    marked.metadata.labels.insert("k8s.io/x".into(), String::new());
    let create = Request::of::<Node>(Operation::Create, "", "n1").by_node("n1");
    assert_eq!(
        told(create.admit(&NodeRestriction, &mut marked).await).as_deref(),
        Some("nodes \"n1\" is forbidden: node \"n1\" is not allowed to set the following labels: k8s.io/x")
    );
    let human = Request::of::<Node>(Operation::Update, "", "n2").old(node("n2"));
    assert_eq!(told(human.admit(&NodeRestriction, &mut node("n2")).await), None);
    let nobody = Request::of::<Node>(Operation::Update, "", "n2").by_node("");
    assert!(told(nobody.admit(&NodeRestriction, &mut node("n2")).await).is_some());
}

#[tokio::test]
async fn a_node_deletes_evicts_and_reports_only_its_own_pods() {
    let none = "pods \"p\" not found";
    for (place, delete, status) in [
        (
            "n2",
            Some(
                "pods \"p\" is forbidden: node \"n1\" can only delete pods with spec.nodeName set to itself",
            ),
            Some(
                "pods \"p\" is forbidden: node \"n1\" can only update pod status for pods with spec.nodeName set to itself",
            ),
        ),
        ("n1", None, None),
    ] {
        let mut request = Request::of::<Pod>(Operation::Delete, "ns", "p").by_node("n1");
        assert_eq!(told(request.delete(&NodeRestriction).await).as_deref(), Some(none));
        request.has(pod_on("p", place));
        assert_eq!(told(request.delete(&NodeRestriction).await).as_deref(), delete);
        let mut request = Request::of::<Pod>(Operation::Update, "ns", "p")
            .by_node("n1")
            .on("status")
            .old(pod_on("p", place));
        let found = told(request.admit(&NodeRestriction, &mut pod_on("p", place)).await);
        assert_eq!(found.as_deref(), status);
        request = Request::of::<Pod>(Operation::Create, "ns", "p").by_node("n1").on("eviction");
        request.has(pod_on("p", place));
        let mut eviction = Eviction { metadata: meta("ns", "p"), ..Eviction::default() };
        let refused = told(request.admit(&NodeRestriction, &mut eviction).await).is_some();
        assert_eq!(refused, place == "n2");
    }
    let mut relabelled = pod_on("p", "n1");
    relabelled.metadata.labels.insert("a".into(), "b".into());
    let request =
        Request::of::<Pod>(Operation::Update, "ns", "p").by_node("n1").on("status").old(pod_on("p", "n1"));
    assert_eq!(
        told(request.admit(&NodeRestriction, &mut relabelled).await).as_deref(),
        Some("pods \"p\" is forbidden: node \"n1\" cannot update labels through pod status")
    );
    let request = Request::of::<Pod>(Operation::Update, "ns", "p").by_node("n1").old(pod_on("p", "n1"));
    assert!(told(request.admit(&NodeRestriction, &mut pod_on("p", "n1")).await).is_some());
}

#[tokio::test]
async fn a_node_creates_only_mirror_pods() {
    let mirror = || {
        let mut pod = sample::pod("p");
        pod.spec.node_name = "n1".into();
        pod.metadata.annotations.insert(MIRROR_ANNOTATION.into(), "x".into());
        pod.metadata.owner_references = vec![OwnerReference {
            api_version: "v1".into(),
            kind: "Node".into(),
            name: "n1".into(),
            uid: "7".into(),
            controller: Some(true),
            ..OwnerReference::default()
        }];
        pod
    };
    type Change = fn(&mut Pod);
    let cases: [(Change, Option<&str>); 7] = [
        (|_| (), None),
        (
            |p| p.metadata.annotations.clear(),
            Some(
                "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create mirror pods",
            ),
        ),
        (
            |p| p.spec.node_name = "n2".into(),
            Some("node \"n1\" can only create pods with spec.nodeName set to itself"),
        ),
        (
            |p| p.metadata.owner_references.clear(),
            Some("node \"n1\" can only create pods with an owner reference set to itself"),
        ),
        (
            |p| p.metadata.owner_references[0].controller = None,
            Some("node \"n1\" can only create pods with a controller owner reference set to itself"),
        ),
        (|p| p.metadata.owner_references[0].uid = "9".into(), Some("node n1 UID mismatch: expected 9 got 7")),
        (
            |p| p.spec.service_account_name = "sa".into(),
            Some("node \"n1\" can not create pods that reference serviceaccounts"),
        ),
    ];
    for (change, why) in cases {
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p").by_node("n1");
        request.has(node("n1"));
        let mut pod = mirror();
        change(&mut pod);
        let found = told(request.admit(&NodeRestriction, &mut pod).await);
        assert_eq!(found, why.map(|w| format!("pods \"p\" is forbidden: {w}")));
    }
    let mut request = Request::of::<Pod>(Operation::Create, "ns", "p").by_node("n1");
    request.has(node("n1"));
    let mut pod = mirror();
    pod.spec.volumes = pod_on("p", "n1").spec.volumes;
    let found = told(request.admit(&NodeRestriction, &mut pod).await);
    assert!(found.is_some_and(|f| f.ends_with("reference serviceaccounts (via projected volumes)")));
}

#[tokio::test]
async fn a_node_asks_tokens_for_its_pods_only() {
    let bound = |name: &str, uid: &str| {
        Some(Box::new(BoundObjectReference {
            kind: "Pod".into(),
            api_version: "v1".into(),
            name: name.into(),
            uid: uid.into(),
        }))
    };
    let other = vec!["other".to_string()];
    for (reference, audiences, why) in [
        (bound("mine", "8"), vec![], None),
        (None, vec![], Some("serviceaccounts \"sa\" is forbidden: node requested token not bound to a pod")),
        (
            bound("mine", ""),
            vec![],
            Some(
                "serviceaccounts \"sa\" is forbidden: node requested token with a pod binding without a uid",
            ),
        ),
        (bound("none", "8"), vec![], Some("pods \"none\" not found")),
        (
            bound("mine", "9"),
            vec![],
            Some(
                "serviceaccounts \"sa\" is forbidden: the UID in the bound object reference (9) does not match the UID in record. The object might have been deleted and then recreated",
            ),
        ),
        (
            bound("theirs", "8"),
            vec![],
            Some(
                "serviceaccounts \"sa\" is forbidden: node requested token bound to a pod scheduled on a different node",
            ),
        ),
        (
            bound("mine", "8"),
            other,
            Some(
                "serviceaccounts \"sa\" is forbidden: audience \"other\" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience",
            ),
        ),
    ] {
        let mut request =
            Request::of::<ServiceAccount>(Operation::Create, "ns", "sa").by_node("n1").on("token");
        request.has(pod_on("mine", "n1")).has(pod_on("theirs", "n2"));
        let mut asked = TokenRequest::default();
        (asked.spec.bound_object_ref, asked.spec.audiences) = (reference, audiences);
        assert_eq!(told(request.admit(&NodeRestriction, &mut asked).await).as_deref(), why);
    }
}

#[tokio::test]
async fn a_token_is_for_an_audience_of_the_pods_volumes() {
    let volume = |source| Volume { name: "v".into(), volume_source: source };
    let projected = volume(VolumeSource {
        projected: Some(Box::new(ProjectedVolumeSource {
            sources: vec![VolumeProjection {
                service_account_token: Some(Box::new(ServiceAccountTokenProjection {
                    audience: "projected".into(),
                    ..Default::default()
                })),
                ..Default::default()
            }],
            ..Default::default()
        })),
        ..Default::default()
    });
    let claimed = |name: &str| {
        volume(VolumeSource {
            persistent_volume_claim: Some(Box::new(PersistentVolumeClaimVolumeSource {
                claim_name: name.into(),
                ..Default::default()
            })),
            ..Default::default()
        })
    };
    let inline = |driver: &str| {
        volume(VolumeSource {
            csi: Some(Box::new(CSIVolumeSource { driver: driver.into(), ..Default::default() })),
            ..Default::default()
        })
    };
    let ephemeral = volume(VolumeSource {
        ephemeral: Some(Box::new(EphemeralVolumeSource { volume_claim_template: Some(Default::default()) })),
        ..Default::default()
    });
    let azure = |share: &str| {
        let share = AzureFileVolumeSource { share_name: share.into(), ..Default::default() };
        volume(VolumeSource { azure_file: Some(Box::new(share)), ..Default::default() })
    };
    let not_found = |what: &str| {
        Some(format!("serviceaccounts \"sa\" is forbidden: error validating audience \"vault\": {what}"))
    };
    let no_right = |audience: &str| {
        Some(format!(
            "serviceaccounts \"sa\" is forbidden: audience {audience:?} not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience"
        ))
    };
    for (volumes, audience, why) in [
        (vec![projected.clone()], "projected", None),
        (vec![projected.clone()], "vault", no_right("vault")),
        (vec![claimed("bound")], "vault", None),
        (vec![claimed("bound")], "other", no_right("other")),
        (vec![inline("loop.test")], "vault", None),
        (vec![ephemeral], "vault", None),
        (
            vec![azure("share")],
            "vault",
            not_found("csidriver.storage.k8s.io \"file.csi.azure.com\" not found"),
        ),
        (vec![claimed("none")], "vault", not_found("persistentvolumeclaim \"none\" not found")),
        (vec![claimed("none"), claimed("bound")], "vault", None),
        (
            vec![claimed("none"), inline("no.such")],
            "vault",
            not_found(
                "[persistentvolumeclaim \"none\" not found, csidriver.storage.k8s.io \"no.such\" not found]",
            ),
        ),
    ] {
        let mut request =
            Request::of::<ServiceAccount>(Operation::Create, "ns", "sa").by_node("n1").on("token");
        let mut pod = pod_on("mine", "n1");
        pod.spec.volumes = volumes;
        let mut driver = CSIDriver { metadata: meta("", "loop.test"), ..Default::default() };
        driver.spec.token_requests = vec![DriverTokens { audience: "vault".into(), ..Default::default() }];
        let mut disk = PersistentVolume { metadata: meta("", "disk"), ..Default::default() };
        disk.spec.persistent_volume_source.csi =
            Some(Box::new(CSIPersistentVolumeSource { driver: "loop.test".into(), ..Default::default() }));
        for name in ["bound", "mine-v"] {
            let mut claim = PersistentVolumeClaim { metadata: meta("ns", name), ..Default::default() };
            claim.spec.volume_name = "disk".into();
            request.has(claim);
        }
        request.has(pod).has(driver).has(disk);
        let mut asked = TokenRequest::default();
        asked.spec.audiences = vec![audience.into()];
        asked.spec.bound_object_ref = Some(Box::new(BoundObjectReference {
            kind: "Pod".into(),
            api_version: "v1".into(),
            name: "mine".into(),
            uid: "8".into(),
        }));
        assert_eq!(told(request.admit(&NodeRestriction, &mut asked).await), why);
    }
}

#[tokio::test]
async fn a_node_has_its_own_lease_and_claims_status() {
    for (namespace, name, allowed) in
        [("kube-node-lease", "n1", true), ("kube-node-lease", "n2", false), ("ns", "n1", false)]
    {
        for (operation, at) in [(Operation::Create, ""), (Operation::Update, name)] {
            let request = Request::of::<Lease>(operation, namespace, at).by_node("n1");
            let mut lease = Lease { metadata: meta(namespace, name), ..Lease::default() };
            let refused = told(request.admit(&NodeRestriction, &mut lease).await).is_some();
            assert_eq!(refused, !allowed, "{namespace}/{name}");
        }
    }
    let claim = PersistentVolumeClaim { metadata: meta("ns", "c"), ..PersistentVolumeClaim::default() };
    let request = Request::of::<PersistentVolumeClaim>(Operation::Update, "ns", "c")
        .by_node("n1")
        .on("status")
        .old(claim.clone());
    let mut grown = claim.clone();
    grown.status.capacity.insert("storage".into(), "1Gi".parse().expect("a quantity"));
    assert_eq!(told(request.admit(&NodeRestriction, &mut grown).await), None);
    grown.spec.volume_name = "other".into();
    assert!(told(request.admit(&NodeRestriction, &mut grown).await).is_some());
}

#[tokio::test]
async fn a_node_asks_certificates_for_itself_only() {
    // The subject of this request is O=system:nodes, CN=system:node:n1.
    let pem = "-----BEGIN CERTIFICATE REQUEST-----\n\
         MIHrMIGSAgEAMDAxFTATBgNVBAoMDHN5c3RlbTpub2RlczEXMBUGA1UEAwwOc3lz\n\
         dGVtOm5vZGU6bjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASPQHL33Z9xYOcw\n\
         GX5ZE61Wmlkov+rXFafpV7WDpfC2XsmhNvWnlyzRE8SpJ+9Z+ik3ufJc6FW2zfKO\n\
         HCGEmEZkoAAwCgYIKoZIzj0EAwIDSAAwRQIhAJI0gCqk0RTwmX3FhjGm5ZLBcoCE\n\
         LJc0QHJfHkADSRcNAiAH8QNfJyC9Thwd6PUc5sWl9T6GcrJBJqKT+GZTcI6r9A==\n\
         -----END CERTIFICATE REQUEST-----\n";
    for (signer, own, allowed) in [
        (KUBELET_SIGNERS[0], "n1", true),
        (KUBELET_SIGNERS[1], "n2", false),
        ("example.com/other", "n2", true),
    ] {
        let request = Request::of::<CertificateSigningRequest>(Operation::Create, "", "").by_node(own);
        let mut asked = CertificateSigningRequest::default();
        asked.spec.signer_name = signer.into();
        asked.spec.request = pem.as_bytes().to_vec();
        let found = told(request.admit(&NodeRestriction, &mut asked).await);
        assert_eq!(found.is_none(), allowed, "{signer} {own}: {found:?}");
    }
}
