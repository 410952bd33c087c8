# For sourcing: ticked steps with times, and what apt has to bring. Needs bash, says what it does.

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" # Debian hides these from users

# step TEXT COMMAND...: runs the command with its output shown, then prints a ticked line with the time.
step() {
  local text=$1 begun=$EPOCHREALTIME
  shift
  if "$@"; then
    tick ✓ "$text" "$begun"
  else
    local code=$?
    tick ✗ "$text" "$begun"
    return "$code"
  fi
}

# quietly COMMAND...: keeps the output to itself unless the command fails.
quietly() {
  local log code=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || code=$?
  [ "$code" = 0 ] || cat "$log" >&2
  rm -f "$log"
  return "$code"
}

tick() {
  local took=$((${EPOCHREALTIME//[.,]/} - ${3//[.,]/}))
  local time
  case $took in
    ? | ?? | ??? | ???? | ????? | ??????) time="$((took / 1000)) ms" ;;
    *) time="$((took / 1000000)).$((took / 100000 % 10)) s" ;;
  esac
  [ "$took" -lt 60000000 ] || time="$((took / 60000000)) min $((took / 1000000 % 60)) s"
  printf '%s %-46s  %s\n' "$1" "$2" "$time"
}

# as_root COMMAND...
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo --preserve-env=DEBIAN_FRONTEND "$@"
  else
    echo "error: root is needed for \`$*\`: become root, or install sudo" >&2
    return 1
  fi
}

# packages_for COMMAND=PACKAGE...: the packages whose command (or file, if it begins with /) is missing.
packages_for() {
  local pair wanted
  for pair in "$@"; do
    wanted=${pair%%=*}
    case $wanted in
      /*) [ -e "$wanted" ] ;;
      *) command -v "$wanted" >/dev/null ;;
    esac || echo "${pair#*=}"
  done | sort -u
}

# install_missing COMMAND=PACKAGE...
install_missing() {
  local missing
  mapfile -t missing < <(packages_for "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  echo "  installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  quietly as_root apt-get update -q &&
    quietly as_root apt-get install -q -y --no-install-recommends "${missing[@]}"
}

need_rust() {
  command -v cargo >/dev/null && return
  echo "error: Rust is missing; https://rustup.rs installs it, then open a new shell" >&2
  return 1
}

# What building needs, and what a node needs to run containers.
BUILD_NEEDS=(cc=gcc /usr/include/stdio.h=libc6-dev)
NODE_NEEDS=(/usr/share/doc/busybox-static=busybox-static)
