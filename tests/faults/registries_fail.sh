# Each fault of a registry is told as upstream tells it, with the reason; a pull that is killed leaves nothing.
. "$here/lib/images"
serve_images; trap stop_serving EXIT

for said in "denied UNAUTHORIZED authentication required" "missing MANIFEST_UNKNOWN manifest unknown" \
  "busy TOOMANYREQUESTS too many requests" "failing UNKNOWN the shelf fell over"; do
  read -r name code words <<<"$said"
  printf '{"errors":[{"code":"%s","message":"%s"}]}' "$code" "$words" >"$REGISTRY/$name.json"
done
faults="wrong truncated denied missing busy failing hanging"
for name in good slow $faults; do make_image "$name"; done
use() { image=127.0.0.1:5000/$1/app:1 pod "$1" "while :; do sleep 1; done"; }

for name in good $faults; do use $name; done | k create -f - >/dev/null
becomes 20 Running field pod/good .status.phase
# The reason, and the words that the pod's owner needs.
while IFS='|' read -r fault words; do
  becomes 60 "*Failed to pull image \"127.0.0.1:5000/$fault/app:1\": *${words}*" events "$fault"
  becomes 10 "*Error: ErrImagePull*" events "$fault"
  [ "$fault" != hanging ] || continue
  becomes 60 ImagePullBackOff waiting "$fault"
  becomes 10 "*Back-off pulling image \"127.0.0.1:5000/$fault/app:1\"*" events "$fault"
done <<'T'
missing|404 Not Found
denied|401 Unauthorized
wrong|digest
truncated|gave up after
busy|429 Too Many Requests
failing|500 Internal Server Error: the shelf fell over
hanging|no answer
T
touch "$REGISTRY/failing/is-well"
becomes 60 Running field pod/failing .status.phase

# A layer is on its way when the process is killed.
use slow | k create -f - >/dev/null
becomes 20 "[1-9]*" downloads
slay "$(corten_pid)"
under_way=$(downloads)
[ "$under_way" -gt 0 ] || fail "nothing was on its way"
k delete pod --all --grace-period=0 --force >/dev/null 2>&1 || true
start_corten
k delete pod --all --grace-period=0 --force >/dev/null 2>&1
becomes 20 0 downloads
survived "registries with images that are ${faults// /, }; kill -9 in the middle of a pull"
