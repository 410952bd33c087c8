//! All policies of one sort that are bound, made anew when one of them or a binding changes; expressions only when
//! a policy's generation does.

use corten_api::{Kind, Object};
use corten_semantics::Lookup;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A sort of policies.
pub(super) trait Sort {
    type Policy: Kind;
    type Binding: Kind;
    /// The expressions of one generation.
    type Expressions;
    /// A policy with its bindings, ready to be asked.
    type Made;

    fn policy_name(binding: &Self::Binding) -> &str;

    fn compile(policy: &Self::Policy) -> Self::Expressions;

    fn make(
        policy: Arc<Self::Policy>,
        expressions: Arc<Self::Expressions>,
        bindings: Vec<Arc<Self::Binding>>,
    ) -> Self::Made;
}

/// The policies as they were last seen.
pub(super) struct Source<S: Sort>(Mutex<Known<S>>);

struct Known<S: Sort> {
    policies: Vec<Arc<S::Policy>>,
    bindings: Vec<Arc<S::Binding>>,
    made: Arc<Vec<S::Made>>,
    /// By the policy's uid, with its generation.
    expressions: HashMap<String, (i64, Arc<S::Expressions>)>,
}

impl<S: Sort> Default for Source<S> {
    fn default() -> Self {
        Source(Mutex::new(Known {
            policies: Vec::new(),
            bindings: Vec::new(),
            made: Arc::default(),
            expressions: HashMap::new(),
        }))
    }
}

fn same<T>(one: &[Arc<T>], other: &[Arc<T>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

impl<S: Sort> Source<S> {
    /// The policies as of now, in the order of their names.
    pub fn policies(&self, objects: &dyn Lookup) -> Arc<Vec<S::Made>> {
        let mut policies = objects.list::<S::Policy>("");
        let mut bindings = objects.list::<S::Binding>("");
        policies.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
        bindings.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !same(&known.policies, &policies) || !same(&known.bindings, &bindings) {
            known.made = Arc::new(known.make(&policies, &bindings));
            known.policies = policies;
            known.bindings = bindings;
        }
        Arc::clone(&known.made)
    }
}

impl<S: Sort> Known<S> {
    fn make(&mut self, policies: &[Arc<S::Policy>], bindings: &[Arc<S::Binding>]) -> Vec<S::Made> {
        let before = std::mem::take(&mut self.expressions);
        let mut made = Vec::new();
        for policy in policies {
            let meta = policy.meta();
            let bound = bindings.iter().filter(|binding| S::policy_name(binding) == meta.name);
            let bound: Vec<_> = bound.cloned().collect();
            if bound.is_empty() {
                continue;
            }
            let expressions = match before.get(&meta.uid) {
                Some((generation, expressions)) if *generation == meta.generation => Arc::clone(expressions),
                _ => Arc::new(S::compile(policy)),
            };
            self.expressions.insert(meta.uid.clone(), (meta.generation, Arc::clone(&expressions)));
            made.push(S::make(Arc::clone(policy), expressions, bound));
        }
        made
    }
}
