//! What reads bytes of strangers, fed with anything at all. A target is a function of bytes that panics when a
//! promise is broken: what is read is written as it was read, and nothing that is refused does harm. `fuzz/run`
//! has libFuzzer look for such bytes; what it starts from is in `seeds/`, what it found in `findings/`, and the
//! tests read both.

// A fuzz target says what is broken by panicking.
#![allow(clippy::missing_panics_doc)]

mod credentials;
mod expressions;
mod objects;
mod patches;
mod resources;
mod streams;
mod texts;

/// Feeds a reader.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: &[(&str, Target)] = &[
    ("json", objects::json),
    ("yaml", objects::yaml),
    ("protobuf", objects::protobuf),
    ("cbor", objects::cbor),
    ("watch", objects::watch),
    ("manifest", objects::manifest),
    ("json-patch", patches::json),
    ("merge-patch", patches::merge),
    ("strategic-patch", patches::strategic),
    ("managed-fields", patches::managed_fields),
    ("selector", texts::selector),
    ("field-selector", texts::field_selector),
    ("quantity", texts::quantity),
    ("time", texts::time),
    ("cel", expressions::cel),
    ("json-path", expressions::json_path),
    ("schema", resources::schema),
    ("certificate", credentials::certificate),
    ("request", credentials::request),
    ("token", credentials::token),
    ("spdy", streams::spdy),
    ("websocket", streams::websocket),
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.iter().find(|(known, _)| *known == name).map(|(_, target)| *target)
}

/// The first byte, as a choice, and the others.
fn choice(input: &[u8]) -> Option<(usize, &[u8])> {
    input.split_first().map(|(first, rest)| (usize::from(*first), rest))
}
