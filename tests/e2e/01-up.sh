# From nothing to a Ready node, and a second one.
# shellcheck shell=bash

test_the_first_node_is_ready() {
  local begun=$EPOCHREALTIME said
  said=$(start_node1)
  note "ready after $(since "$begun") ms"
  has "$said" 'API server' 'ready: export KUBECONFIG='
  has "$(kubectl get nodes)" '^node1 +Ready '
}

test_the_kubeconfig_is_the_administrators() {
  same "$(kubectl auth can-i '*' '*' --all-namespaces)" yes
  same "$(stat -c %a "$KUBECONFIG")" 600
  has "$(kubectl version)" 'Server Version: v1\.35\.'
  has "$(kubectl cluster-info)" "${ADDRESS[node1]}:$API_PORT"
}

test_system_namespaces_and_service_are_there() {
  has "$(kubectl get namespaces -o name)" namespace/default namespace/kube-system namespace/kube-public
  eventually 20 kubectl get service kubernetes -n default
  eventually 20 kubectl get serviceaccount default -n default
  eventually 20 kubectl get configmap kube-root-ca.crt -n default
}

test_a_second_corten_is_refused_the_directory() {
  has "$(refused on node1 "$CORTEN" up --data-dir "$WORK/node1")" 'runs from'
}

test_the_demo_image_is_made() {
  on node1 "$CORTEN" image demo --data-dir "$WORK/node1"
}

test_a_second_node_joins() {
  local begun=$EPOCHREALTIME
  start_node2
  note "ready after $(since "$begun") ms"
  on node2 "$CORTEN" image demo --data-dir "$WORK/node2"
  kubectl wait node/node2 --for=condition=Ready --timeout=30s
  has "$(kubectl get nodes -o wide)" "node2 +Ready .* ${ADDRESS[node2]}"
}

test_a_wrong_token_does_not_join() {
  local words url token
  words=$(on node1 "$CORTEN" token create --data-dir "$WORK/node1")
  read -r _ _ _ url _ token <<<"$words"
  # Another authority's hash, then another secret.
  has "$(refused on outside "$CORTEN" node --join "$url" --token "${token%????}0000" \
    --data-dir "$WORK/outside/wrong")" error
  has "$(refused on outside "$CORTEN" node --join "$url" --token "abcdef.0123456789abcdef.${token##*.}" \
    --data-dir "$WORK/outside/wrong2")" error
  hasnot "$(kubectl get nodes -o name)" outside
}
