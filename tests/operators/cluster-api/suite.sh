# Cluster API: its core, kubeadm's bootstrap and control plane, and a provider of clusters that are kept in memory.
# Their definitions, roles and webhooks are those that they are deployed with.

# Where each manager's configuration lies, and which account it has: NAME FOLDER NAMESPACE PREFIX GATES.
managers() {
  cat <<END
core $CLUSTER_API/config capi-system capi ClusterTopology=true
bootstrap $CLUSTER_API/bootstrap/kubeadm/config capi-kubeadm-bootstrap-system capi-kubeadm-bootstrap PriorityQueue=true
controlplane $CLUSTER_API/controlplane/kubeadm/config capi-kubeadm-control-plane-system capi-kubeadm-control-plane ClusterTopology=true
provider $CLUSTER_API_TEST/infrastructure/docker/config capd-system capd ClusterTopology=true
END
}

make() {
  local from=sigs.k8s.io/cluster-api
  build cluster-api core=$from bootstrap=$from/bootstrap/kubeadm controlplane=$from/controlplane/kubeadm \
    provider=$from/test/infrastructure/docker || return
  CLUSTER_API=$(module cluster-api $from) CLUSTER_API_TEST=$(module cluster-api $from/test)
  export CLUSTER_API CLUSTER_API_TEST
}

# All that a manager is deployed with, but for its Deployment and its certificate, which comes from us.
deployed() { # NAME FOLDER
  mkdir -p "cluster-api-$1"
  cat >"cluster-api-$1/kustomization.yaml" <<END
resources: ["$(realpath --relative-to="cluster-api-$1" "$2/default")"]
patches:
- {target: {kind: Deployment}, patch: '{"\$patch": delete, kind: Deployment, metadata: {name: _}}'}
- {target: {kind: Certificate}, patch: '{"\$patch": delete, kind: Certificate, metadata: {name: _}}'}
- {target: {kind: Issuer}, patch: '{"\$patch": delete, kind: Issuer, metadata: {name: _}}'}
- target: {kind: CustomResourceDefinition}
  patch: '[{"op": "add", "path": "/spec/conversion/webhook/clientConfig/caBundle", "value": "$authority"}]'
END
  kubectl kustomize "cluster-api-$1"
}

# The configurations of a manager's webhooks trust our authority.
trusted() { # PREFIX
  local sort
  for sort in mutating validating; do
    kubectl get "${sort}webhookconfiguration" "$1-$sort-webhook-configuration" -o json |
      jq --arg authority "$authority" '.webhooks[].clientConfig.caBundle = $authority' | kubectl replace -f - || return
  done
}

# An authority, and a certificate for all the webhooks' names, in the folder where managers look for it.
certified() {
  local name names=
  while read -r _ _ namespace prefix _; do names+="DNS:$prefix-webhook-service.$namespace.svc,"; done < <(managers)
  mkdir -p webhooks && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=webhooks -keyout webhooks/tls.key \
    -out webhooks/tls.crt -addext "subjectAltName=${names%,}"
}

# The endpoint of a webhook's Service, which our process is.
reachable() { # NAMESPACE PREFIX PORT
  kubectl apply -f - <<END
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: webhook, namespace: $1, labels: {kubernetes.io/service-name: $2-webhook-service}}
addressType: IPv4
ports: [{name: "", port: $3}]
endpoints: [{addresses: [192.0.2.10]}]
END
}

# Starts a manager with ports from BASE on.
start_manager() { # NAME NAMESPACE PREFIX GATES BASE
  POD_IP=192.0.2.10 POD_NAMESPACE=$2 POD_NAME=$3-$5 POD_UID=$5 start "cluster-api-$1-$5" \
    in_cluster "$2" "$3-manager" "$BUILT/cluster-api-$1" --leader-elect --leader-elect-lease-duration=6s \
    --leader-elect-renew-deadline=4s --leader-elect-retry-period=1s --feature-gates="$4" --webhook-port="$5" \
    --webhook-cert-dir="$PWD/webhooks" --health-addr=":$(($5 + 1))" --diagnostics-address=":$(($5 + 2))"
}

# The classes of clusters whose machines take no time, and the one that there is first.
classes() { sed 's/"10s"/"1s"/' "$CLUSTER_API_TEST/infrastructure/docker/templates/clusterclass-in-memory.yaml"; }

# The cluster's condition is so, in the end.
comes_to_be() { # CONDITION SECONDS
  kubectl wait --for="condition=$1" --timeout="$2s" -n fleet cluster/first ||
    { kubectl get cluster -n fleet first -o 'jsonpath={range .status.conditions[*]}{.type}={.status}: {.message}{"\n"}{end}'; return 1; }
}

# Who owns a field of an object, by its path in jq.
owned() { # OWNER PATH ARGUMENT...
  local owner=$1 path=$2
  shift 2
  kubectl get --show-managed-fields -o json "$@" |
    jq -e --arg owner "$owner" "any((.items // [.])[].metadata.managedFields[]; .manager == \$owner and .operation == \"Apply\" and (.fieldsV1 | $path))"
}

try() {
  local here=$BUILT/../../tests/operators/cluster-api name folder namespace prefix gates port authority first leader
  check "an authority for webhooks" certified
  authority=$(base64 -w0 webhooks/tls.crt)
  classes >classes.yaml
  while read -r name folder namespace prefix gates; do
    deployed "$name" "$folder" >"cluster-api-$name.yaml"
    check "$name: what it is deployed with applies" kubectl apply --server-side -f "cluster-api-$name.yaml"
    check "$name: its webhooks trust the authority" trusted "$prefix"
  done < <(managers)
  check "definitions are established" kubectl wait --for=condition=Established --timeout=60s crd --all
  port=9500
  while read -r name folder namespace prefix gates; do
    check "$name: its Service has an endpoint" reachable "$namespace" "$prefix" $port
    start_manager "$name" "$namespace" "$prefix" "$gates" $port
    [ "$name" != core ] || first=$started
    port=$((port + 10))
  done < <(managers)
  kubectl create namespace fleet >/dev/null
  check "a class of clusters applies" until_so kubectl apply -n fleet -f classes.yaml
  check "a cluster of the older version applies" until_so kubectl apply -f "$here/fleet.yaml"
  check "what it lacked is added by the webhook" is v1.34.1 get cluster -n fleet first -o 'jsonpath={.spec.topology.version}'
  check "what it refers to is converted" is in-memory get clusters.v1beta2.cluster.x-k8s.io -n fleet first \
    -o 'jsonpath={.spec.topology.classRef.name}'
  check "the older version's use is warned of" kubectl get clusters.v1beta1.cluster.x-k8s.io -n fleet
  check "the webhook refuses what makes no sense" refused 'version must be a valid semantic version' \
    kubectl patch cluster -n fleet first --type=merge -p '{"spec":{"topology":{"version":"newest"}}}'
  check "it is available" comes_to_be Available 180
  check "its machines run" until_so is 'Running Running Running' get machines -n fleet \
    -o 'jsonpath={.items[*].status.phase}'
  check "its control plane is what a class makes of it" owned capi-topology '."f:spec"."f:replicas"' \
    kubeadmcontrolplane -n fleet
  check "the webhook of its scale refuses too" refused 'replicas cannot be an even number' \
    kubectl scale -n fleet --replicas=2 "$(kubectl get kubeadmcontrolplane -n fleet -o name)"
  check "what was applied is what there is" kubectl diff -f "$here/fleet.yaml"

  leader=$(until_so leads capi-system controller-leader-election-capi "")
  start_manager core capi-system capi ClusterTopology=true 9600
  kill -KILL "$first" 2>/dev/null
  wait "$first" 2>/dev/null
  check "its Service has another endpoint" reachable capi-system capi 9600
  check "another manager leads when one is gone" until_so leads capi-system controller-leader-election-capi "$leader"
  check "a newer version is asked for, and less of it" until_so kubectl patch cluster -n fleet first --type=json -p '[
    {"op":"replace","path":"/spec/topology/version","value":"v1.35.0"},
    {"op":"replace","path":"/spec/topology/workers/machineDeployments/0/replicas","value":1}]'
  check "all its machines have it" until_so versions 'v1.35.0 v1.35.0'
  check "it is available still" comes_to_be Available 60
  check "it is deleted with all its machines" kubectl delete cluster -n fleet first --timeout=180s
  check "nothing of it is left" until_so is "" get machines,devmachines,kubeadmconfigs,devclusters -n fleet -o name
  while read -r name folder namespace prefix gates; do
    check "$name: what it was deployed with is deleted" kubectl delete --timeout=60s --ignore-not-found -f "cluster-api-$name.yaml"
  done < <(managers)
}

# Which versions the machines run.
versions() {
  local said
  said=$(kubectl get machines -n fleet -o json |
    jq -r '[.items[] | select(.status.phase == "Running") | .spec.version] | sort | join(" ")')
  [ "$said" = "$1" ] && [ "$(kubectl get machines -n fleet -o name | wc -l)" = 2 ] || { kubectl get machines -n fleet; return 1; }
}
