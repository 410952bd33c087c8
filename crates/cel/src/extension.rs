//! Values of Kubernetes' libraries.

use crate::authorizer::{Decision, GroupCheck, PathCheck, ResourceCheck, Subject};
use crate::functions::named_format::Format;
use crate::functions::net::Cidr;
use crate::functions::quantity::Quantity;
use crate::functions::semver::Semver;
use crate::functions::url::Url;
use crate::types::Type;
use std::net::IpAddr;
use std::rc::Rc;

/// A value of one of Kubernetes' libraries.
#[derive(Clone, Debug)]
pub enum Extension<'a> {
    Ip(IpAddr),
    Cidr(Cidr),
    Quantity(Quantity),
    Semver(Rc<Semver>),
    Url(Rc<Url>),
    Format(&'static Format),
    Authorizer(Subject<'a>),
    PathCheck(Rc<PathCheck<'a>>),
    GroupCheck(Rc<GroupCheck<'a>>),
    ResourceCheck(Rc<ResourceCheck<'a>>),
    Decision(Rc<Decision>),
}

impl Extension<'_> {
    pub(crate) fn type_of(&self) -> Type {
        Type::Opaque(match self {
            Extension::Ip(_) => "net.IP",
            Extension::Cidr(_) => "net.CIDR",
            Extension::Quantity(_) => "kubernetes.Quantity",
            Extension::Semver(_) => "kubernetes.Semver",
            Extension::Url(_) => "kubernetes.URL",
            Extension::Format(_) => "kubernetes.NamedFormat",
            Extension::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Extension::PathCheck(_) => "kubernetes.authorization.PathCheck",
            Extension::GroupCheck(_) => "kubernetes.authorization.GroupCheck",
            Extension::ResourceCheck(_) => "kubernetes.authorization.ResourceCheck",
            Extension::Decision(_) => "kubernetes.authorization.Decision",
        })
    }

    pub(crate) fn equal(&self, other: &Extension<'_>) -> bool {
        match (self, other) {
            (Extension::Ip(one), Extension::Ip(other)) => one == other,
            (Extension::Cidr(one), Extension::Cidr(other)) => one == other,
            (Extension::Quantity(one), Extension::Quantity(other)) => one == other,
            (Extension::Semver(one), Extension::Semver(other)) => one.cmp(other).is_eq(),
            (Extension::Url(one), Extension::Url(other)) => one == other,
            (Extension::Format(one), Extension::Format(other)) => one.name == other.name,
            _ => false,
        }
    }

    /// As text, for those that `string()` takes.
    pub(crate) fn to_text(&self) -> Option<String> {
        match self {
            Extension::Ip(ip) => Some(ip.to_string()),
            Extension::Cidr(cidr) => Some(cidr.to_string()),
            _ => None,
        }
    }

    /// What costs go by: bytes of an address.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Extension::Ip(ip) => bytes(ip),
            Extension::Cidr(cidr) => u64::from(cidr.length.div_ceil(8)),
            _ => 1,
        }
    }
}

/// The type, and the text where there is one.
impl std::fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}({})", self.type_of().name(), self.to_text().unwrap_or_default())
    }
}

fn bytes(ip: &IpAddr) -> u64 {
    match ip {
        IpAddr::V4(_) => 4,
        IpAddr::V6(_) => 16,
    }
}
