//! What functions would refuse whenever they are called is refused at once: literals that are no durations, time
//! stamps or patterns, formats that do not fit their values, and lists and maps of mixed types.

use crate::ast::{Constant, Expr, Id, Kind};
use crate::functions::convert::parse_duration;
use crate::functions::format::{Verb, verbs};
use crate::pattern::Pattern;
use crate::time::Timestamp;
use crate::types::Type;

struct Literals<'a, R> {
    types: &'a [Type],
    report: R,
}

/// Reports what is wrong with literals.
pub fn check(expr: &Expr, types: &[Type], report: impl FnMut(Id, String)) {
    Literals { types, report }.look(expr, false);
}

impl<R: FnMut(Id, String)> Literals<'_, R> {
    fn of(&self, expr: &Expr) -> &Type {
        match &self.types[expr.id as usize] {
            Type::Optional(inner) => inner,
            other => other,
        }
    }

    /// Looks at an expression and below; lists to be formatted may hold anything.
    fn look(&mut self, expr: &Expr, formatted: bool) {
        match &expr.kind {
            Kind::Literal(_) | Kind::Ident(_) => {}
            Kind::Select { operand, .. } => self.look(operand, formatted),
            Kind::Call { function, target, args } => {
                self.call(expr.id, function, target.as_deref(), args);
                let formatted = formatted || &**function == "format";
                target.iter().for_each(|target| self.look(target, formatted));
                args.iter().for_each(|arg| self.look(arg, formatted));
            }
            Kind::List(elements) => {
                if !formatted {
                    self.alike(elements.iter().map(|element| (&element.value, element.optional)));
                }
                elements.iter().for_each(|element| self.look(&element.value, formatted));
            }
            Kind::Map(entries) => {
                if !formatted {
                    self.alike(entries.iter().map(|entry| (&entry.key, false)));
                    self.alike(entries.iter().map(|entry| (&entry.value, entry.optional)));
                }
                for entry in entries {
                    self.look(&entry.key, formatted);
                    self.look(&entry.value, formatted);
                }
            }
            Kind::Struct { fields, .. } => fields.iter().for_each(|field| self.look(&field.value, formatted)),
            Kind::Comprehension(fold) => {
                for part in [&fold.range, &fold.init, &fold.condition, &fold.step, &fold.result] {
                    self.look(part, formatted);
                }
            }
        }
    }

    /// Whether all are of one type.
    fn alike<'e>(&mut self, values: impl Iterator<Item = (&'e Expr, bool)>) {
        let mut first: Option<Type> = None;
        for (value, optional) in values {
            let of = if optional { self.of(value).clone() } else { self.types[value.id as usize].clone() };
            match &first {
                None => first = Some(of),
                Some(first) if *first == of => {}
                Some(first) => {
                    let message = format!("expected type '{first}' but found '{of}'");
                    (self.report)(value.id, message);
                    return;
                }
            }
        }
    }

    fn call(&mut self, id: Id, function: &str, target: Option<&Expr>, args: &[Expr]) {
        if let ("format", Some(Expr { kind: Kind::Literal(Constant::String(text)), .. }), [list]) =
            (function, target, args)
        {
            self.format(id, text, list);
            return;
        }
        let Some(Expr { id, kind: Kind::Literal(literal) }) = args.last() else { return };
        let valid = match (function, literal) {
            ("duration", Constant::String(text)) => parse_duration(text).is_some(),
            ("duration", _) => false,
            ("timestamp", Constant::String(text)) => Timestamp::parse(text).is_some(),
            ("matches", Constant::String(text)) => Pattern::new(text).is_ok(),
            _ => true,
        };
        if !valid {
            (self.report)(*id, format!("invalid {function} argument"));
        }
    }

    /// Whether the clauses of a format fit a list that is written beside it.
    fn format(&mut self, call: Id, text: &str, list: &Expr) {
        let Kind::List(elements) = &list.kind else { return };
        let verbs = match verbs(text) {
            Ok(verbs) => verbs,
            Err(error) => return (self.report)(call, error.to_string()),
        };
        for (at, Verb { letter, .. }) in verbs.iter().enumerate() {
            let Some(element) = elements.get(at) else {
                return (self.report)(call, format!("index {at} out of range"));
            };
            if let Err(why) = fits(*letter, self.of(&element.value)) {
                (self.report)(element.value.id, format!("error during formatting: {why}"));
            }
        }
    }
}

fn fits(verb: char, of: &Type) -> Result<(), String> {
    let (kind, fits) = match verb {
        _ if of.is_dyn() => return Ok(()),
        'd' => ("decimal clause can only be used on integers", matches!(of, Type::Int | Type::Uint)),
        'f' => ("fixed-point clause can only be used on doubles", matches!(of, Type::Double | Type::String)),
        'e' => ("scientific clause can only be used on doubles", matches!(of, Type::Double | Type::String)),
        'b' => (
            "only integers and bools can be formatted as binary",
            matches!(of, Type::Int | Type::Uint | Type::Bool),
        ),
        'o' => ("octal clause can only be used on integers", matches!(of, Type::Int | Type::Uint)),
        'x' | 'X' => (
            "only integers, byte buffers, and strings can be formatted as hex",
            matches!(of, Type::Int | Type::Uint | Type::String | Type::Bytes),
        ),
        _ => (
            "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, \
             and timestamps",
            !matches!(of, Type::Opaque(_) | Type::Object(_)),
        ),
    };
    if fits { Ok(()) } else { Err(format!("{kind}, was given {}", of.name())) }
}
