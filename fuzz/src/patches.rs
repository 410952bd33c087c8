//! Patches. Input is two JSON texts with a zero byte between: the document and the patch.

use corten_api::core::v1::{Pod, Service};
use corten_codec::apply::{read_fields, write_fields};
use corten_codec::patch::{apply_json_patch, apply_merge_patch, apply_strategic_merge_patch};
use serde_json::Value;

fn document_and_patch(input: &[u8]) -> Option<(Value, &[u8])> {
    let end = input.iter().position(|byte| *byte == 0)?;
    Some((serde_json::from_slice(&input[..end]).ok()?, &input[end + 1..]))
}

pub fn json(input: &[u8]) {
    let Some((mut document, patch)) = document_and_patch(input) else { return };
    let _ = apply_json_patch(&mut document, patch);
}

pub fn merge(input: &[u8]) {
    let Some((mut document, patch)) = document_and_patch(input) else { return };
    let Ok(patch) = serde_json::from_slice::<Value>(patch) else { return };
    if apply_merge_patch(&mut document, patch.clone()).is_err() {
        return;
    }
    let once = document.clone();
    // Nulls within lists go or stay by what was there before.
    if !patch.to_string().contains("null") {
        apply_merge_patch(&mut document, patch).expect("an object");
        assert_eq!(document, once, "a merge patch applied twice is applied once");
    }
}

pub fn strategic(input: &[u8]) {
    let Some((document, patch)) = document_and_patch(input) else { return };
    let Ok(patch) = serde_json::from_slice::<Value>(patch) else { return };
    for schema in [Pod::schema(), Service::schema()] {
        let _ = apply_strategic_merge_patch(&mut document.clone(), patch.clone(), schema);
    }
}

pub fn managed_fields(input: &[u8]) {
    if let Ok(set) = read_fields(input) {
        let text = write_fields(&set);
        let again = read_fields(&text).expect("what was written is read");
        assert_eq!(write_fields(&again), text, "sets of fields are stable");
    }
}
