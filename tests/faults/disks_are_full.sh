# A full disk under logs, images or everything is told of, harms nobody else, and is over when there is room.
room() { df --output=avail -k "$1" | tail -n 1 | tr -d ' '; }
fill() { dd if=/dev/zero of="$1/ballast" bs=1M 2>/dev/null || true; dd if=/dev/zero of="$1/ballast2" bs=4k 2>/dev/null || true; }
free() { rm -f "$1/ballast" "$1/ballast2"; }
pod writer 'i=0; while :; do i=$((i + 1)); echo "line $i"; sleep 0.1; done' | k create -f - >/dev/null
becomes 20 Running field pod/writer .status.phase
last() { k logs writer --tail=1 | sed 's/line //'; }
becomes 20 "[1-9]*" last

# The disk of logs: what cannot be written is lost, the container goes on.
fill "$data/logs"
[ "$(room "$data/logs")" -lt 8 ] || fail "the logs' disk is not full"
sleep 3
is "0 true" field pod/writer '.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready'
is alive k exec writer -- echo alive
free "$data/logs"
stood=$(last)
goes_on() { [ "$(last)" -gt $((stood + 10)) ] && echo yes; }
becomes 20 yes goes_on

# The disk of images: the pull fails and says so, and succeeds when there is room.
pull() { pod puller 'exec sleep 1000' | sed "s|image: .*|image: $1|" | k create -f - >/dev/null; }
. "$here/lib/images"
serve_images; make_image large; trap 'stop_serving; free "$data"; free "$data/logs"; free "$data/images"' EXIT
fill "$data/images"
pull 127.0.0.1:5000/large/app:1
becomes 30 "*Failed to pull image*no space left on device*" events puller
becomes 10 0 downloads
is alive k exec writer -- echo alive
free "$data/images"
becomes 60 Running field pod/puller .status.phase

# The disk of everything: what is asked for is refused or waits, with the reason; what runs goes on.
fill "$data"
create() { pod late 'exec sleep 1000' | k create --request-timeout=10s -f - 2>&1; }
if said=$(create); then
  # Where there was room for the pod alone, and none for what is said of it, the next write is refused.
  told() { events late; k create configmap "full-$RANDOM" --from-literal=a="$(printf '%20000s' x)" 2>&1; }
  becomes 20 "*[Ss]pace*" told
  free "$data"
else
  [[ $said == *[Ss]pace* ]] || fail "the refusal does not say why: $said"
  is alive k exec writer -- echo alive
  free "$data"
  becomes 30 "pod/late created" create
fi
becomes 40 Running field pod/late .status.phase
is alive k exec writer -- echo alive
is "0 true" field pod/writer '.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready'
survived "full disks under logs, images and everything: a container wrote $(last) lines meanwhile, a pull was repeated, and what could not be written was told of"
