# An ephemeral container runs beside the others, sees its target's processes, and is not started again.
k run app --image=$IMAGE --image-pull-policy=IfNotPresent >/dev/null
becomes 20 Running field pod/app .status.phase
k debug app --image=$IMAGE --image-pull-policy=IfNotPresent --target=app -c look --attach=false -- \
  sh -c 'cat /proc/1/cmdline; exit 3' >/dev/null 2>&1
e='.status.ephemeralContainerStatuses[0]'
becomes 15 "look 3 0" field pod/app "$e.name} {$e.state.terminated.exitCode} {$e.restartCount"
k logs app -c look | tr '\0' ' ' | grep httpd >/dev/null
is "Running true 0" field pod/app '.status.phase} {.status.containerStatuses[0].ready} {.status.containerStatuses[0].restartCount'
k delete pod app --grace-period=1 >/dev/null
