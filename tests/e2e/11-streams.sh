# What goes to and fro: exec, attach, cp, port-forward and debug, to pods of both nodes.
# shellcheck shell=bash

# on_terminal COMMAND: runs it on a terminal of 33 rows and 101 columns; what is piped in is typed.
on_terminal() { timeout 40 script -qec "stty rows 33 cols 101; $1" /dev/null; }

no_terminals() { ! command -v script >/dev/null && note "skipped: no \`script\` here"; }

# code COMMAND...: its exit code; its words go to errors.
code() {
  local code=0
  "$@" >&2 || code=$?
  echo "$code"
}

test_pods_to_talk_to_are_there() {
  local node
  for node in node1 node2; do
    apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: on-$node, labels: {app: box}}
spec:
  nodeName: $node
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: $IMAGE, command: [httpd, -f, -p, "8080", -h, /www]}
  - {name: side, image: $IMAGE, command: [httpd, -f, -p, "8081", -h, /www]}
YAML
  done
  k expose pod on-node2 --name=boxes --port=80 --target-port=8080 --selector=app=box
  head -c 3000000 /dev/urandom >"$WORK/blob"
  ready pod/on-node1
  ready pod/on-node2
}

test_exec_has_streams_and_exit_codes() {
  local pod
  for pod in on-node1 on-node2; do
    same "$(echo in | k exec -i "$pod" -c main -- sh -c 'cat; echo out')" $'in\nout'
    same "$(k exec "$pod" -- sh -c 'echo err >&2; echo out' 2>/dev/null)" out
    same "$(k exec "$pod" -- sh -c 'echo err >&2; echo out' 2>&1 >/dev/null | grep -v Defaulted)" err
    same "$(code k exec "$pod" -- true)" 0
    same "$(code k exec "$pod" -- sh -c 'exit 7')" 7
    same "$(code k exec "$pod" -- sh -c 'kill -9 $$')" 137
    has "$(refused k exec "$pod" -- /bin/nothing)" 'no such file|not found|executable'
    has "$(refused k exec "$pod" -c nobody -- true)" 'container .*nobody'
    has "$(k exec "$pod" -c side -- cat /proc/1/cmdline | tr '\0' ' ')" '8081'
    k exec -i "$pod" -- cat <"$WORK/blob" 2>/dev/null | cmp - "$WORK/blob"
  done
}

test_many_execs_at_once() {
  local i pids=()
  for i in $(seq 12); do
    (same "$(echo "$i" | k exec -i "on-node$((i % 2 + 1))" -- cat 2>/dev/null)" "$i") &
    pids+=($!)
  done
  for i in "${pids[@]}"; do wait "$i"; done
}

test_exec_on_a_terminal() {
  no_terminals && return
  has "$(on_terminal "kubectl -n $NS exec -it on-node1 -c main -- sh -c 'test -t 1 && stty size'" </dev/null)" '33 101'
  # What is typed arrives, ^C too, and the exit code comes back.
  local said code=0
  said=$({ sleep 2; printf '\003'; sleep 2; } |
    on_terminal "kubectl -n $NS exec -it on-node2 -c main -- sh -c 'trap \"echo caught; exit 5\" INT; while :; do sleep 0.1; done'") ||
    code=$?
  has "$said" caught
  same "$code" 5
}

test_a_terminal_changes_its_size() {
  no_terminals && return
  rm -f "$WORK/terminal"
  on_terminal "tty >$WORK/terminal; kubectl -n $NS exec -it on-node1 -c main -- \
    sh -c 'until [ \"\$(stty size)\" = \"40 120\" ]; do sleep 0.1; done; echo grown'" </dev/null >"$WORK/terminal.said" &
  local pid=$!
  eventually 10 test -s "$WORK/terminal"
  sleep 2
  stty -F "$(cat "$WORK/terminal")" rows 40 cols 120
  wait "$pid"
  has "$(cat "$WORK/terminal.said")" grown
}

test_attach() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: reader}
spec:
  restartPolicy: Never
  containers:
  - {name: main, image: $IMAGE, stdin: true, stdinOnce: true, command: [sh, -c, 'while read line; do echo "read \$line"; done; echo over; sleep 1']}
---
apiVersion: v1
kind: Pod
metadata: {name: ticker}
spec:
  nodeName: node2
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: $IMAGE, command: [sh, -c, 'while :; do echo tick; echo tock >&2; sleep 0.2; done']}]
YAML
  ready pod/reader
  ready pod/ticker
  # Standard input is given once, and its end is seen.
  same "$(printf 'one\ntwo\n' | timeout 20 kubectl -n "$NS" attach -i -q reader)" $'read one\nread two\nover'
  k wait pod/reader --for='jsonpath={.status.phase}=Succeeded' --timeout=20s
  # Two look on at once; both streams come.
  local one=$WORK/attach1 two=$WORK/attach2
  timeout 4 kubectl -n "$NS" attach ticker >"$one" 2>"$one.err" &
  timeout 4 kubectl -n "$NS" attach ticker >"$two" 2>/dev/null || true
  wait || true
  [ "$(grep -c tick "$one")" -gt 3 ]
  [ "$(grep -c tick "$two")" -gt 3 ]
  [ "$(grep -c tock "$one.err")" -gt 3 ]
}

test_attach_to_a_terminal() {
  no_terminals && return
  k run shell --image="$IMAGE" --restart=Never --overrides='{"spec":{"containers":[{"name":"shell","image":"'"$IMAGE"'","command":["sh"],"stdin":true,"tty":true}]}}'
  ready pod/shell
  local said
  said=$({ sleep 2; echo 'echo size is $(stty size), sum is $((40 + 2))'; sleep 2; echo exit; sleep 1; } |
    on_terminal "kubectl -n $NS attach -it shell")
  has "$said" 'size is 33 101, sum is 42'
  k wait pod/shell --for='jsonpath={.status.phase}=Succeeded' --timeout=20s
  same "$(echo hello | k run once --image="$IMAGE" --restart=Never -i --rm --quiet --command -- sh -c 'read line; echo "read $line"')" 'read hello'
  has "$(on_terminal "kubectl -n $NS run once --image=$IMAGE --restart=Never -it --rm --command -- sh -c 'sleep 2; stty size'" </dev/null)" '33 101'
}

test_cp_both_ways() {
  local pod
  mkdir -p "$WORK/tree/below" && echo one >"$WORK/tree/file" && echo two >"$WORK/tree/below/file"
  ln -sf file "$WORK/tree/link"
  for pod in on-node1 on-node2; do
    rm -rf "$WORK/back"
    k cp "$WORK/blob" "$pod:/tmp/blob" -c side
    k cp "$pod:/tmp/blob" "$WORK/back" -c side
    cmp "$WORK/blob" "$WORK/back"
    rm -rf "$WORK/back"
    k cp "$WORK/tree" "$pod:/tmp/tree"
    same "$(k exec "$pod" -c main -- cat /tmp/tree/file /tmp/tree/below/file)" $'one\ntwo'
    k cp "$pod:/tmp/tree" "$WORK/back"
    same "$(cat "$WORK/back/file" "$WORK/back/below/file")" $'one\ntwo'
  done
  has "$(k cp on-node1:/tmp/none "$WORK/none" 2>&1 || true)" 'No such file'
}

# forward PORT... -- TARGET: in the background; returns once it listens, and sets `pid`.
forward() {
  local log=$WORK/forward.$RANDOM
  kubectl -n "$NS" port-forward --address 127.0.0.1 "$@" >"$log" 2>&1 &
  pid=$!
  eventually 10 grep -q 'Forwarding from' "$log" || cat "$log"
}

page() { curl -sS --max-time 10 "http://127.0.0.1:$1/${2:-}"; }

test_port_forward_to_pods_and_services_at_once() {
  local pid pids=() i
  k cp "$WORK/blob" on-node2:/www/blob -c main
  forward pod/on-node1 18080:8080 18081:8081; pids+=("$pid")
  forward pod/on-node2 18082:8080; pids+=("$pid")
  forward service/boxes 18083:80; pids+=("$pid")
  for i in 18080 18081 18082 18083; do same "$(page $i)" 'hello from corten'; done
  page 18082 blob | cmp - "$WORK/blob"
  # Many connections side by side.
  local askers=()
  for i in $(seq 20); do
    (same "$(page $((18080 + i % 4)))" 'hello from corten') &
    askers+=($!)
  done
  for i in "${askers[@]}"; do wait "$i"; done
  kill "${pids[@]}"
}

test_port_forward_says_that_nobody_listens() {
  local pid
  forward pod/on-node1 18084:9
  refused page 18084
  # kubectl ends then.
  wait "$pid" || true
  has "$(cat "$WORK"/forward.*)" 'error occurred forwarding 18084 -> 9.*connection refused'
}

test_debug_joins_a_running_pod() {
  k debug on-node1 --image="$IMAGE" --target=main -c look -- sleep 1000
  eventually 20 is pod/on-node1 '{.status.ephemeralContainerStatuses[0].state.running.startedAt}' \
    "$(field pod/on-node1 '{.status.ephemeralContainerStatuses[0].state.running.startedAt}')"
  looks() { has "$(k exec on-node1 -c look -- cat /proc/1/cmdline | tr '\0' ' ')" '8080'; }
  eventually 20 looks
  same "$(k exec on-node1 -c look -- wget -qO- http://127.0.0.1:8081/)" 'hello from corten'
  same "$(field pod/on-node1 '{.status.containerStatuses[*].restartCount}')" '0 0'
  no_terminals && return
  has "$({ sleep 4; echo 'echo sum is $((40 + 2))'; sleep 2; echo exit; sleep 1; } |
    on_terminal "kubectl -n $NS debug on-node2 -it -q --image=$IMAGE --target=side -- sh")" 'sum is 42'
}

test_debug_makes_a_copy() {
  k debug on-node2 --copy-to=copy --container=main --set-image="*=$IMAGE" -- httpd -f -p 8090 -h /www
  ready pod/copy
  same "$(k exec copy -c main -- wget -qO- http://127.0.0.1:8090/)" 'hello from corten'
  k delete pod copy --grace-period=1
}

test_debug_looks_at_a_node() {
  local node pod
  for node in node1 node2; do
    k debug "node/$node" --image="$IMAGE" -- sh -c 'hostname; chroot /host ip -o -4 address show eth0; cat /proc/[0-9]*/comm'
    pod=$(k get pods -o name | grep "node-debugger-$node-")
    k wait "$pod" --for='jsonpath={.status.phase}=Succeeded' --timeout=30s
    has "$(k logs "$pod")" "^$node$" "${ADDRESS[$node]}" '^corten'
    k delete "$pod"
  done
}
