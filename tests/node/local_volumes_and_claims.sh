# Local volumes: a directory, a disk that gets a file system, and a bare disk; claims of a pod's own; read-only.
command -v losetup >/dev/null && command -v mkfs.ext4 >/dev/null || { echo "    skipped: no losetup or mkfs.ext4"; return 0; }
dir=$NODE_DATA/local; mkdir -p "$dir/data"; truncate -s 64M "$dir/disk" "$dir/bare"
disk=$(losetup -f --show "$dir/disk"); bare=$(losetup -f --show "$dir/bare")
trap 'losetup -d $disk $bare 2>/dev/null || true' EXIT
node=$(kubectl get nodes -o name); node=${node#node/}
volume() { # NAME CLAIM MODE PATH
  kubectl apply -f - >/dev/null <<Y
apiVersion: v1
kind: PersistentVolume
metadata: {name: $1}
spec:
  capacity: {storage: 64Mi}
  accessModes: [ReadWriteOnce]
  volumeMode: $3
  storageClassName: none
  claimRef: {namespace: $ns, name: $2}
  local: {path: $4}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [$node]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: $2, namespace: $ns}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, volumeMode: $3, volumeName: $1, resources: {requests: {storage: 64Mi}}}
Y
  # What the volume controller does.
  [ "$(field "pvc/$2" .status.phase)" = Bound ] && return
  kubectl patch pv "$1" -p "{\"spec\":{\"claimRef\":{\"uid\":\"$(field "pvc/$2" .metadata.uid)\"}}}" >/dev/null
  k patch pvc "$2" --subresource status -p '{"status":{"phase":"Bound","capacity":{"storage":"64Mi"}}}' >/dev/null
}
volume local-dir dir Filesystem "$dir/data"
volume local-disk disk Filesystem "$disk"
volume local-bare bare Block "$bare"
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {fsGroup: 77}
  containers:
  - name: c
    image: $IMAGE
    volumeMounts:
    - {name: dir, mountPath: /dir}
    - {name: disk, mountPath: /disk}
    - {name: dir, mountPath: /sub, subPathExpr: \$(POD)/x}
    env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
    volumeDevices: [{name: bare, devicePath: /dev/bare}]
  volumes:
  - {name: dir, persistentVolumeClaim: {claimName: dir}}
  - {name: disk, persistentVolumeClaim: {claimName: disk}}
  - {name: bare, persistentVolumeClaim: {claimName: bare}}
Y
becomes 40 true field pod/app '.status.containerStatuses[0].ready'
uid=$(field pod/app .metadata.uid)
k exec app -- sh -c 'echo 1 > /dir/file; echo 2 > /disk/file; echo 3 > /sub/file; sync'
is 3 cat "$dir/data/app/x/file"
is 77 k exec app -- stat -c %g /disk
k exec app -- sh -c 'echo raw > /dev/bare; sync' || fail "the device cannot be written"
is raw head -n1 "$bare"
[ "$(blkid -p -s TYPE -o value "$disk")" = ext4 ] || fail "the disk has no file system"
# The kubelet starts anew under a running pod.
kill -9 "$(corten_pid)"; sleep 0.5; start_corten
becomes 30 2 k exec app -- cat /disk/file
k delete pod app >/dev/null
[ ! -e "$NODE_DATA/kubelet/pods/$uid" ] || fail "the pod's directory is left"
! grep -q local-volume /proc/self/mountinfo || fail "mounts are left"
is 1 cat "$dir/data/file"
# The next pod finds what the first has written.
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: $IMAGE, volumeMounts: [{name: disk, mountPath: /disk}]}]
  volumes: [{name: disk, persistentVolumeClaim: {claimName: disk, readOnly: true}}]
Y
becomes 30 true field pod/reader '.status.containerStatuses[0].ready'
is 2 k exec reader -- cat /disk/file
! k exec reader -- touch /disk/no 2>/dev/null || fail "a read-only claim was written to"
k delete pod reader >/dev/null
# A claim that is not there, and one that is another's.
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: own-v}
spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Mi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: own}
spec:
  nodeName: $node
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: $IMAGE, volumeMounts: [{name: v, mountPath: /v}]}]
  volumes:
  - name: v
    ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], storageClassName: none, resources: {requests: {storage: 1Mi}}}}}
Y
told() { k get events -o 'jsonpath={range .items[*]}{.message}{"\n"}{end}' | grep -c "$1" | sed 's/^[1-9].*/some/'; }
becomes 20 some told "Unable to attach or mount volumes: unmounted volumes=\[v\], unattached volumes=\[\], failed to process volumes=\[v\]: error processing PVC $ns/own-v: PVC is not bound"
k delete pod own >/dev/null; k delete pvc --all >/dev/null; kubectl delete pv local-dir local-disk local-bare >/dev/null
