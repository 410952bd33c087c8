# A container's own policy and rules come before its pod's, and the pod ends when no container is to start again.
kubectl apply -n "$ns" -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: rules}
spec:
  restartPolicy: Never
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: again
    image: $IMAGE
    # The first time it ends with 42, then with 0.
    command: [sh, -c, "[ -e /v/once ] && exit 0; touch /v/once; exit 42"]
    restartPolicy: Never
    restartPolicyRules:
    - action: Restart
      exitCodes: {operator: In, values: [42]}
    volumeMounts: [{name: v, mountPath: /v}]
  - name: once
    image: $IMAGE
    command: [sh, -c, "exit 0"]
---
apiVersion: v1
kind: Pod
metadata: {name: never}
spec:
  restartPolicy: Always
  containers:
  - name: a
    image: $IMAGE
    command: [sh, -c, "exit 3"]
    restartPolicy: Never
---
apiVersion: v1
kind: Pod
metadata: {name: sysctl}
spec:
  securityContext: {sysctls: [{name: kernel.msgmax, value: "65536"}]}
  containers: [{name: a, image: $IMAGE}]
YAML
becomes 30 Succeeded field pod/rules .status.phase
is 1 field pod/rules '.status.containerStatuses[?(@.name=="again")].restartCount'
is 0 field pod/rules '.status.containerStatuses[?(@.name=="once")].restartCount'
becomes 20 Failed field pod/never .status.phase
is 0 field pod/never '.status.containerStatuses[0].restartCount'
becomes 10 SysctlForbidden field pod/sysctl .status.reason
