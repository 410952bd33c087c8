//! Levels and versions, and how a namespace's labels name them.

use corten_semantics::field::FieldError;
use std::collections::BTreeMap;
use std::fmt;

/// How much is allowed; from much to little.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    Privileged,
    Baseline,
    Restricted,
}

/// The minor version of a level's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    #[default]
    Latest,
    Minor(u32),
}

/// A level as of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LevelVersion {
    pub level: Level,
    pub version: Version,
}

/// What a namespace enforces, and what is only logged or warned of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub enforce: LevelVersion,
    pub audit: LevelVersion,
    pub warn: LevelVersion,
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Version::Latest => write!(f, "{}:latest", self.level.name()),
            Version::Minor(minor) => write!(f, "{}:v1.{minor}", self.level.name()),
        }
    }
}

impl Level {
    /// As labels have it.
    pub fn name(self) -> &'static str {
        match self {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        }
    }

    /// From a label's value.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "privileged" => Level::Privileged,
            "baseline" => Level::Baseline,
            "restricted" => Level::Restricted,
            _ => return None,
        })
    }
}

impl Version {
    /// From a label's value.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Version::Latest);
        }
        let minor = text.strip_prefix("v1.")?;
        let plain = minor.bytes().all(|b| b.is_ascii_digit()) && (minor == "0" || !minor.starts_with('0'));
        minor.parse().ok().filter(|_| plain).map(Version::Minor)
    }
}

/// The policy that labels describe, and what is wrong with them. A level that nobody knows enforces the
/// strictest, and neither warns nor logs.
pub(super) fn policy(labels: &BTreeMap<String, String>, defaults: Policy) -> (Policy, Vec<FieldError>) {
    let (mut policy, mut errors) = (defaults, Vec::new());
    let label = |key: &str| labels.get(&format!("{}{key}", super::PREFIX));
    let mut level = |key: &str, on_error: Level, to: &mut Level| {
        let text = label(key)?;
        let parsed = Level::parse(text);
        if parsed.is_none() {
            errors.push(wrong(key, text, "must be one of privileged, baseline, restricted"));
        }
        *to = parsed.unwrap_or(on_error);
        Some(parsed.is_some())
    };
    let enforced = level("enforce", Level::Restricted, &mut policy.enforce.level);
    level("audit", Level::Privileged, &mut policy.audit.level);
    let warned = level("warn", Level::Privileged, &mut policy.warn.level);
    let mut version = |key: &str, to: &mut Version| {
        let Some(text) = label(key) else { return };
        let parsed = Version::parse(text);
        if parsed.is_none() {
            errors.push(wrong(key, text, "must be \"latest\" or \"v1.x\""));
        }
        *to = parsed.unwrap_or_default();
    };
    version("enforce-version", &mut policy.enforce.version);
    version("audit-version", &mut policy.audit.version);
    version("warn-version", &mut policy.warn.version);
    if warned.is_none() && enforced == Some(true) && policy.enforce.level > policy.warn.level {
        policy.warn.level = policy.enforce.level;
        if label("warn-version").is_none() {
            policy.warn.version = policy.enforce.version;
        }
    }
    (policy, in_order(errors))
}

fn wrong(key: &str, value: &str, detail: &str) -> FieldError {
    FieldError::invalid(format!("metadata.labels[{}{key}]", super::PREFIX), value, detail)
}

/// Upstream looks at level and version of one mode after the other.
fn in_order(mut errors: Vec<FieldError>) -> Vec<FieldError> {
    errors.sort_by_key(|e| {
        ["enforce", "audit", "warn"].iter().position(|mode| e.path.contains(&format!("/{mode}")))
    });
    errors
}
