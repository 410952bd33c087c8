# Names of Services and pods.
# shellcheck shell=bash

# resolves NAME TYPE PATTERN: what the cluster's DNS answers to a pod.
resolves() { has "$(in_pod client nslookup -type="$2" "$1")" "$3"; }

test_services_and_pods_for_names() {
  sleeper client node1 | apply
  apply <<YAML
apiVersion: v1
kind: Service
metadata: {name: normal}
spec:
  selector: {app: named}
  ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec:
  clusterIP: None
  selector: {app: named}
  ports: [{name: http, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere}
spec:
  type: ExternalName
  externalName: normal.$NS.svc.cluster.local
---
apiVersion: v1
kind: Pod
metadata: {name: first, labels: {app: named}}
spec:
  hostname: first
  subdomain: headless
  terminationGracePeriodSeconds: 0
  containers: [{name: web, image: $IMAGE}]
---
apiVersion: v1
kind: Pod
metadata: {name: second, labels: {app: named}}
spec:
  hostname: second
  subdomain: headless
  terminationGracePeriodSeconds: 0
  containers: [{name: web, image: $IMAGE}]
YAML
  ready pod/client
  ready pod/first
  ready pod/second
}

test_a_pod_asks_the_clusters_dns() {
  local said
  said=$(in_pod client cat /etc/resolv.conf)
  has "$said" "^search $NS.svc.cluster.local svc.cluster.local cluster.local" '^nameserver 10\.96\.' '^options ndots:5'
}

test_a_service_has_its_cluster_address() {
  eventually 10 resolves "normal.$NS.svc.cluster.local" a "Address: $(field service/normal '{.spec.clusterIP}')$"
  resolves kubernetes.default.svc.cluster.local a 'Address: 10\.96\.0\.1$'
}

test_ports_have_srv_records() {
  eventually 10 resolves "_http._tcp.normal.$NS.svc.cluster.local" srv "service = 0 [0-9]+ 80 normal.$NS.svc.cluster.local"
  resolves "_dns._udp.normal.$NS.svc.cluster.local" srv "service = 0 [0-9]+ 53 "
}

test_a_headless_service_has_its_pods_addresses() {
  local first second said
  first=$(field pod/first '{.status.podIP}') second=$(field pod/second '{.status.podIP}')
  both() { has "$(in_pod client nslookup -type=a "headless.$NS.svc.cluster.local")" "Address: $first$" "Address: $second$"; }
  eventually 10 both
  resolves "first.headless.$NS.svc.cluster.local" a "Address: $first$"
  eventually 10 resolves "_http._tcp.headless.$NS.svc.cluster.local" srv "80 first.headless.$NS.svc.cluster.local"
}

test_an_external_name_is_an_alias() {
  eventually 10 resolves "elsewhere.$NS.svc.cluster.local" cname "canonical name = normal.$NS.svc.cluster.local"
  eventually 10 get_in_pod client http://elsewhere
}

named() { has "$(in_pod client nslookup "$1")" "$2"; }

test_addresses_have_names() {
  local address
  address=$(field service/normal '{.spec.clusterIP}')
  eventually 10 named "$address" "name = normal.$NS.svc.cluster.local"
}

test_what_is_not_there_is_said_at_once() {
  local begun=$EPOCHREALTIME
  has "$(refused in_pod client nslookup -type=a "nothing.$NS.svc.cluster.local")" NXDOMAIN
  [ "$(since "$begun")" -lt 3000 ]
}

test_a_name_goes_with_its_service() {
  k delete service normal
  gone() { has "$(refused in_pod client nslookup -type=a "normal.$NS.svc.cluster.local")" NXDOMAIN; }
  eventually 10 gone
}

test_a_pods_own_name_and_policies() {
  same "$(in_pod first hostname)" first
  has "$(in_pod first cat /etc/hosts)" "first.headless.$NS.svc.cluster.local[[:space:]]+first"
  apply <<YAML
apiVersion: v1
kind: Pod
metadata: {name: own}
spec:
  terminationGracePeriodSeconds: 0
  dnsPolicy: None
  dnsConfig: {nameservers: [10.96.0.10], searches: [example.test], options: [{name: ndots, value: "2"}]}
  hostAliases: [{ip: 10.1.2.3, hostnames: [alias.test]}]
  containers: [{name: main, image: $IMAGE, command: [sleep, "1000"]}]
YAML
  ready pod/own
  same "$(in_pod own cat /etc/resolv.conf)" $'search example.test\nnameserver 10.96.0.10\noptions ndots:2'
  has "$(in_pod own cat /etc/hosts)" '^10\.1\.2\.3[[:space:]]+alias\.test'
}
