//! What kinds differ in without having behaviour of their own.

use crate::names::{self, NameRule};

/// The settings of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// What a name must look like.
    pub name: NameRule,
    /// Whether `metadata.generation` counts changes of the specification.
    pub generation: bool,
    /// Whether a PUT to a name that does not exist creates the object.
    pub create_on_update: bool,
    /// Whether an update without a resource version is accepted.
    pub unconditional_update: bool,
    /// What a status update may do to the metadata.
    pub status_metadata: StatusMetadata,
    /// Whether a finalizer without a domain must be one of the well-known ones.
    pub standard_finalizers: bool,
}

/// What a status update does to labels, annotations, finalizers and owners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusMetadata {
    /// They are taken over, as most kinds do.
    Taken,
    /// Labels stay as they were, the rest is taken over.
    LabelsKept,
    /// All stay as they were.
    Kept,
}

impl Rules {
    /// The settings of most kinds.
    pub const USUAL: Rules = Rules {
        name: names::subdomain,
        generation: false,
        create_on_update: false,
        unconditional_update: true,
        status_metadata: StatusMetadata::Taken,
        standard_finalizers: true,
    };
    /// The settings of kinds whose finalizers may have any name.
    pub const ANY_FINALIZERS: Rules = Rules { standard_finalizers: false, ..Rules::USUAL };
    /// The settings of most workloads.
    pub const COUNTED: Rules = Rules { generation: true, ..Rules::USUAL };
}
