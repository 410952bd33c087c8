# Containers that fork without end, eat memory, write without end, do not hear and end at once harm only themselves.
pod bystander 'while :; do echo tick; sleep 0.2; done' | k create -f - >/dev/null
becomes 20 Running field pod/bystander .status.phase
{
  pod forks 'while :; do (while :; do sleep 1000 & done); done' "" \
    'resources: {requests: {cpu: 10m, memory: 8Mi}, limits: {cpu: 300m, memory: 256Mi}}'
  pod eats 'tail /dev/zero' 'restartPolicy: Never' 'resources: {limits: {cpu: 500m, memory: 32Mi}}'
  pod writes 'yes "a line that is written as fast as it can be, over and over again, and read by nobody"' "" \
    'resources: {limits: {cpu: 50m}}'
  grace=3 pod deaf 'trap "" TERM; while :; do sleep 1; done'
  pod ends 'exit 3'
} | k create -f - >/dev/null

# No more processes than the node allows a pod.
uid=$(field pod/forks .metadata.uid)
of_group() { find /sys/fs/cgroup{,/*}"$FAULTS_CGROUP" -path "*pod$uid$1" -exec cat {} + 2>/dev/null || true; }
refused() { of_group '*/pids.events' | sed -n 's/^max //p' | sort -n | tail -n 1; }
becomes 20 50 of_group /pids.max
becomes 60 "[1-9]*" refused

becomes 30 OOMKilled field pod/eats '.status.containerStatuses[0].state.terminated.reason'
is 137 field pod/eats '.status.containerStatuses[0].state.terminated.exitCode'

# Who does not hear is killed when its time is over, neither before nor long after.
becomes 20 true field pod/deaf '.status.containerStatuses[0].ready'
begun=$(date +%s%3N)
k delete pod deaf --wait=true --timeout=30s >/dev/null
deaf=$(($(date +%s%3N) - begun))
[ $deaf -ge 2900 ] && [ $deaf -lt 7000 ] || fail "a container that ignores SIGTERM ended after $deaf ms of 3000"

becomes 60 CrashLoopBackOff waiting ends
runs() { field pod/ends '.status.containerStatuses[0].restartCount'; }
becomes 60 "[2-9]" runs

# Logs are rotated, and the disk holds no more than two checks' worth.
logs=$data/logs/pods/${ns}_writes_$(field pod/writes .metadata.uid)/main
rotated() { ls "$logs" | wc -l; }
becomes 120 3 rotated
sleep 11
[ "$(rotated)" -le 3 ] || fail "$(ls -l "$logs")"
bounded=$(du -sm "$logs" | cut -f1)

# The bystander noticed nothing.
is "0 true" field pod/bystander '.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready'
ticks=$(k logs bystander | wc -l)
sleep 2
[ "$(k logs bystander | wc -l)" -gt $((ticks + 4)) ] || fail "the bystander no longer writes"
survived "a fork bomb ($(refused) forks refused), a container OOMKilled, one that ignores SIGTERM (ended after $deaf ms of 3000), one that ends at once ($(runs) restarts), one that writes without end ($bounded MiB on disk)"
