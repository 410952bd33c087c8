# A pod of a RuntimeClass has its handler, and its overhead in what it asks for and in its cgroup; a handler that the
# runtime does not know is told of. A volume shows the files of an image, and none can be written.
handler=corten
[ "$CORTEN_RUNTIME" = embedded ] || handler=runc
class() { printf '%s\n' "apiVersion: node.k8s.io/v1" "kind: RuntimeClass" "metadata: {name: $1}" "handler: $2" "$3" |
  kubectl apply -f - >/dev/null; }
pod() { printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: $1}" "spec:" "  runtimeClassName: $2" \
  "  terminationGracePeriodSeconds: 1" "  containers:" "  - name: c" "    image: $IMAGE" \
  "    resources: {limits: {cpu: 100m, memory: 32Mi}}" | k apply -f - >/dev/null; }
class heavy $handler 'overhead: {podFixed: {cpu: 50m, memory: 16Mi}}'
class unknown no-such-handler 'overhead: {podFixed: {cpu: 50m}}'
pod heavy heavy
pod unknown unknown
is "50m 16Mi" field pod/heavy '.spec.overhead.cpu} {.spec.overhead.memory'
becomes 20 Running field pod/heavy .status.phase
uid=$(field pod/heavy .metadata.uid)
limit() { cat /sys/fs/cgroup/memory"$NODE_CGROUP/pod$uid"/memory.limit_in_bytes 2>/dev/null ||
  cat /sys/fs/cgroup"$NODE_CGROUP/pod$uid"/memory.max; }
is $((48 << 20)) limit
becomes 20 Pending field pod/unknown .status.phase
says 'FailedCreatePodSandBox .*no-such-handler' messages
k delete pod heavy unknown >/dev/null
kubectl delete runtimeclass heavy unknown >/dev/null

[ "$CORTEN_RUNTIME" = embedded ] || return 0
k apply -f - >/dev/null <<END
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  restartPolicy: Never
  volumes: [{name: files, image: {reference: corten.local/demo:2}}]
  containers:
  - name: c
    image: $IMAGE
    command: [sh, -c, 'ls /files/bin/sh && ! touch /files/new 2>/dev/null && echo read only']
    volumeMounts: [{name: files, mountPath: /files}]
END
becomes 20 Succeeded field pod/reader .status.phase
says '^read only' k logs reader
