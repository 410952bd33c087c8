# `corten reset` leaves nothing behind. Runs last.
# shellcheck shell=bash

test_down_stops_corten_and_leaves_pods() {
  sleeper stays node1 | apply
  ready pod/stays
  has "$(on node1 "$CORTEN" down --data-dir "$WORK/node1")" 'stopped'
  refused kubectl --request-timeout=2s get nodes
  [ -n "$(supervisors node1)" ]
}

test_reset_of_a_node_leaves_nothing() { leaves_nothing node2; }

test_reset_of_the_control_plane_leaves_nothing() { leaves_nothing node1; }

test_nothing_of_pods_is_left_in_the_world() {
  # Each machine has a network, and the world has one.
  same "$(find /proc/[0-9]*/ns/net -printf '%l\n' 2>/dev/null | sort -u | wc -l)" "$(($(find "$WORK" -maxdepth 1 -name "*.holder" | wc -l) + 1))"
  same "$(find /sys/fs/cgroup -type d -path "*$CGROUP/*" -print -quit)" ""
}

test_reset_of_nothing_is_no_error() { on node1 "$CORTEN" reset --data-dir "$WORK/node1"; }
