# Nodes that do not use Corten's own runtime: a containerd that the node starts, and runtimes that somebody else runs.
# shellcheck shell=bash

# The commands of other runtimes are back on the PATH.
with_others() { PATH=$FULL_PATH "$@"; }

no_containerd() {
  local tool
  for tool in containerd runc ctr; do
    with_others command -v "$tool" >/dev/null || { note "skipped: no $tool on this machine"; return; }
  done
  return 1
}

# A machine more.
machine() {
  ADDRESS[$1]=$2
  [ -e "$WORK/$1.holder" ] || make_machine "$1"
}

# works NODE RUNTIME: pods there do what pods do.
works() {
  local node=$1 runtime=$2
  sleeper "on-$node" "$node" | sed 's/command: .*/command: [sh, -c, "echo begun; httpd -f -p 8080 -h \/www \& wait"]/' | apply
  ready "pod/on-$node"
  has "$(field "pod/on-$node" '{.status.containerStatuses[0].containerID}')" "^$runtime://"
  has "$(kubectl get node "$node" -o jsonpath='{.status.nodeInfo.containerRuntimeVersion}')" "^$runtime://"
  same "$(k logs "on-$node")" begun
  same "$(echo in | k exec -i "on-$node" -- sh -c 'cat; echo out')" $'in\nout'
  local code=0
  k exec "on-$node" -- sh -c 'exit 7' || code=$?
  same "$code" 7
  kubectl -n "$NS" port-forward "pod/on-$node" 18095:8080 --address 127.0.0.1 >"$WORK/forward" 2>&1 &
  local pid=$!
  eventually 10 curl -sSf --max-time 5 http://127.0.0.1:18095/
  kill "$pid"
  in_pod "on-$node" sh -c 'kill -9 $(pidof httpd)' || true
  eventually 30 is "pod/on-$node" '{.status.containerStatuses[0].restartCount}' 1
  ready "pod/on-$node"
}

test_a_node_with_a_containerd_of_its_own() {
  no_containerd && return
  machine node3 10.213.99.13
  with_others join node3 --runtime containerd
  kubectl wait node/node3 --for=condition=Ready --timeout=30s
  with_others on node3 "$CORTEN" image demo --data-dir "$WORK/node3"
  works node3 containerd
  sleeper client node1 | apply
  ready pod/client
  eventually 10 get_in_pod client "http://$(field pod/on-node3 '{.status.podIP}'):8080/"
}

test_containerd_killed_comes_back_and_containers_go_on() {
  no_containerd && return
  local before
  before=$(field pod/on-node3 '{.status.containerStatuses[0].containerID}')
  kill -KILL "$(cat "$WORK/node3/containerd/containerd.pid")"
  eventually 20 in_pod on-node3 true
  sleeper again node3 | apply
  ready pod/again
  same "$(field pod/on-node3 '{.status.containerStatuses[0].containerID}')" "$before"
}

test_that_node_is_crashed_and_reset() {
  no_containerd && return
  local before
  before=$(field pod/on-node3 '{.status.containerStatuses[0].containerID}{.status.containerStatuses[0].restartCount}')
  crash node3
  with_others join node3 --runtime containerd
  eventually 30 in_pod on-node3 true
  same "$(field pod/on-node3 '{.status.containerStatuses[0].containerID}{.status.containerStatuses[0].restartCount}')" "$before"
  with_others leaves_nothing node3
  kubectl delete node node3
}

# A containerd as an administrator has it, with a bridge by CNI's plugins; its socket is $WORK/others/containerd.sock.
start_others_containerd() {
  local at=$WORK/others
  mkdir -p "$at/cni"
  cat >"$at/cni/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "others", "plugins": [
  {"type": "bridge", "bridge": "others0", "isGateway": true, "ipMasq": false,
   "ipam": {"type": "host-local", "dataDir": "$at/ipam", "ranges": [[{"subnet": "10.99.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
  cat >"$at/config.toml" <<TOML
version = 2
root = "$at/root"
state = "$at/state"
[grpc]
address = "$at/containerd.sock"
[ttrpc]
address = "$at/containerd.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "$at/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "$IMAGE"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "$1"
conf_dir = "$at/cni"
TOML
  with_others on node4 setsid containerd --config "$at/config.toml" >"$at/log" 2>&1 </dev/null &
  echo $! >"$at/pid"
  disown
  "$CORTEN" image demo --file "$at/demo.tar"
  # The image serves as that of sandboxes too.
  eventually 20 with_others on node4 ctr -a "$at/containerd.sock" -n k8s.io images import "$at/demo.tar"
}

test_a_node_on_a_containerd_of_somebody_elses() {
  no_containerd && return
  local plugins
  for plugins in /usr/lib/cni /opt/cni/bin ''; do [ ! -x "$plugins/bridge" ] || break; done
  [ -n "$plugins" ] || { note "skipped: no CNI plugins on this machine"; return; }
  machine node4 10.213.99.14
  start_others_containerd "$plugins"
  join node4 --runtime-endpoint "unix://$WORK/others/containerd.sock"
  kubectl wait node/node4 --for=condition=Ready --timeout=30s
  works node4 containerd
  k delete pod on-node4
  nothing_left() { same "$(with_others on node4 ctr -a "$WORK/others/containerd.sock" -n k8s.io containers ls -q)" ""; }
  eventually 90 nothing_left
  on node4 "$CORTEN" reset --data-dir "$WORK/node4"
  kubectl delete node node4
  kill "$(cat "$WORK/others/pid")"
}

test_a_node_on_cortens_own_runtime_in_a_process_of_its_own() {
  machine node5 10.213.99.15
  mkdir -p "$WORK/cri"
  on node5 setsid "$CORTEN" cri --listen "unix://$WORK/cri/cri.sock" --root "$WORK/cri/root" --pod-cidr 10.98.0.0/24 \
    >"$WORK/cri/log" 2>&1 </dev/null &
  local pid=$!
  disown
  eventually 20 test -S "$WORK/cri/cri.sock"
  join node5 --runtime-endpoint "unix://$WORK/cri/cri.sock"
  kubectl wait node/node5 --for=condition=Ready --timeout=30s
  kill "$pid"
  on node5 "$CORTEN" reset --data-dir "$WORK/node5"
  kubectl delete node node5
}
