//! Values of Kubernetes' libraries.

use crate::types::Type;
use std::marker::PhantomData;
use std::net::IpAddr;

/// A value of one of Kubernetes' libraries.
#[derive(Clone, Debug)]
pub enum Extension<'a> {
    Ip(IpAddr),
    #[doc(hidden)]
    Borrowed(PhantomData<&'a ()>),
}

impl Extension<'_> {
    pub(crate) fn type_of(&self) -> Type {
        Type::Opaque("net.IP")
    }
}
