//! The functions there are: CEL's standard ones and Kubernetes' libraries at v1.35, in the order in which
//! overloads are tried.

use crate::types::{Param, Type};
use std::collections::HashMap;
use std::sync::LazyLock;

/// One way to call a function.
#[derive(Debug)]
pub struct Overload {
    /// cel-go's name of it; costs go by it.
    pub id: &'static str,
    /// Whether it is called on its first argument: `a.f(b)`.
    pub member: bool,
    pub params: Vec<Type>,
    pub result: Type,
    /// Whether there are type parameters.
    pub generic: bool,
}

/// Name, overload, `f`unction or `m`ember, types of arguments, type of the result.
static TABLE: &str = include_str!("overloads.tsv");

static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut functions: HashMap<&'static str, Vec<Overload>> = HashMap::new();
    for line in TABLE.lines() {
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or_default();
        let (name, id, style, params, result) = (column(), column(), column(), column(), column());
        let params: Vec<Type> = params.split(';').filter(|param| !param.is_empty()).map(named).collect();
        let result = named(result);
        let generic = params.iter().chain([&result]).any(is_generic);
        let overload = Overload { id, member: style == "m", params, result, generic };
        functions.entry(name).or_default().push(overload);
    }
    functions
});

/// The overloads of the function.
pub fn overloads(function: &str) -> Option<&'static [Overload]> {
    FUNCTIONS.get(function).map(Vec::as_slice)
}

fn is_generic(of: &Type) -> bool {
    match of {
        Type::Param(_) => true,
        Type::List(inner) | Type::Optional(inner) | Type::Type(inner) => is_generic(inner),
        Type::Map(entry) => is_generic(&entry.0) || is_generic(&entry.1),
        _ => false,
    }
}

/// Names of types that are written alone, and what they are.
pub fn simple(name: &str) -> Option<Type> {
    Some(match name {
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        _ => Type::Opaque(OPAQUE.iter().find(|known| **known == name)?),
    })
}

const OPAQUE: [&str; 11] = [
    "kubernetes.NamedFormat",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.URL",
    "kubernetes.authorization.Authorizer",
    "kubernetes.authorization.Decision",
    "kubernetes.authorization.GroupCheck",
    "kubernetes.authorization.PathCheck",
    "kubernetes.authorization.ResourceCheck",
    "net.CIDR",
    "net.IP",
];

/// The type that the table writes so.
fn named(text: &'static str) -> Type {
    if let Some(simple) = simple(text) {
        return simple;
    }
    let inner = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(')'));
    if let Some(inner) = inner("list(") {
        return Type::list(named(inner));
    }
    if let Some(inner) = inner("optional_type(") {
        return Type::optional(named(inner));
    }
    if let Some(inner) = inner("type(") {
        return Type::of(named(inner));
    }
    if let Some((key, value)) = inner("map(").and_then(|inner| inner.split_once(", ")) {
        return Type::map(named(key), named(value));
    }
    Type::Param(Param::Declared(text.chars().next().unwrap_or('T')))
}

/// The type that an identifier names, and what `type()` of such values shows.
pub fn type_name(name: &str) -> Option<Type> {
    Some(match name {
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "null_type" => Type::Null,
        "type" => Type::of(Type::Dyn),
        "optional_type" => Type::optional(Type::Dyn),
        "google.protobuf.Timestamp" => Type::Timestamp,
        "google.protobuf.Duration" => Type::Duration,
        "dyn" | "timestamp" | "duration" => return None,
        _ => simple(name)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_table_is_understood() {
        for line in TABLE.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), 5, "{line}");
            let params = columns[3].split(';').filter(|param| !param.is_empty());
            for of in params.chain([columns[4]]) {
                assert_eq!(named(of).to_string(), of, "{line}");
            }
        }
    }
}
