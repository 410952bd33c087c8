# What people ask of the API beyond running programs: kinds of their own, rules, limits, rights, shared objects.
# shellcheck shell=bash

definition() {
  cat <<YAML
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: boats.e2e.corten.dev}
spec:
  group: e2e.corten.dev
  scope: Namespaced
  names: {plural: boats, singular: boat, kind: Boat, shortNames: [bo]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.sails, statusReplicasPath: .status.sails}
    additionalPrinterColumns:
    - {name: Sails, type: integer, jsonPath: .spec.sails}
    schema:
      openAPIV3Schema:
        type: object
        description: Something that floats
        properties:
          spec:
            type: object
            required: [colour]
            properties:
              colour: {type: string, enum: [red, green], description: How it is painted}
              sails: {type: integer, minimum: 0, default: 1}
            x-kubernetes-validations:
            - rule: self.colour != "green" || self.sails < 5
              message: green boats have few sails
          status: {type: object, properties: {sails: {type: integer}}}
YAML
}

# boat NAME COLOUR [SAILS]
boat() {
  cat <<YAML
apiVersion: e2e.corten.dev/v1
kind: Boat
metadata: {name: $1}
spec: {colour: $2${3:+, sails: $3}}
YAML
}

test_a_kind_of_ones_own() {
  definition | apply
  kubectl wait --for=condition=Established crd/boats.e2e.corten.dev --timeout=30s
  has "$(boat one red | apply)" 'boat.e2e.corten.dev/one created'
  has "$(boat one red | apply)" 'boat.e2e.corten.dev/one unchanged'
  has "$(k get bo)" '^NAME +SAILS$' '^one +1$'
  has "$(boat two blue | refused apply)" 'spec.colour: Unsupported value: "blue": supported values: "red", "green"'
  has "$(boat two green 7 | refused apply)" 'green boats have few sails'
  has "$(boat two red | sed 's/colour/color/' | refused apply)" 'unknown field "spec.color"'
  k scale boat one --replicas=3
  same "$(field boat/one '{.spec.sails}')" 3
  k patch boat one --subresource=status --type=merge -p '{"status":{"sails":3}}'
  same "$(field boat/one '{.status.sails}')" 3
}

test_a_kind_of_ones_own_is_explained() {
  eventually 30 has "$(k explain boat.spec 2>&1)" 'GROUP: +e2e.corten.dev' 'colour' 'How it is painted'
}

test_a_kind_of_ones_own_goes() {
  k delete crd boats.e2e.corten.dev --timeout=60s
  # The second is what kubectl says while it remembers the kind.
  has "$(refused k get boats)" "the server (doesn't have a resource type|could not find the requested resource)"
}

test_server_side_apply_shares_an_object() {
  local owned='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"shared"},"data":{"a":"1"}}'
  has "$(echo "$owned" | k apply --server-side --field-manager=one -f -)" 'configmap/shared serverside-applied'
  echo "${owned/'"a":"1"'/'"b":"1"'}" | k apply --server-side --field-manager=two -f -
  same "$(field configmap/shared '{.data}')" '{"a":"1","b":"1"}'
  local said
  said=$(echo "${owned/'"a":"1"'/'"a":"2"'}" | refused k apply --server-side --field-manager=two -f -)
  has "$said" 'Apply failed with 1 conflict: conflict with "one": .data.a' 'force-conflicts'
  echo "${owned/'"a":"1"'/'"a":"2"'}" | k apply --server-side --field-manager=two --force-conflicts -f -
  same "$(field configmap/shared '{.data}')" '{"a":"2"}'
  has "$(k get configmap shared -o yaml --show-managed-fields)" 'manager: two' 'f:a: \{\}'
}

test_server_side_apply_takes_over_from_apply() {
  local map='{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"moved"},"data":{"a":"1","b":"1"}}'
  echo "$map" | apply
  echo "${map/',"b":"1"'/}" | k apply --server-side -f -
  same "$(field configmap/moved '{.data}')" '{"a":"1"}'
}

# policy EXPRESSION MESSAGE: for Deployments of this namespace.
policy() {
  cat <<YAML
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: e2e-replicas}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  validations:
  - {expression: '$1', message: $2}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: e2e-replicas}
spec:
  policyName: e2e-replicas
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: $NS}}}
YAML
}

many_are_refused() {
  has "$(k create deployment many --image="$IMAGE" --replicas=9 --dry-run=server 2>&1)" \
    "ValidatingAdmissionPolicy 'e2e-replicas' with binding 'e2e-replicas' denied request: at most three"
}

many_are_welcome() { k create deployment many --image="$IMAGE" --replicas=9 --dry-run=server; }

test_a_policy_refuses() {
  policy 'object.spec.replicas <= 3' 'at most three' | apply
  eventually 30 many_are_refused
  k create deployment few --image="$IMAGE" --replicas=2 --dry-run=server
  policy 'object.spec.replicas <= 3' 'at most three' | k delete -f -
  eventually 30 many_are_welcome
}

test_a_quota_holds() {
  k create quota few --hard=pods=2,configmaps=100
  eventually 30 is resourcequota/few '{.status.hard.pods}' 2
  same "$(field resourcequota/few '{.status.used.pods}')" 0
  web limited 3 | apply
  eventually 30 is resourcequota/few '{.status.used.pods}' 2
  eventually 30 has_event 'exceeded quota: few, requested: pods=1, used: pods=2, limited: pods=2'
  same "$(count app=limited)" 2
  k patch quota few --type=merge -p '{"spec":{"hard":{"pods":"3"}}}'
  # The ReplicaSet tries again, later and later: this tells it.
  k scale deployment limited --replicas=2
  k scale deployment limited --replicas=3
  ready deployment/limited
  k delete quota/few deployment/limited service/limited
}

has_event() { has "$(k get events -o jsonpath='{.items[*].message}')" "$1"; }

test_limits_are_filled_in() {
  apply <<'YAML'
apiVersion: v1
kind: LimitRange
metadata: {name: usual}
spec:
  limits:
  - {type: Container, default: {memory: 64Mi}, defaultRequest: {cpu: 10m}, max: {memory: 128Mi}}
YAML
  sleeper small | k apply --dry-run=server -o json -f - >"$WORK/small.json"
  has "$(tr -d ' \n' <"$WORK/small.json")" '"limits":\{"memory":"64Mi"\}' '"requests":\{"cpu":"10m","memory":"64Mi"\}'
  has "$(refused k run big --image="$IMAGE" --dry-run=server \
    --overrides='{"spec":{"containers":[{"name":"big","image":"i","resources":{"limits":{"memory":"1Gi"}}}]}}')" \
    'maximum memory usage per Container is 128Mi, but limit is 1Gi'
  k delete limitrange usual
}

test_rights() {
  k create role reader --verb=get,list --resource=pods,configmaps
  k create rolebinding reader --role=reader --user=jane
  local list
  list=$(k auth can-i --list --as=jane)
  has "$list" '^Resources +Non-Resource URLs +Resource Names +Verbs$' '^configmaps +\[\] +\[\] +\[get list\]$' \
    '^pods +\[\] +\[\] +\[get list\]$' 'selfsubjectaccessreviews.authorization.k8s.io +\[\] +\[\] +\[create\]'
  same "$(k auth can-i list pods --as=jane)" yes
  has "$(refused k auth can-i delete pods --as=jane)" '^no$'
  has "$(refused k delete pod nobody --as=jane)" \
    'pods "nobody" is forbidden: User "jane" cannot delete resource "pods" in API group "" in the namespace'
  has "$(k auth whoami)" 'Username +kubernetes-admin'
  k get pods --as=jane
}
