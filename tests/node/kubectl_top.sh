# `kubectl top` tells what nodes, pods and containers use, a new pod's too; who may see pods may see it.
k run busy --image=$IMAGE --image-pull-policy=IfNotPresent --restart=Never --command -- sh -c 'while :; do :; done' >/dev/null
k run idle --image=$IMAGE --image-pull-policy=IfNotPresent --restart=Never --labels=app=idle --command -- sleep 1000 >/dev/null
becomes 20 Running field pod/busy .status.phase
becomes 20 Running field pod/idle .status.phase
sleep 3
top() { k top pod --no-headers "$@" | awk '{ print $1, ($2 + 0 > 100 ? "busy" : "idle"), ($3 ~ /Mi$/ ? "memory" : $3) }'; }
becomes 20 "busy busy memory
idle idle memory" top
becomes 10 "idle idle memory" top -l app=idle
k top pod busy --containers --no-headers | grep '^busy *busy *[0-9]*m' >/dev/null || fail "no containers"
kubectl top node --no-headers | awk '$2 + 0 > 0 && $3 ~ /%$/ && $4 ~ /i$/' | grep . >/dev/null || fail "no node"
kubectl get --raw "/apis/metrics.k8s.io/v1beta1/namespaces/$ns/pods/busy" | jq -e '
  .kind == "PodMetrics" and .metadata.name == "busy" and .containers[0].name == "busy"
  and (.containers[0].usage.cpu | endswith("n") or endswith("u") or endswith("m")) and (.window | endswith("s"))' >/dev/null || fail "no PodMetrics"
is 1 sh -c "k() { kubectl -n $ns \"\$@\"; }; k get pods.metrics.k8s.io idle --no-headers | wc -l"
{ kubectl get --raw "/apis/metrics.k8s.io/v1beta1/namespaces/$ns/pods/none" 2>&1 || true; } | grep NotFound >/dev/null || fail "found what is not there"
is True kubectl get apiservice v1beta1.metrics.k8s.io -o 'jsonpath={.status.conditions[0].status}'
k create serviceaccount viewer >/dev/null
k create rolebinding viewer --clusterrole=view --serviceaccount="$ns:viewer" >/dev/null
becomes 90 yes k auth can-i list pods.metrics.k8s.io --as="system:serviceaccount:$ns:viewer"
# The kubelet's own figures, by a token that may see them and by one that may not.
node=$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')
kubectl get --raw "/api/v1/nodes/$node/proxy/metrics/cadvisor" | grep "^container_memory_working_set_bytes{container=\"busy\".*pod=\"busy\"" >/dev/null || fail "cadvisor"
kubectl get --raw "/api/v1/nodes/$node/proxy/stats/summary" | jq -e --arg ns "$ns" '
  (.node.fs.capacityBytes > 0) and (.node.rlimit.maxpid > 0)
  and ([.pods[] | select(.podRef.name == "busy" and .podRef.namespace == $ns)
    | (.containers[0].rootfs.usedBytes >= 0) and (.network.rxBytes >= 0) and (.cpu.usageNanoCores > 0)] == [true])' >/dev/null || fail "summary"
kubectl get --raw "/api/v1/nodes/$node/proxy/configz" | jq -e '.kubeletconfig.evictionHard."memory.available"' >/dev/null || fail "configz"
kubectl get --raw "/api/v1/nodes/$node/proxy/metrics" | grep '^kubelet_running_pods [1-9]' >/dev/null || fail "metrics"
kubectl get --raw "/api/v1/nodes/$node/proxy/metrics" | grep '^kubelet_pod_start_duration_seconds_count [1-9]' >/dev/null || fail "no starts are counted"
kubectl create clusterrole scraper --verb=get --resource=nodes/metrics >/dev/null
kubectl create clusterrolebinding scraper --clusterrole=scraper --serviceaccount="$ns:viewer" >/dev/null
token=$(k create token viewer)
ask() { curl -ks -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $1" "https://192.0.2.10:10250$2"; }
becomes 40 200 ask "$token" /metrics/resource
is 403 ask "$token" /pods
is 401 ask nonsense /metrics/resource
kubectl delete clusterrole,clusterrolebinding scraper >/dev/null
k delete pod --all --grace-period=0 --force >/dev/null 2>&1
