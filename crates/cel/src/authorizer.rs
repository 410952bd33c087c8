//! Questions of expressions to whoever decides who may do what.

use std::fmt;

/// Decides who may do what.
pub trait Authorizer {
    /// Whether it is allowed.
    fn authorize(&self, check: &Check<'_>) -> Decision;
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Check<'c> {
    /// A service account's namespace and name; `None` for whoever made the request.
    pub service_account: Option<(&'c str, &'c str)>,
    pub verb: &'c str,
    pub of: Checked<'c>,
}

/// What the question is about.
#[derive(Clone, Copy, Debug)]
pub enum Checked<'c> {
    Path(&'c str),
    Resource(&'c ResourceCheckFields),
}

/// A resource that is asked about; what is not said is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceCheckFields {
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub field_selector: String,
    pub label_selector: String,
}

/// The answer.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    pub allowed: bool,
    pub reason: String,
    /// Why it could not be decided.
    pub error: Option<String>,
}

/// Who is asked about whom.
#[derive(Clone)]
pub struct Subject<'a> {
    pub(crate) authorizer: &'a dyn Authorizer,
    /// Namespace and name.
    pub(crate) service_account: Option<(String, String)>,
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("service_account", &self.service_account).finish_non_exhaustive()
    }
}

/// `authorizer.path(...)`.
#[derive(Clone, Debug)]
pub struct PathCheck<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) path: String,
}

/// `authorizer.group(...)`.
#[derive(Clone, Debug)]
pub struct GroupCheck<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) group: String,
}

/// `authorizer.group(...).resource(...)`.
#[derive(Clone, Debug)]
pub struct ResourceCheck<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) fields: ResourceCheckFields,
}

impl Subject<'_> {
    pub(crate) fn ask(&self, verb: &str, of: Checked<'_>) -> Decision {
        let service_account =
            self.service_account.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        self.authorizer.authorize(&Check { service_account, verb, of })
    }
}
