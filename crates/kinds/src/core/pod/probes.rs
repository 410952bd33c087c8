//! Validation of probes and lifecycle hooks.

use crate::errors::Errors;
use crate::names;
use corten_api::IntOrString;
use corten_api::core::v1::{
    Container, ExecAction, GRPCAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, ProbeHandler,
    SleepAction, TCPSocketAction,
};

/// What a handler may be, of a probe or of a hook.
#[derive(Default)]
struct Handler<'a> {
    exec: Option<&'a ExecAction>,
    http_get: Option<&'a HTTPGetAction>,
    tcp_socket: Option<&'a TCPSocketAction>,
    grpc: Option<&'a GRPCAction>,
    sleep: Option<&'a SleepAction>,
}

impl<'a> From<&'a ProbeHandler> for Handler<'a> {
    fn from(h: &'a ProbeHandler) -> Self {
        Handler {
            exec: h.exec.as_deref(),
            http_get: h.http_get.as_deref(),
            tcp_socket: h.tcp_socket.as_deref(),
            grpc: h.grpc.as_deref(),
            sleep: None,
        }
    }
}

impl<'a> From<&'a LifecycleHandler> for Handler<'a> {
    fn from(h: &'a LifecycleHandler) -> Self {
        Handler {
            exec: h.exec.as_deref(),
            http_get: h.http_get.as_deref(),
            tcp_socket: h.tcp_socket.as_deref(),
            grpc: None,
            sleep: h.sleep.as_deref(),
        }
    }
}

/// Probes and hooks of a container that runs for long.
pub(super) fn of_container(errors: &mut Errors, c: &Container, grace: Option<i64>, has_os: bool, path: &str) {
    if let Some(hooks) = &c.lifecycle {
        lifecycle(errors, hooks, grace, has_os, &format!("{path}.lifecycle"));
    }
    let once = |errors: &mut Errors, probe: &Probe, path: &str| {
        if probe.success_threshold != 1 {
            errors.invalid(format!("{path}.successThreshold"), probe.success_threshold, "must be 1");
        }
    };
    if let Some(probe) = &c.liveness_probe {
        let at = format!("{path}.livenessProbe");
        self::probe(errors, probe, grace, &at);
        once(errors, probe, &at);
    }
    if let Some(probe) = &c.readiness_probe {
        let at = format!("{path}.readinessProbe");
        self::probe(errors, probe, grace, &at);
        if let Some(seconds) = probe.termination_grace_period_seconds {
            let detail = "must not be set for readinessProbes";
            errors.invalid(format!("{at}.terminationGracePeriodSeconds"), seconds, detail);
        }
    }
    if let Some(probe) = &c.startup_probe {
        let at = format!("{path}.startupProbe");
        self::probe(errors, probe, grace, &at);
        once(errors, probe, &at);
    }
}

/// Containers that run to their end have neither probes nor hooks.
pub(super) fn forbid(errors: &mut Errors, c: &Container, path: &str) {
    let detail = "may not be set for init containers without restartPolicy=Always";
    for (name, set) in [
        ("lifecycle", c.lifecycle.is_some()),
        ("livenessProbe", c.liveness_probe.is_some()),
        ("readinessProbe", c.readiness_probe.is_some()),
        ("startupProbe", c.startup_probe.is_some()),
    ] {
        if set {
            errors.forbidden(format!("{path}.{name}"), detail);
        }
    }
}

fn probe(errors: &mut Errors, probe: &Probe, grace: Option<i64>, path: &str) {
    handler(errors, Handler::from(&probe.probe_handler), grace, path);
    for (name, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        errors.not_negative(format!("{path}.{name}"), value);
    }
    if let Some(seconds) = probe.termination_grace_period_seconds.filter(|s| *s <= 0) {
        let at = format!("{path}.terminationGracePeriodSeconds");
        errors.invalid(at, seconds, "must be greater than 0");
    }
}

fn lifecycle(errors: &mut Errors, hooks: &Lifecycle, grace: Option<i64>, has_os: bool, path: &str) {
    if let Some(hook) = &hooks.post_start {
        handler(errors, Handler::from(&**hook), grace, &format!("{path}.postStart"));
    }
    if let Some(hook) = &hooks.pre_stop {
        handler(errors, Handler::from(&**hook), grace, &format!("{path}.preStop"));
    }
    if hooks.stop_signal.is_some() && !has_os {
        let detail = "may not be set for containers with empty `spec.os.name`";
        errors.forbidden(format!("{path}.stopSignal"), detail);
    }
}

fn handler(errors: &mut Errors, handler: Handler<'_>, grace: Option<i64>, path: &str) {
    let mut first = true;
    // Tells whether this is the only handler so far; more are refused.
    let mut alone = |errors: &mut Errors, name: &str| {
        if !std::mem::replace(&mut first, false) {
            errors.forbidden(format!("{path}.{name}"), "may not specify more than 1 handler type");
            return false;
        }
        true
    };
    if let Some(exec) = handler.exec.filter(|_| alone(errors, "exec"))
        && exec.command.is_empty()
    {
        errors.required(format!("{path}.exec.command"), "");
    }
    if let Some(get) = handler.http_get.filter(|_| alone(errors, "httpGet")) {
        http_get(errors, get, &format!("{path}.httpGet"));
    }
    if let Some(tcp) = handler.tcp_socket.filter(|_| alone(errors, "tcpSocket")) {
        port(errors, &tcp.port, &format!("{path}.tcpSocket.port"));
    }
    if let Some(grpc) = handler.grpc.filter(|_| alone(errors, "grpc")) {
        port(errors, &grpc.port.into(), &format!("{path}.grpc.port"));
    }
    if let Some(sleep) = handler.sleep.filter(|_| alone(errors, "sleep"))
        && let Some(grace) = grace.filter(|g| !(0..=*g).contains(&sleep.seconds))
    {
        let detail = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        errors.invalid(format!("{path}.sleep"), sleep.seconds, detail);
    }
    if first {
        errors.required(path, "must specify a handler type");
    }
}

fn http_get(errors: &mut Errors, get: &HTTPGetAction, path: &str) {
    if get.path.is_empty() {
        errors.required(format!("{path}.path"), "");
    }
    port(errors, &get.port, &format!("{path}.port"));
    errors.supported(format!("{path}.scheme"), &get.scheme, &["HTTP", "HTTPS"]);
    for header in &get.http_headers {
        errors.format(&format!("{path}.httpHeaders"), &header.name, names::http_header);
    }
}

/// A port by number or by name.
pub(crate) fn port(errors: &mut Errors, port: &IntOrString, path: &str) {
    match port {
        IntOrString::Int(number) => {
            for message in names::port_number((*number).into()) {
                errors.invalid(path, *number, message);
            }
        }
        IntOrString::String(name) => errors.format(path, name, names::port_name),
    }
}
