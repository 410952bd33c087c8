# A new version comes while clients notice nothing.
# shellcheck shell=bash

test_a_rollout_under_load_fails_no_request() {
  web web 3 | apply
  k annotate deployment/web kubernetes.io/change-cause=first
  sleeper client | apply
  ready deployment/web
  ready pod/client
  eventually 10 get_in_pod client http://web
  # The client asks without pause until told to stop, and writes down what fails.
  in_pod client sh -c 'cat >/tmp/load <<"END"
n=0
while [ ! -e /tmp/stop ]; do
  n=$((n + 1)); echo $n >/tmp/asked
  timeout 5 wget -qO- http://web >/dev/null || echo "request $n failed with $?" >>/tmp/bad
done
touch /tmp/done
END
touch /tmp/bad; sh /tmp/load >/tmp/errors 2>&1 &'
  k set env deployment/web VERSION=2
  k annotate deployment/web kubernetes.io/change-cause=second
  ready deployment/web
  eventually 20 same_count_of_pods app=web 3
  k wait pod -l app=web --for=condition=Ready --timeout=10s
  in_pod client touch /tmp/stop
  eventually 10 in_pod client test -e /tmp/done
  same "$(in_pod client cat /tmp/bad)" ""
  local asked
  asked=$(in_pod client cat /tmp/asked)
  note "$asked requests"
  [ "$asked" -gt 50 ]
}

same_count_of_pods() { same "$(pods "$1" | wc -w)" "$2"; }

test_history_knows_the_revisions() {
  has "$(k rollout history deployment/web)" '^1 +first' '^2 +second'
  has "$(k rollout history deployment/web --revision=2)" 'VERSION:\s+2'
}

test_undo_goes_back() {
  k rollout undo deployment/web
  ready deployment/web
  same "$(field deployment/web '{.spec.template.spec.containers[0].env}')" ""
  has "$(k rollout history deployment/web)" '^2 +second' '^3 +first'
}

test_a_paused_deployment_waits() {
  k rollout pause deployment/web
  local before
  before=$(k get rs -l app=web -o name | wc -l)
  k set env deployment/web VERSION=3
  eventually 10 is deployment/web '{.status.conditions[?(@.type=="Progressing")].reason}' DeploymentPaused
  same "$(field deployment/web '{.status.updatedReplicas}')" ""
  same "$(k get rs -l app=web -o name | wc -l)" "$before"
  k rollout resume deployment/web
  ready deployment/web
  same "$(field deployment/web '{.status.updatedReplicas}')" 3
}

test_scale_up_and_down() {
  k scale deployment/web --replicas=5
  ready deployment/web
  same "$(field deployment/web '{.status.readyReplicas}')" 5
  k scale deployment/web --replicas=1 --current-replicas=5
  eventually 20 same_count_of_pods app=web 1
  has "$(refused k scale deployment/web --replicas=2 --current-replicas=5)" 'Expected replicas to be 5'
}

test_recreate_stops_the_old_first() {
  k create deployment once --image="$IMAGE" --replicas=2 --dry-run=client -o json |
    k patch --local -f - --type=merge -o json \
      -p '{"spec":{"strategy":{"type":"Recreate"},"template":{"spec":{"terminationGracePeriodSeconds":1}}}}' | apply
  ready deployment/once
  k set env deployment/once A=b
  ready deployment/once
  same "$(k get rs -l app=once -o jsonpath='{range .items[*]}{.spec.replicas}{"\n"}{end}' | sort | tail -1)" 2
  k delete deployment once
}

test_a_rollout_that_cannot_succeed_says_so() {
  web stuck 1 | apply
  ready deployment/stuck
  k patch deployment stuck -p '{"spec":{"progressDeadlineSeconds":3}}'
  k set image deployment/stuck web=corten.local/missing:1
  has "$(refused k rollout status deployment/stuck --timeout=40s)" 'exceeded its progress deadline'
  same "$(field deployment/stuck '{.status.availableReplicas}')" 1
  pull_fails() { has "$(k get pods -l app=stuck)" "ErrImagePull|ImagePullBackOff"; }
  eventually 40 pull_fails
  k delete deployment,service stuck
}

test_an_autoscaler_is_kept() {
  k autoscale deployment web --min=2 --max=4 --cpu-percent=50
  has "$(k get hpa)" 'web +Deployment/web +.*2 +4'
  k delete hpa web
}
