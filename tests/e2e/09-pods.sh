# What a pod can ask for.
# shellcheck shell=bash

# ends POD PHASE
ends() { k wait "pod/$1" --for="jsonpath={.status.phase}=$2" --timeout=40s; }

test_environment_from_all_sources() {
  k create configmap env --from-literal=COLOR=blue --from-literal=SIZE=9
  k create secret generic env --from-literal=PASS=hush
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: env, labels: {of: me}, annotations: {note: here}}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: $IMAGE
    command: [sh, -c, 'echo "\$COLOR \$P_SIZE \$PASS \$NAME \$NODE \$LABEL \$LIMIT \$SUM"; echo "\$IP"']
    args: [ignored]
    resources: {limits: {cpu: 500m, memory: 32Mi}}
    envFrom: [{configMapRef: {name: env}, prefix: P_}]
    env:
    - {name: COLOR, valueFrom: {configMapKeyRef: {name: env, key: COLOR}}}
    - {name: PASS, valueFrom: {secretKeyRef: {name: env, key: PASS}}}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: LABEL, valueFrom: {fieldRef: {fieldPath: "metadata.labels['of']"}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: LIMIT, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: SUM, value: "\$(COLOR)-\$(PASS)-\$(NOT)-\$\$(COLOR)"}
YAML
  ends env Succeeded
  same "$(k logs env)" "blue 9 hush env $(field pod/env '{.spec.nodeName}') me 32 blue-hush-\$(NOT)-\$(COLOR)
$(field pod/env '{.status.podIP}')"
}

test_volumes_of_all_sources() {
  k create secret generic files --from-literal=key=secret
  k create configmap files --from-literal=a=one --from-literal=b=two
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: files, labels: {of: me}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: $IMAGE
    command: [sleep, "1000"]
    volumeMounts:
    - {name: secret, mountPath: /secret}
    - {name: config, mountPath: /config}
    - {name: config, mountPath: /sub/b, subPath: b}
    - {name: info, mountPath: /info}
    - {name: all, mountPath: /all}
    - {name: disk, mountPath: /memory}
  volumes:
  - {name: secret, secret: {secretName: files, defaultMode: 0400}}
  - {name: config, configMap: {name: files}}
  - {name: info, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  - {name: disk, emptyDir: {medium: Memory, sizeLimit: 1Mi}}
  - name: all
    projected:
      sources:
      - secret: {name: files}
      - configMap: {name: files, items: [{key: a, path: deep/a}]}
      - serviceAccountToken: {path: token, audience: me}
YAML
  ready pod/files
  same "$(in_pod files cat /secret/key)" secret
  same "$(in_pod files stat -L -c %a /secret/key)" 400
  same "$(in_pod files sh -c 'cat /config/a; echo; cat /sub/b; echo; cat /all/deep/a /all/key')" $'one\ntwo\nonesecret'
  same "$(in_pod files cat /info/labels)" 'of="me"'
  has "$(in_pod files cat /all/token)" '^eyJ'
  has "$(in_pod files mount)" 'tmpfs on /memory'
  has "$(in_pod files ls /var/run/secrets/kubernetes.io/serviceaccount)" ca.crt namespace token
  same "$(in_pod files cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)" "$NS"
  # What changes arrives with the next look, after a minute or more: asked for at the end of this file.
  k patch configmap files --type=merge -p '{"data":{"a":"changed"}}'
}

test_two_containers_share_a_directory_and_the_network() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: shared, emptyDir: {}}]
  containers:
  - {name: writer, image: $IMAGE, command: [sh, -c, 'echo shared >/out/index.html; sleep 1000'], volumeMounts: [{name: shared, mountPath: /out}]}
  - {name: server, image: $IMAGE, volumeMounts: [{name: shared, mountPath: /www}]}
YAML
  ready pod/two
  eventually 10 k exec two -c writer -- timeout 2 wget -qO- http://127.0.0.1/
  same "$(k exec two -c writer -- wget -qO- http://127.0.0.1/)" shared
  has "$(k get pod two)" '2/2'
}

test_init_containers_run_in_order_and_first() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: prepared}
spec:
  restartPolicy: Never
  volumes: [{name: v, emptyDir: {}}]
  initContainers:
  - {name: i1, image: $IMAGE, command: [sh, -c, 'echo one >>/v/f'], volumeMounts: [{name: v, mountPath: /v}]}
  - {name: i2, image: $IMAGE, command: [sh, -c, 'echo two >>/v/f'], volumeMounts: [{name: v, mountPath: /v}]}
  containers:
  - {name: main, image: $IMAGE, command: [cat, /v/f], volumeMounts: [{name: v, mountPath: /v}]}
YAML
  ends prepared Succeeded
  same "$(k logs prepared)" $'one\ntwo'
  same "$(field pod/prepared '{.status.initContainerStatuses[*].state.terminated.reason}')" "Completed Completed"
}

test_a_sidecar_runs_beside() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: sidecar}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  initContainers:
  - {name: side, image: $IMAGE, restartPolicy: Always, command: [httpd, -f, -p, "80", -h, /www], startupProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}}
  containers:
  - {name: main, image: $IMAGE, command: [wget, -qO-, "http://127.0.0.1/"]}
YAML
  ends sidecar Succeeded
  same "$(k logs sidecar -c main)" 'hello from corten'
}

test_a_startup_probe_holds_the_others_back() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: starts}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: $IMAGE
    command: [sh, -c, 'sleep 3; touch /tmp/up; sleep 1000']
    startupProbe: {exec: {command: [cat, /tmp/up]}, periodSeconds: 1, failureThreshold: 30}
    livenessProbe: {exec: {command: [cat, /tmp/up]}, periodSeconds: 1, failureThreshold: 1}
YAML
  eventually 20 is pod/starts '{.status.containerStatuses[0].started}' false
  ready pod/starts
  same "$(field pod/starts '{.status.containerStatuses[0].restartCount}')" 0
}

test_previous_logs_and_the_termination_message() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: talks}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: main
    image: $IMAGE
    command: [sh, -c, 'if [ -e /v/again ]; then echo second; sleep 1000; fi; touch /v/again; echo first; echo because >/dev/termination-log; exit 4']
    volumeMounts: [{name: v, mountPath: /v}]
YAML
  eventually 30 is pod/talks '{.status.containerStatuses[0].restartCount}' 1
  ready pod/talks
  same "$(k logs talks --previous)" first
  same "$(k logs talks)" second
  same "$(field pod/talks '{.status.containerStatuses[0].lastState.terminated.message}')" because
  same "$(field pod/talks '{.status.containerStatuses[0].lastState.terminated.exitCode}')" 4
}

test_pods_that_end_succeed_or_fail() {
  k run good --image="$IMAGE" --restart=Never --command -- true
  k run bad --image="$IMAGE" --restart=Never --command -- sh -c 'exit 5'
  k run stubborn --image="$IMAGE" --restart=OnFailure --command -- sh -c 'exit 0'
  ends good Succeeded
  ends bad Failed
  ends stubborn Succeeded
  same "$(field pod/bad '{.status.containerStatuses[0].state.terminated.exitCode}{.status.containerStatuses[0].state.terminated.reason}')" 5Error
  same "$(field pod/good '{.status.containerStatuses[0].state.terminated.reason}')" Completed
  has "$(k get pods)" 'good +0/1 +Completed' 'bad +0/1 +Error'
}

test_termination_is_graceful() {
  # Hook and handler write to where the test can look after the pod is gone.
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: graceful}
spec:
  nodeName: node1
  terminationGracePeriodSeconds: 20
  volumes: [{name: v, hostPath: {path: $WORK/graceful, type: DirectoryOrCreate}}]
  containers:
  - name: main
    image: $IMAGE
    command: [sh, -c, 'trap "echo term >>/v/said; exit 0" TERM; touch /v/ready; while :; do sleep 0.1; done']
    volumeMounts: [{name: v, mountPath: /v}]
    lifecycle:
      postStart: {exec: {command: [sh, -c, 'echo started >>/v/said']}}
      preStop: {exec: {command: [sh, -c, 'echo stop >>/v/said']}}
YAML
  ready pod/graceful
  eventually 10 test -e "$WORK/graceful/ready"
  local begun=$EPOCHREALTIME
  k delete pod graceful
  [ "$(since "$begun")" -lt 15000 ]
  same "$(cat "$WORK/graceful/said")" $'started\nstop\nterm'
}

test_a_deaf_process_is_killed_after_its_grace() {
  k run deaf --image="$IMAGE" --command -- sh -c 'trap "" TERM; while :; do sleep 1; done'
  ready pod/deaf
  local begun=$EPOCHREALTIME took
  k delete pod deaf --grace-period=2
  took=$(since "$begun")
  note "took $took ms"
  [[ "$took" -ge 2000 && "$took" -lt 15000 ]]
}

test_limits_hold() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: hungry}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: $IMAGE
    command: [sh, -c, 'head -c 100000000 /dev/zero | tail | wc -c; exit 0']
    resources: {limits: {memory: 16Mi, cpu: 200m}}
  - name: whole
    image: $IMAGE
    command: [sh, -c, 'exec awk "BEGIN { x = \"0123456789\"; while (1) x = x x }"']
    resources: {limits: {memory: 16Mi}}
YAML
  ends hungry Failed
  same "$(field pod/hungry '{.status.containerStatuses[?(@.name=="whole")].state.terminated.reason}')" OOMKilled
  same "$(field pod/hungry '{.status.containerStatuses[?(@.name=="whole")].state.terminated.exitCode}')" 137
  same "$(field pod/hungry '{.status.qosClass}')" Burstable
}

test_security_context() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: careful}
spec:
  restartPolicy: Never
  securityContext: {runAsUser: 1000, runAsGroup: 2000, fsGroup: 3000}
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: main
    image: $IMAGE
    command: [sh, -c, 'id -u; id -g; id -G; stat -c %g /v; touch /no 2>&1; grep NoNewPrivs /proc/self/status']
    volumeMounts: [{name: v, mountPath: /v}]
    securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
YAML
  ends careful Succeeded
  has "$(k logs careful)" '^1000$' '^2000$' '\b3000\b' '^3000$' 'Read-only file system' 'NoNewPrivs:\s1'
}

test_a_pod_on_the_hosts_network() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: host}
spec:
  nodeName: node1
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: $IMAGE, command: [httpd, -f, -p, "8077", -h, /www]}]
YAML
  ready pod/host
  same "$(field pod/host '{.status.podIP}')" "${ADDRESS[node1]}"
  eventually 10 outside "http://${ADDRESS[node1]}:8077/"
}

test_a_pod_that_fits_nowhere_waits_and_says_why() {
  k run huge --image="$IMAGE" --overrides='{"spec":{"containers":[{"name":"huge","image":"'"$IMAGE"'","resources":{"requests":{"cpu":"1000"}}}]}}'
  eventually 10 is pod/huge '{.status.conditions[?(@.type=="PodScheduled")].reason}' Unschedulable
  has "$(field pod/huge '{.status.conditions[?(@.type=="PodScheduled")].message}')" '0/2 nodes are available: 2 Insufficient cpu'
  k delete pod huge
}

test_a_missing_config_map_holds_a_pod_back() {
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: $IMAGE, command: [sleep, "1000"], envFrom: [{configMapRef: {name: late}}]}]
YAML
  eventually 20 is pod/waits '{.status.containerStatuses[0].state.waiting.reason}' CreateContainerConfigError
  k create configmap late --from-literal=a=b
  ready pod/waits 60
}

test_a_changed_config_map_arrives() {
  arrived() { same "$(in_pod files cat /config/a)" changed; }
  eventually 150 arrived
}

test_nothing_stays_of_deleted_pods() {
  local uid
  uid=$(field pod/files '{.metadata.uid}')
  k delete pod files
  gone() { same "$(find "$WORK"/node*/kubelet/pods/"$uid" 2>/dev/null)" ""; }
  eventually 20 gone
}
