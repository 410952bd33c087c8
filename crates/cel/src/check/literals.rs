//! Literals that functions would refuse whenever they are called are refused at once.

use crate::ast::{Constant, Expr, Id, Kind};
use crate::functions::convert::{parse_duration, parse_timestamp};
use crate::pattern::Pattern;

/// Reports literals that are no durations, time stamps or patterns.
pub fn check(expr: &Expr, mut report: impl FnMut(Id, String)) {
    expr.walk(&mut |expr| {
        let Kind::Call { function, args, .. } = &expr.kind else { return };
        let literal = args.last().and_then(|arg| match &arg.kind {
            Kind::Literal(Constant::String(text)) => Some((arg.id, text)),
            _ => None,
        });
        let Some((id, text)) = literal else { return };
        let valid = match &**function {
            "duration" => parse_duration(text).is_some(),
            "timestamp" => parse_timestamp(text).is_some(),
            "matches" => Pattern::new(text).is_ok(),
            _ => true,
        };
        if !valid {
            report(id, format!("invalid {function} argument"));
        }
    });
}
