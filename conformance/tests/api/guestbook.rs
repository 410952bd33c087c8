//! The guestbook: a front end that writes to a primary and reads from its replicas, of shell scripts behind busybox's
//! web server.

use corten_conformance::pods;
use serde_json::{Value, json};

/// Serves the script `$SCRIPT` as `/cgi-bin/guestbook`.
const SERVE: &str = r#"mkdir -p /tmp/www/cgi-bin; echo "$SCRIPT" >/tmp/www/cgi-bin/guestbook
chmod 755 /tmp/www/cgi-bin/guestbook; exec httpd -f -p "$PORT" -h /tmp/www"#;
/// Tells the primary of itself, again and again, as the primary may be started anew.
const REGISTER: &str = "(while true; do wget -qO /dev/null \
    \"http://agnhost-primary:6379/cgi-bin/guestbook?register=$(hostname -i)\"; sleep 2; done) 2>/dev/null &\n";

/// Keeps an entry and passes it to all replicas that have told of themselves.
const PRIMARY: &str = r#"#!/bin/sh
echo "Content-Type: text/plain"; echo
case $QUERY_STRING in
register=*) mkdir -p /tmp/replicas; touch "/tmp/replicas/${QUERY_STRING#register=}"
  [ ! -e /tmp/entry ] || wget -qO /dev/null "http://${QUERY_STRING#register=}:6379/cgi-bin/guestbook?set=$(cat /tmp/entry)";;
set=*) echo "${QUERY_STRING#set=}" >/tmp/entry
  for replica in $(ls /tmp/replicas); do
    wget -qO /dev/null "http://$replica:6379/cgi-bin/guestbook?set=${QUERY_STRING#set=}" || exit 1
  done; echo Updated;;
esac"#;

/// Keeps what the primary says.
const REPLICA: &str = r#"#!/bin/sh
echo "Content-Type: text/plain"; echo
case $QUERY_STRING in
set=*) echo "${QUERY_STRING#set=}" >/tmp/entry;;
get) cat /tmp/entry 2>/dev/null || echo;;
esac"#;

const FRONTEND: &str = r#"#!/bin/sh
case $QUERY_STRING in
cmd=set*) answer=$(wget -qO - "http://agnhost-primary:6379/cgi-bin/guestbook?set=${QUERY_STRING##*value=}") &&
  answer="{\"message\":\"$answer\"}";;
*) answer=$(wget -qO - "http://agnhost-replica:6379/cgi-bin/guestbook?get") && answer="{\"data\":\"$answer\"}";;
esac || { echo "Status: 503 Service Unavailable"; echo; exit; }
echo "Content-Type: application/json"; echo; echo "$answer""#;

/// The Services and Deployments.
pub fn objects() -> Vec<Value> {
    let parts = [
        ("agnhost-primary", 6379, 1, PRIMARY, ""),
        ("agnhost-replica", 6379, 2, REPLICA, REGISTER),
        ("frontend", 80, 3, FRONTEND, ""),
    ];
    let services = parts.iter().map(|(name, port, ..)| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"ports": [{"port": port}], "selector": {"part": name}},
        })
    });
    let deployments = parts.iter().map(|(name, port, replicas, script, first)| {
        let labels = json!({"app": "guestbook", "part": name});
        let mut template = pods::template(&labels);
        let mut server = pods::shell("server", &format!("{first}{SERVE}"));
        server["env"] =
            json!([{"name": "SCRIPT", "value": script}, {"name": "PORT", "value": port.to_string()}]);
        server["ports"] = json!([{"containerPort": port}]);
        template["spec"]["containers"] = json!([server]);
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        })
    });
    services.chain(deployments).collect()
}
