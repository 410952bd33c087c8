# What a volume shows of the pod itself is right within seconds; links in a volume do not lead out of it.
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: app, labels: {colour: red}}
spec:
  initContainers:
  - {name: make, image: $IMAGE, command: [sh, -c, 'mkdir /v/real; echo one > /v/real/file; ln -s real /v/link; ln -s /etc /v/out'],
     volumeMounts: [{name: v, mountPath: /v}]}
  containers:
  - name: good
    image: $IMAGE
    volumeMounts:
    - {name: me, mountPath: /me}
    - {name: v, mountPath: /sub, subPath: link}
    - {name: v, mountPath: /file, subPath: real/file}
  - name: bad
    image: $IMAGE
    volumeMounts: [{name: v, mountPath: /sub, subPath: out}]
  volumes:
  - {name: v, emptyDir: {}}
  - name: me
    downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}
Y
becomes 30 true field pod/app '.status.containerStatuses[?(@.name=="good")].ready'
is 'colour="red"' k exec app -c good -- cat /me/labels
is one k exec app -c good -- cat /sub/file
is one k exec app -c good -- cat /file
becomes 10 CreateContainerConfigError field pod/app '.status.containerStatuses[?(@.name=="bad")].state.waiting.reason'
k label pod app colour=blue --overwrite >/dev/null
becomes 8 'colour="blue"' k exec app -c good -- cat /me/labels
uid=$(field pod/app .metadata.uid)
k delete pod app --grace-period=1 >/dev/null
[ ! -e "$NODE_DATA/kubelet/pods/$uid" ] || fail "the pod's directory is left"
! grep -q "$uid" /proc/self/mountinfo || fail "mounts are left"
