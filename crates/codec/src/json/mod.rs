//! JSON as upstream reads and writes it: what `sigs.k8s.io/json` refuses, in its words, and Go's order and
//! omission of fields.

mod decode;
mod duplicates;
mod encode;
mod leaf;
mod list;
mod marshal;
mod path;
pub(crate) mod reader;
mod stored;
pub(crate) mod text;
pub(crate) mod time;
mod type_meta;

pub use decode::{decode, decode_struct};
pub use duplicates::find_duplicates;
pub use encode::{encode, encode_into, encode_struct, encode_value};
pub(crate) use encode::{left_out, write_type_meta};
pub(crate) use leaf::compact;
pub(crate) use list::decode_list;
pub use marshal::marshal;
pub use stored::{
    decode_labels, decode_metadata, encode_stored, replace_resource_version, splice_resource_version,
};
pub use type_meta::{TypeMeta, type_meta};

#[cfg(test)]
mod tests;
