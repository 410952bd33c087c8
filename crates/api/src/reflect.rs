//! Reading and writing any API value without knowing its Rust type.

use crate::{IntOrString, KindInfo, MicroTime, Quantity, Raw, Schema, Time};
use std::any::Any;

/// A value that can be seen and changed through its schema.
pub trait Reflect: Any + Send + Sync {
    /// What the value is now.
    fn view(&self) -> View<'_>;
    /// The same, to be changed.
    fn edit(&mut self) -> Edit<'_>;
    /// Back to the type's zero value.
    fn reset(&mut self);
}

/// A value, seen.
#[derive(Clone, Copy)]
pub enum View<'a> {
    /// An unset optional.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    String(&'a str),
    Bytes(&'a [u8]),
    Quantity(&'a Quantity),
    Time(&'a Time),
    MicroTime(&'a MicroTime),
    IntOrString(&'a IntOrString),
    Raw(&'a Raw),
    Struct(&'a dyn Struct),
    List(&'a dyn List),
    Map(&'a dyn Map),
}

impl View<'_> {
    /// Whether Go's `omitempty` would leave the value out: unset, zero, or without items. Structs and times
    /// never are empty.
    pub fn is_empty(&self) -> bool {
        match self {
            View::Null => true,
            View::Bool(b) => !b,
            View::Int(i) => *i == 0,
            View::Float(f) => *f == 0.0,
            View::String(s) => s.is_empty(),
            View::Bytes(b) => b.is_empty(),
            View::List(l) => l.len() == 0,
            View::Map(m) => m.len() == 0,
            View::Raw(r) => r.is_empty(),
            View::Quantity(_)
            | View::Time(_)
            | View::MicroTime(_)
            | View::IntOrString(_)
            | View::Struct(_) => false,
        }
    }
}

/// A value, to be changed.
pub enum Edit<'a> {
    Bool(&'a mut bool),
    Int32(&'a mut i32),
    Int64(&'a mut i64),
    Float(&'a mut f64),
    String(&'a mut String),
    Bytes(&'a mut Vec<u8>),
    Quantity(&'a mut Quantity),
    Time(&'a mut Time),
    MicroTime(&'a mut MicroTime),
    IntOrString(&'a mut IntOrString),
    Raw(&'a mut Raw),
    Struct(&'a mut dyn Struct),
    List(&'a mut dyn List),
    Map(&'a mut dyn Map),
    Optional(&'a mut dyn Optional),
}

/// A struct: fields by number, in the order of its schema.
pub trait Struct: Reflect {
    fn schema(&self) -> &Schema;
    /// The kind of a root.
    fn kind(&self) -> Option<&'static KindInfo> {
        self.schema().kind
    }
    /// The field of this number; numbers come from the schema.
    fn field(&self, number: usize) -> &dyn Reflect;
    fn field_mut(&mut self, number: usize) -> &mut dyn Reflect;
}

/// A list.
pub trait List: Reflect {
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn item(&self, at: usize) -> Option<&dyn Reflect>;
    fn item_mut(&mut self, at: usize) -> Option<&mut dyn Reflect>;
    /// Adds a zero item and gives it to be filled.
    fn push(&mut self) -> &mut dyn Reflect;
    /// Removes the item at `at`, if there is one.
    fn remove(&mut self, at: usize);
}

/// A map from strings, in the order of its keys.
pub trait Map: Reflect {
    fn len(&self) -> usize;
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    fn value(&self, key: &str) -> Option<&dyn Reflect>;
    fn entries<'a>(&'a self) -> Box<dyn Iterator<Item = (&'a str, &'a dyn Reflect)> + 'a>;
    /// The value of `key`, made as zero if absent, to be filled.
    fn entry(&mut self, key: String) -> &mut dyn Reflect;
    /// Removes `key`; tells whether it was there.
    fn remove(&mut self, key: &str) -> bool;
}

/// A value that may be unset.
pub trait Optional: Reflect {
    fn is_set(&self) -> bool;
    /// The value, made as zero if unset.
    fn set(&mut self) -> &mut dyn Reflect;
    fn unset(&mut self);
}

/// Field numbers come from the schema of the same struct; another one is a bug in the caller.
#[cold]
pub fn no_such_field(number: usize) -> ! {
    panic!("field number {number} is not in the struct's schema")
}
