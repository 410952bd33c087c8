//! Which providers a key of the store has: the key tells the resource, the configuration tells the rest.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::chain::{Chain, Way};
use super::kms::Plugin;
use crate::cache::ROOT;
use crate::registry::stored_as;

/// A resource as the configuration names it: `secrets`, `deployments.apps`, `*.`, `*.apps`, `*.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub resource: String,
    pub group: String,
}

impl Pattern {
    /// Reads `RESOURCE.GROUP`; without a group, that of the core.
    pub fn new(text: &str) -> Pattern {
        let (resource, group) = text.split_once('.').unwrap_or((text, ""));
        Pattern { resource: resource.into(), group: group.into() }
    }

    /// Whether it means everything that `other` means.
    pub fn covers(&self, other: &Pattern) -> bool {
        self.takes(&other.group, &other.resource)
    }

    fn takes(&self, group: &str, resource: &str) -> bool {
        (self.group == "*" || self.group == group) && (self.resource == "*" || self.resource == resource)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group.as_str() {
            "" if self.resource != "*" => f.write_str(&self.resource),
            group => write!(f, "{}.{group}", self.resource),
        }
    }
}

/// Providers by resource.
#[derive(Default)]
pub struct Rules {
    /// One per resource or wildcard, in the order of the configuration.
    rules: Vec<(Pattern, Chain)>,
    /// All plugins for key management.
    pub plugins: Vec<Arc<Plugin>>,
}

impl Rules {
    /// The earlier wildcard that takes all of `pattern`, which makes a later rule for it idle.
    pub fn masks(&self, pattern: &Pattern) -> Option<String> {
        let wild = |p: &&(Pattern, Chain)| p.0.resource == "*" && p.0 != *pattern && p.0.covers(pattern);
        self.rules.iter().find(wild).map(|(earlier, _)| earlier.to_string())
    }

    /// The next rule of the configuration. For a resource that an earlier one names too, it reads what that
    /// one does not.
    pub fn add(&mut self, patterns: Vec<Pattern>, ways: &[Arc<Way>]) {
        for pattern in patterns {
            match self.rules.iter_mut().find(|(earlier, _)| *earlier == pattern) {
                Some((_, chain)) => chain.0.extend_from_slice(ways),
                None => self.rules.push((pattern, Chain(ways.to_vec()))),
            }
        }
    }

    /// The providers of what is stored at `key`; none when the configuration does not name its resource.
    pub fn of(&self, key: &str) -> Option<&Chain> {
        let (group, resource) = resource_of(key)?;
        let rule = self.rules.iter().find(|(pattern, _)| pattern.takes(group, resource))?;
        Some(&rule.1)
    }

    /// Whether the first provider of some resource encrypts.
    pub fn encrypts(&self) -> bool {
        self.rules.iter().any(|(_, chain)| chain.0.first().is_some_and(|way| !matches!(**way, Way::Identity)))
    }
}

/// Group and resource of what is stored at `key`.
fn resource_of(key: &str) -> Option<(&str, &str)> {
    static BUILTIN: OnceLock<BTreeMap<&str, (&str, &str)>> = OnceLock::new();
    let builtin = BUILTIN.get_or_init(|| {
        let kinds = corten_api::builtin::KINDS.iter().chain(corten_api::builtin::OPTIONAL).copied();
        let kinds = kinds.filter(|k| !k.plural.is_empty());
        kinds.filter(|k| stored_as(k) == *k).map(|k| (k.storage, (k.group, k.plural))).collect()
    });
    let path = key.strip_prefix(ROOT)?;
    let (first, rest) = path.split_once('/')?;
    let two = rest.split_once('/').map(|(second, _)| (second, &path[..first.len() + 1 + second.len()]));
    let known = two.and_then(|(_, path)| builtin.get(path)).or_else(|| builtin.get(first));
    // Custom objects lie below their group and plural.
    known.copied().or_else(|| two.map(|(second, _)| (first, second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_their_resource() {
        for (key, group, resource) in [
            ("/registry/secrets/default/a", "", "secrets"),
            ("/registry/services/specs/default/a", "", "services"),
            ("/registry/services/endpoints/default/a", "", "endpoints"),
            ("/registry/events/default/a", "", "events"),
            ("/registry/deployments/default/a", "apps", "deployments"),
            (
                "/registry/apiextensions.k8s.io/customresourcedefinitions/a",
                "apiextensions.k8s.io",
                "customresourcedefinitions",
            ),
            ("/registry/example.com/widgets/default/a", "example.com", "widgets"),
        ] {
            assert_eq!(resource_of(key), Some((group, resource)), "{key}");
        }
        assert_eq!(resource_of("/elsewhere/a"), None);
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let mut rules = Rules::default();
        for names in [["secrets", "widgets.example.com"], ["*.", "*.apps"]] {
            rules.add(names.map(Pattern::new).to_vec(), &[Arc::new(Way::Identity)]);
        }
        let number = |key| {
            let found = rules.of(key)?;
            rules.rules.iter().position(|(_, chain)| std::ptr::eq(chain, found)).map(|at| at / 2)
        };
        for (key, chain) in [
            ("/registry/secrets/a/b", Some(0)),
            ("/registry/example.com/widgets/a/b", Some(0)),
            ("/registry/configmaps/a/b", Some(1)),
            ("/registry/deployments/a/b", Some(1)),
            ("/registry/example.com/gadgets/a/b", None),
            ("/registry/roles/a/b", None),
        ] {
            assert_eq!(number(key), chain, "{key}");
        }
    }
}
