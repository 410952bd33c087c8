# Ends, their reasons and last words, and what ran: all in the status.
pod() { printf '%s\n' "apiVersion: v1" "kind: Pod" "metadata: {name: $1}" "spec:" "  restartPolicy: $2" \
  "  containers:" "  - {name: c, image: $IMAGE, imagePullPolicy: IfNotPresent, $3}" | k apply -f - >/dev/null; }
pod words Never 'command: [sh, -c, "echo -n bye > /dev/termination-log; exit 4"]'
pod logs Never 'command: [sh, -c, "echo last line; exit 1"], terminationMessagePolicy: FallbackToLogsOnError'
pod oom Never 'command: [sh, -c, "tail /dev/zero"], resources: {limits: {memory: 20Mi}}'
pod again Always 'command: [sh, -c, "sleep 1; exit 5"]'
pod fine OnFailure 'command: [sh, -c, "exit 0"]'
c='.status.containerStatuses[0]'
becomes 30 "Failed 4 Error bye" field pod/words ".status.phase} {$c.state.terminated.exitCode} {$c.state.terminated.reason} {$c.state.terminated.message"
becomes 20 "Failed 1 last line" field pod/logs ".status.phase} {$c.state.terminated.exitCode} {$c.state.terminated.message"
becomes 30 "Failed 137 OOMKilled" field pod/oom ".status.phase} {$c.state.terminated.exitCode} {$c.state.terminated.reason"
becomes 20 "Succeeded Completed false false 0" field pod/fine ".status.phase} {$c.state.terminated.reason} {$c.ready} {$c.started} {$c.restartCount"
becomes 30 "CrashLoopBackOff 5 1" field pod/again "$c.state.waiting.reason} {$c.lastState.terminated.exitCode} {$c.restartCount"
field pod/again "$c.state.waiting.message" | grep '^back-off 10s restarting failed container=c pod=again_' >/dev/null
field pod/again "$c.imageID" | grep 'sha256:' >/dev/null
field pod/again "$c.containerID" | grep '^[a-z]*://[0-9a-f]\{64\}$' >/dev/null
# The same after a restart of the node's process.
kill -9 "$(corten_pid)"
sleep 1
start_corten
sleep 2
is "Failed 4 Error bye" field pod/words ".status.phase} {$c.state.terminated.exitCode} {$c.state.terminated.reason} {$c.state.terminated.message"
is 5 field pod/again "$c.lastState.terminated.exitCode"
becomes 30 2 field pod/again "$c.restartCount"
