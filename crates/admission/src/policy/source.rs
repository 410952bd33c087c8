//! All policies that are bound, made anew when one of them or a binding changes; expressions only when a policy's
//! generation does.

use super::compiled::{Expressions, Policy};
use corten_api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use corten_semantics::Lookup;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The policies as they were last seen.
#[derive(Default)]
pub(super) struct Source(Mutex<Known>);

#[derive(Default)]
struct Known {
    policies: Vec<Arc<ValidatingAdmissionPolicy>>,
    bindings: Vec<Arc<ValidatingAdmissionPolicyBinding>>,
    made: Arc<Vec<Policy>>,
    /// By the policy's uid, with its generation.
    expressions: HashMap<String, (i64, Arc<Expressions>)>,
}

fn same<T>(one: &[Arc<T>], other: &[Arc<T>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

impl Source {
    /// The policies as of now, in the order of their names.
    pub fn policies(&self, objects: &dyn Lookup) -> Arc<Vec<Policy>> {
        let mut policies = objects.list::<ValidatingAdmissionPolicy>("");
        let mut bindings = objects.list::<ValidatingAdmissionPolicyBinding>("");
        policies.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        bindings.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !same(&known.policies, &policies) || !same(&known.bindings, &bindings) {
            known.made = Arc::new(known.make(&policies, &bindings));
            known.policies = policies;
            known.bindings = bindings;
        }
        Arc::clone(&known.made)
    }
}

impl Known {
    fn make(
        &mut self,
        policies: &[Arc<ValidatingAdmissionPolicy>],
        bindings: &[Arc<ValidatingAdmissionPolicyBinding>],
    ) -> Vec<Policy> {
        let before = std::mem::take(&mut self.expressions);
        let mut made = Vec::new();
        for policy in policies {
            let meta = &policy.metadata;
            let bound = bindings.iter().filter(|binding| binding.spec.policy_name == meta.name);
            let bound: Vec<_> = bound.cloned().collect();
            if bound.is_empty() {
                continue;
            }
            let expressions = match before.get(&meta.uid) {
                Some((generation, expressions)) if *generation == meta.generation => Arc::clone(expressions),
                _ => Arc::new(Expressions::compile(&policy.spec)),
            };
            self.expressions.insert(meta.uid.clone(), (meta.generation, Arc::clone(&expressions)));
            made.push(Policy::new(Arc::clone(policy), expressions, bound));
        }
        made
    }
}
