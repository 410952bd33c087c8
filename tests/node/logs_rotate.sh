# A log above 10 MiB is renamed, and the container goes on in a new one.
k run app --image=$IMAGE --image-pull-policy=IfNotPresent --command -- sh -c \
  'yes 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789 | head -n 100000; sleep 5; while sleep 1; do echo still here; done' >/dev/null
becomes 20 Running field pod/app .status.phase
logs=$NODE_DATA/logs/pods/${ns}_app_$(field pod/app .metadata.uid)/app
files() { ls "$logs" | wc -l; }
becomes 40 2 files
becomes 10 "still here" k logs app --tail=1
[ "$(stat -c %s "$logs/0.log")" -lt 1000000 ] || fail "the new log is large"
