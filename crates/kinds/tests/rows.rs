//! Objects and the rows that tables tell them in. The objects were made at random from the API's schema, and the
//! cells are what upstream's printers of v1.35 say about them; facts, not code.

use corten_api::builtin::{KINDS, OPTIONAL};
use corten_codec::{Problems, json};
use corten_kinds::strategy_for;
use jiff::Timestamp;
use serde_json::Value;

#[test]
fn rows_tell_what_upstreams_tell() {
    // Ages are those of that day.
    let now: Timestamp = "2026-11-22T02:45:00Z".parse().expect("a time");
    for line in include_str!("rows.jsonl").lines() {
        let case: Value = serde_json::from_str(line).expect("a case");
        let given = &case["object"];
        let is_kind = |api: &str, kind: &str| given["apiVersion"] == api && given["kind"] == kind;
        let kind =
            KINDS.iter().chain(OPTIONAL).find(|kind| is_kind(&kind.api_version(), kind.kind)).expect(line);
        let mut object = kind.blank().expect("a kind with objects");
        json::decode(given.to_string().as_bytes(), &mut *object, &mut Problems::ignore()).expect(line);
        let strategy = strategy_for(kind);
        strategy.default(&mut *object);
        assert_eq!(Value::Array(strategy.row(&*object, now)), case["cells"], "{given}");
    }
}
