# A pod on the host's network has the node's address and name, and serves on its ports.
k apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: app}
spec:
  hostNetwork: true
  containers:
  - name: c
    image: $IMAGE
    command: [httpd, -f, -p, "8098", -h, /www]
    readinessProbe: {httpGet: {path: /, port: 8098}, periodSeconds: 1}
Y
becomes 20 true field pod/app '.status.containerStatuses[0].ready'
address=$(field pod/app .status.hostIP)
is "$address" field pod/app .status.podIP
is "$(hostname)" k exec app -- hostname
answer=$(printf 'GET / HTTP/1.0\r\n\r\n' | timeout 3 busybox nc 127.0.0.1 8098)
[[ $answer == *'200 OK'* ]] || fail "answered: $answer"
k delete pod app --grace-period=1 >/dev/null
