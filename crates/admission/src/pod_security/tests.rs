use super::*;
use crate::sample::{Request, meta, pod};
use corten_api::core::v1::{
    Capabilities, ContainerPort, EphemeralContainer, HostPathVolumeSource, PodSecurityContext,
    SeccompProfile, SecurityContext, Sysctl, Volume,
};

fn namespace(labels: &str) -> Namespace {
    let mut namespace = Namespace { metadata: meta("", "ns"), ..Namespace::default() };
    let pair = |p: &str| p.split_once('=').map(|(k, v)| (format!("{PREFIX}{k}"), v.to_string()));
    namespace.metadata.labels = labels.split_whitespace().filter_map(pair).collect();
    namespace
}

fn change(pod: &mut Pod, what: &str) {
    let security = pod.spec.security_context.get_or_insert_default();
    let main = pod.spec.containers[0].security_context.get_or_insert_default();
    let profile = |kind: &str| Some(Box::new(SeccompProfile { type_: kind.into(), ..Default::default() }));
    match what {
        "hardened" => {
            security.run_as_non_root = Some(true);
            security.seccomp_profile = profile("RuntimeDefault");
            main.allow_privilege_escalation = Some(false);
            main.capabilities = Some(Box::new(Capabilities { drop: vec!["ALL".into()], add: vec![] }));
        }
        "root" => security.run_as_user = Some(0),
        "privileged" => main.privileged = Some(true),
        "capability" => {
            let add = vec!["SYS_ADMIN".into(), "BPF".into()];
            main.capabilities.get_or_insert_default().add = add;
        }
        "unconfined" => main.seccomp_profile = profile("Unconfined"),
        "host" => (pod.spec.host_network, pod.spec.host_pid) = (true, true),
        "port" => {
            pod.spec.containers[0].ports = vec![ContainerPort { host_port: 80, ..Default::default() }];
        }
        "path" => {
            let mut volume = Volume { name: "v".into(), ..Volume::default() };
            volume.volume_source.host_path = Some(Box::<HostPathVolumeSource>::default());
            pod.spec.volumes = vec![volume];
        }
        "own-users" => pod.spec.host_users = Some(false),
        "unmasked" => main.proc_mount = Some("Unmasked".into()),
        "sysctl" => {
            security.sysctls = vec![Sysctl { name: "net.ipv4.tcp_rmem".into(), value: "1".into() }];
        }
        "windows" => {
            pod.spec.os = Some(Box::new(corten_api::core::v1::PodOS { name: "windows".into() }));
        }
        "debug" => {
            let mut debug = EphemeralContainer::default();
            debug.ephemeral_container_common.name = "debug".into();
            debug.ephemeral_container_common.security_context =
                Some(Box::new(SecurityContext { privileged: Some(true), ..Default::default() }));
            pod.spec.ephemeral_containers = vec![debug];
        }
        "apparmor" => {
            let key = "container.apparmor.security.beta.kubernetes.io/main";
            pod.metadata.annotations.insert(key.into(), "unconfined".into());
        }
        other => panic!("no such change: {other}"),
    }
}

async fn refused(labels: &str, changes: &str) -> Option<String> {
    let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
    request.has(namespace(labels));
    let mut pod = pod("p");
    pod.spec.security_context = Some(Box::<PodSecurityContext>::default());
    changes.split_whitespace().for_each(|what| change(&mut pod, what));
    request.validate(&PodSecurity::default(), &pod).await.err().map(|e| e.to_string())
}

#[tokio::test]
async fn levels_refuse_what_they_forbid() {
    for (labels, changes, want) in [
        ("", "privileged host path", None),
        ("enforce=baseline", "", None),
        (
            "enforce=baseline",
            "privileged",
            Some(
                "\"baseline:latest\": privileged (container \"main\" must not set securityContext.privileged=true)",
            ),
        ),
        (
            "enforce=baseline",
            "debug",
            Some(
                "\"baseline:latest\": privileged (container \"debug\" must not set securityContext.privileged=true)",
            ),
        ),
        (
            "enforce=baseline",
            "host port",
            Some(
                "\"baseline:latest\": host namespaces (hostNetwork=true, hostPID=true), hostPort (container \"main\" uses hostPort 80)",
            ),
        ),
        ("enforce=baseline", "path", Some("\"baseline:latest\": hostPath volumes (volume \"v\")")),
        (
            "enforce=baseline",
            "capability",
            Some(
                "\"baseline:latest\": non-default capabilities (container \"main\" must not include \"BPF\", \"SYS_ADMIN\" in securityContext.capabilities.add)",
            ),
        ),
        (
            "enforce=baseline",
            "unconfined",
            Some(
                "\"baseline:latest\": seccompProfile (container \"main\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
            ),
        ),
        (
            "enforce=baseline",
            "apparmor",
            Some(
                "\"baseline:latest\": forbidden AppArmor profile (annotation must not set AppArmor profile type to \"container.apparmor.security.beta.kubernetes.io/main=\"unconfined\"\")",
            ),
        ),
        ("enforce=baseline", "unmasked own-users", None),
        (
            "enforce=baseline enforce-version=v1.34",
            "unmasked own-users",
            Some(
                "\"baseline:v1.34\": procMount (container \"main\" must not set securityContext.procMount to \"Unmasked\")",
            ),
        ),
        ("enforce=baseline", "sysctl", None),
        (
            "enforce=baseline enforce-version=v1.31",
            "sysctl",
            Some("\"baseline:v1.31\": forbidden sysctls (net.ipv4.tcp_rmem)"),
        ),
        ("enforce=baseline enforce-version=v1.99", "sysctl", None),
        ("enforce=restricted", "hardened", None),
        ("enforce=restricted", "hardened root own-users", None),
        (
            "enforce=restricted",
            "hardened root",
            Some("\"restricted:latest\": runAsUser=0 (pod must not set runAsUser=0)"),
        ),
        (
            "enforce=restricted",
            "hardened path",
            Some(
                "\"restricted:latest\": restricted volume types (volume \"v\" uses restricted volume type \"hostPath\")",
            ),
        ),
        (
            "enforce=restricted",
            "",
            Some(
                "\"restricted:latest\": allowPrivilegeEscalation != false (container \"main\" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"main\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"main\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or container \"main\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")",
            ),
        ),
        (
            "enforce=restricted",
            "windows",
            Some(
                "\"restricted:latest\": runAsNonRoot != true (pod or container \"main\" must set securityContext.runAsNonRoot=true)",
            ),
        ),
        (
            "enforce=restricted enforce-version=v1.7",
            "",
            Some(
                "\"restricted:v1.7\": runAsNonRoot != true (pod or container \"main\" must set securityContext.runAsNonRoot=true)",
            ),
        ),
    ] {
        let want = want.map(|w| format!("pods \"p\" is forbidden: violates PodSecurity {w}"));
        assert_eq!(refused(labels, changes).await, want, "{labels}: {changes}");
    }
}

#[tokio::test]
async fn templates_are_warned_of_and_not_refused() {
    let mut deployment = Deployment { metadata: meta("ns", "d"), ..Deployment::default() };
    deployment.spec.template.spec = pod("p").spec;
    deployment.spec.template.spec.host_ipc = true;
    let mut request = Request::of::<Deployment>(Operation::Create, "ns", "d");
    request.has(namespace("enforce=baseline audit=restricted"));
    assert!(request.validate(&PodSecurity::default(), &deployment).await.is_ok());
    assert_eq!(
        request.notes.take_warnings(),
        ["would violate PodSecurity \"baseline:latest\": host namespaces (hostIPC=true)"]
    );
    let annotations = request.notes.annotations();
    assert_eq!(annotations.len(), 1);
    assert!(annotations[0].0 == "pod-security.kubernetes.io/audit-violations");
    assert!(annotations[0].1.starts_with("would violate PodSecurity \"restricted:latest\": host namespaces"));
}

#[tokio::test]
async fn the_exempt_pass() {
    let check = PodSecurity {
        exempt_users: vec!["jane".into()],
        exempt_runtime_classes: vec!["sealed".into()],
        ..PodSecurity::default()
    };
    let mut request = Request::of::<Pod>(Operation::Create, "ns", "p");
    request.has(namespace("enforce=restricted"));
    let mut object = pod("p");
    assert!(request.validate(&check, &object).await.is_ok());
    request.user.username = "joe".into();
    assert!(request.validate(&check, &object).await.is_err());
    object.spec.runtime_class_name = Some("sealed".into());
    assert!(request.validate(&check, &object).await.is_ok());
}

#[tokio::test]
async fn updates_that_change_no_image_pass() {
    let mut request = Request::of::<Pod>(Operation::Update, "ns", "p").old(pod("p"));
    request.has(namespace("enforce=restricted"));
    let mut changed = pod("p");
    changed.metadata.labels.insert("a".into(), "b".into());
    assert!(request.validate(&PodSecurity::default(), &changed).await.is_ok());
    changed.spec.containers[0].image = "other".into();
    assert!(request.validate(&PodSecurity::default(), &changed).await.is_err());
}

#[tokio::test]
async fn labels_must_be_valid() {
    let request = Request::of::<Namespace>(Operation::Create, "ns", "ns");
    let wrong = namespace("enforce=strict warn-version=1.30 enforce-version=v1.030");
    let error = request.validate(&PodSecurity::default(), &wrong).await.expect_err("refused");
    assert_eq!(
        error.to_string(),
        "Namespace \"ns\" is invalid: \
         [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted, \
         metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: \"v1.030\": must be \"latest\" or \"v1.x\", \
         metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: \"1.30\": must be \"latest\" or \"v1.x\"]"
    );
    let kept = Request::of::<Namespace>(Operation::Update, "ns", "ns").old(wrong.clone());
    assert!(kept.validate(&PodSecurity::default(), &wrong).await.is_ok(), "what was wrong may stay");
}

#[tokio::test]
async fn a_stricter_namespace_tells_which_pods_break_it() {
    let mut request = Request::of::<Namespace>(Operation::Update, "ns", "ns").old(namespace(""));
    for name in ["b", "a", "c"] {
        let mut object = pod(name);
        object.spec.host_network = true;
        request.has(object);
    }
    request.has(pod("fine"));
    let new = namespace("enforce=baseline");
    assert!(request.validate(&PodSecurity::default(), &new).await.is_ok());
    assert_eq!(
        request.notes.take_warnings(),
        [
            "existing pods in namespace \"ns\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 2 other pods): host namespaces"
        ]
    );
    let relaxed =
        Request::of::<Namespace>(Operation::Update, "ns", "ns").old(namespace("enforce=restricted"));
    assert!(relaxed.validate(&PodSecurity::default(), &new).await.is_ok());
    assert!(relaxed.notes.take_warnings().is_empty());
}
