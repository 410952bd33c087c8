# A pod that fills its emptyDir beyond its limit, or its own share of the disk, is evicted; its neighbour stays.
pod() { printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: $1}" "spec:" "  restartPolicy: Never" \
  "  terminationGracePeriodSeconds: 1" "  volumes: [{name: v, emptyDir: {sizeLimit: 1Mi}}]" "  containers:" \
  "  - {name: c, image: $IMAGE, imagePullPolicy: IfNotPresent, command: [sh, -c, '$2'], volumeMounts: [{name: v, mountPath: /v}], resources: $3}" | k apply -f - >/dev/null; }
pod modest 'head -c 100000 /dev/zero >/v/x; exec sleep 1000' '{}'
pod greedy 'head -c 3000000 /dev/zero >/v/x; exec sleep 1000' '{}'
pod layer 'head -c 5000000 /dev/zero >/x; exec sleep 1000' '{limits: {ephemeral-storage: 2Mi}}'
becomes 40 'Failed Evicted Usage of EmptyDir volume "v" exceeds the limit "1Mi". ' \
  field pod/greedy '.status.phase} {.status.reason} {.status.message'
becomes 90 'Failed Evicted Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ' \
  field pod/layer '.status.phase} {.status.reason} {.status.message'
is Running field pod/modest .status.phase
becomes 10 "Evicted" sh -c "kubectl -n $ns get events --field-selector involvedObject.name=greedy,reason=Evicted -o 'jsonpath={.items[0].reason}'"
k delete pod --all --grace-period=0 --force >/dev/null 2>&1
