# Upgrade in place: another executable takes over, and pods do not notice.
# shellcheck shell=bash
# OLDER may name an executable of an earlier version, whose supervisors are then others than the newer one's.
# Without one it is a copy of ours.

older=$WORK/corten-older newer=$WORK/corten-newer

# use EXECUTABLE: node1 is stopped, and started from it.
use() {
  on node1 "$CORTEN" down --data-dir "$WORK/node1"
  CORTEN=$1 start_node1 >/dev/null
}

test_pods_are_started_by_the_older_version() {
  if [ -n "${OLDER:-}" ]; then
    cp "$OLDER" "$older"
  else
    cp "$CORTEN" "$older"
  fi
  cp "$CORTEN" "$newer"
  use "$older"
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: ticker}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 20
  volumes: [{name: v, hostPath: {path: $WORK/ticker, type: DirectoryOrCreate}}]
  containers:
  - name: main
    image: $IMAGE
    stdin: true
    command: [sh, -c, 'trap "echo term >/v/said; exit 0" TERM; i=0; while :; do i=\$((i + 1)); echo \$i; sleep 0.05; done']
    volumeMounts: [{name: v, mountPath: /v}]
  - {name: fails, image: $IMAGE, command: [sh, -c, 'trap "exit 0" TERM; if [ -e /v/x ]; then sleep 10000 & wait; fi; touch /v/x; exit 3'], volumeMounts: [{name: v, mountPath: /v}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: $IMAGE, livenessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1, failureThreshold: 1}}]
YAML
  sleeper client node2 | apply
  k expose pod web --port=80
  eventually 30 is pod/ticker '{.status.containerStatuses[?(@.name=="fails")].restartCount}' 1
  local pod
  for pod in ticker web client; do ready "pod/$pod"; done
  [ -n "$(old_supervisors)" ]
}

# The supervisors whose executable is no longer there to start others from.
old_supervisors() { pgrep -f "^$WORK/node1/runtime/bin/$(basename "$(supervisor_of_older)")" || true; }
supervisor_of_older() {
  [ -s "$WORK/older.supervisor" ] || find "$WORK/node1/runtime/bin" -name 'corten-pod-*' >"$WORK/older.supervisor"
  cat "$WORK/older.supervisor"
}

# Everything that an upgrade must leave as it is: what the API says of the pods, and the processes on the machine.
state() {
  k get pods ticker web -o jsonpath='{range .items[*]}{.metadata.name} {.status.podIP} {.status.startTime} {.status.conditions[?(@.type=="Ready")]} {range .status.containerStatuses[*]}{.containerID} {.restartCount} {.state} {.lastState} {end}{"\n"}{end}' |
    sed 's/"observedGeneration":[0-9]*,*//g'
  local id
  for id in $(k get pods ticker web -o jsonpath='{.items[*].status.containerStatuses[*].containerID}'); do
    # Of the loop's own sleeps none is the same for long.
    find /sys/fs/cgroup -path "*$CGROUP/*${id##*/}/cgroup.procs" -exec head -qn1 {} + | sort -u
  done
  supervisors node1
}

test_pods_run_on_with_their_processes_ids_and_counts() {
  local before after asker
  before=$(state)
  timeout 60 kubectl -n "$NS" logs -f ticker -c main >"$WORK/followed" 2>/dev/null &
  asker=$!
  # Somebody outside asks the pod all the while.
  local address
  address=$(field pod/web '{.status.podIP}')
  on node1 sh -c "while [ ! -e $WORK/upgraded ]; do
    curl -sS --max-time 2 http://$address/ >/dev/null || echo failed >>$WORK/upgrade.bad
    echo asked >>$WORK/upgrade.asked; sleep 0.1; done" &
  sleep 1
  use "$newer"
  eventually 20 kubectl wait node/node1 --for=condition=Ready --timeout=1s
  sleep 3
  touch "$WORK/upgraded"
  wait "$asker" || true
  same "$(readlink "/proc/$(pid_of node1)/exe")" "$newer"
  same "$(state)" "$before"
  [ ! -e "$WORK/upgrade.bad" ] || fail "$(wc -l <"$WORK/upgrade.bad") requests failed"
  note "$(wc -l <"$WORK/upgrade.asked") requests meanwhile, $(wc -l <"$WORK/followed") lines followed before"
}

# without_gap FILE: its lines are the numbers that follow the first.
without_gap() { awk 'NR > 1 && $1 != last + 1 { print "gap: " last " " $1; bad = 1 } { last = $1 } END { exit bad || NR < 20 }' "$1"; }

test_logs_go_on_without_a_gap() {
  k logs ticker -c main >"$WORK/logs"
  without_gap "$WORK/logs"
  # Who followed before follows on from the last line that came.
  without_gap "$WORK/followed"
  local last
  last=$(tail -1 "$WORK/followed")
  timeout 5 kubectl -n "$NS" logs -f ticker -c main | awk -v last="$last" '$1 > last' >>"$WORK/followed" || true
  without_gap "$WORK/followed"
  [ "$(tail -1 "$WORK/followed")" -gt "$((last + 20))" ]
  same "$(k logs ticker -c fails --previous; field pod/ticker '{.status.containerStatuses[?(@.name=="fails")].lastState.terminated.exitCode}')" 3
}

test_the_newer_version_speaks_to_the_older_supervisors() {
  [ -n "$(old_supervisors)" ]
  [ -z "${OLDER:-}" ] || [ ! -e "$(supervisor_of_older)" ]
  same "$(echo in | k exec -i ticker -c main -- cat)" in
  same "$(in_pod web wget -qO- http://127.0.0.1/)" 'hello from corten'
  local code=0
  in_pod web sh -c 'exit 7' || code=$?
  same "$code" 7
  if command -v script >/dev/null; then
    has "$(script -qec "stty rows 33 cols 101; kubectl -n $NS exec -it web -- stty size" /dev/null </dev/null)" '33 101'
  fi
  timeout 3 kubectl -n "$NS" attach ticker -c main >"$WORK/attached" 2>/dev/null || true
  [ "$(wc -l <"$WORK/attached")" -gt 5 ]
  kubectl -n "$NS" port-forward pod/web 18090:80 --address 127.0.0.1 >"$WORK/forward" 2>&1 &
  local pid=$!
  eventually 10 curl -sSf --max-time 5 http://127.0.0.1:18090/
  kill "$pid"
  eventually 10 get_in_pod client http://web
  k debug web --image="$IMAGE" --target=main -c look -- sleep 1000
  eventually 20 k exec web -c look -- true
  used() { has "$(k top pod web --no-headers)" '^web +[0-9]+m'; }
  eventually 60 used
}

test_containers_restart_under_the_older_supervisor() {
  # Nobody inside may kill a pod's first process.
  local id
  id=$(field pod/web '{.status.containerStatuses[0].containerID}')
  kill -KILL "$(find /sys/fs/cgroup -path "*$CGROUP/*${id##*/}/cgroup.procs" -exec head -qn1 {} + | head -1)"
  eventually 30 is pod/web '{.status.containerStatuses[0].restartCount}' 1
  ready pod/web
  [ -n "$(old_supervisors)" ]
}

test_new_pods_have_the_newer_supervisor() {
  local before
  before=$(supervisors node1)
  sleeper new node1 | apply
  ready pod/new
  has "$(comm -13 <(sort <<<"$before") <(supervisors node1 | sort) | xargs -rn1 ps -o args= -p)" "$(ls "$WORK/node1/runtime/bin")"
}

test_older_pods_end_in_order() {
  k delete pod ticker web
  same "$(cat "$WORK/ticker/said")" term
  [ -z "${OLDER:-}" ] || eventually 20 same "$(old_supervisors)" ""
}

test_an_executable_replaced_in_its_place() {
  sleeper kept node2 | apply
  ready pod/kept
  local before
  before=$(supervisors node2)$(field pod/kept '{.status.containerStatuses[0].containerID}')
  # As a package would: a new file under the old name, while the old one runs.
  cp "$newer" "$WORK/corten.new" && mv "$WORK/corten.new" "$CORTEN"
  crash node2
  start_node2
  kubectl wait node/node2 --for=condition=Ready --timeout=30s
  eventually 20 in_pod kept true
  same "$(supervisors node2)$(field pod/kept '{.status.containerStatuses[0].containerID}')" "$before"
  use "$CORTEN"
}
