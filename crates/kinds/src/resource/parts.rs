//! What several kinds of the group have in common: names, selectors, configuration.

use crate::errors::Errors;
use crate::names;
use crate::storage::csi_driver::driver_name;
use corten_api::Raw;
use corten_api::resource::v1::{DeviceConfiguration, DeviceSelector};
use corten_cel::{Declared, Env, ObjectType, Type};
use corten_semantics::field::FieldError;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::LazyLock;

/// The most selectors of a request or class.
pub(super) const MOST_SELECTORS: usize = 32;
/// The most configurations of a claim or class.
pub(super) const MOST_CONFIGS: usize = 32;
/// The longest expression of a selector.
const LONGEST_EXPRESSION: usize = 10 * 1024;
/// What an expression of a selector may cost.
const MOST_COST: u64 = 1_000_000;
/// The longest parameters of a driver, or data of a device.
pub(super) const LONGEST_DATA: usize = 10 * 1024;
/// The longest name of an attribute, without its domain.
const LONGEST_ID: usize = 32;
/// What is shown of a value that is too long to show.
const OMITTED: &str = "<value omitted>";

/// Judges each item of a list, or none if there are too many.
pub(super) fn each<T>(
    errors: &mut Errors,
    list: &[T],
    most: usize,
    path: &str,
    mut judge: impl FnMut(&mut Errors, &T, &str),
) {
    if list.len() > most {
        errors.extend([FieldError::too_many(path, list.len(), most)]);
        return;
    }
    for (i, item) in list.iter().enumerate() {
        judge(errors, item, &format!("{path}[{i}]"));
    }
}

/// Tells items that have the same key as an earlier one, unless there are too many to look at.
pub(super) fn duplicates<T, K: Ord + Debug>(
    errors: &mut Errors,
    list: &[T],
    most: usize,
    path: &str,
    key: impl Fn(&T) -> K,
) {
    let mut seen = BTreeSet::new();
    for (i, item) in list.iter().enumerate().filter(|_| list.len() <= most) {
        let key = key(item);
        if seen.contains(&key) {
            errors.duplicate(format!("{path}[{i}]"), key);
        } else {
            seen.insert(key);
        }
    }
}

/// The name of a request or device.
pub(super) fn label(errors: &mut Errors, name: &str, path: &str) {
    errors.format(path, name, names::dns_label);
}

/// The name of a pool: parts of a path.
pub(super) fn pool_name(errors: &mut Errors, name: &str, path: &str) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    if name.len() > 253 {
        errors.too_long(path, 253);
    }
    for part in name.split('/') {
        errors.format(path, part, names::dns_subdomain);
    }
}

/// The name of a class.
pub(super) fn class_name(errors: &mut Errors, name: &str, path: &str) {
    if name.is_empty() {
        errors.required(path, "");
    } else {
        errors.format(path, name, names::dns_subdomain);
    }
}

/// The name of an attribute or capacity, perhaps with a domain.
pub(super) fn qualified(errors: &mut Errors, name: &str, path: &str) {
    match name.split('/').collect::<Vec<_>>().as_slice() {
        [id] => identifier(errors, id, path),
        [domain, id] => {
            if domain.is_empty() {
                errors.invalid(path, "", "the domain must not be empty");
            } else {
                driver_name(errors, path, domain);
            }
            if id.is_empty() {
                errors.invalid(path, "", "the name must not be empty");
            } else {
                identifier(errors, id, path);
            }
        }
        // More slashes than one pass, as they do upstream.
        _ => {}
    }
}

/// The name of an attribute with its domain.
pub(super) fn fully_qualified(errors: &mut Errors, name: &str, path: &str) {
    qualified(errors, name, path);
    if !name.contains('/') {
        let detail = "a fully qualified name must be a domain and a name separated by a slash";
        errors.invalid(path, name, detail);
    }
}

fn identifier(errors: &mut Errors, id: &str, path: &str) {
    if id.len() > LONGEST_ID {
        errors.too_long(path, LONGEST_ID);
    }
    errors.format(path, id, names::c_identifier);
}

/// The key of a map, as paths show it: a long one is cut in its middle.
pub(super) fn shortened(key: &str) -> String {
    // The longest that is valid: a domain, a slash and a name.
    const MOST: usize = 63 + 1 + LONGEST_ID;
    if key.len() <= MOST {
        return key.to_string();
    }
    let kept = MOST - 3;
    let (head, tail) =
        (key.floor_char_boundary(kept.div_ceil(2)), key.ceil_char_boundary(key.len() - kept / 2));
    format!("{}...{}", &key[..head], &key[tail..])
}

/// Selectors of devices. Those that are stored were judged before.
pub(super) fn selectors(errors: &mut Errors, list: &[DeviceSelector], path: &str) {
    each(errors, list, MOST_SELECTORS, path, |errors, selector, at| match &selector.cel {
        None => errors.required(format!("{at}.cel"), ""),
        Some(cel) => expression(errors, &cel.expression, &format!("{at}.cel.expression")),
    });
}

fn expression(errors: &mut Errors, expression: &str, path: &str) {
    if expression.len() > LONGEST_EXPRESSION {
        errors.too_long(path, LONGEST_EXPRESSION);
        return;
    }
    match environment().compile(expression) {
        Err(why) => errors.invalid(path, expression, format!("compilation failed: {why}")),
        Ok(program) if !matches!(program.result_type(), Type::Bool | Type::Dyn) => {
            let found = program.result_type().declared_name();
            errors.invalid(
                path,
                expression,
                format!("must evaluate to bool or the unknown type, not {found}"),
            );
        }
        Ok(program) if program.cost().max > MOST_COST => {
            errors.forbidden(path, "too complex, exceeds cost limit");
        }
        Ok(_) => {}
    }
}

/// What selectors see: the device with its driver, attributes and capacity, each by domain and name.
fn environment() -> &'static Env {
    static ENV: LazyLock<Env> = LazyLock::new(|| {
        let by_domain = |values: Declared| Declared::map(Declared::map(values));
        let device = ObjectType::new(
            "kubernetes.DRADevice",
            [
                ("driver".to_string(), Declared::STRING),
                ("attributes".to_string(), by_domain(Declared::DYN)),
                ("capacity".to_string(), by_domain(Declared::Other(Type::Opaque("kubernetes.Quantity")))),
            ],
        );
        Env::new().variable("device", Declared::Object(device))
    });
    &ENV
}

/// Configuration for a driver.
pub(super) fn configuration(errors: &mut Errors, config: &DeviceConfiguration, path: &str) {
    match &config.opaque {
        None => errors.required(format!("{path}.opaque"), ""),
        Some(opaque) => {
            driver_name(errors, &format!("{path}.opaque.driver"), &opaque.driver);
            json_object(errors, &opaque.parameters, &format!("{path}.opaque.parameters"));
        }
    }
}

/// JSON that must be an object of moderate size.
pub(super) fn json_object(errors: &mut Errors, raw: &Raw, path: &str) {
    let length = raw.0.len();
    match raw.to_value() {
        _ if length == 0 => errors.required(path, ""),
        _ if length > LONGEST_DATA => errors.too_long(path, LONGEST_DATA),
        None | Some(serde_json::Value::Null) => errors.required(path, ""),
        Some(serde_json::Value::Object(_)) => {}
        Some(_) => errors.invalid(path, OMITTED, "must be a valid JSON object"),
    }
}
