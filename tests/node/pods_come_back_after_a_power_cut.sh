# When everything dies at once pods start again in new sandboxes, and their restarts are counted.
k run app --image=$IMAGE --image-pull-policy=IfNotPresent >/dev/null
k run done --image=$IMAGE --image-pull-policy=IfNotPresent --restart=Never --command -- sh -c 'echo ended; exit 0' >/dev/null
becomes 20 Running field pod/app .status.phase
becomes 20 Succeeded field pod/done .status.phase
# All but this script and its parents: 1 is the run itself.
mine=" 1 $$ $BASHPID $PPID "
for process in /proc/[0-9]*; do
  pid=${process#/proc/}
  [[ $mine == *" $pid "* ]] || ! grep -qE 'corten|containerd|pause|httpd' "$process/cmdline" 2>/dev/null || kill -9 "$pid" 2>/dev/null || true
done
sleep 1
start_corten
becomes 40 1 field pod/app '.status.containerStatuses[0].restartCount'
becomes 20 True field pod/app '.status.conditions[?(@.type=="Ready")].status'
address=$(field pod/app .status.podIP)
timeout 3 busybox nc "$address" 80 </dev/null
is "Succeeded Completed 0" field pod/done '.status.phase} {.status.containerStatuses[0].state.terminated.reason} {.status.containerStatuses[0].restartCount'
is ended k logs done
k delete pod --all --grace-period=1 >/dev/null
