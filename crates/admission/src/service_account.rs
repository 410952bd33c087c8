//! ServiceAccount: every pod runs as a service account that exists, and is given its token.

use crate::check::{Check, Context, Operation};
use async_trait::async_trait;
use corten_api::Object;
use corten_api::core::v1::{
    ConfigMapProjection, DownwardAPIProjection, DownwardAPIVolumeFile, EnvFromSource, EnvVar, KeyToPath,
    LocalObjectReference, ObjectFieldSelector, Pod, ProjectedVolumeSource, ServiceAccount,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection, VolumeSource,
};
use corten_rt::random;
use corten_semantics::ApiResult;
use corten_semantics::pod_references::{MIRROR_ANNOTATION, Referenced, references};
use std::sync::Arc;
use std::time::Duration;

const DEFAULT: &str = "default";
const VOLUME_PREFIX: &str = "kube-api-access-";
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const ENFORCE_MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";
/// Seconds; by the odd value upstream tells mounted tokens from others.
const TOKEN_SECONDS: i64 = 3607;
const FILE_MODE: i32 = 0o644;
/// How often a namespace's `default` is looked for, since its controller makes it a moment after the namespace.
const ATTEMPTS: usize = 10;

pub(crate) struct ServiceAccountCheck;

#[async_trait]
impl Check for ServiceAccountCheck {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn handles(&self, context: &Context<'_>) -> bool {
        match (context.operation, context.subresource) {
            (Operation::Create, "") => context.is_for::<Pod>(),
            (Operation::Update, "ephemeralcontainers") => context.is_for::<Pod>(),
            _ => false,
        }
    }

    async fn admit(&self, context: &Context<'_>, object: &mut dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_mut::<Pod>() else { return Ok(()) };
        if context.operation != Operation::Create || is_mirror(pod) {
            return self.validate(context, pod).await;
        }
        let spec = &mut pod.spec;
        if spec.service_account_name.is_empty() {
            spec.service_account_name = match spec.service_account.as_str() {
                "" => DEFAULT.into(),
                older => older.into(),
            };
        }
        spec.service_account = spec.service_account_name.clone();
        let account = account(context, pod).await?;
        if pod
            .spec
            .automount_service_account_token
            .or(account.automount_service_account_token)
            .unwrap_or(true)
        {
            mount_token(pod);
        }
        if pod.spec.image_pull_secrets.is_empty() {
            pod.spec.image_pull_secrets = account.image_pull_secrets.clone();
        }
        limit_secrets(&account, pod, false).map_err(|why| context.forbidden(Some(pod), &why))
    }

    async fn validate(&self, context: &Context<'_>, object: &dyn Object) -> ApiResult<()> {
        let Some(pod) = object.downcast_ref::<Pod>() else { return Ok(()) };
        let refuse = |why: &str| context.forbidden(Some(pod), why);
        let ephemeral = context.operation == Operation::Update;
        if is_mirror(pod) && !ephemeral {
            return check_mirror(pod).map_err(refuse);
        }
        if pod.spec.service_account_name.is_empty() {
            let (namespace, name) = (context.namespace, &pod.metadata.name);
            return Err(refuse(&format!("no service account specified for pod {namespace}/{name}")));
        }
        let account = account(context, pod).await?;
        limit_secrets(&account, pod, ephemeral).map_err(|why| refuse(&why))
    }
}

fn is_mirror(pod: &Pod) -> bool {
    pod.metadata.annotations.contains_key(MIRROR_ANNOTATION)
}

/// The pod's service account; `default` is waited for.
async fn account(context: &Context<'_>, pod: &Pod) -> ApiResult<Arc<ServiceAccount>> {
    let (namespace, name) = (context.namespace, pod.spec.service_account_name.as_str());
    let attempts = if name == DEFAULT { ATTEMPTS } else { 1 };
    for attempt in 0..attempts {
        if attempt > 0 {
            corten_rt::sleep(Duration::from_millis(100 + random::below(100) as u64)).await;
        }
        if let Some(account) = context.objects.get::<ServiceAccount>(namespace, name) {
            return Ok(account);
        }
    }
    let missing = format!("serviceaccount {name:?} not found");
    let why = format!("error looking up service account {namespace}/{name}: {missing}");
    Err(context.forbidden(Some(pod), &why))
}

/// A mirror pod is made by its node, so it must not open anything to it.
fn check_mirror(pod: &Pod) -> Result<(), &'static str> {
    if !pod.spec.service_account_name.is_empty() {
        return Err("a mirror pod may not reference service accounts");
    }
    if references(pod).iter().any(|(kind, _)| *kind == Referenced::Secret) {
        return Err("a mirror pod may not reference secrets");
    }
    let mut projections =
        pod.spec.volumes.iter().flat_map(|v| &v.volume_source.projected).flat_map(|p| &p.sources);
    if projections.any(|p| p.service_account_token.is_some()) {
        return Err("a mirror pod may not use ServiceAccountToken volume projections");
    }
    Ok(())
}

fn mount_token(pod: &mut Pod) {
    let present = pod.spec.volumes.iter().find(|v| v.name.starts_with(VOLUME_PREFIX)).map(|v| v.name.clone());
    let name = present.clone().unwrap_or_else(|| format!("{VOLUME_PREFIX}{}", random::name_suffix(5)));
    let mut needed = false;
    for container in pod.spec.init_containers.iter_mut().chain(&mut pod.spec.containers) {
        if container.volume_mounts.iter().any(|m| m.mount_path == MOUNT_PATH) {
            continue;
        }
        container.volume_mounts.push(VolumeMount {
            name: name.clone(),
            read_only: true,
            mount_path: MOUNT_PATH.into(),
            ..VolumeMount::default()
        });
        needed = true;
    }
    if needed && present.is_none() {
        let projected = Some(Box::new(token_volume()));
        let volume_source = VolumeSource { projected, ..VolumeSource::default() };
        pod.spec.volumes.push(Volume { name, volume_source });
    }
}

/// The token, the authority that signs the API server, and the namespace's name.
fn token_volume() -> ProjectedVolumeSource {
    let token = ServiceAccountTokenProjection {
        path: "token".into(),
        expiration_seconds: Some(TOKEN_SECONDS),
        ..ServiceAccountTokenProjection::default()
    };
    let authority = ConfigMapProjection {
        local_object_reference: LocalObjectReference { name: "kube-root-ca.crt".into() },
        items: vec![KeyToPath { key: "ca.crt".into(), path: "ca.crt".into(), mode: None }],
        optional: None,
    };
    let field_ref = ObjectFieldSelector { api_version: "v1".into(), field_path: "metadata.namespace".into() };
    let namespace = DownwardAPIVolumeFile {
        path: "namespace".into(),
        field_ref: Some(Box::new(field_ref)),
        ..DownwardAPIVolumeFile::default()
    };
    ProjectedVolumeSource {
        default_mode: Some(FILE_MODE),
        sources: vec![
            VolumeProjection { service_account_token: Some(Box::new(token)), ..VolumeProjection::default() },
            VolumeProjection { config_map: Some(Box::new(authority)), ..VolumeProjection::default() },
            VolumeProjection {
                downward_api: Some(Box::new(DownwardAPIProjection { items: vec![namespace] })),
                ..VolumeProjection::default()
            },
        ],
    }
}

/// Where the account asks for it, its pods use no other secrets than those it lists.
fn limit_secrets(account: &ServiceAccount, pod: &Pod, ephemeral: bool) -> Result<(), String> {
    let enforced = account.metadata.annotations.get(ENFORCE_MOUNTABLE).map(String::as_str);
    if !matches!(enforced, Some("1" | "t" | "T" | "true" | "TRUE" | "True")) {
        return Ok(());
    }
    let own = &account.metadata.name;
    let allowed = |name: &str| account.secrets.iter().any(|s| s.name == name);
    let refused = |what: String, name: &str| {
        format!(
            "{what} referencing secret.secretName=\"{name}\" is not allowed because service account {own} does not reference that secret"
        )
    };
    let check = |what: &str, container: &str, env: &[EnvVar], from: &[EnvFromSource]| {
        for variable in env {
            let key = variable.value_from.as_ref().and_then(|v| v.secret_key_ref.as_ref());
            if let Some(key) = key.filter(|k| !allowed(&k.local_object_reference.name)) {
                let what = format!("{what} {container} with envVar {}", variable.name);
                return Err(refused(what, &key.local_object_reference.name));
            }
        }
        for secret in from.iter().filter_map(|f| f.secret_ref.as_ref()) {
            if !allowed(&secret.local_object_reference.name) {
                let what = format!("{what} {container} with envFrom");
                return Err(refused(what, &secret.local_object_reference.name));
            }
        }
        Ok(())
    };
    if ephemeral {
        return pod
            .spec
            .ephemeral_containers
            .iter()
            .map(|c| &c.ephemeral_container_common)
            .try_for_each(|c| check("ephemeral container", &c.name, &c.env, &c.env_from));
    }
    for secret in pod.spec.volumes.iter().filter_map(|v| v.volume_source.secret.as_ref()) {
        let name = &secret.secret_name;
        if !allowed(name) {
            return Err(format!(
                "volume with secret.secretName=\"{name}\" is not allowed because service account {own} does not reference that secret"
            ));
        }
    }
    for c in &pod.spec.init_containers {
        check("init container", &c.name, &c.env, &c.env_from)?;
    }
    for c in &pod.spec.containers {
        check("container", &c.name, &c.env, &c.env_from)?;
    }
    for (i, pull) in pod.spec.image_pull_secrets.iter().enumerate() {
        let name = &pull.name;
        if !account.image_pull_secrets.contains(pull) {
            return Err(format!(
                "imagePullSecrets[{i}].name=\"{name}\" is not allowed because service account {own} does not reference that imagePullSecret"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{self, Request, meta};
    use corten_api::core::v1::{Container, ObjectReference, SecretVolumeSource};

    fn account(name: &str, automount: Option<bool>) -> ServiceAccount {
        ServiceAccount {
            metadata: meta("ns", name),
            automount_service_account_token: automount,
            image_pull_secrets: vec![LocalObjectReference { name: "registry".into() }],
            ..ServiceAccount::default()
        }
    }

    async fn admit(pod: &mut Pod, account: ServiceAccount) -> ApiResult<()> {
        let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
        request.has(account);
        request.admit(&ServiceAccountCheck, pod).await
    }

    #[tokio::test]
    async fn a_pod_gets_account_token_and_pull_secrets() {
        let mut pod = sample::pod("p");
        pod.spec.init_containers = vec![Container { name: "first".into(), ..Container::default() }];
        admit(&mut pod, account("default", None)).await.expect("admitted");
        let spec = &pod.spec;
        assert_eq!(
            (spec.service_account_name.as_str(), spec.service_account.as_str()),
            ("default", "default")
        );
        assert_eq!(spec.image_pull_secrets[0].name, "registry");
        let [volume] = spec.volumes.as_slice() else { panic!("one volume") };
        let suffix = volume.name.strip_prefix("kube-api-access-").expect("the prefix");
        assert_eq!(suffix.len(), 5);
        for container in spec.init_containers.iter().chain(&spec.containers) {
            let [mount] = container.volume_mounts.as_slice() else { panic!("one mount") };
            assert!(mount.read_only && mount.name == volume.name);
            assert_eq!(mount.mount_path, "/var/run/secrets/kubernetes.io/serviceaccount");
        }
        let projected = volume.volume_source.projected.as_ref().expect("projected");
        assert_eq!(projected.default_mode, Some(420));
        let token = projected.sources[0].service_account_token.as_ref().expect("a token");
        assert_eq!((token.path.as_str(), token.expiration_seconds), ("token", Some(3607)));
        let map = projected.sources[1].config_map.as_ref().expect("the authority");
        assert_eq!(map.local_object_reference.name, "kube-root-ca.crt");
        let files = projected.sources[2].downward_api.as_ref().expect("the namespace");
        assert_eq!(files.items[0].field_ref.as_ref().expect("a field").field_path, "metadata.namespace");
    }

    #[tokio::test]
    async fn who_asks_for_no_token_gets_none() {
        // The pod's wish goes before the account's; the default is yes. The nine cases of the conformance suite.
        for (pod_wants, account_wants, mounted) in [
            (None, None, true),
            (None, Some(true), true),
            (None, Some(false), false),
            (Some(true), None, true),
            (Some(true), Some(true), true),
            (Some(true), Some(false), true),
            (Some(false), None, false),
            (Some(false), Some(true), false),
            (Some(false), Some(false), false),
        ] {
            let mut pod = sample::pod("p");
            pod.spec.service_account_name = "sa".into();
            pod.spec.automount_service_account_token = pod_wants;
            admit(&mut pod, account("sa", account_wants)).await.expect("admitted");
            assert_eq!(pod.spec.volumes.len() == 1, mounted, "{pod_wants:?} {account_wants:?}");
        }
    }

    #[tokio::test]
    async fn own_mounts_and_pull_secrets_stay() {
        let mut pod = sample::pod("p");
        let own =
            VolumeMount { name: "mine".into(), mount_path: MOUNT_PATH.into(), ..VolumeMount::default() };
        pod.spec.containers[0].volume_mounts = vec![own];
        pod.spec.image_pull_secrets = vec![LocalObjectReference { name: "own".into() }];
        admit(&mut pod, account("default", None)).await.expect("admitted");
        assert!(pod.spec.volumes.is_empty());
        assert_eq!(
            (pod.spec.image_pull_secrets.len(), pod.spec.image_pull_secrets[0].name.as_str()),
            (1, "own")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_absent_account_is_told() {
        for name in ["default", "robot"] {
            let mut pod = sample::pod("p");
            pod.spec.service_account_name = name.into();
            let error = admit(&mut pod, account("other", None)).await.expect_err("refused");
            assert_eq!(error.code(), 403);
            assert_eq!(
                error.to_string(),
                format!(
                    "pods \"p\" is forbidden: error looking up service account ns/{name}: serviceaccount \"{name}\" not found"
                )
            );
        }
    }

    #[tokio::test]
    async fn mirror_pods_name_nothing() {
        let mirror = || {
            let mut pod = sample::pod("p");
            pod.metadata.annotations.insert(MIRROR_ANNOTATION.into(), "x".into());
            pod
        };
        let mut plain = mirror();
        admit(&mut plain, account("default", None)).await.expect("admitted");
        assert!(plain.spec.volumes.is_empty() && plain.spec.service_account_name.is_empty());
        let mut named = mirror();
        named.spec.service_account_name = "sa".into();
        let mut secret = mirror();
        secret.spec.image_pull_secrets = vec![LocalObjectReference { name: "s".into() }];
        for (mut pod, why) in [
            (named, "a mirror pod may not reference service accounts"),
            (secret, "a mirror pod may not reference secrets"),
        ] {
            let error = admit(&mut pod, account("sa", None)).await.expect_err("refused");
            assert_eq!(error.to_string(), format!("pods \"p\" is forbidden: {why}"));
        }
    }

    #[tokio::test]
    async fn an_account_may_limit_secrets() {
        let mut strict = account("default", None);
        strict.metadata.annotations.insert(ENFORCE_MOUNTABLE.into(), "true".into());
        strict.secrets = vec![ObjectReference { name: "known".into(), ..ObjectReference::default() }];
        for (name, allowed) in [("known", true), ("other", false)] {
            let mut pod = sample::pod("p");
            let secret = SecretVolumeSource { secret_name: name.into(), ..SecretVolumeSource::default() };
            let volume_source = VolumeSource { secret: Some(Box::new(secret)), ..VolumeSource::default() };
            pod.spec.volumes = vec![Volume { name: "v".into(), volume_source }];
            let result = admit(&mut pod, strict.clone()).await;
            assert_eq!(result.is_ok(), allowed, "{name}: {result:?}");
        }
    }
}
