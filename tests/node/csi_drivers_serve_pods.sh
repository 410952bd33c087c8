# A CSI driver registers, stages, publishes, expands and measures; it goes and comes back; nothing is left.
driver=${LOOP_CSI:-$here/../../target/debug/examples/loop_csi}
for tool in mkfs.xfs losetup blkid "$driver"; do
  command -v "$tool" >/dev/null || { echo "    skipped: no $tool (cargo build -p corten-node-api --example loop_csi)"; return 0; }
done
dir=$NODE_DATA/loop-csi name=loop.test
kubelet=$NODE_DATA/kubelet
start_driver() {
  "$driver" $name "$dir" "$kubelet/plugins/$name/csi.sock" "$kubelet/plugins_registry" node-7 & driver_pid=$!
}
end() { kill $driver_pid; wait $driver_pid 2>/dev/null || true; rm -f "$kubelet/plugins_registry/$name-reg.sock"; }
detach() { for f in "$dir"/disk*; do losetup -j "$f" | cut -d: -f1 | xargs -r losetup -d; done; }
trap 'kill ${driver_pid:-} 2>/dev/null || true; detach 2>/dev/null || true' EXIT
calls() { cut -d' ' -f1 "$dir/calls" | grep -v registered | tr '\n' ' '; }
# What the volume controller does.
bind() { # VOLUME CLAIM SIZE
  [ "$(field "pvc/$2" .status.phase)" = Bound ] && return
  kubectl patch pv "$1" -p "{\"spec\":{\"claimRef\":{\"uid\":\"$(field "pvc/$2" .metadata.uid)\"}}}" >/dev/null
  k patch pvc "$2" --subresource status -p "{\"status\":{\"phase\":\"Bound\",\"capacity\":{\"storage\":\"$3\"}}}" >/dev/null
}
mkdir -p "$dir"; truncate -s 400M "$dir/disk1"; truncate -s 64M "$dir/disk2"
node=$(kubectl get nodes -o name); node=${node#node/}
k apply -f - >/dev/null <<Y
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: $name}
spec:
  attachRequired: false
  podInfoOnMount: true
  fsGroupPolicy: File
  volumeLifecycleModes: [Persistent, Ephemeral]
  tokenRequests: [{audience: vault}]
---
apiVersion: v1
kind: Secret
metadata: {name: stage, namespace: $ns}
stringData: {key: value}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv1}
spec:
  capacity: {storage: 400Mi}
  accessModes: [ReadWriteOnce]
  storageClassName: none
  claimRef: {namespace: $ns, name: c1}
  csi: {driver: $name, volumeHandle: disk1, fsType: xfs, nodeStageSecretRef: {name: stage, namespace: $ns}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv2}
spec:
  capacity: {storage: 64Mi}
  accessModes: [ReadWriteOnce]
  volumeMode: Block
  storageClassName: none
  claimRef: {namespace: $ns, name: c2}
  csi: {driver: $name, volumeHandle: disk2}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c1, namespace: $ns}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, volumeName: pv1, resources: {requests: {storage: 400Mi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c2, namespace: $ns}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, volumeMode: Block, volumeName: pv2, resources: {requests: {storage: 64Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: app, namespace: $ns}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {fsGroup: 4242}
  containers:
  - name: c
    image: $IMAGE
    volumeMounts: [{name: v, mountPath: /v}, {name: inline, mountPath: /inline}]
    volumeDevices: [{name: disk, devicePath: /dev/disk}]
  volumes:
  - {name: v, persistentVolumeClaim: {claimName: c1}}
  - {name: disk, persistentVolumeClaim: {claimName: c2}}
  - {name: inline, csi: {driver: $name, volumeAttributes: {message: hello}}}
Y
bind pv1 c1 400Mi; bind pv2 c2 64Mi
# Without the driver the pod waits, and says for what.
told() { k get events -o 'jsonpath={range .items[*]}{.reason} {.message}{"\n"}{end}' | grep -c "$1" | sed 's/^[1-9].*/some/'; }
becomes 5 some told "driver name $name not found in the list of registered CSI drivers"
start_driver
becomes 20 node-7 kubectl get csinode "$node" -o "jsonpath={.spec.drivers[?(@.name==\"$name\")].nodeID}"
is "[\"$name/node\"]" kubectl get csinode "$node" -o 'jsonpath={.spec.drivers[0].topologyKeys}'
is 16 kubectl get csinode "$node" -o 'jsonpath={.spec.drivers[0].allocatable.count}'
is "{\"$name\":\"node-7\"}" kubectl get node "$node" -o 'jsonpath={.metadata.annotations.csi\.volume\.kubernetes\.io/nodeid}'
becomes 60 true field pod/app '.status.containerStatuses[0].ready'
uid=$(field pod/app .metadata.uid)
is hello k exec app -- cat /inline/message
k exec app -- sh -c 'echo kept > /v/file && sync'
is 4242 k exec app -- stat -c %g /v
k exec app -- dd if=/dev/zero of=/dev/disk bs=1M count=1 2>/dev/null || fail "the device cannot be written"
grep -q 'stage disk1 context= secrets=\["key"\]' "$dir/calls" || fail "the secret was not handed on"
grep -q 'publish disk1 pod=app tokens=true' "$dir/calls" || fail "pod and tokens were not told"
[ -f "$kubelet/pods/$uid/volumes/kubernetes.io~csi/pv1/vol_data.json" ] || fail "no vol_data.json"
hash=$(printf disk1 | sha256sum | cut -d' ' -f1)
mountpoint -q "$kubelet/plugins/kubernetes.io/csi/$name/$hash/globalmount" || fail "not staged where upstream does"
# Growth.
truncate -s 800M "$dir/disk1"
kubectl patch pv pv1 -p '{"spec":{"capacity":{"storage":"800Mi"}}}' >/dev/null
becomes 90 800Mi field pvc/c1 .status.capacity.storage
size=$(k exec app -- df -m /v | awk 'END{print $(NF-4)}')
[ "$size" -gt 600 ] || fail "the file system has $size MiB"
becomes 5 some told "FileSystemResizeSuccessful MountVolume.NodeExpandVolume succeeded for volume \"pv1\" $node"
used() { kubectl get --raw "/api/v1/nodes/$node/proxy/stats/summary" | tr -d " \n" | grep -c "\"pvcRef\":{\"name\":\"c1\"" | sed "s/^[1-9].*/some/"; }
becomes 20 some used
# A second pod shares the volume; it stays staged until both have gone.
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: second}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: $IMAGE, volumeMounts: [{name: v, mountPath: /v, subPath: sub}]}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: c1}}]
Y
becomes 30 true field pod/second '.status.containerStatuses[0].ready'
k exec app -- sh -c 'test -d /v/sub' || fail "the subPath was not made"
k delete pod second >/dev/null
! grep -q 'unstage disk1' "$dir/calls" || fail "unstaged while in use"
is kept k exec app -- cat /v/file
# The driver dies: the pod goes on, its end waits for the driver.
end
becomes 20 '' kubectl get csinode "$node" -o 'jsonpath={.spec.drivers[*].name}'
is kept k exec app -- cat /v/file
k delete pod app --wait=false >/dev/null
sleep 4
[ -e "$kubelet/pods/$uid" ] || fail "the pod was forgotten without its driver"
start_driver
becomes 60 '' k get pod app --ignore-not-found -o name
[ ! -e "$kubelet/pods/$uid" ] || fail "the pod's directory is left"
grep -q '^unstage disk1' "$dir/calls" || fail "never unstaged"
[ -z "$(ls "$kubelet/plugins/kubernetes.io/csi/$name")" ] || fail "something is left staged"
is "" losetup -j "$dir/disk1"
is "" losetup -j "$dir/disk2"
# A pod that is deleted while we are away: its volume goes when we are back.
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: third}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: $IMAGE, volumeMounts: [{name: v, mountPath: /v}]}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: c1, readOnly: true}}]
Y
becomes 30 true field pod/third '.status.containerStatuses[0].ready'
is kept k exec third -- cat /v/file
! k exec third -- touch /v/other 2>/dev/null || fail "a read-only claim was written to"
uid=$(field pod/third .metadata.uid)
kill -9 "$(corten_pid)"; sleep 0.5; start_corten
becomes 60 kept k exec third -- cat /v/file
k delete pod third >/dev/null
becomes 20 "" ls "$kubelet/plugins/kubernetes.io/csi/$name"
kubectl delete csidriver $name >/dev/null
k delete pvc --all >/dev/null; kubectl delete pv pv1 pv2 >/dev/null
end
