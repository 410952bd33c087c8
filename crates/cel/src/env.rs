//! What an expression may mention.

use crate::declared::Declared;
use crate::error::CompileError;
use crate::program::Program;
use std::collections::BTreeMap;

/// The variables of expressions. Functions are those of CEL's standard and of Kubernetes' libraries at v1.35.
#[derive(Clone, Debug, Default)]
pub struct Env {
    pub(crate) variables: BTreeMap<String, Declared>,
    /// Whether `jsonpatch.escapeKey` and objects of any `Object` type are there, for mutating policies.
    pub(crate) patches: bool,
}

impl Env {
    /// No variables yet.
    pub fn new() -> Self {
        Env::default()
    }

    /// With the variable; `name` may hold dots (`authorizer.requestResource`).
    #[must_use]
    pub fn variable(mut self, name: &str, declared: impl Into<Declared>) -> Self {
        self.variables.insert(name.to_owned(), declared.into());
        self
    }

    /// With what mutating policies have beside: `JSONPatch`, `Object` and `jsonpatch.escapeKey`.
    #[must_use]
    pub fn with_patches(mut self) -> Self {
        self.patches = true;
        self
    }

    /// Reads and checks an expression.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn compile(&self, source: &str) -> Result<Program, CompileError> {
        Program::compile(self, source)
    }
}
