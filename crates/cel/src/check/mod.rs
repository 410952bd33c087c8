//! Types of expressions: names are resolved, overloads chosen, mistakes told as cel-go tells them.

pub mod declarations;
mod literals;
mod unify;

use crate::ast::{Comprehension, Constant, Entry, Expr, FieldInit, Id, Kind, operator};
use crate::declared::ObjectType;
use crate::env::Env;
use crate::error::Issue;
use crate::source::Source;
use crate::types::{Param, Type};
use declarations::Overload;
use std::collections::HashMap;
use std::sync::Arc;
use unify::{Substitutions, most_general};

/// What checking found out, by id.
#[derive(Clone, Debug)]
pub struct Checked {
    pub types: Vec<Type>,
    /// The overloads that a call may mean.
    pub overloads: HashMap<Id, Vec<&'static Overload>>,
}

struct Checker<'a> {
    env: &'a Env,
    source: &'a Source,
    positions: &'a [u32],
    types: Vec<Type>,
    overloads: HashMap<Id, Vec<&'static Overload>>,
    substitutions: Substitutions,
    /// Variables of loops, the innermost last.
    scope: Vec<(Box<str>, Type)>,
    issues: Vec<Issue>,
}

/// Checks the expression, and writes resolved names into it.
pub fn check(env: &Env, source: &Source, positions: &[u32], expr: &mut Expr) -> Result<Checked, Vec<Issue>> {
    let mut checker = Checker {
        env,
        source,
        positions,
        types: vec![Type::Error; positions.len()],
        overloads: HashMap::new(),
        substitutions: Substitutions::default(),
        scope: Vec::new(),
        issues: Vec::new(),
    };
    checker.check(expr);
    if checker.issues.is_empty() {
        let types: Vec<Type> = checker.types.iter().map(|of| checker.substitutions.apply(of, true)).collect();
        literals::check(expr, &types, |id, message| checker.report(id, message));
        checker.types = types;
    }
    if checker.issues.is_empty() {
        let types = checker.types;
        return Ok(Checked { types, overloads: checker.overloads });
    }
    checker.issues.sort_by_key(|issue| (issue.line, issue.column));
    Err(checker.issues)
}

impl Checker<'_> {
    fn report(&mut self, id: Id, message: impl Into<String>) {
        let issue = self.source.issue(self.positions[id as usize], message);
        self.issues.push(issue);
    }

    fn undeclared(&mut self, id: Id, name: &str) {
        self.report(id, format!("undeclared reference to '{name}' (in container '')"));
    }

    fn mismatch(&mut self, id: Id, expected: &Type, found: &Type) {
        self.report(id, format!("expected type '{expected}' but found '{found}'"));
    }

    fn set(&mut self, id: Id, of: Type) -> Type {
        self.types[id as usize] = of.clone();
        of
    }

    fn current(&self, of: &Type) -> Type {
        self.substitutions.apply(of, false)
    }

    /// The type of the variable; loops' variables first.
    fn variable(&self, name: &str) -> Option<Type> {
        let local = self.scope.iter().rev().find(|(known, _)| **known == *name);
        if let Some((_, of)) = local {
            return Some(of.clone());
        }
        self.env.variables.get(name.trim_start_matches('.')).map(|declared| declared.to_type())
    }

    /// What the name means as an expression, and its type.
    fn ident(&self, name: &str) -> Option<(Kind, Type)> {
        if let Some(of) = self.variable(name) {
            return Some((Kind::Ident(name.trim_start_matches('.').into()), of));
        }
        let named = declarations::type_name(name.trim_start_matches('.'))?;
        Some((Kind::Literal(Constant::Type(named.clone())), Type::of(named)))
    }

    fn check(&mut self, expr: &mut Expr) -> Type {
        let id = expr.id;
        let found = match &mut expr.kind {
            Kind::Literal(constant) => constant_type(constant),
            Kind::Ident(name) => {
                let name = name.clone();
                match self.ident(&name) {
                    Some((kind, of)) => {
                        expr.kind = kind;
                        of
                    }
                    None => {
                        self.undeclared(id, &name);
                        Type::Error
                    }
                }
            }
            Kind::Select { .. } => self.select(expr),
            Kind::Call { .. } => self.call(expr),
            Kind::List(elements) => {
                let mut items = None;
                for element in elements {
                    let of = self.check(&mut element.value);
                    let of = self.unwrapped(element.value.id, of, element.optional);
                    items = Some(self.join(items, of));
                }
                let items = items.unwrap_or_else(|| self.substitutions.fresh());
                Type::list(items)
            }
            Kind::Map(entries) => self.map(entries),
            Kind::Struct { .. } => self.object(expr),
            Kind::Comprehension(fold) => self.comprehension(fold),
        };
        self.set(id, found)
    }

    fn select(&mut self, expr: &mut Expr) -> Type {
        if let Some((kind, of)) = expr.qualified_name().and_then(|name| self.ident(&name)) {
            expr.kind = kind;
            return of;
        }
        let id = expr.id;
        let Kind::Select { operand, field, test } = &mut expr.kind else { return Type::Error };
        let found = self.field(id, operand, field, false);
        if *test { Type::Bool } else { self.current(&found) }
    }

    /// The type of `operand.field`, reported at `id`.
    fn field(&mut self, id: Id, operand: &mut Expr, field: &str, optional: bool) -> Type {
        let of = self.check(operand);
        let of = self.current(&of);
        let (target, was_optional) = match &of {
            Type::Optional(inner) => ((**inner).clone(), true),
            _ => (of, false),
        };
        let found = match &target {
            Type::Map(entry) => entry.1.clone(),
            Type::Object(object) => match object.field(field) {
                Some(field) => field.declared.to_type(),
                None if self.is_made(object) => Type::Dyn,
                None => {
                    self.report(id, format!("undefined field '{field}'"));
                    Type::Error
                }
            },
            Type::Param(_) => {
                self.substitutions.assignable(&Type::Dyn, &target);
                Type::Dyn
            }
            Type::Opaque(_) => {
                self.report(id, format!("undefined field '{field}'"));
                Type::Error
            }
            other => {
                if !other.is_dyn_or_error() {
                    self.report(id, format!("type '{other}' does not support field selection"));
                }
                Type::Dyn
            }
        };
        if was_optional || optional { Type::optional(found) } else { found }
    }

    fn call(&mut self, expr: &mut Expr) -> Type {
        let id = expr.id;
        let Kind::Call { function, target, args } = &mut expr.kind else { return Type::Error };
        if &**function == operator::OPTIONAL_SELECT
            && let [operand, name] = &mut args[..]
        {
            let Kind::Literal(Constant::String(field)) = &name.kind else { return Type::Error };
            let field = field.clone();
            self.set(name.id, Type::String);
            let found = self.field(id, operand, &field, true);
            if let Some([overload]) = declarations::overloads(operator::OPTIONAL_SELECT) {
                self.overloads.insert(id, vec![overload]);
            }
            return self.current(&found);
        }
        let mut types: Vec<Type> = args.iter_mut().map(|arg| self.check(arg)).collect();
        // `a.b.f(x)` may be the function `a.b.f`.
        if let Some(receiver) = target {
            let qualified = receiver.qualified_name().map(|prefix| format!("{prefix}.{function}"));
            let qualified = qualified.filter(|name| self.function(name).is_some());
            if let Some(name) = qualified {
                *function = name.trim_start_matches('.').into();
                *target = None;
            } else {
                let receiver = self.check(receiver);
                types.insert(0, receiver);
            }
        }
        let member = target.is_some();
        let name = function.trim_start_matches('.').to_owned();
        let Some(overloads) = self.function(&name) else {
            self.undeclared(id, function);
            return Type::Error;
        };
        *function = name.as_str().into();
        if matches!(&*name, operator::AND | operator::OR) {
            return self.logical(id, args, &types, overloads);
        }
        self.resolve(id, &name, &types, member, overloads)
    }

    fn function(&self, name: &str) -> Option<&'static [Overload]> {
        let name = name.trim_start_matches('.');
        if name == "jsonpatch.escapeKey" && !self.env.patches {
            return None;
        }
        declarations::overloads(name)
    }

    fn logical(&mut self, id: Id, args: &[Expr], types: &[Type], overloads: &'static [Overload]) -> Type {
        self.overloads.insert(id, overloads.iter().collect());
        let mut result = Type::Bool;
        for (arg, of) in args.iter().zip(types) {
            if !self.substitutions.assignable(of, &Type::Bool) {
                let of = self.current(of);
                self.mismatch(arg.id, &Type::Bool, &of);
                result = Type::Error;
            }
        }
        result
    }

    fn resolve(
        &mut self,
        id: Id,
        name: &str,
        types: &[Type],
        member: bool,
        overloads: &'static [Overload],
    ) -> Type {
        let mut result: Option<Type> = None;
        let mut chosen = Vec::new();
        for overload in overloads.iter().filter(|overload| overload.member == member) {
            let (params, returns) = self.instantiate(overload);
            if params.len() != types.len() || !self.substitutions.assignable_all(types.iter().zip(&params)) {
                continue;
            }
            chosen.push(overload);
            let returns = self.current(&returns);
            result = Some(match result {
                None => returns,
                Some(known) if known.is_dyn() || known == returns => known,
                Some(_) => Type::Dyn,
            });
        }
        let Some(result) = result else {
            let shown: Vec<String> =
                types.iter().map(|of| self.substitutions.apply(of, true).to_string()).collect();
            let signature = match (&shown[..], member) {
                ([target, args @ ..], true) => format!("{target}.({})", args.join(", ")),
                (args, _) => format!("({})", args.join(", ")),
            };
            self.report(id, format!("found no matching overload for '{name}' applied to '{signature}'"));
            return Type::Error;
        };
        self.overloads.insert(id, chosen);
        result
    }

    /// The overload's types, with parameters of its own.
    fn instantiate(&mut self, overload: &Overload) -> (Vec<Type>, Type) {
        if !overload.generic {
            return (overload.params.clone(), overload.result.clone());
        }
        let mut letters = Vec::new();
        let params = overload.params.iter().map(|of| self.renamed(of, &mut letters)).collect();
        (params, self.renamed(&overload.result, &mut letters))
    }

    fn renamed(&mut self, of: &Type, letters: &mut Vec<(char, Type)>) -> Type {
        match of {
            Type::Param(Param::Declared(letter)) => {
                if let Some((_, fresh)) = letters.iter().find(|(known, _)| known == letter) {
                    return fresh.clone();
                }
                let fresh = self.substitutions.fresh();
                letters.push((*letter, fresh.clone()));
                fresh
            }
            Type::List(inner) => Type::list(self.renamed(inner, letters)),
            Type::Optional(inner) => Type::optional(self.renamed(inner, letters)),
            Type::Type(inner) => Type::of(self.renamed(inner, letters)),
            Type::Map(entry) => Type::map(self.renamed(&entry.0, letters), self.renamed(&entry.1, letters)),
            other => other.clone(),
        }
    }

    /// What an optional element adds to its list: the type within.
    fn unwrapped(&mut self, id: Id, of: Type, optional: bool) -> Type {
        if !optional {
            return of;
        }
        match of {
            Type::Optional(inner) => (*inner).clone(),
            Type::Dyn => of,
            other => {
                self.mismatch(id, &Type::optional(other.clone()), &other);
                other
            }
        }
    }

    fn join(&mut self, known: Option<Type>, of: Type) -> Type {
        let Some(known) = known else { return of };
        if self.substitutions.assignable(&known, &of) {
            return most_general(&known, &of).clone();
        }
        Type::Dyn
    }

    fn map(&mut self, entries: &mut [Entry]) -> Type {
        let (mut keys, mut values) = (None, None);
        for entry in entries {
            let key = self.check(&mut entry.key);
            keys = Some(self.join(keys, key));
            let value = self.check(&mut entry.value);
            let value = self.unwrapped(entry.value.id, value, entry.optional);
            values = Some(self.join(values, value));
        }
        match (keys, values) {
            (Some(keys), Some(values)) => Type::map(keys, values),
            _ => {
                let keys = self.substitutions.fresh();
                Type::map(keys, self.substitutions.fresh())
            }
        }
    }

    /// Whether objects of the type are made by mutating policies, whose fields are free.
    fn is_made(&self, object: &ObjectType) -> bool {
        self.env.patches && (object.name == "Object" || object.name.starts_with("Object."))
    }

    /// The type of an object that an expression makes.
    fn made(&self, name: &str) -> Option<Arc<ObjectType>> {
        if !self.env.patches {
            return None;
        }
        if name == "JSONPatch" {
            let text = |name: &str| (name.to_owned(), crate::Declared::STRING);
            let fields = [text("op"), text("path"), text("from"), ("value".to_owned(), crate::Declared::DYN)];
            return Some(ObjectType::new(name, fields));
        }
        let object = ObjectType { name: name.to_owned(), ..ObjectType::default() };
        self.is_made(&object).then(|| Arc::new(object))
    }

    fn object(&mut self, expr: &mut Expr) -> Type {
        let id = expr.id;
        let Kind::Struct { name, fields } = &mut expr.kind else { return Type::Error };
        let known = name.trim_start_matches('.').to_owned();
        let Some(object) = self.made(&known) else {
            match self.ident(&known) {
                Some((_, Type::Type(of))) => {
                    self.report(id, format!("'{}' is not a message type", of.name()))
                }
                Some((_, of)) => self.report(id, format!("'{}' is not a type", of.name())),
                None => {
                    self.undeclared(id, &known);
                    fields.clear();
                }
            }
            for field in fields {
                self.check(&mut field.value);
                self.report(field.id, format!("unexpected failed resolution of '{known}'"));
            }
            return Type::Error;
        };
        *name = known.as_str().into();
        for field in fields {
            self.initializer(&object, field);
        }
        Type::Object(object)
    }

    fn initializer(&mut self, object: &Arc<ObjectType>, field: &mut FieldInit) {
        let of = self.check(&mut field.value);
        let of = self.unwrapped(field.value.id, of, field.optional);
        let expected = match object.field(&field.name) {
            Some(known) => known.declared.to_type(),
            // Whether the names of types follow those of fields is known when it is evaluated.
            None if self.is_made(object) => Type::Dyn,
            None => {
                self.report(field.id, format!("undefined field '{}'", field.name));
                return;
            }
        };
        if !self.substitutions.assignable(&expected, &of) {
            let of = self.current(&of);
            let name = &field.name;
            let message =
                format!("expected type of field '{name}' is '{expected}' but provided type is '{of}'");
            self.report(field.id, message);
        }
    }

    fn comprehension(&mut self, fold: &mut Comprehension) -> Type {
        let range = self.check(&mut fold.range);
        let init = self.check(&mut fold.init);
        let range = self.current(&range);
        self.scope.push((fold.accumulator.clone(), init.clone()));
        let two = fold.var2.is_some();
        let (first, second) = match &range {
            Type::List(items) if two => (Type::Int, (**items).clone()),
            Type::List(items) => ((**items).clone(), Type::Error),
            Type::Map(entry) => entry.as_ref().clone(),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.substitutions.assignable(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or \
                     dynamic)"
                );
                self.report(fold.range.id, message);
                (Type::Error, Type::Error)
            }
        };
        let scope = self.scope.len();
        self.scope.push((fold.var.clone(), first));
        if let Some(var2) = &fold.var2 {
            self.scope.push((var2.clone(), second));
        }
        let condition = self.check(&mut fold.condition);
        self.assert(fold.condition.id, &Type::Bool, &condition);
        let step = self.check(&mut fold.step);
        self.assert(fold.step.id, &init, &step);
        self.scope.truncate(scope);
        let result = self.check(&mut fold.result);
        self.scope.truncate(scope - 1);
        self.current(&result)
    }

    fn assert(&mut self, id: Id, expected: &Type, of: &Type) {
        if !self.substitutions.assignable(expected, of) {
            let (expected, of) = (self.current(expected), self.current(of));
            self.mismatch(id, &expected, &of);
        }
    }
}

fn constant_type(constant: &Constant) -> Type {
    match constant {
        Constant::Null => Type::Null,
        Constant::Bool(_) => Type::Bool,
        Constant::Int(_) => Type::Int,
        Constant::Uint(_) => Type::Uint,
        Constant::Double(_) => Type::Double,
        Constant::String(_) => Type::String,
        Constant::Bytes(_) => Type::Bytes,
        Constant::Type(of) => Type::of(of.clone()),
    }
}
