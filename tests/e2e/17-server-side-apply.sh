# Server-side apply, as people type it: who owns what, conflicts, and the way over from client-side apply.
# shellcheck shell=bash

# ssa [OPTION...]: applies what it reads on the server.
ssa() { k apply --server-side "$@" -f -; }

# settings A [B]: a ConfigMap.
settings() {
  printf '%s\n' --- "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {app: x}}, data: {a: \"$1\"${2:+, b: \"$2\"}}}"
}

# owners KIND/NAME: `manager operation subresource` of each entry.
owners() {
  k get "$1" --show-managed-fields \
    -o 'jsonpath={range .metadata.managedFields[*]}{.manager} {.operation} {.subresource}{"\n"}{end}'
}

# owned KIND/NAME MANAGER: the fields of a manager.
owned() { k get "$1" --show-managed-fields -o "jsonpath={.metadata.managedFields[?(@.manager==\"$2\")].fieldsV1}"; }

test_apply_creates_and_is_idempotent() {
  has "$(settings 1 2 | ssa)" 'configmap/settings serverside-applied'
  same "$(owners configmap/settings)" 'kubectl Apply '
  same "$(owned configmap/settings kubectl)" '{"f:data":{"f:a":{},"f:b":{}},"f:metadata":{"f:labels":{"f:app":{}}}}'
  local before
  before=$(field configmap/settings '{.metadata.resourceVersion}')
  settings 1 2 | ssa
  same "$(field configmap/settings '{.metadata.resourceVersion}')" "$before"
  hasnot "$(k get configmap settings -o yaml)" managedFields
}

test_another_manager_conflicts_until_forced() {
  has "$(settings 9 | refused ssa --field-manager=two)" \
    'Apply failed with 1 conflict: conflict with "kubectl": \.data\.a' 'force-conflicts'
  has "$(settings 9 | ssa --field-manager=two --force-conflicts --dry-run=server)" 'serverside-applied \(server dry run\)'
  same "$(field configmap/settings '{.data.a}')" 1
  settings 9 | ssa --field-manager=two --force-conflicts
  same "$(field configmap/settings '{.data}')" '{"a":"9","b":"2"}'
  same "$(owned configmap/settings kubectl)" '{"f:data":{"f:b":{}},"f:metadata":{"f:labels":{"f:app":{}}}}'
  has "$(settings 1 2 | refused k diff --server-side --force-conflicts -f -)" '^-  a: "9"' '^\+  a: "1"'
}

test_what_nobody_applies_any_more_goes() {
  # The label is the other's too, and stays.
  ssa <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings"}}'
  same "$(field configmap/settings '{.data}{.metadata.labels}')" '{"a":"9"}{"app":"x"}'
  same "$(owners configmap/settings)" 'two Apply '
}

test_unknown_fields_and_wrong_types_are_refused() {
  has "$(settings 1 | sed 's/, data:/, nonsense: 1, data:/' | refused ssa --validate=ignore --field-manager=two)" \
    'failed to create typed patch object .*: \.nonsense: field not declared in schema'
  has "$(settings 1 | sed 's/"1"/1/' | refused ssa --validate=ignore --field-manager=two)" '\.data\.a: expected string'
}

test_client_side_apply_hands_over() {
  web handed 1 | k apply -f -
  web handed 1 | ssa
  has "$(owners deployment/handed)" '^kubectl Apply $'
  hasnot "$(owners deployment/handed)" 'kubectl-client-side-apply'
  # A field that only client-side apply had set goes when it is applied no more, and the annotation follows.
  web handed 1 | sed '/preStop/d' | ssa
  same "$(field deployment/handed '{.spec.template.spec.containers[0].lifecycle}')" ''
  hasnot "$(field deployment/handed '{.metadata.annotations}')" preStop
}

test_replicas_change_hands_through_scale() {
  k scale deployment handed --replicas=2
  has "$(owners deployment/handed)" '^[^ ]+ Update scale$'
  has "$(web handed 1 | sed '/preStop/d' | refused ssa)" 'with subresource "scale" using apps/v1: ?\.spec\.replicas|subresource "scale" using apps/v1'
  # Who leaves the number out leaves it to the other.
  web handed 1 | sed '/preStop/d; /replicas:/d' | ssa
  same "$(field deployment/handed '{.spec.replicas}')" 2
}

test_status_is_applied_apart() {
  ssa --subresource=status --field-manager=ctl <<'YAML'
apiVersion: apps/v1
kind: Deployment
metadata: {name: handed}
spec: {replicas: 7}
status: {conditions: [{type: Mine, status: "True"}]}
YAML
  has "$(owners deployment/handed)" '^ctl Apply status$'
  same "$(field deployment/handed '{.spec.replicas}')" 2
  same "$(owned deployment/handed ctl)" '{"f:status":{"f:conditions":{"k:{\"type\":\"Mine\"}":{".":{},"f:status":{},"f:type":{}}}}}'
}

test_owners_can_be_forgotten() {
  k patch configmap settings --type=merge -p '{"metadata":{"managedFields":[{}]}}'
  same "$(owners configmap/settings)" ''
  settings 9 3 | ssa
  has "$(owners configmap/settings)" '^kubectl Apply $' '^before-first-apply Update $'
}
