# When the process is killed pods run on; the next one takes them up as they are, Ready all the while.
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    image: $IMAGE
    imagePullPolicy: IfNotPresent
    startupProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
    readinessProbe: {exec: {command: [test, "!", -e, /tmp/unready]}, periodSeconds: 1, failureThreshold: 1}
  - name: restarted
    image: $IMAGE
    imagePullPolicy: IfNotPresent
    command: [sh, -c, 'test -e /keep/once && sleep 1000; touch /keep/once; exit 3']
    volumeMounts: [{name: keep, mountPath: /keep}]
  volumes: [{name: keep, emptyDir: {}}]
Y
ready() { field pod/web '.status.conditions[?(@.type=="Ready")].status'; }
state() { field pod/web '.status.containerStatuses[*].containerID} {.status.containerStatuses[*].restartCount} {.status.podIP} {.status.containerStatuses[*].lastState.terminated.exitCode} {.status.conditions[?(@.type=="Ready")].lastTransitionTime'; }
becomes 30 1 field pod/web '.status.containerStatuses[?(@.name=="restarted")].restartCount'
becomes 30 True ready
before=$(state) uid=$(field pod/web .metadata.uid)
containers=$(runtime_ids "$uid")
kill -9 "$(corten_pid)"
sleep 1
start_corten
becomes 20 "$before" state
sleep 3
is "$before" state
is "$containers" runtime_ids "$uid"
k exec web -c web -- touch /tmp/unready
becomes 10 False ready
k exec web -c web -- rm /tmp/unready
becomes 10 True ready
# While nobody looks one pod is deleted and another ends: the next start ends the one, and tells how the other did.
k run ends --image=$IMAGE --image-pull-policy=IfNotPresent --restart=Never --command -- \
  sh -c 'while [ ! -e /tmp/end ]; do sleep 0.1; done; sleep 1; echo -n "so it was" > /dev/termination-log; exit 7' >/dev/null
becomes 20 Running field pod/ends .status.phase
k run brief --image=$IMAGE --image-pull-policy=IfNotPresent >/dev/null
becomes 20 Running field pod/brief .status.phase
k delete pod brief --wait=false --grace-period=2 >/dev/null
k exec ends -- touch /tmp/end
kill -9 "$(corten_pid)"
sleep 2
start_corten
e='.status.containerStatuses[0].state.terminated'
becomes 20 "Failed 7 Error so it was" field pod/ends ".status.phase} {$e.exitCode} {$e.reason} {$e.message"
becomes 40 "" k get pod brief --ignore-not-found -o name
