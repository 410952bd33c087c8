# `kubectl top`: what nodes, pods and containers use, without anything to install.
# shellcheck shell=bash

test_pods_that_work_and_rest() {
  local node
  for node in node1 node2; do
    apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: busy-$node, labels: {app: busy}}
spec:
  nodeName: $node
  terminationGracePeriodSeconds: 0
  containers:
  - {name: works, image: $IMAGE, command: [sh, -c, 'while :; do :; done'], resources: {limits: {cpu: 200m}}}
  - {name: rests, image: $IMAGE, command: [sh, -c, 'dd if=/dev/zero of=/dev/shm/held bs=1M count=20; sleep 1000']}
YAML
  done
  k run idle --image="$IMAGE" --labels=app=idle
  ready pod/busy-node1
  ready pod/busy-node2
  ready pod/idle
}

# used FLAG...: the names, and whether the processor has much to do.
used() { k top pod --no-headers "$@" | awk '{ print $1, ($2 + 0 > 50 ? "busy" : "idle") }'; }

test_top_pod() {
  all() { same "$(used)" $'busy-node1 busy\nbusy-node2 busy\nidle idle'; }
  eventually 60 all
  same "$(used -l app=idle)" 'idle idle'
  has "$(k top pod)" '^NAME +CPU\(cores\) +MEMORY\(bytes\)' '^busy-node1 +[0-9]+m +[0-9]+Mi'
  same "$(k top pod --no-headers --sort-by=cpu | awk 'END { print $1 }')" idle
  has "$(k top pod --sum)" '^ +[0-9]+m +[0-9]+Mi'
  has "$(k top pod -A)" "^$NS +busy-node2 "
}

test_top_pod_by_containers() {
  local said
  said=$(k top pod busy-node2 --containers --no-headers)
  has "$said" '^busy-node2 +works +[0-9]+m' '^busy-node2 +rests +[0-9]+m'
  [ "$(awk '$2 == "rests" { print $4 + 0 }' <<<"$said")" -ge 20 ]
  [ "$(awk '$2 == "works" { print $4 + 0 }' <<<"$said")" -lt 10 ]
}

test_top_node() {
  both() { same "$(kubectl top node --no-headers | awk '$2 + 0 > 0 && $3 ~ /%$/ && $4 ~ /Mi$/ && $5 ~ /%$/ { print $1 }')" $'node1\nnode2'; }
  eventually 60 both
  has "$(kubectl top node node1)" '^NAME +CPU\(cores\) +CPU\(%\) +MEMORY\(bytes\) +MEMORY\(%\)|CPU%'
}
