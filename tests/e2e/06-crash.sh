# `kill -9` of the whole control plane with its node, under load.
# shellcheck shell=bash

ids() { k get pods -l app=web -o jsonpath='{range .items[*]}{.metadata.uid}{.status.containerStatuses[0].containerID}{.status.containerStatuses[0].restartCount}{"\n"}{end}' | sort; }

test_nothing_acknowledged_is_lost_and_pods_go_on() {
  web web 3 NodePort | apply
  sleeper client node1 | apply
  ready deployment/web
  ready pod/client
  local port before supervisors round written
  port=$(field service/web '{.spec.ports[0].nodePort}')
  eventually 10 outside "http://${ADDRESS[node1]}:$port/"
  before=$(ids) supervisors=$(supervisors node1)
  [ -n "$supervisors" ]
  for round in 1 2 3; do
    # Writers note what was acknowledged.
    : >"$WORK/acknowledged"
    for writer in 1 2; do
      for i in $(seq 40); do
        k create configmap "r$round-$writer-$i" --from-literal=i="$i" -o name >>"$WORK/acknowledged" 2>/dev/null || break
      done &
    done
    while [ "$(wc -l <"$WORK/acknowledged")" -lt 8 ]; do sleep 0.05; done
    crash node1
    # Without the control plane the containers and Services go on.
    outside "http://${ADDRESS[node1]}:$port/"
    outside "http://${ADDRESS[node2]}:$port/"
    same "$(supervisors node1)" "$supervisors"
    start_node1
    wait
    k get configmaps -o name >"$WORK/present"
    written=$(sort "$WORK/acknowledged")
    same "$(comm -23 <(echo "$written") <(sort "$WORK/present"))" ""
    note "round $round: $(wc -l <<<"$written") writes kept"
  done
  ready deployment/web 30
  eventually 20 same_ids "$before"
}

same_ids() { same "$(ids)" "$1"; }

test_what_was_there_still_works() {
  local pod
  eventually 20 in_pod client true
  eventually 15 answerers 3 get_in_pod client http://web
  k scale deployment/web --replicas=4
  ready deployment/web
  k create configmap after --from-literal=a=b
  pod=$(pods app=web | cut -d' ' -f1)
  k delete pod "$pod"
  ready deployment/web
}

test_a_crash_in_the_midst_of_a_rollout_ends_well() {
  k set env deployment/web VERSION=crash
  crash node1
  start_node1
  ready deployment/web
  same "$(field deployment/web '{.status.updatedReplicas}{.status.readyReplicas}')" 44
  gone() { same "$(pods app=web | wc -w)" 4; }
  eventually 40 gone
}

test_a_deletion_under_way_ends() {
  k run slow --image="$IMAGE" --overrides='{"spec":{"nodeName":"node1","terminationGracePeriodSeconds":3}}'
  ready pod/slow
  k delete pod slow --wait=false
  crash node1
  start_node1
  k wait pod/slow --for=delete --timeout=30s
}

test_revisions_go_on_upward() {
  local before after
  before=$(k create configmap rv1 -o jsonpath='{.metadata.resourceVersion}')
  crash node1
  start_node1
  after=$(k create configmap rv2 -o jsonpath='{.metadata.resourceVersion}')
  [ "$after" -gt "$before" ]
}
