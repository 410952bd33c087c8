# A critical pod that is bound to a full node is taken: as few others as possible end for it, and are told why.
# Ended runs of a container that starts again are removed, all but the last.
node=$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')
is true field "node/$node" '.metadata.annotations.volumes\.kubernetes\.io/controller-managed-attach-detach'
total=$(field "node/$node" .status.allocatable.cpu)
case $total in *m) total=${total%m};; *) total=$((total * 1000));; esac
pod() { printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: $1}" "spec:" "  nodeName: $node" \
  "  terminationGracePeriodSeconds: 1" "  priorityClassName: $2" "  containers:" \
  "  - {name: c, image: $IMAGE, resources: {requests: {cpu: ${3}m}}}" | k apply -f - >/dev/null; }
pod small "" $((total / 10))
pod large "" $((total / 2))
becomes 20 Running field pod/small .status.phase
becomes 20 Running field pod/large .status.phase
pod critical system-node-critical $((total / 2 + total / 10))
becomes 30 Running field pod/critical .status.phase
becomes 10 "Failed Preempting Preempted in order to admit critical pod" \
  field pod/large '.status.phase} {.status.reason} {.status.message'
is "Pod was preempted by Kubelet to accommodate a critical pod." \
  field pod/large '.status.conditions[?(@.type=="DisruptionTarget")].message'
is Running field pod/small .status.phase
k delete pod --all --grace-period=1 >/dev/null

k apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: restarts}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: $IMAGE, command: [sh, -c, 'sleep 1; exit 1']}]
END
becomes 40 2 field pod/restarts '.status.containerStatuses[0].restartCount'
uid=$(field pod/restarts .metadata.uid)
# The sandbox, the last run and the one before it.
count() { runtime_ids "$uid" | wc -l; }
becomes 10 3 count
k delete pod restarts --grace-period=1 >/dev/null
