# A node that has less memory left than its threshold says so, is tainted, and ends pods: ordinary ones, the
# least important first. Critical ones stay, and new ones without requests are not taken.
node=$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')
pressure() { kubectl get node "$node" -o 'jsonpath={.status.conditions[?(@.type=="MemoryPressure")].status}'; }
again() { kill "$(corten_pid)"; while kill -0 "$(corten_pid)" 2>/dev/null; do sleep 0.2; done; start_corten; }
is False pressure
kubectl create priorityclass low --value=-10 >/dev/null
pod() { printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: $1}" "spec:" "  $2" "  containers:" \
  "  - {name: c, image: $IMAGE, imagePullPolicy: IfNotPresent, command: [sleep, '1000']}" | k apply -f - >/dev/null; }
pod low 'priorityClassName: low'
pod usual 'restartPolicy: Never'
becomes 20 Running field pod/low .status.phase
becomes 20 Running field pod/usual .status.phase
usually=$CORTEN_EVICTION_HARD
export CORTEN_EVICTION_HARD='memory.available<99%' CORTEN_EVICTION_PRESSURE_TRANSITION_PERIOD=15s
again
becomes 40 True pressure
becomes 40 "Failed Evicted" field pod/low '.status.phase} {.status.reason'
field pod/low .status.message | grep '^The node was low on resource: memory. Threshold quantity: .*, available: ' >/dev/null || fail "message"
is "True TerminationByKubelet" field pod/low '.status.conditions[?(@.type=="DisruptionTarget")].status} {.status.conditions[?(@.type=="DisruptionTarget")].reason'
becomes 30 "node.kubernetes.io/memory-pressure:NoSchedule" sh -c \
  "kubectl get node $node -o 'jsonpath={range .spec.taints[*]}{.key}:{.effect}{end}'"
printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: late}" "spec:" "  nodeName: $node" "  containers:" \
  "  - {name: c, image: $IMAGE, command: [sleep, '1000']}" | k apply -f - >/dev/null
becomes 20 "Failed Evicted Pod was rejected: The node had condition: [MemoryPressure]. " \
  field pod/late '.status.phase} {.status.reason} {.status.message'
becomes 40 "Failed Evicted" field pod/usual '.status.phase} {.status.reason'
unset CORTEN_EVICTION_PRESSURE_TRANSITION_PERIOD
export CORTEN_EVICTION_HARD=$usually
again
becomes 60 False pressure
kubectl delete priorityclass low >/dev/null
k delete pod --all --grace-period=0 --force >/dev/null 2>&1
