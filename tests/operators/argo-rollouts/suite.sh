# Argo Rollouts: its controller moves a Rollout from one ReplicaSet to another, step by step. No node runs the pods:
# they are told to be ready here.

make() {
  build argo-rollouts github.com/argoproj/argo-rollouts/cmd/rollouts-controller
  ARGO_ROLLOUTS=$(module argo-rollouts github.com/argoproj/argo-rollouts)
  export ARGO_ROLLOUTS
}

start_controller() { # PORT
  start "argo-rollouts-controller-$1" env POD_NAMESPACE=argo-rollouts "$BUILT/argo-rollouts-rollouts-controller" \
    --kubeconfig="$operator" --healthzPort="$1" --metricsPort=$(($1 + 1)) --leader-election-lease-duration=6s \
    --leader-election-renew-deadline=4s --leader-election-retry-period=1s
}

# Every pod of the shop is ready, as far as its status says.
run_pods() {
  local pod now
  now=$(date -u +%FT%TZ)
  for pod in $(kubectl get pods -n store -l app=web -o json |
    jq -r '.items[] | select(any(.status.conditions[]?; .type == "Ready" and .status == "True") | not) | .metadata.name'); do
    kubectl patch pod -n store "$pod" --subresource=status -p '{"status":{"phase":"Running","conditions":[
      {"type":"Ready","status":"True","lastTransitionTime":"'"$now"'"},
      {"type":"ContainersReady","status":"True","lastTransitionTime":"'"$now"'"}]}}' >/dev/null
  done
}

# The Rollout's status has VALUE at PATH, in the end, the pods being run meanwhile.
comes_to() { # PATH VALUE
  until_so comes_to_now "$@"
}

comes_to_now() {
  run_pods
  is "$2" get rollout -n store web -o "jsonpath={$1}"
}

# How many replicas the ReplicaSets have, the larger first.
replicas() {
  run_pods
  [ "$(kubectl get rs -n store -l app=web -o json | jq -c '[.items[].spec.replicas] | sort | reverse')" = "$1" ] ||
    { kubectl get rs -n store; return 1; }
}

try() {
  local here=$BUILT/../../tests/operators/argo-rollouts operator leader first second
  check "definitions apply" kubectl apply --server-side -f <(for file in "$ARGO_ROLLOUTS"/manifests/crds/*-crd.yaml; do
    echo ---
    cat "$file"
  done)
  check "definitions are established" established rollouts.argoproj.io experiments.argoproj.io \
    analysisruns.argoproj.io analysistemplates.argoproj.io clusteranalysistemplates.argoproj.io
  kubectl create namespace argo-rollouts >/dev/null
  operator=$(account argo-rollouts argo-rollouts) || { failed=$((failed + 1)); echo "FAILED $suite: no account"; return; }
  start_controller 8080
  first=$started
  check "a Rollout applies" kubectl apply -f "$here/store.yaml"
  check "it has a ReplicaSet" until_so replicas '[2]'
  check "it is healthy" comes_to .status.phase Healthy
  check "it is scaled by its subresource" kubectl scale -n store rollout/web --replicas=4
  check "its ReplicaSet follows" until_so replicas '[4]'
  check "all are available" comes_to .status.availableReplicas 4
  check "it is shown in columns" shown '^web +4 +4 +4 +4' get rollout -n store web --no-headers
  check "it is explained" kubectl explain rollout.spec.strategy.canary.steps
  check "another image is set" kubectl patch rollout -n store web --type=json \
    -p '[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"web:2"}]'
  check "it pauses at its first step" comes_to .status.phase Paused
  check "half of it is new" until_so replicas '[2,2]'
  check "the Services select old and new" services_differ

  leader=$(until_so leads argo-rollouts argo-rollouts-controller-lock "")
  start_controller 8180
  second=$started
  kill -KILL "$first" 2>/dev/null
  wait "$first" 2>/dev/null
  check "another controller leads when one is gone" until_so leads argo-rollouts argo-rollouts-controller-lock "$leader"
  check "it may go on" kubectl patch rollout -n store web --subresource=status --type=merge \
    -p '{"status":{"promoteFull":true}}'
  check "all of it is new" until_so replicas '[4,0]'
  check "it is healthy again" comes_to .status.phase Healthy
  check "it is deleted with its ReplicaSets" kubectl delete rollout -n store web --cascade=foreground --timeout=60s
  check "no ReplicaSet is left" until_so is "" get rs -n store -o name
  check "definitions are deleted" kubectl delete --timeout=60s -f "$ARGO_ROLLOUTS/manifests/crds/rollout-crd.yaml"
  kill "$second" 2>/dev/null
}

# The stable and the canary Service select ReplicaSets of their own.
services_differ() {
  local stable canary
  stable=$(kubectl get service -n store web -o 'jsonpath={.spec.selector.rollouts-pod-template-hash}')
  canary=$(kubectl get service -n store web-canary -o 'jsonpath={.spec.selector.rollouts-pod-template-hash}')
  [ -n "$stable" ] && [ -n "$canary" ] && [ "$stable" != "$canary" ] || { echo "$stable, $canary"; return 1; }
}
