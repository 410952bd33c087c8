# What people type.
# shellcheck shell=bash

test_apply_twice_changes_nothing() {
  has "$(web web 1 | apply)" 'deployment.apps/web created' 'service/web created'
  has "$(web web 1 | apply)" 'deployment.apps/web unchanged' 'service/web unchanged'
  web web 1 | k diff -f -
  has "$(web web 1 | sed 's/replicas: 1/replicas: 2/' | refused k diff -f -)" '^-  replicas: 1' '^\+  replicas: 2'
  has "$(web web 1 | sed 's/preStop/postStart/' | apply --dry-run=server)" 'web configured \(server dry run\)'
  has "$(field deployment/web '{.spec.template.spec.containers[0].lifecycle}')" preStop
}

test_apply_removes_what_is_no_longer_said() {
  k apply -f - <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":"1","b":"2"}}'
  k patch configmap m --type=merge -p '{"data":{"c":"3"}}'
  has "$(k apply -f - <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":"9"}}')" configured
  same "$(field configmap/m '{.data}')" '{"a":"9","c":"3"}'
}

test_explain() {
  has "$(k explain deployment.spec.strategy)" 'GROUP: +apps' 'KIND: +Deployment' 'VERSION: +v1' rollingUpdate 'RollingUpdate'
  has "$(k explain pod --recursive)" '    containers.*<\[\]Container> -required-'
  has "$(refused k explain pod.spec.nonsense)" 'field "nonsense" does not exist'
}

test_what_there_is() {
  has "$(k api-resources)" 'deployments +deploy +apps/v1 +true +Deployment' 'nodes +no +v1 +false +Node'
  has "$(k api-versions)" '^apps/v1$' '^v1$' '^networking.k8s.io/v1$'
}

test_bad_manifests_are_refused() {
  has "$(web bad 1 | sed 's/replicas: 1/replicsa: 1/' | refused k create -f -)" 'strict decoding error: unknown field "spec.replicsa"'
  has "$(web bad 1 | sed 's/replicas: 1/replicas: many/' | refused k create -f -)" 'BadRequest|cannot unmarshal|invalid'
  has "$(web bad 1 | sed 's/matchLabels: {app: bad}/matchLabels: {app: other}/' | refused k create -f -)" 'selector.* does not match template'
  has "$(refused k create configmap NotAName)" 'a lowercase RFC 1123 subdomain'
  has "$(refused k get pods nothing)" 'Error from server \(NotFound\): pods "nothing" not found'
}

test_run_starts_a_pod() {
  k run box --image="$IMAGE" --overrides='{"spec":{"terminationGracePeriodSeconds":0}}' --command -- httpd -f -p 8080 -h /www
  ready pod/box
  same "$(in_pod box hostname)" box
}

test_proxy_reaches_pods_and_services() {
  same "$(kubectl get --raw "/api/v1/namespaces/$NS/pods/box:8080/proxy/")" 'hello from corten'
  ready deployment/web
  eventually 10 kubectl get --raw "/api/v1/namespaces/$NS/services/web:http/proxy/"
}

test_wait() {
  k wait pod/box --for=condition=Ready --timeout=5s
  k wait pod/box --for='jsonpath={.status.phase}=Running' --timeout=5s
  has "$(refused k wait pod/box --for=condition=Nonsense --timeout=1s)" 'timed out waiting'
}

test_label_and_annotate() {
  k label pod box tier=one
  has "$(refused k label pod box tier=two)" "already has a value"
  k label pod box tier=two --overwrite
  same "$(k get pods -l tier=two -o name)" pod/box
  same "$(k get pods -l 'tier in (one,three)' -o name)" ""
  same "$(k get pods -l 'tier,tier!=one' -o name)" pod/box
  k label pod box tier-
  k annotate pod box why=because
  same "$(field pod/box '{.metadata.annotations.why}')" because
  same "$(k get pods --field-selector metadata.name=box,status.phase=Running -o name)" pod/box
}

test_patch_of_three_types() {
  k patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"'"$IMAGE"'","command":["sleep","1000"]}]}}}}'
  same "$(field deployment/web '{.spec.template.spec.containers[*].name}')" "side web"
  k patch deployment web --type=merge -p '{"metadata":{"labels":{"merged":"yes","app":null}}}'
  same "$(field deployment/web '{.metadata.labels}')" '{"merged":"yes"}'
  k patch deployment web --type=json -p '[{"op":"test","path":"/spec/replicas","value":1},{"op":"replace","path":"/spec/replicas","value":2}]'
  same "$(field deployment/web '{.spec.replicas}')" 2
  refused k patch deployment web --type=json -p '[{"op":"test","path":"/spec/replicas","value":1}]'
}

test_get_shows_changes_as_they_come() {
  timeout 30 kubectl -n "$NS" get configmap -w -o name >"$WORK/watched" &
  local pid=$!
  eventually 10 grep -q configmap/m "$WORK/watched"
  k create configmap later
  eventually 10 grep -q configmap/later "$WORK/watched"
  kill "$pid"
}

test_output_formats() {
  has "$(k get pod box -o yaml)" '^apiVersion: v1' '^kind: Pod' '  uid: ' 'phase: Running'
  has "$(k get pod box -o json)" '"kind": "Pod"'
  same "$(k get pod box -o custom-columns=N:.metadata.name --no-headers)" box
  has "$(k get pod box --show-labels)" 'run=box'
  same "$(k get pod box -o 'go-template={{.metadata.name}}')" box
  has "$(kubectl get pods -A --sort-by=.metadata.name)" "$NS +box"
}

test_replace_and_edit() {
  EDITOR='sed -i s/because/edited/' k edit pod box
  same "$(field pod/box '{.metadata.annotations.why}')" edited
  k get configmap m -o yaml | sed 's/a: "9"/a: "10"/' | k replace -f -
  same "$(field configmap/m '{.data.a}')" 10
  local old
  old=$(k get configmap m -o yaml)
  k annotate configmap m x=y
  has "$(refused k replace -f - <<<"$old")" 'Conflict.*the object has been modified'
}

test_run_expose_and_delete() {
  k run server --image="$IMAGE" --port=80 --overrides='{"spec":{"terminationGracePeriodSeconds":0}}'
  k expose pod server --port=8000 --target-port=80 --name=served
  ready pod/server
  eventually 10 get_in_pod box http://served:8000
  k delete pod/server service/served
  has "$(refused k get pod server)" NotFound
}

test_create_of_many_kinds() {
  k create serviceaccount robot
  k create role reads --verb=get,list --resource=pods
  k create rolebinding robot-reads --role=reads --serviceaccount="$NS:robot"
  same "$(k auth can-i list pods --as="system:serviceaccount:$NS:robot")" yes
  same "$(refused k auth can-i delete pods --as="system:serviceaccount:$NS:robot")" no
  local token
  token=$(k create token robot)
  has "$(kubectl --kubeconfig=/dev/null --server="https://${ADDRESS[node1]}:$API_PORT" \
    --certificate-authority="$WORK/node1/pki/ca.crt" --token="$token" -n "$NS" get pods)" '^box '
  has "$(refused kubectl --kubeconfig=/dev/null --server="https://${ADDRESS[node1]}:$API_PORT" \
    --certificate-authority="$WORK/node1/pki/ca.crt" --token="$token" -n "$NS" get secrets)" 'Forbidden.*cannot list resource "secrets"'
  k create job once --image="$IMAGE" -- true
  k create cronjob often --image="$IMAGE" --schedule='* * * * *' -- true
  k create ingress way --rule='host/*=web:80'
  k create poddisruptionbudget keep --selector=app=web --min-available=1
  k create quota little --hard=pods=1000
  k create secret generic hidden --from-literal=a=b
  same "$(field secret/hidden '{.data.a}' | base64 -d)" b
  kubectl create priorityclass e2e --value=10
  kubectl delete priorityclass e2e
  k delete ingress,job,cronjob,pdb,quota --all
}

test_top_level_requests() {
  same "$(kubectl get --raw /healthz)" ok
  same "$(kubectl get --raw /readyz)" ok
  has "$(kubectl get --raw /metrics)" '^# TYPE '
}

test_a_deleted_namespace_takes_everything_along() {
  kubectl create namespace e2e-gone
  web d 1 | kubectl -n e2e-gone apply -f -
  kubectl -n e2e-gone create configmap c
  kubectl -n e2e-gone wait deployment/d --for=condition=Available --timeout=40s
  kubectl delete namespace e2e-gone --timeout=90s
  has "$(refused kubectl get namespace e2e-gone)" NotFound
}
