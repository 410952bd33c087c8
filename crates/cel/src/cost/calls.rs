//! What calls may cost, by the sizes of what they may be given.

use super::range::Range;
use super::runtime::{AUTHORIZATION, PATTERN, TRAVERSAL, is_ordering_of_texts};
use crate::ast::{Constant, Expr, Kind};
use crate::types::Type;

/// What is given to a call.
pub struct Argument<'e> {
    pub expr: &'e Expr,
    pub of: &'e Type,
    pub size: Option<Range>,
    /// The size of its items, if it is declared.
    pub items: Option<Range>,
}

/// What a call may cost, and how large its result may be.
#[derive(Clone, Copy, Debug)]
pub struct CallEstimate {
    pub cost: Range,
    pub size: Option<Range>,
}

impl Argument<'_> {
    pub fn size(&self) -> Range {
        self.size.unwrap_or(Range::UNKNOWN)
    }

    /// The literal number, or what stands for it.
    fn number(&self, otherwise: u64) -> u64 {
        match &self.expr.kind {
            Kind::Literal(Constant::Int(value)) => u64::try_from(*value).unwrap_or(0),
            _ => otherwise,
        }
    }
}

fn cost(cost: Range) -> Option<CallEstimate> {
    Some(CallEstimate { cost, size: None })
}

fn sized(cost: Range, size: Range) -> Option<CallEstimate> {
    Some(CallEstimate { cost, size: Some(size) })
}

/// The longest pattern of a named format, for estimates.
const FORMAT_PATTERN: f64 = 128.0;

/// What the call may cost, without its arguments.
pub fn estimate(
    function: &str,
    overload: &str,
    target: Option<&Argument<'_>>,
    args: &[Argument<'_>],
) -> CallEstimate {
    lists(overload, target, args)
        .or_else(|| kubernetes(function, overload, target, args))
        .or_else(|| standard(overload, target, args))
        .unwrap_or(CallEstimate { cost: Range::exactly(1), size: None })
}

/// What matching a pattern may cost.
fn matching(text: Range, pattern: Range) -> Range {
    text.plus(Range::exactly(1)).scaled(TRAVERSAL).times(pattern.scaled(PATTERN))
}

/// A list that is made, at a cost for each item.
fn allocating(factor: f64, size: Range) -> Option<CallEstimate> {
    sized(size.scaled(factor).plus(Range::exactly(11)), size)
}

/// cel-go's extensions of lists and sets.
fn lists(overload: &str, target: Option<&Argument<'_>>, args: &[Argument<'_>]) -> Option<CallEstimate> {
    match (overload, target, args) {
        ("list_slice", Some(target), [from, to]) => {
            let length = to.number(target.size().max).wrapping_sub(from.number(0));
            allocating(1.0, Range::exactly(length))
        }
        ("lists_range", None, [end]) => allocating(1.0, Range::exactly(end.number(u64::MAX))),
        ("list_reverse", Some(target), []) => allocating(1.0, target.size()),
        ("list_flatten" | "list_flatten_int", Some(target), args) => {
            let depth = args.first().map_or(1, |depth| depth.number(u64::MAX));
            allocating(depth as f64, target.size())
        }
        ("list_distinct", Some(target), []) => allocating(2.0, target.size().times(target.size())),
        (overload, Some(target), []) if overload.ends_with("_sort") => sorting(overload, target),
        (overload, Some(_), [keys]) if overload.ends_with("_sortByAssociatedKeys") => sorting(overload, keys),
        (
            "list_sets_contains_list" | "list_sets_intersects_list" | "list_sets_equivalent_list",
            _,
            [one, other],
        ) => {
            let factor = if overload == "list_sets_equivalent_list" { 2.0 } else { 1.0 };
            cost(one.size().times(other.size()).scaled(factor).plus(Range::exactly(1)))
        }
        _ => None,
    }
}

fn sorting(overload: &str, list: &Argument<'_>) -> Option<CallEstimate> {
    let texts = overload.starts_with("list_string") || overload.starts_with("list_bytes");
    let factor = if texts { 2.0 + TRAVERSAL } else { 2.0 };
    allocating(factor, list.size().times(list.size()))
}

/// Kubernetes' libraries.
fn kubernetes(
    function: &str,
    overload: &str,
    target: Option<&Argument<'_>>,
    args: &[Argument<'_>],
) -> Option<CallEstimate> {
    match (function, target, args) {
        ("check", ..) => cost(Range::exactly(AUTHORIZATION)),
        (
            "serviceAccount"
            | "path"
            | "group"
            | "resource"
            | "subresource"
            | "namespace"
            | "name"
            | "allowed"
            | "reason"
            | "error"
            | "errored"
            | "masked"
            | "prefixLength"
            | "family"
            | "isUnspecified"
            | "isLoopback"
            | "isLinkLocalMulticast"
            | "isLinkLocalUnicast"
            | "isGlobalUnicast"
            | "format.named"
            | "sign"
            | "asInteger"
            | "isInteger"
            | "asApproximateFloat"
            | "isGreaterThan"
            | "isLessThan"
            | "compareTo"
            | "add"
            | "sub"
            | "major"
            | "minor"
            | "patch"
            | "getScheme"
            | "getHostname"
            | "getHost"
            | "getPort"
            | "getEscapedPath"
            | "getQuery",
            ..,
        ) => cost(Range::exactly(1)),
        ("fieldSelector" | "labelSelector", _, [selector]) => {
            let size = selector.size();
            cost(Range::exactly(10).plus(size.scaled(TRAVERSAL)).plus(size.scaled(0.5).scaled(50.0)))
        }
        ("isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf", Some(target), _) => {
            cost(over_items(target))
        }
        ("url" | "jsonpatch.escapeKey", _, [text]) => sized(text.size().scaled(TRAVERSAL), text.size()),
        ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(text), _) => {
            sized(text.size().scaled(TRAVERSAL), text.size())
        }
        ("replace", Some(text), [from, to, ..]) => {
            sized(text.size().scaled(2.0 * TRAVERSAL), replaced(text.size(), from.size(), to.size()))
        }
        ("split", Some(text), args) => {
            let most = args.get(1).map_or(text.size().max, |most| match &most.expr.kind {
                Kind::Literal(Constant::Int(value)) => *value as u64,
                _ => text.size().max,
            });
            sized(text.size().scaled(2.0 * TRAVERSAL), Range { min: 0, max: most })
        }
        ("join", Some(list), args) => {
            let size = joined(list, args.first());
            sized(size.scaled(TRAVERSAL), size)
        }
        ("find" | "findAll", Some(text), [pattern, ..]) => {
            let size = Range { min: 0, max: text.size().max };
            sized(matching(text.size(), pattern.size()), size)
        }
        ("ip", ..) if overload == "cidr_ip" => cost(Range::exactly(1)),
        (
            "ip" | "cidr" | "isIP" | "isCIDR" | "quantity" | "isQuantity" | "semver" | "isSemver",
            _,
            [text, ..],
        ) => cost(text.size().scaled(TRAVERSAL)),
        ("ip.isCanonical", _, [text]) => cost(text.size().scaled(2.0 * TRAVERSAL)),
        ("containsIP" | "containsCIDR", _, [other]) => cost(containing(function, overload, other)),
        ("validate", _, [text, ..]) => cost(text.size().scaled(TRAVERSAL).scaled(FORMAT_PATTERN * PATTERN)),
        ("_==_", _, [one, other]) => extensions_equal(one, other),
        _ => None,
    }
}

/// Each item once; texts are read.
fn over_items(list: &Argument<'_>) -> Range {
    let items = match list.of {
        Type::List(items) => items,
        _ => return list.size().scaled(TRAVERSAL),
    };
    let mut each = Range::exactly(1);
    if matches!(**items, Type::String | Type::Bytes) {
        each = each.plus(list.items.unwrap_or(Range::UNKNOWN).scaled(TRAVERSAL));
    }
    list.size().times(each)
}

/// How long a text may be of which parts are replaced.
fn replaced(text: Range, from: Range, to: Range) -> Range {
    let (mut count, mut kept) = (Range::exactly(0), Range::exactly(0));
    if from.min == 0 {
        count.max = text.max.saturating_add(1);
        kept.max = text.max;
    } else if to.max <= from.min {
        kept.max = text.max;
    } else {
        count.max = (text.max as f64 / from.min as f64).ceil() as u64;
    }
    if from.max == 0 {
        count.min = text.min.saturating_add(1);
        kept.min = text.min;
    } else if from.max <= to.min {
        kept.min = text.min;
    } else {
        count.min = (text.min as f64 / from.max as f64).ceil() as u64;
    }
    count.times(to).plus(kept)
}

fn joined(list: &Argument<'_>, separator: Option<&Argument<'_>>) -> Range {
    let count = list.size();
    let mut size = match list.of {
        Type::List(_) => count.times(list.items.unwrap_or(Range::UNKNOWN)),
        _ => Range::exactly(0),
    };
    if let Some(separator) = separator {
        let between = Range { min: count.min.saturating_sub(1), max: count.max.saturating_sub(1) };
        size = size.plus(separator.size().times(between));
    }
    size
}

fn containing(function: &str, overload: &str, other: &Argument<'_>) -> Range {
    let address = Range { min: 4, max: 16 };
    let mut total = address.plus(address).scaled(TRAVERSAL);
    if function == "containsCIDR" {
        total = total.plus(address.scaled(TRAVERSAL)).plus(Range::exactly(1));
    }
    if overload.ends_with("_string") {
        total = total.plus(other.size().scaled(TRAVERSAL));
    }
    total
}

fn extensions_equal(one: &Argument<'_>, other: &Argument<'_>) -> Option<CallEstimate> {
    let Type::Opaque(name) = one.of else { return None };
    if one.of != other.of {
        return None;
    }
    cost(match *name {
        "kubernetes.NamedFormat" => Range { min: 1, max: 64 }.scaled(TRAVERSAL),
        "kubernetes.URL" => {
            let size = other.size.unwrap_or(Range::exactly(1));
            Range { min: 1, max: size.max }.scaled(TRAVERSAL)
        }
        _ => Range::exactly(1),
    })
}

/// CEL's standard functions.
fn standard(overload: &str, target: Option<&Argument<'_>>, args: &[Argument<'_>]) -> Option<CallEstimate> {
    match (overload, target, args) {
        ("string_format", Some(text), _) => cost(text.size().scaled(TRAVERSAL)),
        ("string_to_bytes", _, [text]) => {
            let size = text.size();
            sized(size.scaled(TRAVERSAL), Range { min: size.min, max: size.max.wrapping_mul(4) })
        }
        ("bytes_to_string", _, [bytes]) => {
            let size = bytes.size();
            sized(size.scaled(TRAVERSAL), Range { min: size.min / 4, max: size.max })
        }
        ("strings_quote", _, [text]) => {
            let size = text.size();
            let quoted =
                Range { min: size.min.wrapping_add(2), max: size.max.wrapping_mul(2).wrapping_add(2) };
            sized(size.scaled(TRAVERSAL), quoted)
        }
        ("starts_with_string" | "ends_with_string", _, [part]) => cost(part.size().scaled(TRAVERSAL)),
        ("in_list", _, [_, list]) => cost(list.size().scaled(1.0)),
        ("matches_string", Some(text), [pattern]) => cost(matching(text.size(), pattern.size())),
        ("contains_string", Some(text), [part]) => {
            cost(text.size().scaled(TRAVERSAL).times(part.size().scaled(TRAVERSAL)))
        }
        (overload, _, [one, other])
            if matches!(overload, "equals" | "not_equals") || is_ordering_of_texts(overload) =>
        {
            let max = one.size().max.min(other.size().max);
            cost(Range { min: max.min(1), max }.scaled(TRAVERSAL))
        }
        _ => None,
    }
}
