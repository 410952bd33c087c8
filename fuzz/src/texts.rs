//! Short texts: selectors, quantities, times.

use corten_api::selector::{FieldSelector, Selector};
use corten_api::{Quantity, Time};
use std::collections::BTreeMap;

pub fn selector(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(selector) = Selector::parse(text) {
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned()), ("x".to_owned(), String::new())]);
        let matches = selector.matches(&labels);
        let again = Selector::parse(&selector.to_string()).expect("what was written is read");
        assert_eq!(again.matches(&labels), matches);
        assert_eq!(again.to_string(), selector.to_string());
    }
}

pub fn field_selector(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(selector) = FieldSelector::parse(text) {
        let _ = selector.matches(|field| field.to_owned().into());
        let _ = selector.required("metadata.name");
    }
}

pub fn quantity(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(quantity) = text.parse::<Quantity>() {
        let (_, _, _) = (quantity.value(), quantity.milli_value(), quantity.as_f64());
        let written = quantity.to_string();
        let again: Quantity = written.parse().expect("what was written is read");
        // The family of suffixes may change, as upstream's does.
        assert_eq!(again, quantity, "what was written is as much");
    }
}

pub fn time(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let quoted = serde_json::Value::String(text.to_owned()).to_string();
    let mut lease = corten_api::coordination::v1::Lease::default();
    let body =
        format!("{{\"metadata\":{{\"creationTimestamp\":{quoted}}},\"spec\":{{\"renewTime\":{quoted}}}}}");
    let mut problems = corten_codec::Problems::ignore();
    if corten_codec::json::decode(body.as_bytes(), &mut lease, &mut problems).is_ok() {
        let _ = lease.metadata.creation_timestamp.as_ref().map(Time::seconds);
        let written = corten_codec::json::encode(&lease);
        let mut again = corten_api::coordination::v1::Lease::default();
        corten_codec::json::decode(&written, &mut again, &mut problems).expect("what was written is read");
        assert_eq!(corten_codec::json::encode(&again), written);
    }
}
