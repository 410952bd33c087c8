# `kubectl logs` with all its flags.
# shellcheck shell=bash

logs() { k logs "$@"; }

test_pods_that_talk() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: talker, labels: {app: talk}}
spec:
  nodeName: node1
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: $IMAGE, command: [sh, -c, 'for i in 1 2 3 4 5; do echo line \$i; sleep 0.3; done; echo oops >&2; sleep 4; echo late; sleep 1']}
  - {name: side, image: $IMAGE, command: [sh, -c, 'echo beside; sleep 5']}
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {app: talk}}
spec:
  nodeName: node2
  terminationGracePeriodSeconds: 0
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: main
    image: $IMAGE
    command: [sh, -c, 'if [ -e /v/x ]; then echo second; sleep 1000; fi; touch /v/x; echo first; exit 4']
    volumeMounts: [{name: v, mountPath: /v}]
YAML
  k wait pod/talker --for=condition=Ready --timeout=40s
}

test_follow_goes_to_the_end() {
  local lines=$'line 1\nline 2\nline 3\nline 4\nline 5\noops\nlate'
  same "$(timeout 30 kubectl -n "$NS" logs -f talker -c main)" "$lines"
  same "$(logs talker -c main)" "$lines"
  k wait pod/talker --for='jsonpath={.status.phase}=Succeeded' --timeout=20s
}

test_one_container_or_all() {
  has "$(logs talker 2>&1 >/dev/null)" 'Defaulted container "main" out of: main, side'
  same "$(logs talker -c side)" beside
  same "$(logs talker --all-containers | sort)" "$( (logs talker -c main; logs talker -c side) | sort)"
  has "$(refused logs talker -c nobody)" 'container nobody is not valid for pod talker'
}

test_tail_and_limits() {
  same "$(logs talker -c main --tail=2)" $'oops\nlate'
  same "$(logs talker -c main --tail=0)" ''
  same "$(logs talker -c main --tail=-1 | wc -l)" 7
  same "$(logs talker -c main --limit-bytes=6)" 'line 1'
  same "$(logs talker -c main --limit-bytes=3 --tail=1)" 'lat'
}

test_since() {
  same "$(logs talker -c main --since=1h | wc -l)" 7
  local late
  late=$(logs talker -c main --timestamps --tail=1)
  has "$late" '^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+Z late$'
  same "$(logs talker -c main --since-time="${late%% *}")" late
  same "$(logs talker -c main --since-time=2020-01-01T00:00:00Z | wc -l)" 7
  same "$(logs talker -c main --since-time=2100-01-01T00:00:00Z)" ''
  has "$(refused logs talker -c main --since=1h --since-time=2020-01-01T00:00:00Z)" 'at most one of `sinceTime` or `sinceSeconds`|only one of since'
  sleep 3
  same "$(logs talker -c main --since=1s)" ''
}

test_previous() {
  eventually 40 is pod/other '{.status.containerStatuses[0].restartCount}' 1
  ready pod/other
  same "$(logs other --previous)" first
  same "$(logs other -p --timestamps | cut -d' ' -f2)" first
  same "$(logs other)" second
  has "$(refused logs talker -c main --previous)" 'previous terminated container "main" in pod "talker" not found'
}

test_many_pods_with_prefixes() {
  same "$(logs -l app=talk -c main --tail=1 | sort)" $'late\nsecond'
  same "$(logs -l app=talk -c main --tail=1 --prefix | sort)" $'[pod/other/main] second\n[pod/talker/main] late'
  same "$(logs -l app=talk --all-containers --prefix | cut -d' ' -f1 | sort -u)" \
    $'[pod/other/main]\n[pod/talker/main]\n[pod/talker/side]'
  has "$(refused logs -l app=talk --all-containers -f --max-log-requests=2)" \
    'attempting to follow 3 log streams, but maximum allowed concurrency is 2'
  timeout 5 kubectl -n "$NS" logs -l app=talk --all-containers -f --max-log-requests=3 >"$WORK/followed" || true
  has "$(cat "$WORK/followed")" '^late$' '^second$' '^beside$'
}

test_follow_shows_new_lines_at_once() {
  k run slow --image="$IMAGE" --overrides='{"spec":{"nodeName":"node2","terminationGracePeriodSeconds":0}}' --command -- \
    sh -c 'i=0; while :; do i=$((i + 1)); echo "$i $(date +%s)"; sleep 1; done'
  ready pod/slow
  timeout 5 kubectl -n "$NS" logs -f slow --tail=1 | while read -r number second; do
    echo "$number $(($(date +%s) - second))"
  done >"$WORK/late" || true
  [ "$(wc -l <"$WORK/late")" -ge 3 ]
  # The first line may be from before; the others come within their second.
  same "$(tail -n +2 "$WORK/late" | awk '$2 > 1')" ''
}

test_logs_of_what_has_not_begun_are_refused() {
  k run waits --image=corten.local/none:1 --overrides='{"spec":{"containers":[{"name":"waits","image":"corten.local/none:1","imagePullPolicy":"Never"}]}}'
  eventually 20 is pod/waits '{.status.containerStatuses[0].state.waiting.reason}' ErrImageNeverPull
  has "$(refused logs waits)" 'BadRequest.*container "waits" in pod "waits" is waiting to start'
  has "$(refused logs nothing)" 'pods "nothing" not found'
}

test_deployments_and_a_pod_that_is_yet_to_come() {
  k create deployment many --image="$IMAGE" --replicas=2 -- sh -c 'echo hello; sleep 1000'
  ready deployment/many
  same "$(logs deployment/many 2>/dev/null)" hello
  same "$(logs -l app=many)" $'hello\nhello'
}
