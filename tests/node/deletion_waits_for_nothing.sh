# A pod that waits for an image, or before its next start, is gone at once when deleted.
# A registry that takes connections and says nothing.
busybox nc -ll -p 5000 -e sleep 60 &
registry=$!
k run pulling --image=192.0.2.10:5000/none:1 >/dev/null
k run missing --image=corten.local/none:1 --image-pull-policy=Never >/dev/null
k run crashing --image=$IMAGE --image-pull-policy=IfNotPresent --command -- false >/dev/null
k run config --image=$IMAGE --image-pull-policy=IfNotPresent --overrides='{"spec":{"containers":[{"name":"c",
  "image":"'$IMAGE'","envFrom":[{"configMapRef":{"name":"none"}}]}]}}' >/dev/null
k run volume --image=$IMAGE --overrides='{"spec":{"volumes":[{"name":"v","configMap":{"name":"none"}}],"containers":[{"name":"volume","image":"'$IMAGE'","volumeMounts":[{"name":"v","mountPath":"/v"}]}]}}' >/dev/null
reason() { field pod/$1 '.status.containerStatuses[0].state.waiting.reason'; }
becomes 20 ErrImageNeverPull reason missing
becomes 20 CreateContainerConfigError reason config
becomes 20 CrashLoopBackOff reason crashing
is ContainerCreating reason pulling
is ContainerCreating reason volume
k delete pod --all --wait=false >/dev/null
becomes 8 "" k get pods -o name
kill $registry
