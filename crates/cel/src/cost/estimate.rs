//! What an expression may cost, from what is known before it is evaluated: literals and declared sizes. Custom
//! resources' rules are accepted or refused by it, so it is upstream's estimate to the unit.

use super::calls::{Argument, CallEstimate};
use super::range::Range;
use crate::ast::{ACCUMULATOR, Comprehension, Constant, Expr, Id, Kind};
use crate::check::Checked;
use crate::declared::Declared;
use crate::env::Env;
use crate::types::Type;
use std::collections::HashMap;

/// The sizes of what a list or a map holds.
#[derive(Clone, Copy, Debug)]
struct Entries {
    map: bool,
    key: Range,
    value: Range,
}

impl Entries {
    fn union(self, other: Entries) -> Entries {
        Entries { map: self.map, key: self.key.union(other.key), value: self.value.union(other.value) }
    }
}

/// Where data comes from, as far as its declaration is known.
#[derive(Clone, Debug)]
enum Place {
    Unknown,
    Declared(Declared),
    /// The key of a map.
    Key,
}

/// A variable of a loop.
struct Local<'e> {
    name: &'e str,
    place: Place,
    size: Option<Range>,
    entries: Option<Entries>,
}

struct Estimator<'e> {
    env: &'e Env,
    checked: &'e Checked,
    locals: Vec<Local<'e>>,
    places: HashMap<Id, Place>,
    sizes: HashMap<Id, Range>,
    entries: HashMap<Id, Entries>,
}

/// The estimated cost of the expression.
pub fn estimate(env: &Env, checked: &Checked, expr: &Expr) -> Range {
    let mut estimator = Estimator {
        env,
        checked,
        locals: Vec::new(),
        places: HashMap::new(),
        sizes: HashMap::new(),
        entries: HashMap::new(),
    };
    estimator.cost(expr)
}

/// The most that data of the declared type holds; `None` where nothing is known.
fn bound(declared: &Declared) -> Option<u64> {
    match declared {
        Declared::Dyn { max_size } => *max_size,
        Declared::String { max_length } | Declared::Bytes { max_length } => *max_length,
        Declared::Timestamp { max_length } | Declared::Duration { max_length } => Some(*max_length),
        Declared::List(list) => list.max_items,
        Declared::Map(map) => map.max_properties,
        // As upstream, whose other types have no elements.
        Declared::Bool | Declared::Int | Declared::Double | Declared::Object(_) => Some(0),
        Declared::Other(_) => None,
    }
}

impl Place {
    fn field(&self, name: &str) -> Place {
        match self {
            Place::Declared(Declared::Object(object)) => {
                object.field(name).map_or(Place::Unknown, |field| Place::Declared(field.declared.clone()))
            }
            _ => Place::Unknown,
        }
    }

    /// The place of items, or values.
    fn within(&self) -> Place {
        match self {
            Place::Declared(Declared::List(list)) => Place::Declared(list.items.clone()),
            Place::Declared(Declared::Map(map)) => Place::Declared(map.values.clone()),
            _ => Place::Unknown,
        }
    }

    fn size(&self) -> Option<Range> {
        match self {
            Place::Unknown => None,
            Place::Key => Some(Range::exactly(0)),
            Place::Declared(declared) => bound(declared).map(|max| Range { min: 0, max }),
        }
    }
}

impl<'e> Estimator<'e> {
    fn of(&self, expr: &Expr) -> &'e Type {
        &self.checked.types[expr.id as usize]
    }

    fn local(&self, expr: &Expr) -> Option<&Local<'e>> {
        let Kind::Ident(name) = &expr.kind else { return None };
        self.locals.iter().rev().find(|local| *local.name == **name)
    }

    fn place(&self, expr: &Expr) -> Place {
        if let Some(local) = self.local(expr) {
            return local.place.clone();
        }
        self.places.get(&expr.id).cloned().unwrap_or(Place::Unknown)
    }

    fn cost(&mut self, expr: &'e Expr) -> Range {
        match &expr.kind {
            Kind::Literal(Constant::Type(_)) => {
                // A type's name is a name: upstream takes its size to be that of `self`, as every other name's.
                let root = self.env.variables.get("self").cloned();
                self.places.insert(expr.id, root.map_or(Place::Unknown, Place::Declared));
                Range::exactly(1)
            }
            Kind::Literal(_) => Range::exactly(0),
            Kind::Ident(name) => {
                let place = match self.local(expr) {
                    Some(local) => local.place.clone(),
                    None => self.env.variables.get(&**name).cloned().map_or(Place::Unknown, Place::Declared),
                };
                self.places.insert(expr.id, place);
                Range::exactly(1)
            }
            Kind::Select { operand, field, test } => {
                let cost = self.cost(operand);
                if *test {
                    return cost;
                }
                let place = self.place(operand).field(field);
                let place = match (place, self.place(operand)) {
                    // A map's entries by name have no place upstream.
                    (_, Place::Declared(Declared::Map(_))) => Place::Unknown,
                    (place, _) => place,
                };
                self.places.insert(expr.id, place);
                let selected = matches!(self.of(operand), Type::Map(_) | Type::Object(_) | Type::Param(_));
                cost.plus(Range::exactly(u64::from(selected)))
            }
            Kind::Call { .. } => self.call(expr),
            Kind::List(_) | Kind::Map(_) => self.construct(expr),
            Kind::Struct { fields, .. } => {
                fields.iter().fold(Range::exactly(40), |sum, field| sum.plus(self.cost(&field.value)))
            }
            Kind::Comprehension(fold) => self.comprehension(expr, fold),
        }
    }

    fn construct(&mut self, expr: &'e Expr) -> Range {
        let nothing = Range { min: u64::MAX, max: 0 };
        let (mut key, mut value) = (nothing, nothing);
        let mut sum = Range::exactly(0);
        let (map, empty) = match &expr.kind {
            Kind::List(elements) => {
                key = Range::exactly(1);
                for element in elements {
                    sum = sum.plus(self.cost(&element.value));
                    value = value.union(self.size_or_unknown(&element.value));
                }
                (false, elements.is_empty())
            }
            Kind::Map(entries) => {
                for entry in entries {
                    sum = sum.plus(self.cost(&entry.key)).plus(self.cost(&entry.value));
                    key = key.union(self.size_or_unknown(&entry.key));
                    value = value.union(self.size_or_unknown(&entry.value));
                }
                (true, entries.is_empty())
            }
            _ => return sum,
        };
        if empty {
            value.min = 0;
            key.min = if map { 0 } else { key.min };
        }
        self.entries.insert(expr.id, Entries { map, key, value });
        sum.plus(Range::exactly(if map { 30 } else { 10 }))
    }

    fn size_or_unknown(&mut self, expr: &Expr) -> Range {
        self.size(expr).unwrap_or(Range::UNKNOWN)
    }

    fn size(&mut self, expr: &Expr) -> Option<Range> {
        if let Some(known) = self.sizes.get(&expr.id) {
            return Some(*known);
        }
        let literal = match &expr.kind {
            Kind::Literal(Constant::String(text)) => Some(text.chars().count() as u64),
            Kind::Literal(Constant::Bytes(bytes)) => Some(bytes.len() as u64),
            Kind::Literal(Constant::Type(_)) => None,
            Kind::Literal(_) => Some(1),
            Kind::List(elements) => Some(elements.len() as u64),
            Kind::Map(entries) => Some(entries.len() as u64),
            _ => None,
        };
        if let Some(literal) = literal {
            return Some(Range::exactly(literal));
        }
        if let Some(size) = self.place(expr).size() {
            self.sizes.insert(expr.id, size);
            return Some(size);
        }
        if is_scalar(self.of(expr)) {
            return Some(Range::exactly(1));
        }
        self.local(expr).and_then(|local| local.size)
    }

    fn entries(&self, expr: &Expr) -> Option<Entries> {
        self.entries.get(&expr.id).copied().or_else(|| self.local(expr).and_then(|local| local.entries))
    }

    fn call(&mut self, expr: &'e Expr) -> Range {
        let Kind::Call { function, target, args } = &expr.kind else { return Range::exactly(0) };
        if let ("dyn", [arg]) = (&**function, &args[..]) {
            let cost = self.cost(arg).plus(Range::exactly(1));
            self.copy(expr, arg);
            return cost;
        }
        let costs: Vec<Range> = args.iter().map(|arg| self.cost(arg)).collect();
        let arguments: Vec<Argument<'e>> = args.iter().map(|arg| self.argument(arg)).collect();
        let overloads = self.checked.overloads.get(&expr.id).map(Vec::as_slice).unwrap_or_default();
        if overloads.is_empty() {
            return Range::exactly(0);
        }
        let target_cost = target.as_deref().map(|target| self.cost(target));
        let target = target.as_deref().map(|target| self.argument(target));
        let mut total = Range { min: u64::MAX, max: 0 };
        let mut result: Option<Range> = None;
        for overload in overloads {
            let estimate = self.overload(expr, function, overload.id, target.as_ref(), &arguments, &costs);
            total = total.union(estimate.cost);
            result = match (result, estimate.size) {
                (Some(one), Some(other)) => Some(one.union(other)),
                (one, other) => one.or(other),
            };
            if matches!(overload.id, "index_list" | "index_map") {
                result = self.entries(&args[0]).map(|entries| entries.value);
                let place = self.place(&args[0]).within();
                self.places.insert(expr.id, place);
            }
            if result.is_none() {
                result = self.size(expr);
            }
        }
        if let Some(result) = result {
            self.sizes.insert(expr.id, result);
        }
        total.plus(target_cost.unwrap_or(Range::exactly(0)))
    }

    fn argument(&mut self, expr: &'e Expr) -> Argument<'e> {
        let items = self.place(expr).within().size();
        Argument { expr, of: self.of(expr), size: self.size(expr), items }
    }

    fn overload(
        &mut self,
        expr: &Expr,
        function: &str,
        overload: &str,
        target: Option<&Argument<'_>>,
        args: &[Argument<'_>],
        costs: &[Range],
    ) -> CallEstimate {
        let sum = costs.iter().fold(Range::exactly(0), |sum, cost| sum.plus(*cost));
        match (overload, args, costs) {
            ("logical_and" | "logical_or", _, [left, right]) => {
                let cost = Range { min: left.min, max: left.plus(*right).max };
                CallEstimate { cost, size: None }
            }
            ("conditional", [_, yes, no], [condition, if_yes, if_no]) => {
                let size = yes.size().union(no.size());
                if let (Some(yes), Some(no)) = (self.entries(yes.expr), self.entries(no.expr)) {
                    self.entries.insert(expr.id, yes.union(no));
                }
                CallEstimate { cost: condition.plus(if_yes.union(*if_no)), size: Some(size) }
            }
            ("add_list" | "add_string" | "add_bytes", [one, other], _) => {
                let size = one.size().plus(other.size());
                if let (Some(one), Some(other)) = (self.entries(one.expr), self.entries(other.expr)) {
                    self.entries.insert(expr.id, one.union(other));
                }
                let own = if overload == "add_list" { Range::exactly(1) } else { size.scaled(0.1) };
                CallEstimate { cost: own.plus(sum), size: Some(size) }
            }
            _ => {
                let estimate = super::calls::estimate(function, overload, target, args);
                CallEstimate { cost: estimate.cost.plus(sum), ..estimate }
            }
        }
    }

    fn copy(&mut self, to: &Expr, from: &Expr) {
        if let Some(size) = self.size(from) {
            self.sizes.insert(to.id, size);
        }
        if let Some(entries) = self.entries(from) {
            self.entries.insert(to.id, entries);
        }
    }

    /// A variable for what a loop goes over; `key` for its keys or indices.
    fn iterate(&mut self, name: &'e str, range: &'e Expr, key: bool) {
        let entries = self.entries(range);
        let size = entries.map(|entries| if key { entries.key } else { entries.value });
        let map = entries.map_or_else(|| !matches!(self.of(range), Type::List(_)), |entries| entries.map);
        let place = match (self.place(range), key) {
            (Place::Declared(Declared::Map(_)), true) if map => Place::Key,
            (_, true) => Place::Unknown,
            (place, false) => place.within(),
        };
        self.locals.push(Local { name, place, size, entries: None });
    }

    fn comprehension(&mut self, expr: &'e Expr, fold: &'e Comprehension) -> Range {
        let before = self.cost(&fold.range).plus(self.cost(&fold.init));
        let scope = self.locals.len();
        let place = self.place(&fold.init);
        let (size, entries) = (self.size(&fold.init), self.entries(&fold.init));
        self.locals.push(Local { name: &fold.accumulator, place, size, entries });
        if is_binding(fold) {
            let cost = before.plus(self.cost(&fold.result));
            // The result's size is known while its variable is.
            self.copy(expr, &fold.result);
            self.locals.truncate(scope);
            return cost;
        }
        match &fold.var2 {
            Some(var2) => {
                self.iterate(&fold.var, &fold.range, true);
                self.iterate(var2, &fold.range, false);
            }
            None => {
                let list = match self.entries(&fold.range) {
                    Some(entries) => !entries.map,
                    None => matches!(self.of(&fold.range), Type::List(_)),
                };
                self.iterate(&fold.var, &fold.range, !list);
            }
        }
        let round = self.cost(&fold.condition).plus(self.cost(&fold.step));
        self.locals.truncate(scope + 1);
        let after = self.cost(&fold.result);
        self.locals.truncate(scope);
        let rounds = self.size_or_unknown(&fold.range);
        match &fold.init.kind {
            Kind::Literal(_) => {
                if let Some(size) = self.size(&fold.init) {
                    self.sizes.insert(expr.id, size);
                }
            }
            Kind::List(_) | Kind::Map(_) => {
                self.sizes.insert(expr.id, rounds);
                if let Some(entries) = self.entries(&fold.step) {
                    self.entries.insert(expr.id, entries);
                }
            }
            _ => {}
        }
        before.plus(after).plus(rounds.times(round))
    }
}

/// Whether the loop goes over nothing, and only names a value.
fn is_binding(fold: &Comprehension) -> bool {
    matches!(&fold.range.kind, Kind::List(elements) if elements.is_empty())
        && matches!(&fold.condition.kind, Kind::Literal(Constant::Bool(false)))
        && &*fold.accumulator != ACCUMULATOR
}

fn is_scalar(of: &Type) -> bool {
    match of {
        Type::Bool | Type::Double | Type::Duration | Type::Int | Type::Timestamp | Type::Uint => true,
        Type::Optional(inner) => is_scalar(inner),
        _ => false,
    }
}
