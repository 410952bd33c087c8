# A container whose image changes in the spec is replaced, whatever the restart policy; its pod stays.
k run app --image=$IMAGE --restart=Never --image-pull-policy=IfNotPresent --command -- sh -c "trap exit TERM; sleep 1000 & wait" >/dev/null
becomes 20 Running field pod/app .status.phase
address=$(field pod/app .status.podIP) first=$(field pod/app '.status.containerStatuses[0].containerID')
is "$IMAGE" field pod/app '.status.containerStatuses[0].image'
k patch pod app --type=json -p '[{"op":"replace","path":"/spec/containers/0/image","value":"corten.local/demo:2"},
  {"op":"add","path":"/metadata/labels/x","value":"y"}]' >/dev/null
becomes 50 1 field pod/app '.status.containerStatuses[0].restartCount'
becomes 5 corten.local/demo:2 field pod/app '.status.containerStatuses[0].image'
is Running field pod/app .status.phase
is "$address" field pod/app .status.podIP
[ "$first" != "$(field pod/app '.status.containerStatuses[0].containerID')" ] || fail "the same container"
says 'Container app definition changed, will be restarted' messages

# An image that cannot be had is put right.
k run wrong --image=corten.local/none:1 --image-pull-policy=Never --command -- sh -c "trap exit TERM; sleep 1000 & wait" >/dev/null
becomes 20 ErrImageNeverPull field pod/wrong '.status.containerStatuses[0].state.waiting.reason'
k set image pod/wrong wrong=$IMAGE >/dev/null
becomes 10 Running field pod/wrong .status.phase
