# `corten reset` leaves nothing behind. Runs last.
# shellcheck shell=bash

# leaves_nothing NODE
leaves_nothing() {
  local node=$1 rest
  on "$node" "$CORTEN" reset --data-dir "$WORK/$node"
  rest=$(pgrep -af "$WORK/$node/" || true)
  same "$rest" ""
  same "$(on "$node" cat /proc/self/mounts | grep "$WORK/$node/" || true)" ""
  same "$(on "$node" ip -o link | awk '{ sub("@.*", "", $2); sub(":", "", $2); print $2 }' | sort | paste -sd' ')" "eth0 lo"
  same "$(on "$node" nft list ruleset)" ""
  same "$(find /sys/fs/cgroup -type d -path "*$CGROUP/$node*" -print -quit)" ""
  same "$(on "$node" ip route | grep 10.244 || true)" ""
  [ ! -e "$WORK/$node" ] || fail "$WORK/$node is still there: $(find "$WORK/$node" | head)"
  # The table of mount(8) is not ours.
  same "$(on "$node" find /run -mindepth 1 -not -path '/run/mount*' | head)" ""
}

test_down_stops_corten_and_leaves_pods() {
  sleeper stays node1 | apply
  ready pod/stays
  has "$(on node1 "$CORTEN" down --data-dir "$WORK/node1")" 'stopped'
  refused kubectl --request-timeout=2s get nodes
  pgrep -f "containerd-shim.*$WORK/node1/"
}

test_reset_of_a_node_leaves_nothing() { leaves_nothing node2; }

test_reset_of_the_control_plane_leaves_nothing() { leaves_nothing node1; }

test_reset_of_nothing_is_no_error() { on node1 "$CORTEN" reset --data-dir "$WORK/node1"; }
