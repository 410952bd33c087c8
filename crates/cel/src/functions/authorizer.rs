//! Kubernetes' library of questions to the authorizer.

use super::{Called, Maybe, no_overload};
use crate::authorizer::{Checked, GroupCheck, PathCheck, ResourceCheck, ResourceCheckFields, Subject};
use crate::error::EvalError;
use crate::extension::Extension;
use crate::value::{Text, Value};
use corten_api::names::{dns_label, dns_subdomain};
use std::rc::Rc;

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    if !matches!(
        function,
        "path"
            | "group"
            | "serviceAccount"
            | "resource"
            | "subresource"
            | "namespace"
            | "name"
            | "fieldSelector"
            | "labelSelector"
            | "check"
            | "allowed"
            | "reason"
            | "error"
            | "errored"
    ) {
        return None;
    }
    Some(match args {
        [Value::Extension(of), Value::String(text)] => with_text(function, of, text, args),
        [Value::Extension(Extension::Authorizer(subject)), Value::String(namespace), Value::String(name)] => {
            service_account(subject, namespace, name)
        }
        [Value::Extension(Extension::Decision(decision))] => match function {
            "allowed" => Ok(Value::Bool(decision.allowed)),
            "reason" => Ok(Value::owned(decision.reason.as_str())),
            "error" => Ok(Value::owned(decision.error.as_deref().unwrap_or_default())),
            "errored" => Ok(Value::Bool(decision.error.is_some())),
            _ => Err(no_overload(function, args)),
        },
        _ => Err(no_overload(function, args)),
    })
}

fn with_text<'a>(function: &str, of: &Extension<'a>, text: &Text<'a>, args: &[Value<'a>]) -> Called<'a> {
    let text: &str = text;
    Ok(Value::Extension(match (function, of) {
        ("path", Extension::Authorizer(subject)) => {
            if text.trim().is_empty() {
                return Err(EvalError::new("path must not be empty"));
            }
            Extension::PathCheck(Rc::new(PathCheck { subject: subject.clone(), path: text.to_owned() }))
        }
        ("group", Extension::Authorizer(subject)) => {
            Extension::GroupCheck(Rc::new(GroupCheck { subject: subject.clone(), group: text.to_owned() }))
        }
        ("resource", Extension::GroupCheck(group)) => {
            if text.trim().is_empty() {
                return Err(EvalError::new("resource must not be empty"));
            }
            let fields = ResourceCheckFields {
                group: group.group.clone(),
                resource: text.to_owned(),
                ..ResourceCheckFields::default()
            };
            Extension::ResourceCheck(Rc::new(ResourceCheck { subject: group.subject.clone(), fields }))
        }
        ("check", Extension::PathCheck(check)) => {
            Extension::Decision(Rc::new(check.subject.ask(text, Checked::Path(&check.path))))
        }
        ("check", Extension::ResourceCheck(check)) => {
            Extension::Decision(Rc::new(check.subject.ask(text, Checked::Resource(&check.fields))))
        }
        (function, Extension::ResourceCheck(check)) => {
            let mut check = (**check).clone();
            let fields = &mut check.fields;
            *match function {
                "subresource" => &mut fields.subresource,
                "namespace" => &mut fields.namespace,
                "name" => &mut fields.name,
                "fieldSelector" => &mut fields.field_selector,
                "labelSelector" => &mut fields.label_selector,
                _ => return Err(no_overload(function, args)),
            } = text.to_owned();
            Extension::ResourceCheck(Rc::new(check))
        }
        _ => return Err(no_overload(function, args)),
    }))
}

fn service_account<'a>(subject: &Subject<'a>, namespace: &str, name: &str) -> Called<'a> {
    if !dns_subdomain(name).is_empty() {
        return Err(EvalError::new("Invalid service account name"));
    }
    if !dns_label(namespace).is_empty() {
        return Err(EvalError::new("Invalid service account namespace"));
    }
    let service_account = Some((namespace.to_owned(), name.to_owned()));
    Ok(Value::Extension(Extension::Authorizer(Subject { service_account, ..subject.clone() })))
}
