# When the runtime is killed pods run on: containerd is there again by itself, the embedded one with its process.
k run app --image=$IMAGE --image-pull-policy=IfNotPresent >/dev/null
becomes 20 Running field pod/app .status.phase
uid=$(field pod/app .metadata.uid) before=$(runtime_ids "$(field pod/app .metadata.uid)")
if [ "$CORTEN_RUNTIME" = embedded ]; then kill -9 "$(corten_pid)"; sleep 1; start_corten
else kill -9 "$(pgrep -f "^[^ ]*containerd --config $NODE_DATA/")"; fi
becomes 20 "$before" runtime_ids "$uid"
becomes 20 "www" k exec app -- ls -d www
is 0 field pod/app '.status.containerStatuses[0].restartCount'
is True field pod/app '.status.conditions[?(@.type=="Ready")].status'
k delete pod app --grace-period=1 >/dev/null
