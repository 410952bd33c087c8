# What a pod needs and is not there is told of, and waited for; what cannot be removed is told of, and tried again.
{
  pod wants 'echo "$WORD"; exec sleep 1000' "" 'env: [{name: WORD, valueFrom: {secretKeyRef: {name: late, key: word}}}]'
  pod mounts 'cat /etc/late/word; echo; exec sleep 1000' 'volumes: [{name: late, configMap: {name: late}}]' \
    'volumeMounts: [{name: late, mountPath: /etc/late}]'
} | k create -f - >/dev/null
becomes 20 CreateContainerConfigError waiting wants
becomes 10 '*secret "late" not found*' events wants
becomes 20 '*FailedMount*configmap "late" not found*' events mounts
is ContainerCreating waiting mounts
k create secret generic late --from-literal=word=hello >/dev/null
k create configmap late --from-literal=word=hello >/dev/null
for name in wants mounts; do
  becomes 40 Running field pod/$name .status.phase
  becomes 10 hello k logs $name
done

# A process from elsewhere sits in the pod's control group, and a mount keeps the group from being removed.
pod parked 'exec sleep 1000' | k create -f - >/dev/null
becomes 20 Running field pod/parked .status.phase
uid=$(field pod/parked .metadata.uid)
groups() { find /sys/fs/cgroup{,/*}"$FAULTS_CGROUP" -name "pod$uid" -type d 2>/dev/null || true; }
[ -n "$(groups)" ] || fail "the pod has no control groups"
held=$(groups | grep -e /pids/ -e /unified/ | head -n 1)
mkdir "$held/foreign" "$held/parked"; mount -t tmpfs foreign "$held/foreign"
trap 'umount "$held/foreign" 2>/dev/null || true' EXIT
sleep 1000 & parked=$!; disown
echo $parked >"$held/parked/cgroup.procs"
k delete pod parked --wait=false >/dev/null
gone() { k get pod parked --ignore-not-found -o name; groups; }
sleep 3
[ -d "$held" ] || fail "the group was not held"
becomes 20 "*FailedKillPod*remove the control group*" events parked
lives $parked && fail "a process outlived the pod in whose control group it sat"
umount "$held/foreign"
becomes 60 "" gone

# A mount in the pod's volume is busy, and one within it; a file in another cannot be removed.
pod busy 'exec sleep 1000' 'volumes: [{name: memory, emptyDir: {medium: Memory}}, {name: disk, emptyDir: {}}]' \
  'volumeMounts: [{name: memory, mountPath: /memory}, {name: disk, mountPath: /disk}]' | k create -f - >/dev/null
becomes 20 Running field pod/busy .status.phase
uid=$(field pod/busy .metadata.uid)
volumes=$data/kubelet/pods/$uid/volumes/kubernetes.io~empty-dir
(cd "$volumes/memory" && exec sleep 1000) & inside=$!
mkdir "$volumes/memory/deep"; mount -t tmpfs deep "$volumes/memory/deep"
touch "$volumes/disk/immutable"; chattr +i "$volumes/disk/immutable"
trap 'kill $inside; chattr -i "$volumes/disk/immutable" 2>/dev/null || true' EXIT
k delete pod busy --wait=false >/dev/null
becomes 30 "*FailedKillPod*Operation not permitted*" events busy
mounted() { grep -c "$uid" /proc/self/mountinfo || true; }
becomes 20 0 mounted
chattr -i "$volumes/disk/immutable"
gone() { k get pod busy --ignore-not-found -o name; ls "$data/kubelet/pods" | grep "$uid" || true; }
becomes 60 "" gone
survived "a missing Secret and ConfigMap (pods started once they came), a control group that a mount and a foreign process kept busy, a busy mount, a file that could not be removed"
