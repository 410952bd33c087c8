//! What the most used kinds and fields are, for people who ask `kubectl explain`.

use corten_api::{Field, Schema};
use std::collections::BTreeMap;
use std::sync::LazyLock;

pub const API_VERSION: &str =
    "APIVersion defines in which version of its schema this object is written, such as v1 or apps/v1.";
pub const KIND: &str = "What this object is, in camel case; it can not change.";
pub const QUANTITY: &str = "An amount: a decimal number and a suffix, one of m, k, M, G, T, P, E, or Ki, Mi, Gi, Ti, Pi, Ei for powers of 1024.";

/// A struct's description and those of its fields.
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

/// What a struct is.
pub fn of_struct(schema: &Schema) -> Option<&'static str> {
    static TEXTS: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| texts(include_str!("structs.txt")));
    let own = row(schema).map(|(_, _, text, _)| *text);
    own.or_else(|| find(&TEXTS, schema.package, schema.name))
}

/// The lines `name: text` of a file.
fn texts(lines: &'static str) -> BTreeMap<&'static str, &'static str> {
    lines.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": ")).collect()
}

/// What is said of `of.name`, or of `name` wherever it is.
fn find(texts: &BTreeMap<&str, &'static str>, of: &str, name: &str) -> Option<&'static str> {
    texts.get(format!("{of}.{name}").as_str()).or_else(|| texts.get(name)).copied()
}

/// What a field is. Metadata, spec and status of a kind are described alike.
pub fn of_field(schema: &Schema, field: &Field) -> Option<&'static str> {
    let own = row(schema).and_then(|(_, _, _, fields)| fields.iter().find(|(name, _)| *name == field.name));
    if let Some((_, text)) = own {
        return Some(text);
    }
    match field.name {
        "metadata" if schema.kind.is_some() => {
            Some("Standard object's metadata: name, namespace, labels and so on.")
        }
        "spec" if schema.kind.is_some() => Some("What is wanted of the object."),
        "status" if schema.kind.is_some() => Some("What was last seen of the object; the system fills it."),
        "conditions" => Some("The latest observations of the object's state."),
        "observedGeneration" => Some("The generation of the object that the status is about."),
        name => by_name(schema.name, name),
    }
}

/// What a field of this name is, in this struct or in any.
pub fn by_name(of: &str, name: &str) -> Option<&'static str> {
    static TEXTS: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| texts(include_str!("fields.txt")));
    find(&TEXTS, of, name)
}

fn row(schema: &Schema) -> Option<&'static Row> {
    ROWS.iter().find(|(package, name, _, _)| *package == schema.package && *name == schema.name)
}

static ROWS: &[Row] = &[
    (
        "meta.v1",
        "ObjectMeta",
        "What every stored object has: its name, its history and who it belongs to.",
        &[
            (
                "name",
                "The object's name, unique in its namespace among objects of its kind. It can not change.",
            ),
            ("generateName", "A prefix from which the server makes a unique name when no name is given."),
            ("namespace", "The space in which the name is unique; empty means the default namespace."),
            ("uid", "Unique in time and space; the server gives it at creation."),
            ("resourceVersion", "An opaque text that changes whenever the object changes."),
            ("generation", "A number that grows when what is wanted of the object changes."),
            (
                "creationTimestamp",
                "CreationTimestamp is a timestamp of when the object was created; the server sets it.",
            ),
            (
                "deletionTimestamp",
                "When the object will be gone; set by the server after a delete was asked for.",
            ),
            ("deletionGracePeriodSeconds", "Seconds in which the object may end gracefully."),
            ("labels", "Keys and values by which objects are grouped and selected."),
            ("annotations", "Keys and values that tools keep with the object; they can not be selected by."),
            ("ownerReferences", "The objects this one belongs to; when all are gone, it is collected."),
            (
                "finalizers",
                "What must be done before the object is removed; each remover takes its entry off.",
            ),
            ("managedFields", "Which manager owns which fields; for the server's own bookkeeping."),
        ],
    ),
    ("meta.v1", "ListMeta", "What every list has: its version and where to go on.", &[]),
    (
        "meta.v1",
        "LabelSelector",
        "Selects objects by their labels; all requirements must hold, an empty one selects all.",
        &[
            ("matchLabels", "Labels that must be there with exactly these values."),
            ("matchExpressions", "Requirements on labels, all of which must hold."),
        ],
    ),
    ("core.v1", "Pod", "A Pod is a group of containers that run together on one node.", &[]),
    (
        "core.v1",
        "PodSpec",
        "What a pod runs and how.",
        &[
            (
                "containers",
                "The containers of the pod, at least one. They can not be added or removed later.",
            ),
            ("initContainers", "Containers that run in order, each to its end, before the others start."),
            ("ephemeralContainers", "Containers added to a running pod to look into it."),
            ("volumes", "Volumes that the pod's containers may mount."),
            ("restartPolicy", "When containers start again: Always (the default), OnFailure or Never."),
            (
                "terminationGracePeriodSeconds",
                "Seconds between the signal to end and the kill; 30 if not set.",
            ),
            ("activeDeadlineSeconds", "Seconds after which the pod is ended as failed."),
            (
                "dnsPolicy",
                "How names are resolved: ClusterFirst (the default), ClusterFirstWithHostNet, Default or None.",
            ),
            ("dnsConfig", "Servers, search domains and options added to those of the policy."),
            ("nodeSelector", "Labels that a node must have to run the pod."),
            ("nodeName", "The node that runs the pod; the scheduler sets it."),
            ("serviceAccountName", "The ServiceAccount as which the pod's processes speak to the API."),
            ("automountServiceAccountToken", "Whether a token of the ServiceAccount is mounted."),
            ("hostNetwork", "Uses the node's network."),
            ("hostPID", "Uses the node's process ids."),
            ("hostIPC", "Uses the node's interprocess communication."),
            ("securityContext", "Security settings of all containers."),
            ("imagePullSecrets", "Secrets with the passwords of registries."),
            ("hostname", "The pod's host name; its own name if not set."),
            ("subdomain", "Makes the host's full name hostname.subdomain.namespace.svc.cluster-domain."),
            ("affinity", "Which nodes, and which other pods' neighbourhood, the pod prefers or needs."),
            ("schedulerName", "The scheduler that places the pod."),
            ("tolerations", "Taints of nodes that the pod puts up with."),
            ("hostAliases", "Entries for the pod's hosts file."),
            ("priorityClassName", "The PriorityClass that gives the pod its priority."),
            ("priority", "The pod's priority; higher ones go first and may push lower ones out."),
            ("readinessGates", "Conditions that must be true besides, for the pod to be ready."),
            ("runtimeClassName", "The RuntimeClass by which the containers are run."),
            ("topologySpreadConstraints", "How pods of a kind are spread over zones and nodes."),
            ("overhead", "Resources that running the pod costs besides its containers."),
        ],
    ),
    (
        "core.v1",
        "PodStatus",
        "What was last seen of a pod.",
        &[
            ("phase", "Where the pod is in its life: Pending, Running, Succeeded, Failed or Unknown."),
            ("message", "Why the pod is in this state, for people."),
            ("reason", "Why the pod is in this state, in one word."),
            ("hostIP", "The address of the pod's node."),
            ("podIP", "The pod's first address."),
            ("podIPs", "The pod's addresses, one of each family."),
            ("startTime", "When the node's kubelet took note of the pod."),
            ("containerStatuses", "What was last seen of each container."),
            ("initContainerStatuses", "What was last seen of each init container."),
            ("qosClass", "The quality of service: Guaranteed, Burstable or BestEffort."),
        ],
    ),
    (
        "core.v1",
        "PodTemplateSpec",
        "What pods made from this template look like.",
        &[("spec", "What the pods run."), ("metadata", "Labels and annotations of the pods.")],
    ),
    (
        "core.v1",
        "Container",
        "One container of a pod.",
        &[
            ("name", "The container's name, a DNS label unique in the pod."),
            ("image", "The image that the container runs."),
            (
                "command",
                "What is run instead of the image's entry point; not through a shell. $(NAME) stands for a variable.",
            ),
            ("args", "Arguments instead of the image's. $(NAME) stands for a variable."),
            ("workingDir", "The directory the command starts in."),
            ("ports", "Ports that the container listens at, for information."),
            ("env", "Environment variables."),
            ("envFrom", "ConfigMaps and Secrets whose entries become environment variables."),
            ("resources", "What the container needs and may use of the node's resources."),
            ("volumeMounts", "Where the pod's volumes are mounted."),
            ("volumeDevices", "Where raw block volumes appear."),
            ("livenessProbe", "Asked now and then; the container starts anew when it fails."),
            ("readinessProbe", "Asked now and then; the pod gets no traffic from Services while it fails."),
            ("startupProbe", "Asked until it succeeds once; the other probes wait for it."),
            ("lifecycle", "What is done after the start and before the end."),
            ("terminationMessagePath", "The file into which the container writes its last words."),
            ("terminationMessagePolicy", "Where last words come from: File, or FallbackToLogsOnError."),
            ("imagePullPolicy", "When the image is pulled: Always, Never or IfNotPresent."),
            ("securityContext", "Security settings; they go before the pod's."),
            ("stdin", "Keeps standard input open."),
            ("stdinOnce", "Closes standard input after the first to attach left."),
            ("tty", "Gives the container a terminal."),
            ("restartPolicy", "Always makes an init container run beside the others."),
        ],
    ),
    (
        "core.v1",
        "ContainerPort",
        "A port that a container listens at.",
        &[
            ("containerPort", "The port, 1 to 65535."),
            ("hostPort", "A port of the node that leads here."),
            ("name", "A name by which Services may refer to the port."),
            ("protocol", "TCP (the default), UDP or SCTP."),
        ],
    ),
    (
        "core.v1",
        "EnvVar",
        "An environment variable.",
        &[
            ("name", "The variable's name."),
            ("value", "The value. $(NAME) stands for a variable defined before."),
            ("valueFrom", "Where the value comes from instead."),
        ],
    ),
    (
        "core.v1",
        "VolumeMount",
        "Where a volume appears in a container.",
        &[
            ("name", "The volume's name."),
            ("mountPath", "The path in the container."),
            ("subPath", "A path in the volume to mount instead of its root."),
            ("readOnly", "Whether the container can not write there."),
        ],
    ),
    (
        "core.v1",
        "ResourceRequirements",
        "What is needed and allowed of resources.",
        &[
            ("limits", "The most that may be used."),
            ("requests", "The least that must be there; the limits if not set."),
        ],
    ),
    (
        "core.v1",
        "Probe",
        "A question put to a container to learn how it is.",
        &[
            ("exec", "Runs a command; 0 is healthy."),
            ("httpGet", "Asks over HTTP; a status from 200 to 399 is healthy."),
            ("tcpSocket", "Opens a connection."),
            ("grpc", "Asks gRPC's health service."),
            ("initialDelaySeconds", "Seconds after the start until the first question."),
            ("periodSeconds", "Seconds between questions; 10 if not set."),
            ("timeoutSeconds", "Seconds until no answer counts as failure; 1 if not set."),
            ("successThreshold", "Successes in a row that end a failure."),
            ("failureThreshold", "Failures in a row that count."),
        ],
    ),
    ("core.v1", "Service", "A Service is a stable address for pods that its selector chooses.", &[]),
    (
        "core.v1",
        "ServiceSpec",
        "Which pods a Service stands for and how it is reached.",
        &[
            ("selector", "Labels of the pods that traffic goes to."),
            ("ports", "The ports of the Service."),
            (
                "type",
                "How the Service is reached: ClusterIP (the default), NodePort, LoadBalancer or ExternalName.",
            ),
            ("clusterIP", "The Service's first address; None for a headless Service, empty to be given one."),
            ("clusterIPs", "The Service's addresses, one of each family."),
            (
                "externalIPs",
                "Addresses outside the cluster's care at which nodes accept the Service's traffic.",
            ),
            ("externalName", "The name that DNS answers with, for type ExternalName."),
            (
                "externalTrafficPolicy",
                "Cluster spreads outer traffic over all nodes; Local keeps it on the node.",
            ),
            (
                "internalTrafficPolicy",
                "Cluster spreads inner traffic over all nodes; Local keeps it on the node.",
            ),
            (
                "sessionAffinity",
                "ClientIP sends a client to the same pod each time; None (the default) does not.",
            ),
            ("ipFamilies", "The families of its addresses: IPv4, IPv6."),
            ("ipFamilyPolicy", "SingleStack, PreferDualStack or RequireDualStack."),
            ("publishNotReadyAddresses", "Also names pods that are not ready."),
        ],
    ),
    (
        "core.v1",
        "ServicePort",
        "One port of a Service.",
        &[
            ("name", "The port's name; needed when there are several."),
            ("port", "The port of the Service."),
            ("targetPort", "The pods' port, by number or name; the same as port if not set."),
            ("nodePort", "The port at every node, for types NodePort and LoadBalancer."),
            ("protocol", "TCP (the default), UDP or SCTP."),
            ("appProtocol", "What is spoken at the port, as a hint."),
        ],
    ),
    (
        "core.v1",
        "ConfigMap",
        "A ConfigMap holds settings for pods.",
        &[
            ("data", "The settings as text."),
            ("binaryData", "Settings that are no text."),
            ("immutable", "Forbids changes to the data."),
        ],
    ),
    (
        "core.v1",
        "Secret",
        "A Secret holds what must not be seen by all.",
        &[
            ("data", "The secrets, in base64."),
            ("stringData", "Secrets to be written as plain text; they are merged into data."),
            ("type", "What the secret is for."),
            ("immutable", "Forbids changes to the data."),
        ],
    ),
    ("core.v1", "Namespace", "A Namespace is a space for names.", &[]),
    ("core.v1", "Node", "A Node is a machine that runs pods.", &[]),
    ("core.v1", "ServiceAccount", "A ServiceAccount is an identity for processes in pods.", &[]),
    ("core.v1", "Event", "An Event tells of something that happened to an object.", &[]),
    ("core.v1", "PersistentVolume", "A PersistentVolume is storage that outlives pods.", &[]),
    ("core.v1", "PersistentVolumeClaim", "A PersistentVolumeClaim asks for storage.", &[]),
    (
        "apps.v1",
        "Deployment",
        "A Deployment keeps a number of like pods and replaces them by newer ones step by step.",
        &[],
    ),
    (
        "apps.v1",
        "DeploymentSpec",
        "Which pods a Deployment keeps and how it replaces them.",
        &[
            ("replicas", "How many pods are wanted; 1 if not set."),
            ("selector", "The labels of its pods; they must match the template's and can not change."),
            ("template", "What the pods look like."),
            ("strategy", "How old pods are replaced by new ones."),
            ("minReadySeconds", "Seconds that a new pod must be ready for to count as available."),
            ("revisionHistoryLimit", "How many old ReplicaSets are kept to go back to; 10 if not set."),
            ("paused", "Holds the rollout."),
            (
                "progressDeadlineSeconds",
                "Seconds without progress after which the rollout counts as failed; 600 if not set.",
            ),
        ],
    ),
    (
        "apps.v1",
        "DeploymentStrategy",
        "How old pods are replaced by new ones.",
        &[
            (
                "type",
                "RollingUpdate (the default) replaces them step by step, Recreate ends all old ones first.",
            ),
            ("rollingUpdate", "The steps of a RollingUpdate."),
        ],
    ),
    (
        "apps.v1",
        "RollingUpdateDeployment",
        "The steps of a rolling update.",
        &[
            (
                "maxUnavailable",
                "How many pods may be missing meanwhile, as a number or percentage; 25% if not set.",
            ),
            ("maxSurge", "How many pods there may be above the wanted number; 25% if not set."),
        ],
    ),
    (
        "apps.v1",
        "DeploymentStatus",
        "What was last seen of a Deployment.",
        &[
            ("replicas", "Pods that are its own."),
            ("updatedReplicas", "Pods made from the present template."),
            ("readyReplicas", "Pods that are ready."),
            ("availableReplicas", "Pods that were ready for long enough."),
            ("unavailableReplicas", "Pods still missing from the wanted number."),
        ],
    ),
    ("apps.v1", "ReplicaSet", "A ReplicaSet keeps a number of like pods.", &[]),
    ("apps.v1", "StatefulSet", "A StatefulSet keeps pods with names and storage of their own.", &[]),
    ("apps.v1", "DaemonSet", "A DaemonSet keeps a pod on every node that fits.", &[]),
    ("batch.v1", "Job", "A Job runs pods until enough of them succeeded.", &[]),
    (
        "batch.v1",
        "JobSpec",
        "What a Job runs, and how often.",
        &[
            ("parallelism", "The most pods at a time."),
            ("completions", "How many pods must succeed."),
            ("backoffLimit", "How many failures are put up with; 6 if not set."),
            ("activeDeadlineSeconds", "Seconds after which the Job is ended as failed."),
            ("ttlSecondsAfterFinished", "Seconds after its end until the Job is deleted."),
            ("template", "What the pods look like."),
            ("suspend", "Holds the Job and ends its pods."),
        ],
    ),
    ("batch.v1", "CronJob", "A CronJob makes Jobs at set times.", &[]),
    (
        "batch.v1",
        "CronJobSpec",
        "When Jobs are made and how they look.",
        &[
            ("schedule", "The times, as cron writes them."),
            ("timeZone", "The time zone of the schedule."),
            (
                "concurrencyPolicy",
                "What to do when a Job still runs: Allow (the default), Forbid or Replace.",
            ),
            ("jobTemplate", "What the Jobs look like."),
            ("suspend", "Makes no more Jobs."),
        ],
    ),
    ("networking.v1", "Ingress", "An Ingress leads HTTP from outside to Services.", &[]),
    ("networking.v1", "NetworkPolicy", "A NetworkPolicy says which traffic pods allow.", &[]),
    ("rbac.v1", "Role", "A Role is a set of permissions in a namespace.", &[]),
    ("rbac.v1", "ClusterRole", "A ClusterRole is a set of permissions in the whole cluster.", &[]),
    ("rbac.v1", "RoleBinding", "A RoleBinding gives a role to subjects in a namespace.", &[]),
    ("rbac.v1", "ClusterRoleBinding", "A ClusterRoleBinding gives a role to subjects everywhere.", &[]),
    (
        "apiextensions.v1",
        "CustomResourceDefinition",
        "A CustomResourceDefinition adds a resource to the API.",
        &[],
    ),
];
