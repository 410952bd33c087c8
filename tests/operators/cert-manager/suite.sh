# cert-manager: its controller, its webhook at a Service with endpoints, and its injector of authorities. They are run
# by a program of ours, since its own are in modules that are not published.

make() {
  build cert-manager cert-manager=. || return
  CERT_MANAGER=$(module cert-manager github.com/cert-manager/cert-manager)
  export CERT_MANAGER
}

definitions() { cat "$CERT_MANAGER"/deploy/crds/*.yaml; }

# Starts a controller, which calls itself by the machine's name.
start_controller() { # NUMBER
  start "cert-manager-controller-$1" unshare --uts sh -c "hostname controller-$1 && exec \"\$@\"" - \
    env KUBECONFIG="$operator" "$BUILT/cert-manager-cert-manager" controller
}

# Both configurations have the authority that the injector read from the webhook's Secret.
injected() {
  local sort
  for sort in mutating validating; do
    [ "$(kubectl get "${sort}webhookconfiguration" cert-manager-webhook -o 'jsonpath={.webhooks[0].clientConfig.caBundle}')" = \
      "$(kubectl get secret -n cert-manager cert-manager-webhook-ca -o 'jsonpath={.data.ca\.crt}')" ] || return
  done
}

# The certificate in a Secret, as text.
certificate() { # NAMESPACE SECRET
  kubectl get secret -n "$1" "$2" -o 'jsonpath={.data.tls\.crt}' | base64 -d
}

# The certificate in a Secret is for NAME and signed by the one in another.
signed() { # NAMESPACE SECRET NAME BY
  certificate "$1" "$2" >leaf.pem && certificate "$1" "$4" >ca.pem && openssl verify -CAfile ca.pem leaf.pem &&
    openssl x509 -in leaf.pem -noout -ext subjectAltName | grep -q "DNS:$3"
}

# A Certificate is ready, and its Secret has what it should.
ready() { kubectl wait --for=condition=Ready --timeout=60s -n "$1" "certificate/$2"; }

# The Secret's certificate is another than it was.
renewed() { [ -n "$(certificate "$1" "$2")" ] && [ "$(certificate "$1" "$2")" != "$3" ]; }

try() {
  local here=$BUILT/../../tests/operators/cert-manager operator leader first second was
  check "definitions apply" kubectl apply --server-side -f <(definitions)
  check "definitions are established" established certificates.cert-manager.io certificaterequests.cert-manager.io \
    issuers.cert-manager.io clusterissuers.cert-manager.io orders.acme.cert-manager.io challenges.acme.cert-manager.io
  check "the webhook's Service and configurations apply" kubectl apply -f "$here/webhook.yaml"
  operator=$(account cert-manager cert-manager) || { failed=$((failed + 1)); echo "FAILED $suite: no account"; return; }
  start cert-manager-webhook env KUBECONFIG="$operator" WEBHOOK_PORT=10250 "$BUILT/cert-manager-cert-manager" webhook
  start cert-manager-cainjector env KUBECONFIG="$operator" "$BUILT/cert-manager-cert-manager" cainjector
  start_controller 1
  first=$started
  check "the authority is injected into the webhooks" until_so injected
  check "an issuer and a certificate apply" until_so kubectl apply -f "$here/shop.yaml"
  check "a certificate that signs itself is ready" ready shop authority
  check "a certificate of an issuer is ready" ready shop web
  check "the Secret holds what was asked for" signed shop web web.shop.example authority
  check "who asks for a certificate is written by the webhook" is \
    "system:serviceaccount:cert-manager:cert-manager" get certificaterequests -n shop \
    -o 'jsonpath={.items[0].spec.username}'
  check "columns are shown" shown '^web +True +web +[0-9]+' get certificate -n shop web --no-headers
  check "the webhook refuses what makes no sense" refused \
    'admission webhook "webhook.cert-manager.io" denied the request: spec.duration: Invalid value' \
    kubectl patch certificate -n shop web --type=merge -p '{"spec":{"duration":"1m"}}'
  check "the schema refuses what it does not allow" refused \
    'spec.privateKey.algorithm: Unsupported value: "DSA"' \
    kubectl patch certificate -n shop web --type=merge -p '{"spec":{"privateKey":{"algorithm":"DSA"}}}'
  check "what is asked for is refused in a dry run too" refused 'denied the request' \
    kubectl patch certificate -n shop web --type=merge --dry-run=server -p '{"spec":{"duration":"1m"}}'
  check "requests are explained" kubectl explain certificate.spec.privateKey.rotationPolicy
  was=$(certificate shop web)
  check "a Secret that is deleted" kubectl delete secret -n shop web
  check "comes back with another certificate" until_so renewed shop web "$was"
  check "an Ingress asks for a certificate by annotation" until_so ready shop ingress-tls

  leader=$(until_so leads cert-manager cert-manager-controller "")
  start_controller 2
  second=$started
  kill -KILL "$first" 2>/dev/null
  wait "$first" 2>/dev/null
  check "another controller leads when one is gone" until_so leads cert-manager cert-manager-controller "$leader"
  check "it is asked for a change" kubectl patch certificate -n shop web --type=merge \
    -p '{"spec":{"dnsNames":["web.shop.example","new.shop.example"]}}'
  check "and makes it" until_so signed shop web new.shop.example authority
  check "definitions are deleted with what they define" kubectl delete --timeout=60s -f <(definitions)
  check "nothing of them is left" refused "could not find the requested resource" kubectl get certificates -A
  check "the configurations are deleted" kubectl delete -f "$here/webhook.yaml" --wait=false --ignore-not-found
  kill "$second" 2>/dev/null
}
