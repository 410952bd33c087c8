# Machines made of namespaces: a bridge, two nodes and an outside client. For sourcing by `world`.
# shellcheck shell=bash

declare -A ADDRESS=([node1]=10.213.99.11 [node2]=10.213.99.12 [outside]=10.213.99.100)
GATEWAY=10.213.99.1
API_PORT=6443
export KUBECONFIG=$WORK/node1/kubeconfig

# The network, and no trace of the machine's own pods in our copy of its mounts.
make_world() {
  local place
  while read -r place; do umount -l "$place" 2>/dev/null; done < <(
    awk '$3 == "nsfs" || ($3 == "overlay" && $2 != "/") { print $2 }' /proc/self/mounts
  )
  mount -t tmpfs -o mode=755 run /run && mkdir -p /run/netns /run/lock
  mount --make-rshared /
  ip link set lo up
  ip link add fabric type bridge forward_delay 0
  ip address add "$GATEWAY/24" dev fabric
  ip link set fabric up
  # The bridge stands for a switch: packets that cross it are none of this machine's business.
  echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables 2>/dev/null
  local machine
  for machine in "${!ADDRESS[@]}"; do make_machine "$machine"; done
}

# A machine: its network, mounts and host name, held by a process that does nothing.
make_machine() {
  local name=$1
  mkdir -p "$WORK/$name"
  ip netns add "$name"
  ip link add "$name" type veth peer name eth0 netns "$name"
  ip link set "$name" master fabric up
  ip -n "$name" link set lo up
  ip -n "$name" address add "${ADDRESS[$name]}/24" dev eth0
  ip -n "$name" link set eth0 up
  ip -n "$name" route add default via "$GATEWAY"
  nsenter --net="/run/netns/$name" unshare --mount --propagation private --uts sh -c "
    hostname $name
    mount -t tmpfs -o mode=755 run /run && mount --make-rshared /
    echo \$\$ >$WORK/$name.holder
    exec sleep infinity" </dev/null &
  disown
  until [ -s "$WORK/$name.holder" ]; do sleep 0.02; done
  traces "$name" >"$WORK/$name.traces"
}

# What a node could leave on its machine. (The table of mount(8) is not ours.)
traces() {
  on "$1" sh -c '
    cut -d" " -f2- /proc/self/mounts
    ip -o link | sed "s/^[0-9]*: //; s/ .*//"
    ip route show table all | grep -v -e multicast -e fe80::
    ip rule
    nft list ruleset
    find /run -not -path "/run/mount*" -not -path "/run/netns*"
    iptables-save 2>/dev/null | grep -v "^#"
  ' || true
}

# on MACHINE COMMAND...
on() {
  local machine=$1
  shift
  nsenter --target "$(cat "$WORK/$machine.holder")" --net --mount --uts "$@"
}

# Starts the control plane with its node, and returns once the node is ready.
start_node1() {
  on node1 setsid "$CORTEN" up --detach --data-dir "$WORK/node1" --cgroup-root "$CGROUP/node1" \
    --port "$API_PORT" --node-monitor-grace 20 "$@"
}

# join MACHINE [FLAG...]: starts a node there, joining with a new token, and returns once it says that it is ready.
join() {
  local machine=$1 url token words said=$WORK/$1.said
  shift
  words=$(on node1 "$CORTEN" token create --data-dir "$WORK/node1") || return
  read -r _ _ _ url _ token <<<"$words"
  mkdir -p "$WORK/$machine"
  : >"$said"
  on "$machine" setsid "$CORTEN" node --join "$url" --token "$token" --data-dir "$WORK/$machine" \
    --cgroup-root "$CGROUP/$machine" "$@" >"$said" 2>>"$WORK/$machine/corten.log" </dev/null &
  local pid=$!
  disown
  for _ in $(seq 600); do
    grep -q '^ready' "$said" && return
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  cat "$said" "$WORK/$machine/corten.log"
  return 1
}

# Starts the second node.
start_node2() { join node2; }

# The process of a node's corten.
pid_of() { cat "$WORK/$1/corten.pid"; }

# crash NODE: its corten is no more; its containers go on.
crash() {
  local pid
  pid=$(pid_of "$1")
  kill -KILL "$pid"
  while [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do sleep 0.02; done
}

# The supervisors of a node's pods.
supervisors() { pgrep -f "^$WORK/$1/runtime/bin/corten-pod-" || true; }
