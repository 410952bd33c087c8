//! Resource amounts in plain numbers: what the hot loop compares.

use corten_semantics::resources::{ResourceList, is_scalar};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Amounts of each resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// In thousandths of a core.
    pub cpu: i64,
    /// In bytes.
    pub memory: i64,
    /// In bytes.
    pub ephemeral_storage: i64,
    /// Extended resources, huge pages, attachable volumes; mostly empty.
    pub scalar: BTreeMap<Arc<str>, i64>,
}

impl Amounts {
    /// From the API's list; what nodes do not count is left out.
    pub fn of(list: &ResourceList) -> Self {
        let value = |name: &str| list.get(name).map_or(0, |q| q.value());
        let scalar = list.iter().filter(|(name, _)| is_scalar(name));
        Amounts {
            cpu: list.get("cpu").map_or(0, |q| q.milli_value()),
            memory: value("memory"),
            ephemeral_storage: value("ephemeral-storage"),
            scalar: scalar.map(|(name, q)| (name.as_str().into(), q.value())).collect(),
        }
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.cpu == 0 && self.memory == 0 && self.ephemeral_storage == 0 && self.scalar.is_empty()
    }

    /// Adds `other`.
    pub fn add(&mut self, other: &Amounts) {
        self.cpu = self.cpu.saturating_add(other.cpu);
        self.memory = self.memory.saturating_add(other.memory);
        self.ephemeral_storage = self.ephemeral_storage.saturating_add(other.ephemeral_storage);
        for (name, amount) in &other.scalar {
            let sum = self.scalar.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }

    /// Takes `other` away, which was added before.
    pub fn subtract(&mut self, other: &Amounts) {
        self.cpu -= other.cpu;
        self.memory -= other.memory;
        self.ephemeral_storage -= other.ephemeral_storage;
        for (name, amount) in &other.scalar {
            if let Some(sum) = self.scalar.get_mut(name) {
                *sum -= amount;
            }
        }
    }
}
