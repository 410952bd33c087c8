# A device plugin on upstream's API: its devices are counted, given, written down, and not given when it goes.
[ -x "$NODE_DATA/deviceplugin" ] || { echo "    skipped: no Go, or no way to its modules"; exit 0; }
node=$(kubectl get nodes -o 'jsonpath={.items[0].metadata.name}')
dir=$NODE_DATA/kubelet/device-plugins
amounts() { kubectl get node "$node" -o 'jsonpath={.status.capacity.example\.com/widget} {.status.allocatable.example\.com/widget}'; }
again() { kill "$(corten_pid)"; while kill -0 "$(corten_pid)" 2>/dev/null; do sleep 0.2; done; start_corten; }
pod() { printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: $1}" "spec:" "  nodeName: $node" "  containers:" \
  "  - {name: c, image: $IMAGE, imagePullPolicy: IfNotPresent, command: [sh, -c, 'echo \$WIDGETS; head -c 3 /dev/widget | wc -c; ls /widgets | grep -c sock; exec sleep 1000'], resources: {limits: {example.com/widget: '$2'}}}" | k apply -f - >/dev/null; }
kubectl patch node "$node" --subresource=status --type=merge -p '{"status":{"capacity":{"example.com/other":"5"}}}' >/dev/null
"$NODE_DATA/deviceplugin" "$dir" 3 2>"$NODE_DATA/deviceplugin.log" & plugin=$!
becomes 20 "3 3" amounts
becomes 20 "5" kubectl get node "$node" -o 'jsonpath={.status.allocatable.example\.com/other}'
pod two 2
becomes 20 Running field pod/two .status.phase
becomes 10 "[w1 w2]
3
2" k logs two
is "[w1 w2]" cat "$dir/prestarted"
pod more 2
becomes 20 "Failed UnexpectedAdmissionError Pod was rejected: Allocate failed due to requested number of devices unavailable for example.com/widget. Requested: 2, Available: 1, which is unexpected" \
  field pod/more '.status.phase} {.status.reason} {.status.message'
touch "$dir/sick-0"
becomes 20 "3 2" amounts
again
becomes 30 "3 2" amounts
rm "$dir/sick-0"
becomes 20 "3 3" amounts
pod one 1
becomes 20 "[w0]" sh -c "kubectl -n $ns logs one | head -1"
kill $plugin
becomes 20 "3 0" amounts
pod none 1
becomes 20 "Pod was rejected: Allocate failed due to no healthy devices present; cannot allocate unhealthy devices example.com/widget, which is unexpected" \
  field pod/none .status.message
is Running field pod/two .status.phase
k delete pod --all --grace-period=0 --force >/dev/null 2>&1
