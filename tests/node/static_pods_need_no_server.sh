# A pod that a file on the node defines runs, has a mirror that comes back, follows its file, and goes with it.
manifests=$NODE_DATA/kubelet/manifests
node=$(kubectl get nodes -o jsonpath='{.items[0].metadata.name}')
define() {
  cat >"$manifests/.new" <<YAML
apiVersion: v1
kind: Pod
metadata: {name: fixed, namespace: $ns, labels: {is: "$1"}}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: $IMAGE, command: [sh, -c, "echo I am $1; sleep 1000"]}]
YAML
  mv "$manifests/.new" "$manifests/fixed.yaml"
}
mirror=fixed-$node
define first
becomes 20 Running field "pod/$mirror" .status.phase
becomes 10 True field "pod/$mirror" '.status.conditions[?(@.type=="Ready")].status'
is file field "pod/$mirror" '.metadata.annotations.kubernetes\.io/config\.source'
hash=$(field "pod/$mirror" '.metadata.annotations.kubernetes\.io/config\.mirror')
is "$hash" field "pod/$mirror" '.metadata.annotations.kubernetes\.io/config\.hash'
is Node field "pod/$mirror" '.metadata.ownerReferences[0].kind'
becomes 5 "I am first" k logs "$mirror"
is first k exec "$mirror" -- echo first

# Deleting the mirror stops nothing.
container=$(field "pod/$mirror" '.status.containerStatuses[0].containerID') uid=$(field "pod/$mirror" .metadata.uid)
k delete "pod/$mirror" --wait=false >/dev/null
other_uid() { [ "$(field "pod/$mirror" .metadata.uid)" != "$uid" ] && echo other; }
becomes 20 other other_uid
becomes 15 "$container" field "pod/$mirror" '.status.containerStatuses[0].containerID'

# Another definition is another pod under the same name.
define second
becomes 30 second field "pod/$mirror" .metadata.labels.is
becomes 20 Running field "pod/$mirror" .status.phase
becomes 10 "I am second" k logs "$mirror"

# It outlives the process that started it, and the API server with it.
container=$(field "pod/$mirror" '.status.containerStatuses[0].containerID')
kill -9 "$(corten_pid)"
start_corten
becomes 30 "$container" field "pod/$mirror" '.status.containerStatuses[0].containerID'

rm "$manifests/fixed.yaml"
gone() { k get "pod/$mirror" >/dev/null 2>&1 || echo gone; }
becomes 20 gone gone
