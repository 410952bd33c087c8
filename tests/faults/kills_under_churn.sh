# Whatever is killed, and whenever: the node's process, a pod's supervisor, a container. Pods come and go
# meanwhile; in the end all run or are gone.
k create deployment app --image=$image --replicas=3 -- sh -c 'trap "exit 0" TERM; while :; do sleep 1 & wait $!; done' >/dev/null

# Pods are made and deleted, the Deployment grows, shrinks and is replaced, whether the server hears it or not.
churn() {
  local n=0
  while [ ! -e "$FAULTS_DATA/enough" ]; do
    n=$((n + 1))
    for i in 1 2 3; do pod "single-$n-$i" "exec sleep 1000"; done | k create --request-timeout=5s -f - || true
    case $((n % 4)) in
      0) k set env deployment/app "N=$n" --request-timeout=5s ;;
      *) k scale deployment/app --replicas=$((RANDOM % 4 + 2)) --request-timeout=5s ;;
    esac || true
    k delete pod --wait=false --ignore-not-found --request-timeout=5s \
      single-$((n - 1))-1 single-$((n - 1))-2 single-$((n - 2))-3 single-$((n - 3))-1 || true
  done >/dev/null 2>&1
}
# One of many.
any() { shuf -n 1; }
rm -f "$FAULTS_DATA/enough"
churn & churner=$!
trap 'touch "$FAULTS_DATA/enough"; kill "$churner" 2>/dev/null || true' EXIT
declare -A killed=([node]=0 [supervisor]=0 [container]=0)
started=$SECONDS round=0
while [ $round -lt "$rounds" ] && [ $((SECONDS - started)) -lt $((rounds * 3 + 60)) ]; do
  sleep "0.$((RANDOM % 50 + 10))"
  lives "$(corten_pid)" || launch_corten
  case $((RANDOM % 10)) in
    [01]) what=node victim=$(corten_pid) || true ;;
    [2-5]) what=supervisor victim=$(supervisors | any) ;;
    *) what=container victim=$(first_processes | any) ;;
  esac
  [ -n "$victim" ] && slay "$victim" || continue
  round=$((round + 1)) killed[$what]=$((${killed[$what]} + 1))
done
touch "$FAULTS_DATA/enough"
lives "$(corten_pid)" || launch_corten
wait $churner || true
[ $round -ge "$rounds" ] || fail "$round of $rounds rounds in $((SECONDS - started)) s"
took=$((SECONDS - started))

# Pods that are neither ready nor gone, and how the Deployment stands.
unsettled() {
  k get pods -o 'jsonpath={range .items[*]}{.metadata.name} {.status.phase} {.status.containerStatuses[0].ready} {.metadata.deletionTimestamp}{"\n"}{end}' |
    grep -v ' Running true $' || true
  field deployment/app '.spec.replicas}={.status.availableReplicas' | awk -F= '$1 != $2 {print "replicas " $0}'
}
becomes 150 "" unsettled
survived "$round kills under churn in $took s: ${killed[node]} of the node's process, ${killed[supervisor]} of supervisors, ${killed[container]} of containers"
