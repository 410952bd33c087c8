# The tour: a page, web servers on both nodes, one address in front of them.
# shellcheck shell=bash

test_a_deployment_serves_a_page_from_a_config_map() {
  apply <<YAML
apiVersion: v1
kind: ConfigMap
metadata: {name: page}
data: {index.html: "hello from the tour\n"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: page}
spec:
  replicas: 2
  selector: {matchLabels: {app: page}}
  template:
    metadata: {labels: {app: page}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: $IMAGE
        ports: [{containerPort: 80, name: http}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        volumeMounts: [{name: page, mountPath: /www}]
      volumes:
      - name: page
        configMap: {name: page}
---
apiVersion: v1
kind: Service
metadata: {name: page}
spec:
  selector: {app: page}
  ports: [{port: 8080, targetPort: http}]
YAML
  sleeper client1 node1 | apply
  sleeper client2 node2 | apply
  ready deployment/page
  ready pod/client1
  ready pod/client2
  local client
  for client in client1 client2; do
    eventually 10 get_in_pod "$client" http://page:8080/
    same "$(get_in_pod "$client" "http://page.$NS.svc.cluster.local:8080/index.html")" "hello from the tour"
  done
}

test_every_replica_answers_pods_of_both_nodes() {
  web web 3 NodePort | k create -f -
  ready deployment/web
  local client
  for client in client1 client2; do eventually 15 answerers 3 get_in_pod "$client" http://web; done
}

test_pods_run_on_both_nodes() {
  k scale deployment/web --replicas=4
  ready deployment/web
  same "$(k get pods -l app=web -o jsonpath='{range .items[*]}{.spec.nodeName}{"\n"}{end}' | sort -u | wc -l)" 2
  k scale deployment/web --replicas=3
}

test_the_node_port_answers_from_outside_by_every_node() {
  local port node
  port=$(field service/web '{.spec.ports[0].nodePort}')
  [[ "$port" -ge 30000 && "$port" -le 32767 ]]
  for node in node1 node2; do
    eventually 15 answerers 3 outside "http://${ADDRESS[$node]}:$port/"
    on "$node" curl -sS --max-time 3 "http://${ADDRESS[$node]}:$port/"
  done
}

test_a_pod_reaches_itself_through_its_service() {
  local pod
  three() { same "$(pods app=web | wc -w)" 3; }
  eventually 30 three
  pod=$(pods app=web | cut -d' ' -f1)
  eventually 15 answerers 3 get_in_pod "$pod" http://web
}

test_a_service_without_endpoints_refuses_at_once() {
  k create service clusterip nobody --tcp=80
  local begun address
  address=$(field service/nobody '{.spec.clusterIP}')
  refuses() { has "$(refused in_pod client1 timeout 3 wget -qO- "http://$address")" 'refused|unreachable'; }
  eventually 10 refuses
}

test_a_replication_controller_with_a_service() {
  k create -f - <<YAML
apiVersion: v1
kind: ReplicationController
metadata: {name: old}
spec:
  replicas: 2
  selector: {app: old}
  template:
    metadata: {labels: {app: old}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: $IMAGE
        command: [sh, -c, 'hostname >/www/index.html; exec httpd -f -p 80 -h /www']
---
apiVersion: v1
kind: Service
metadata: {name: old}
spec:
  selector: {app: old}
  ports: [{port: 80}]
YAML
  eventually 30 is rc/old '{.status.readyReplicas}' 2
  eventually 15 answerers 2 get_in_pod client1 http://old
  k scale rc/old --replicas=1
  eventually 20 is rc/old '{.status.replicas}' 1
}

test_get_all_and_describe_show_it() {
  has "$(k get all -o wide)" 'pod/web-.*Running .*10\.244\.' 'service/web +NodePort' 'deployment.apps/web +3/3' \
    'replicaset.apps/web-' 'replicationcontroller/old'
  local pod
  pod=$(pods app=web | cut -d' ' -f1)
  has "$(k describe pod "$pod")" '^Node: +node[12]/10\.213\.99\.' 'Controlled By: +ReplicaSet/web-' \
    'Readiness: +http-get http://:http/' 'Ready +True' 'Scheduled +.*Successfully assigned' 'Started +.*kubelet'
  has "$(k describe deployment web)" 'StrategyType: +RollingUpdate' '3 desired .* 3 available' 'ScalingReplicaSet'
  has "$(k describe service web)" 'Type: +NodePort' 'Endpoints: +10\.244\.'
  has "$(kubectl describe node node1)" 'PodCIDR: +10\.244\.' 'KubeletReady' 'Non-terminated Pods:'
}

test_udp_through_a_service_to_what_is_no_pod() {
  command -v perl >/dev/null || { note "skipped: no perl"; return; }
  apply <<YAML
apiVersion: v1
kind: Service
metadata: {name: echo}
spec:
  ports: [{name: dns, port: 53, targetPort: 5353, protocol: UDP}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: echo-1, labels: {kubernetes.io/service-name: echo}}
addressType: IPv4
ports: [{name: dns, port: 5353, protocol: UDP}]
endpoints: [{addresses: ["${ADDRESS[outside]}"], conditions: {ready: true}}]
YAML
  # Sends each question back as an answer that says: no such name.
  on outside perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(Proto => "udp", LocalPort => 5353) or die;
    while ($s->recv(my $m, 512)) { substr($m, 2, 2) = "\x81\x83"; $s->send($m) }' &
  local server=$! client address
  address=$(field service/echo '{.spec.clusterIP}')
  said_by_udp() { has "$(refused in_pod "$1" timeout 5 nslookup -type=a unheard.test "$address")" NXDOMAIN; }
  for client in client1 client2; do eventually 15 said_by_udp "$client"; done
  kill "$server"
}
