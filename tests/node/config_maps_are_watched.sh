# What a ConfigMap or Secret holds is in the pod within seconds; one that is missing is waited for.
k create configmap m --from-literal=key=1 >/dev/null
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: c
    image: $IMAGE
    volumeMounts: [{name: m, mountPath: /m}, {name: s, mountPath: /s}]
  volumes:
  - {name: m, configMap: {name: m}}
  - {name: s, secret: {secretName: s}}
Y
told() { k get events -o 'jsonpath={range .items[*]}{.message}{"\n"}{end}' | grep -c "$1" | sed 's/^[1-9].*/some/'; }
becomes 20 some told 'MountVolume.SetUp failed for volume "s" : secret "s" not found'
sleep 8
k create secret generic s --from-literal=key=a >/dev/null
becomes 4 true field pod/app '.status.containerStatuses[0].ready'
is 1 k exec app -- cat /m/key
! k exec app -- touch /m/x 2>/dev/null || fail "a ConfigMap's volume was written to"
k patch configmap m -p '{"data":{"key":"2"}}' >/dev/null
becomes 4 2 k exec app -- cat /m/key
k patch secret s -p '{"stringData":{"key":"b"}}' >/dev/null
becomes 4 b k exec app -- cat /s/key
k delete pod app >/dev/null
