# A pod that is bound past the scheduler to a node that cannot take it fails, with the reason.
node=$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')
pod() { printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: $1}" "spec:" "  nodeName: $node" "$2" \
  "  containers:" "  - {name: c, image: $IMAGE, $3}" | k apply -f - >/dev/null; }
pod cpu "" 'resources: {requests: {cpu: "1000"}}'
pod affinity '  nodeSelector: {no: such}' 'stdin: false'
pod first "" 'ports: [{containerPort: 80, hostPort: 8099}]'
becomes 20 Running field pod/first .status.phase
pod second "" 'ports: [{containerPort: 80, hostPort: 8099}]'
becomes 10 "Failed OutOfcpu" field pod/cpu '.status.phase} {.status.reason'
field pod/cpu .status.message | grep "^Pod was rejected: Node didn't have enough resource: cpu, requested: 1000000, used: " >/dev/null
becomes 10 "Failed NodeAffinity Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector" \
  field pod/affinity '.status.phase} {.status.reason} {.status.message'
becomes 10 "Failed NodePorts" field pod/second '.status.phase} {.status.reason'
is Running field pod/first .status.phase
k delete pod --all --grace-period=1 >/dev/null
