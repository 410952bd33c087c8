//! Kubernetes' library of semantic versions.

use super::{Maybe, no_overload};
use crate::error::EvalError;
use crate::extension::Extension;
use crate::value::Value;
use std::cmp::Ordering;
use std::rc::Rc;

/// A semantic version; what stands after `+` has no order and is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Semver {
    numbers: [u64; 3],
    pre: Vec<Part>,
}

/// A part of a pre-release; numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

impl Semver {
    /// Versions that differ in what stands after `+` are equal.
    pub fn cmp(&self, other: &Semver) -> Ordering {
        let pre = match (self.pre.is_empty(), other.pre.is_empty()) {
            // A release comes after its pre-releases.
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.pre.cmp(&other.pre),
        };
        self.numbers.cmp(&other.numbers).then(pre)
    }
}

pub fn call<'a>(function: &str, args: &[Value<'a>]) -> Maybe<'a> {
    let parse = |text: &str, normalize: bool| match normalize {
        true => normalized(text).and_then(|text| parse(&text)),
        false => parse(text),
    };
    let normalize = matches!(args, [_, Value::Bool(true)]);
    Some(match (function, args) {
        ("semver", [Value::String(text)] | [Value::String(text), Value::Bool(_)]) => {
            let version = parse(text, normalize).map_err(EvalError::new);
            version.map(|version| Value::Extension(Extension::Semver(Rc::new(version))))
        }
        ("isSemver", [Value::String(text)] | [Value::String(text), Value::Bool(_)]) => {
            Ok(Value::Bool(parse(text, normalize).is_ok()))
        }
        (_, [Value::Extension(Extension::Semver(version))]) => {
            let at = match function {
                "major" => 0,
                "minor" => 1,
                "patch" => 2,
                _ => return None,
            };
            Ok(Value::Int(version.numbers[at] as i64))
        }
        (_, [Value::Extension(Extension::Semver(one)), Value::Extension(Extension::Semver(other))]) => {
            let order = one.cmp(other);
            Ok(match function {
                "isGreaterThan" => Value::Bool(order.is_gt()),
                "isLessThan" => Value::Bool(order.is_lt()),
                "compareTo" => Value::Int(order as i64),
                _ => return None,
            })
        }
        (
            "semver" | "isSemver" | "major" | "minor" | "patch" | "compareTo" | "isGreaterThan"
            | "isLessThan",
            _,
        ) => Err(no_overload(function, args)),
        _ => return None,
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str, name: &str) -> Result<u64, String> {
    if !is_number(text) {
        return Err(format!("Invalid character(s) found in {} number {text:?}", name.to_lowercase()));
    }
    if text.len() > 1 && text.starts_with('0') {
        return Err(format!("{name} number must not contain leading zeroes {text:?}"));
    }
    text.parse().map_err(|_| format!("strconv.ParseUint: parsing {text:?}: value out of range"))
}

fn parse(text: &str) -> Result<Semver, String> {
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let parts: Vec<&str> = text.splitn(3, '.').collect();
    let [major, minor, rest] = parts[..] else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let (major, minor) = (number(major, "Major")?, number(minor, "Minor")?);
    let (rest, build) = rest.split_once('+').map_or((rest, None), |(rest, build)| (rest, Some(build)));
    let (patch, pre) = rest.split_once('-').map_or((rest, None), |(patch, pre)| (patch, Some(pre)));
    let patch = number(patch, "Patch")?;
    let pre = pre.map(|pre| pre.split('.').map(part).collect()).transpose()?.unwrap_or_default();
    for build in build.into_iter().flat_map(|build| build.split('.')) {
        if build.is_empty() {
            return Err("Build meta data is empty".to_owned());
        }
        if !is_word(build) {
            return Err(format!("Invalid character(s) found in build meta data {build:?}"));
        }
    }
    Ok(Semver { numbers: [major, minor, patch], pre })
}

fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn part(text: &str) -> Result<Part, String> {
    if text.is_empty() {
        return Err("Prerelease is empty".to_owned());
    }
    if is_number(text) {
        if text.len() > 1 && text.starts_with('0') {
            return Err(format!("Numeric PreRelease version must not contain leading zeroes {text:?}"));
        }
        return text.parse().map(Part::Number).map_err(|_| format!("Invalid number {text:?}"));
    }
    if !is_word(text) {
        return Err(format!("Invalid character(s) found in prerelease {text:?}"));
    }
    Ok(Part::Word(text.to_owned()))
}

/// Without a leading `v` and noughts, with all three numbers.
fn normalized(text: &str) -> Result<String, String> {
    let text = text.trim();
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text
        .splitn(3, '.')
        .map(|part| {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let noughts = part.bytes().take_while(|byte| *byte == b'0').count();
            part[noughts.min(digits.saturating_sub(1))..].to_owned()
        })
        .collect();
    if parts.len() < 3 {
        if parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return Err("Short version cannot contain PreRelease/Build meta data".to_owned());
        }
        parts.resize(3, "0".to_owned());
    }
    Ok(parts.join("."))
}
