# Two nodes: their pods reach each other, and when one dies the other takes over.
# shellcheck shell=bash

address_of() { field "pod/$1" '{.status.podIP}'; }

test_pods_of_both_nodes_reach_each_other() {
  sleeper one node1 | apply
  sleeper two node2 | apply
  ready pod/one
  ready pod/two
  eventually 10 in_pod one ping -c 1 -W 2 "$(address_of two)"
  eventually 10 in_pod two ping -c 1 -W 2 "$(address_of one)"
}

test_pods_see_each_others_own_addresses() {
  in_pod two sh -c 'mkdir -p /www/cgi-bin; printf "#!/bin/sh\necho; echo \$REMOTE_ADDR\n" >/www/cgi-bin/who; chmod +x /www/cgi-bin/who; httpd -p 80 -h /www'
  same "$(get_in_pod one "http://$(address_of two)/cgi-bin/who" | sed 's/^\[::ffff://; s/\]$//')" "$(address_of one)"
}

test_pods_and_nodes_reach_each_other() {
  local node
  for node in node1 node2; do
    on "$node" busybox ping -c 1 -W 2 "$(address_of one)"
    on "$node" busybox ping -c 1 -W 2 "$(address_of two)"
    in_pod one ping -c 1 -W 2 "${ADDRESS[$node]}"
  done
}

test_pods_reach_the_world_outside() {
  in_pod one ping -c 1 -W 2 "${ADDRESS[outside]}"
  in_pod two ping -c 1 -W 2 "${ADDRESS[outside]}"
}

test_the_api_is_reached_from_pods_of_both_nodes() {
  local pod
  for pod in one two; do
    in_pod "$pod" nc -w 3 kubernetes.default.svc 443 </dev/null
  done
}

test_logs_and_exec_reach_the_other_node() {
  k run talks --image="$IMAGE" --restart=Never \
    --overrides='{"spec":{"nodeName":"node2","terminationGracePeriodSeconds":0}}' --command -- sh -c 'echo from the second; sleep 1000'
  ready pod/talks
  same "$(k logs talks)" "from the second"
  same "$(echo through | k exec -i talks -- cat)" through
}

test_a_dead_node_loses_its_pods_to_the_other() {
  apply <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: moves}
spec:
  replicas: 2
  selector: {matchLabels: {app: moves}}
  template:
    metadata: {labels: {app: moves}}
    spec:
      terminationGracePeriodSeconds: 0
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 3}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 3}
      affinity:
        nodeAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
          - weight: 100
            preference: {matchExpressions: [{key: kubernetes.io/hostname, operator: In, values: [node2]}]}
      containers: [{name: main, image: $IMAGE, command: [sleep, "10000"]}]
YAML
  ready deployment/moves
  has "$(on_nodes)" node2
  local begun=$EPOCHREALTIME
  crash node2
  eventually 60 has_condition node2 Unknown
  note "seen after $(since "$begun") ms"
  has "$(kubectl get nodes)" '^node2 +NotReady'
  has "$(kubectl get node node2 -o jsonpath='{.spec.taints[*].key}')" node.kubernetes.io/unreachable
  eventually 60 all_moved
  note "moved after $(since "$begun") ms"
  eventually 20 is pod/two '{.status.conditions[?(@.type=="Ready")].status}' False
}

on_nodes() { k get pods -l app=moves -o jsonpath='{range .items[*]}{.spec.nodeName} {.metadata.deletionTimestamp}{"\n"}{end}'; }

has_condition() {
  same "$(kubectl get node "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}')" "$2"
}

all_moved() {
  same "$(k get pods -l app=moves --field-selector status.phase=Running -o json |
    grep -c '"nodeName": "node1"')" 2
  is deployment/moves '{.status.readyReplicas}' 2
}

test_the_node_comes_back() {
  start_node2
  kubectl wait node/node2 --for=condition=Ready --timeout=30s
  untainted() { same "$(kubectl get node node2 -o jsonpath='{.spec.taints}')" ""; }
  eventually 20 untainted
  only_new() { hasnot "$(on_nodes)" 'node2'; }
  eventually 40 only_new
  # A pod that was not to move is as it was.
  eventually 30 is pod/two '{.status.conditions[?(@.type=="Ready")].status}' True
  same "$(field pod/two '{.status.containerStatuses[0].restartCount}')" 0
}

test_a_cordoned_node_gets_no_pods_and_drain_empties_it() {
  k create deployment spread --image="$IMAGE" --replicas=4
  ready deployment/spread
  kubectl cordon node2
  has "$(kubectl get nodes)" '^node2 +Ready,SchedulingDisabled'
  kubectl drain node2 --pod-selector=app=spread --timeout=90s --grace-period=1
  ready deployment/spread
  same "$(k get pods -l app=spread -o jsonpath='{.items[*].spec.nodeName}')" "node1 node1 node1 node1"
  kubectl uncordon node2
}
