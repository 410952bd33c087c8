//! CBOR, by way of JSON: what clients send is turned into JSON text and read as that; what they get is made from
//! JSON, with the kind's table saying which texts are bytes. The dialect is upstream's: items are marked as CBOR
//! by tag 55799, texts are written as byte strings, bytes are tagged as base64 to be (tag 22), keys are sorted, and
//! nothing that JSON cannot say is read.

mod head;
mod read;
mod write;

pub use read::to_json;
pub(crate) use write::string;
pub use write::{Shape, from_json};

/// Tag 55799, with which every object begins.
pub const MARK: [u8; 3] = [0xd9, 0xd9, 0xf7];

/// Bytes that are base64 in text.
const BASE64: u64 = 22;

#[cfg(test)]
mod tests;
