# What breaks is mended.
# shellcheck shell=bash

test_a_killed_process_is_started_again() {
  web web 2 | apply
  sleeper client node2 | apply
  ready deployment/web
  ready pod/client
  local pod
  pod=$(pods app=web | cut -d' ' -f1)
  in_pod "$pod" sh -c 'kill -9 $(pidof httpd | tr " " "\n" | tail -1)'
  eventually 30 is "pod/$pod" '{.status.containerStatuses[0].restartCount}' 1
  ready "pod/$pod"
  has "$(field "pod/$pod" '{.status.containerStatuses[0].lastState.terminated}')" '"containerID":"corten://'
}

test_a_container_that_goes_on_failing_backs_off() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: fails}
spec:
  containers: [{name: main, image: $IMAGE, command: [sh, -c, "exit 3"]}]
YAML
  eventually 60 is pod/fails '{.status.containerStatuses[0].state.waiting.reason}' CrashLoopBackOff
  same "$(field pod/fails '{.status.containerStatuses[0].lastState.terminated.exitCode}')" 3
  eventually 10 has_event pod/fails BackOff 'Back-off restarting failed container main'
  k delete pod fails --grace-period=1 --wait=false
}

has_event() {
  has "$(k get events --field-selector "involvedObject.name=${1#*/},reason=$2" -o jsonpath='{.items[*].message}')" "$3"
}

test_a_deleted_pod_is_replaced() {
  local pod
  pod=$(pods app=web | cut -d' ' -f1)
  k delete pod "$pod"
  hasnot "$(pods app=web)" "$pod"
  ready deployment/web
  eventually 20 is deployment/web '{.status.readyReplicas}' 2
}

test_a_pod_that_is_not_ready_gets_no_requests() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: moody, labels: {app: moody}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: $IMAGE
    command: [sh, -c, 'touch /tmp/well; exec httpd -f -p 80 -h /www']
    readinessProbe: {exec: {command: [test, -e, /tmp/well]}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Service
metadata: {name: moody}
spec:
  selector: {app: moody}
  ports: [{port: 80}]
YAML
  ready pod/moody
  eventually 10 get_in_pod client http://moody
  in_pod moody rm /tmp/well
  eventually 15 is pod/moody '{.status.conditions[?(@.type=="Ready")].status}' False
  eventually 10 is endpoints/moody '{.subsets[0].notReadyAddresses[0].targetRef.name}' moody
  same "$(field endpoints/moody '{.subsets[0].addresses}')" ""
  eventually 10 is endpointslice '{.items[?(@.metadata.labels.kubernetes\.io/service-name=="moody")].endpoints[0].conditions.ready}' false
  eventually 10 refused get_in_pod client http://moody
  in_pod moody touch /tmp/well
  ready pod/moody
  eventually 10 get_in_pod client http://moody
  same "$(field pod/moody '{.status.containerStatuses[0].restartCount}')" 0
}

test_a_failing_liveness_probe_restarts() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: sick}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: $IMAGE
    command: [sleep, "1000"]
    livenessProbe: {tcpSocket: {port: 81}, periodSeconds: 1, failureThreshold: 2}
YAML
  restarted() { [ "$(field pod/sick '{.status.containerStatuses[0].restartCount}')" -ge 1 ]; }
  eventually 30 restarted
  eventually 10 has_event pod/sick Unhealthy 'Liveness probe failed: dial tcp'
  eventually 10 has_event pod/sick Killing 'Container main failed liveness probe, will be restarted'
  k delete pod sick --wait=false
}

test_a_killed_supervisor_takes_its_pod_along_and_another_comes() {
  local pod uid before restarts
  pod=$(k get pods -l app=web -o jsonpath='{.items[0].metadata.name}')
  uid=$(field "pod/$pod" '{.metadata.uid}') before=$(field "pod/$pod" '{.status.containerStatuses[0].containerID}')
  restarts=$(field "pod/$pod" '{.status.containerStatuses[0].restartCount}')
  kill -KILL "$(supervisor_of "$pod")"
  eventually 30 is "pod/$pod" '{.status.containerStatuses[0].restartCount}' $((restarts + 1))
  ready "pod/$pod"
  same "$(field "pod/$pod" '{.metadata.uid}')" "$uid"
  [ "$(field "pod/$pod" '{.status.containerStatuses[0].containerID}')" != "$before" ]
  eventually 10 get_in_pod client http://web
}

# supervisor_of POD: its process, the parent of what runs in the pod.
supervisor_of() {
  local id process
  id=$(field "pod/$1" '{.status.containerStatuses[0].containerID}')
  process=$(find /sys/fs/cgroup -path "*$CGROUP/*${id##*/}*/cgroup.procs" -exec head -qn1 {} + | head -1)
  awk '/^PPid:/ { print $2 }' "/proc/$process/status"
}
