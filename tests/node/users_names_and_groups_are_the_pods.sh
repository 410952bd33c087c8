# User namespaces, host names, group policies and read-only mounts: given as asked, or refused with a reason.
kubectl apply -n "$ns" -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: users}
spec:
  hostUsers: false
  terminationGracePeriodSeconds: 1
  volumes: [{name: v, emptyDir: {}}]
  containers: [{name: a, image: $IMAGE, volumeMounts: [{name: v, mountPath: /v}]}]
---
apiVersion: v1
kind: Pod
metadata: {name: names}
spec:
  hostname: web
  subdomain: sites
  setHostnameAsFQDN: true
  terminationGracePeriodSeconds: 1
  containers: [{name: a, image: $IMAGE}]
---
apiVersion: v1
kind: Pod
metadata: {name: other-name}
spec:
  hostnameOverride: any.name.example
  terminationGracePeriodSeconds: 1
  containers: [{name: a, image: $IMAGE}]
---
apiVersion: v1
kind: Pod
metadata: {name: profile}
spec:
  securityContext: {seccompProfile: {type: Localhost, localhostProfile: none.json}}
  containers: [{name: a, image: $IMAGE}]
---
apiVersion: v1
kind: Pod
metadata: {name: apparmor}
spec:
  securityContext: {appArmorProfile: {type: RuntimeDefault}}
  containers: [{name: a, image: $IMAGE}]
YAML
state() {
  [ "$(field pod/users .status.phase)" = Running ] && { echo given; return; }
  k get events -o 'jsonpath={.items[*].message}' | grep "does not support user namespaces" >/dev/null && echo refused
}
either() { case $(state) in given|refused) echo decided ;; esac; }
becomes 30 decided either
if [ "$(state)" = given ]; then
  # Root inside is nobody outside, and no other pod's root.
  map=$(k exec users -- cat /proc/self/uid_map | tr -s ' ' | sed 's/^ //')
  [[ $map =~ ^0\ [1-9][0-9]*\ 65536$ ]] || fail "the pod's users are \"$map\""
  is 0 k exec users -- sh -c 'touch /v/x && stat -c %u /v/x'
fi
k wait --for=condition=Ready pod/names pod/other-name --timeout=30s >/dev/null
is "web.sites.$ns.svc.cluster.local" k exec names -- hostname
k exec names -- cat /etc/hosts | grep "web.sites.$ns.svc.cluster.local.*web$" >/dev/null || fail "/etc/hosts does not name the pod"
is any.name.example k exec other-name -- hostname
waits() { field pod/profile '.status.containerStatuses[0].state.waiting.reason'; }
refused() { case $(waits) in Create*Error) echo yes ;; esac; }
becomes 20 yes refused
if [ "$(cat /sys/module/apparmor/parameters/enabled 2>/dev/null)" != Y ]; then
  becomes 10 "Failed AppArmor" field pod/apparmor ".status.phase} {.status.reason"
fi
