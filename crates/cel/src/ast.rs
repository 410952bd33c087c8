//! Expressions as they are parsed, macros expanded.

use crate::types::Type;
use std::sync::Arc;

/// Numbers expressions; positions and types are kept in tables by it.
pub type Id = u32;

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    pub id: Id,
    pub kind: Kind,
}

/// What an expression is.
#[derive(Clone, Debug)]
pub enum Kind {
    Literal(Constant),
    Ident(Box<str>),
    Select {
        operand: Box<Expr>,
        field: Box<str>,
        /// Whether only the field's presence is asked (`has`).
        test: bool,
    },
    Call {
        function: Box<str>,
        target: Option<Box<Expr>>,
        args: Vec<Expr>,
    },
    List(Vec<Element>),
    Map(Vec<Entry>),
    Struct {
        name: Box<str>,
        fields: Vec<FieldInit>,
    },
    Comprehension(Box<Comprehension>),
}

/// An element of a list.
#[derive(Clone, Debug)]
pub struct Element {
    pub value: Expr,
    /// Whether the value is optional, and left out when there is none (`[?x]`).
    pub optional: bool,
}

/// An entry of a map.
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: Expr,
    pub value: Expr,
    pub optional: bool,
}

/// A field of an object that an expression makes.
#[derive(Clone, Debug)]
pub struct FieldInit {
    pub id: Id,
    pub name: Box<str>,
    pub value: Expr,
    pub optional: bool,
}

/// A loop over a range that accumulates a result; what macros expand to.
#[derive(Clone, Debug)]
pub struct Comprehension {
    pub range: Expr,
    pub var: Box<str>,
    pub var2: Option<Box<str>>,
    pub accumulator: Box<str>,
    pub init: Expr,
    pub condition: Expr,
    pub step: Expr,
    pub result: Expr,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub enum Constant {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Box<str>),
    Bytes(Arc<[u8]>),
    /// A name of a type, resolved.
    Type(Type),
}

/// The name of what loops accumulate into; no identifier can be spelled so.
pub const ACCUMULATOR: &str = "@result";

/// Names of operators as functions.
pub mod operator {
    pub const AND: &str = "_&&_";
    pub const OR: &str = "_||_";
    pub const NOT: &str = "!_";
    pub const NEGATE: &str = "-_";
    pub const CONDITIONAL: &str = "_?_:_";
    pub const ADD: &str = "_+_";
    pub const INDEX: &str = "_[_]";
    pub const OPTIONAL_INDEX: &str = "_[?_]";
    pub const OPTIONAL_SELECT: &str = "_?._";
    pub const NOT_STRICTLY_FALSE: &str = "@not_strictly_false";
    pub const MAP_INSERT: &str = "cel.@mapInsert";
}

impl Expr {
    /// `a.b.c` as a name, if it is one; a leading dot is kept.
    pub fn qualified_name(&self) -> Option<String> {
        match &self.kind {
            Kind::Ident(name) => Some(name.to_string()),
            Kind::Select { operand, field, test: false } => {
                let mut name = operand.qualified_name()?;
                name.push('.');
                name.push_str(field);
                Some(name)
            }
            _ => None,
        }
    }

    /// Calls `visit` with this expression and all below it.
    pub fn walk<'e>(&'e self, visit: &mut impl FnMut(&'e Expr)) {
        visit(self);
        match &self.kind {
            Kind::Literal(_) | Kind::Ident(_) => {}
            Kind::Select { operand, .. } => operand.walk(visit),
            Kind::Call { target, args, .. } => {
                target.iter().for_each(|target| target.walk(visit));
                args.iter().for_each(|arg| arg.walk(visit));
            }
            Kind::List(elements) => elements.iter().for_each(|element| element.value.walk(visit)),
            Kind::Map(entries) => entries.iter().for_each(|entry| {
                entry.key.walk(visit);
                entry.value.walk(visit);
            }),
            Kind::Struct { fields, .. } => fields.iter().for_each(|field| field.value.walk(visit)),
            Kind::Comprehension(fold) => {
                for part in [&fold.range, &fold.init, &fold.condition, &fold.step, &fold.result] {
                    part.walk(visit);
                }
            }
        }
    }
}
