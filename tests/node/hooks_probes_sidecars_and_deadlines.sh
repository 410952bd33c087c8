# The life of a container: hooks at both ends, probes that restart it, sidecars around it, and a deadline.
mkdir -p "$NODE_DATA/seen"
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: hooks}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: c
    image: $IMAGE
    lifecycle:
      postStart: {exec: {command: [sh, -c, 'echo started > /seen/post']}}
      preStop: {exec: {command: [sh, -c, 'echo stopping > /seen/pre']}}
    volumeMounts: [{name: seen, mountPath: /seen}]
  volumes: [{name: seen, hostPath: {path: $NODE_DATA/seen}}]
---
apiVersion: v1
kind: Pod
metadata: {name: probed}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: $IMAGE
    command: [sh, -c, 'touch /tmp/alive; sleep 4; rm /tmp/alive; sleep 1000']
    livenessProbe: {exec: {command: [test, -e, /tmp/alive]}, periodSeconds: 1, failureThreshold: 1, initialDelaySeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: sidecars}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 2
  initContainers:
  - {name: first, image: $IMAGE, command: [sh, -c, 'echo first >> /seen/order'], volumeMounts: [{name: seen, mountPath: /seen}]}
  - {name: side, image: $IMAGE, restartPolicy: Always, command: [sh, -c, 'echo side >> /seen/order; trap "echo end >> /seen/order; exit 0" TERM; sleep 1000 & wait'],
     startupProbe: {exec: {command: [grep, -q, side, /seen/order]}, periodSeconds: 1},
     volumeMounts: [{name: seen, mountPath: /seen}]}
  containers:
  - {name: main, image: $IMAGE, command: [sh, -c, 'echo main >> /seen/order'], volumeMounts: [{name: seen, mountPath: /seen}]}
  volumes: [{name: seen, hostPath: {path: $NODE_DATA/seen}}]
---
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  activeDeadlineSeconds: 4
  terminationGracePeriodSeconds: 1
  containers: [{name: c, image: $IMAGE}]
Y
becomes 20 started cat "$NODE_DATA/seen/post"
becomes 20 true field pod/hooks '.status.containerStatuses[0].ready'
k delete pod hooks >/dev/null
is stopping cat "$NODE_DATA/seen/pre"
becomes 20 Succeeded field pod/sidecars .status.phase
becomes 10 "first side main end" eval "tr '\n' ' ' < $NODE_DATA/seen/order | sed 's/ \$//'"
becomes 10 0 field pod/sidecars '.status.initContainerStatuses[1].state.terminated.exitCode'
becomes 20 "Failed DeadlineExceeded" field pod/late '.status.phase} {.status.reason'
becomes 20 1 field pod/probed '.status.containerStatuses[0].restartCount'
says 'Liveness probe failed:' messages
says 'Container c failed liveness probe, will be restarted' messages
k delete pod --all --wait=false >/dev/null
becomes 10 "" k get pods -o name
