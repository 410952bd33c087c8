# When a pod's sandbox ends by itself the pod gets another, and its containers start again in it.
k run app --image=$IMAGE --image-pull-policy=IfNotPresent >/dev/null
becomes 20 Running field pod/app .status.phase
uid=$(field pod/app .metadata.uid)
container=$(field pod/app '.status.containerStatuses[0].containerID'); container=${container#*://}
sandbox=$(runtime_ids "$uid" | grep -v "$container")
# The sandbox's own process: its supervisor, or the one that holds it open.
if [ "$CORTEN_RUNTIME" = embedded ]; then pid=$(pgrep -f "corten-pod-[^ ]* $sandbox")
else pid=$(ctr -a "$NODE_DATA/containerd/containerd.sock" -n k8s.io tasks ls | awk -v id="$sandbox" '$1 == id { print $2 }'); fi
kill -9 "$pid"
becomes 30 1 field pod/app '.status.containerStatuses[0].restartCount'
becomes 10 True field pod/app '.status.conditions[?(@.type=="Ready")].status'
address=$(field pod/app .status.podIP)
timeout 3 busybox nc "$address" 80 </dev/null
