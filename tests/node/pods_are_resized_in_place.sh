# A running container gets other limits without a restart; one that wants a restart gets it; what does not fit
# waits or is refused, and says so.
kubectl apply -n "$ns" -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: a
    image: $IMAGE
    resources:
      requests: {cpu: 20m, memory: 20Mi}
      limits: {cpu: 100m, memory: 60Mi}
    resizePolicy:
    - {resourceName: memory, restartPolicy: RestartContainer}
YAML
k wait --for=condition=Ready pod/web --timeout=30s >/dev/null
uid=$(field pod/web .metadata.uid)
# A file of the container's cgroup on version 1.
container_cgroup() { echo "/sys/fs/cgroup/$1$NODE_CGROUP/burstable/pod$uid"; }
id=$(field pod/web '.status.containerStatuses[0].containerID'); id=${id##*://}
resize() {
  kubectl patch pod web -n "$ns" --subresource resize --type strategic \
    -p "{\"spec\":{\"containers\":[{\"name\":\"a\",\"resources\":$1}]}}" >/dev/null
}
resize '{"requests":{"cpu":"30m"},"limits":{"cpu":"200m"}}'
becomes 15 200m field pod/web '.status.containerStatuses[0].resources.limits.cpu'
becomes 10 "" field pod/web '.status.conditions[?(@.type=="PodResizeInProgress")].status'
is 30m field pod/web '.status.containerStatuses[0].allocatedResources.cpu'
is 0 field pod/web '.status.containerStatuses[0].restartCount'
is 20000 cat "$(container_cgroup cpu)/cpu.cfs_quota_us"
is 20000 cat "$(container_cgroup cpu)/$id/cpu.cfs_quota_us"
says ^ResizeCompleted messages

# Memory wants a restart.
resize '{"limits":{"memory":"80Mi"}}'
becomes 30 1 field pod/web '.status.containerStatuses[0].restartCount'
becomes 15 80Mi field pod/web '.status.containerStatuses[0].resources.limits.memory'
is 83886080 cat "$(container_cgroup memory)/memory.limit_in_bytes"

# More than the node has is never granted, and the pod runs on with what it has.
resize '{"requests":{"cpu":"500"},"limits":{"cpu":"600"}}'
becomes 10 Infeasible field pod/web '.status.conditions[?(@.type=="PodResizePending")].reason'
is 30m field pod/web '.status.containerStatuses[0].allocatedResources.cpu'
is Running field pod/web .status.phase
resize '{"requests":{"cpu":"30m"},"limits":{"cpu":"200m"}}'
becomes 10 "" field pod/web '.status.conditions[?(@.type=="PodResizePending")].reason'
