//! Values of Kubernetes' libraries.

use crate::types::Type;
use std::marker::PhantomData;
use std::net::IpAddr;

/// A value of one of Kubernetes' libraries.
#[derive(Clone, Debug)]
pub enum Extension<'a> {
    Ip(IpAddr),
    Format(&'static Format),
    #[doc(hidden)]
    Borrowed(PhantomData<&'a ()>),
}

/// A named format of texts.
#[derive(Debug)]
pub struct Format {
    pub name: &'static str,
    /// What its pattern costs.
    pub pattern_size: u64,
}

impl Extension<'_> {
    pub(crate) fn type_of(&self) -> Type {
        Type::Opaque("net.IP")
    }

    pub(crate) fn equal(&self, _other: &Extension<'_>) -> bool {
        false
    }

    pub(crate) fn to_text(&self) -> Option<String> {
        None
    }

    pub(crate) fn size(&self) -> u64 {
        1
    }
}

impl std::fmt::Display for Extension<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.to_text().unwrap_or_default())
    }
}
