//! What a schema says of values beside their shape.

use serde_json::Value;

/// A number in a schema, comparable bit by bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bound(u64);

impl Bound {
    pub fn new(value: f64) -> Self {
        Bound(value.to_bits())
    }

    pub fn value(self) -> f64 {
        f64::from_bits(self.0)
    }
}

/// Value validations; schemas are given by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Checks {
    pub format: Box<str>,
    pub pattern: Box<str>,
    pub maximum: Option<Bound>,
    pub minimum: Option<Bound>,
    pub exclusive_maximum: bool,
    pub exclusive_minimum: bool,
    pub multiple_of: Option<Bound>,
    pub max_length: Option<i64>,
    pub min_length: Option<i64>,
    pub max_items: Option<i64>,
    pub min_items: Option<i64>,
    pub max_properties: Option<i64>,
    pub min_properties: Option<i64>,
    pub required: Box<[Box<str>]>,
    pub enum_: Box<[Value]>,
    pub all_of: Box<[u32]>,
    pub any_of: Box<[u32]>,
    pub one_of: Box<[u32]>,
    pub not: Option<u32>,
}
