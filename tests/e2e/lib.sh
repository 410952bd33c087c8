# What tests say. For sourcing by `world`; $NS is the test file's own namespace.
# shellcheck shell=bash

IMAGE=corten.local/demo:1

# kubectl in the test's namespace.
k() { kubectl --namespace "$NS" "$@"; }

# Milliseconds since a value of EPOCHREALTIME.
since() { echo $(((${EPOCHREALTIME//[.,]/} - ${1//[.,]/}) / 1000)); }

# Shown beside the test's name when it passes.
note() { echo "note: $*"; }

fail() {
  echo "failed: $*"
  return 1
}

# same ACTUAL EXPECTED
same() { [ "$1" = "$2" ] || fail "got \`$1\`, expected \`$2\`"; }

# has TEXT PATTERN...: each extended regular expression is found in the text.
has() {
  local text=$1 pattern
  shift
  for pattern; do
    grep -qE -- "$pattern" <<<"$text" || fail "no \`$pattern\` in: $text" || return
  done
}

# hasnot TEXT PATTERN
hasnot() { ! grep -qE -- "$2" <<<"$1" || fail "there is \`$2\` in: $1"; }

# refused COMMAND...: it fails, and what it said is printed.
refused() {
  local said
  if said=$("$@" 2>&1); then fail "not refused: $*: $said"; else echo "$said"; fi
}

# eventually SECONDS COMMAND...: tries until it succeeds; its last words are printed when time is up.
eventually() {
  local seconds=$1 begun=$EPOCHREALTIME said
  shift
  while :; do
    # A subshell of its own, and errors in it are an answer.
    said=$(set +e; trap - ERR; "$@" 2>&1) && return
    if [ "$(since "$begun")" -gt $((seconds * 1000)) ]; then
      echo "$said"
      fail "not within $seconds s: $*"
      return
    fi
    sleep 0.2
  done
}

# field KIND/NAME JSONPATH
field() { k get "$1" -o "jsonpath=$2"; }

# is KIND/NAME JSONPATH VALUE: for `eventually`.
is() { same "$(field "$1" "$2")" "$3"; }

# pods SELECTOR: their names.
pods() { k get pods -l "$1" -o jsonpath='{.items[*].metadata.name}'; }

# count SELECTOR: how many pods are not on their way out.
count() { k get pods -l "$1" -o json | grep -c '"phase"' || true; }

# in_pod POD COMMAND...
in_pod() {
  local pod=$1
  shift
  k exec "$pod" -- "$@"
}

# get_in_pod POD URL: an HTTP GET; a hung server counts as none. (busybox's own -T is broken in Debian 12.)
get_in_pod() { in_pod "$1" timeout 3 wget -qO- "$2"; }

# outside URL: an HTTP GET by a client that is no node.
outside() { on outside curl -sS --max-time 3 "$1"; }

# answerers N COMMAND...: within some tries, N different answers come, and no other than good ones.
answerers() {
  local wanted=$1 seen
  shift
  seen=$(for _ in $(seq 30); do "$@" || echo "none"; done | sort -u)
  same "$(wc -l <<<"$seen")" "$wanted" && hasnot "$seen" '^none$'
}

# ready KIND/NAME [SECONDS]: a Deployment is rolled out, a Pod is ready.
ready() {
  case $1 in
    deploy*) k rollout status "$1" --timeout="${2:-90}s" ;;
    *) k wait "$1" --for=condition=Ready --timeout="${2:-60}s" ;;
  esac
}

# A Deployment of web servers that answer with their pod's name, and a Service: NAME REPLICAS [SERVICE TYPE]
web() {
  cat <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1, labels: {app: $1}}
spec:
  replicas: $2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      terminationGracePeriodSeconds: 4
      containers:
      - name: web
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [sh, -c, 'hostname >/www/index.html; trap "exit 0" TERM; httpd -f -p 80 -h /www & wait']
        ports: [{containerPort: 80, name: http}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        lifecycle: {preStop: {exec: {command: [sleep, "2"]}}}
---
apiVersion: v1
kind: Service
metadata: {name: $1, labels: {app: $1}}
spec:
  type: ${3:-ClusterIP}
  selector: {app: $1}
  ports: [{name: http, port: 80, targetPort: http}]
YAML
}

# A pod that sleeps, for commands to run in: NAME [NODE]
sleeper() {
  cat <<YAML
apiVersion: v1
kind: Pod
metadata: {name: $1, labels: {app: $1}}
spec:
  ${2:+nodeSelector: {kubernetes.io/hostname: $2\}}
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: $IMAGE
    imagePullPolicy: IfNotPresent
    command: [sleep, "100000"]
YAML
}

apply() { k apply -f - "$@"; }

# leaves_nothing NODE: it is reset, and its machine is as it was when it was made.
leaves_nothing() {
  local node=$1
  on "$node" "$CORTEN" reset --data-dir "$WORK/$node"
  same "$(pgrep -af "$WORK/$node/" || true)" ""
  same "$(find /sys/fs/cgroup -type d -path "*$CGROUP/$node*" -print -quit)" ""
  [ ! -e "$WORK/$node" ] || fail "$WORK/$node is still there: $(find "$WORK/$node" | head)"
  same "$(traces "$node" | diff "$WORK/$node.traces" - || true)" ""
}
