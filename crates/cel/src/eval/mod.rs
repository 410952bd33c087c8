//! Evaluation, with what it costs. Costs are cel-go's, to the unit: a name and a selection cost one, calls by the
//! sizes of what they are given, constants nothing.

mod attribute;
mod fold;

use crate::ast::{Constant, Expr, Id, Kind, operator};
use crate::check::Checked;
use crate::cost::runtime;
use crate::error::EvalError;
use crate::functions;
use crate::pattern::Pattern;
use crate::program::Bindings;
use crate::value::{Key, MadeObject, Map, Value};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

pub(crate) type Eval<'a> = Result<Value<'a>, EvalError>;

/// What goes beyond costs: steps inside of functions, such as comparisons of large objects, which upstream
/// leaves to a request's deadline.
const MOST_WORK: u64 = 50_000_000;

/// Steps inside of functions.
#[derive(Debug, Default)]
pub(crate) struct Work(u64);

impl Work {
    /// Counts `steps`; an error when there were too many.
    pub fn add(&mut self, steps: usize) -> Result<(), EvalError> {
        self.0 = self.0.saturating_add(steps as u64);
        if self.0 > MOST_WORK { Err(EvalError::CallLimit) } else { Ok(()) }
    }
}

/// What an evaluation reads of its program.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub expr: Expr,
    pub checked: Checked,
    /// Expressions that are evaluated once, and for nothing: made of literals alone.
    pub constants: HashSet<Id>,
    /// Patterns that are literals.
    pub patterns: HashMap<Id, Pattern>,
}

impl Plan {
    pub fn new(expr: Expr, checked: Checked) -> Self {
        let (mut constants, mut patterns) = (HashSet::new(), HashMap::new());
        find_constants(&expr, &mut constants);
        expr.walk(&mut |expr| {
            if let Kind::Call { function, args, .. } = &expr.kind
                && matches!(&**function, "matches" | "find" | "findAll")
            {
                let pattern = args.get(usize::from(args.len() == 2 && &**function == "matches"));
                if let Some(Expr { kind: Kind::Literal(Constant::String(text)), .. }) = pattern
                    && let Ok(pattern) = Pattern::new(text)
                {
                    patterns.insert(expr.id, pattern);
                }
            }
        });
        Plan { expr, checked, constants, patterns }
    }

    /// The overload of a call, if it can only be one.
    fn overload(&self, id: Id) -> &'static str {
        match self.checked.overloads.get(&id).map(Vec::as_slice) {
            Some([overload]) => overload.id,
            _ => "",
        }
    }
}

/// Whether the expression is a constant; notes those that are more than literals.
fn find_constants(expr: &Expr, found: &mut HashSet<Id>) -> bool {
    let constant = match &expr.kind {
        Kind::Literal(_) => return true,
        Kind::Ident(_) => false,
        Kind::Select { operand, .. } => {
            find_constants(operand, found);
            false
        }
        Kind::List(elements) => {
            let parts: Vec<bool> =
                elements.iter().map(|element| find_constants(&element.value, found)).collect();
            parts.iter().all(|part| *part)
        }
        Kind::Map(entries) => {
            let parts: Vec<bool> = entries
                .iter()
                .map(|entry| find_constants(&entry.key, found) & find_constants(&entry.value, found))
                .collect();
            parts.iter().all(|part| *part)
        }
        Kind::Struct { fields, .. } => {
            fields.iter().for_each(|field| {
                find_constants(&field.value, found);
            });
            false
        }
        Kind::Call { function, target, args } => {
            if let Some(target) = target {
                find_constants(target, found);
            }
            let parts: Vec<bool> = args.iter().map(|arg| find_constants(arg, found)).collect();
            target.is_none() && parts == [true] && is_conversion(function)
        }
        Kind::Comprehension(fold) => {
            for part in [&fold.range, &fold.init, &fold.condition, &fold.step, &fold.result] {
                find_constants(part, found);
            }
            false
        }
    };
    if constant {
        found.insert(expr.id);
    }
    constant
}

fn is_conversion(function: &str) -> bool {
    matches!(
        function,
        "bool" | "bytes" | "double" | "duration" | "dyn" | "int" | "string" | "timestamp" | "type" | "uint"
    )
}

/// One evaluation.
pub(crate) struct Evaluator<'a, 'b> {
    plan: &'a Plan,
    bindings: &'b Bindings<'a>,
    /// Variables of loops, the innermost last; an accumulator may be in error.
    locals: Vec<(&'a str, Eval<'a>)>,
    constants: HashMap<Id, Value<'a>>,
    /// The items of constant lists that are looked into.
    members: HashMap<Id, Option<Rc<HashSet<Key<'a>>>>>,
    pub cost: u64,
    limit: u64,
    work: Work,
    patterns: HashMap<String, Pattern>,
}

impl<'a, 'b> Evaluator<'a, 'b> {
    pub fn new(plan: &'a Plan, bindings: &'b Bindings<'a>, limit: u64) -> Self {
        Evaluator {
            plan,
            bindings,
            locals: Vec::new(),
            constants: HashMap::new(),
            members: HashMap::new(),
            cost: 0,
            limit,
            work: Work::default(),
            patterns: HashMap::new(),
        }
    }

    fn charge(&mut self, cost: u64) -> Result<(), EvalError> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit { Err(EvalError::CallLimit) } else { Ok(()) }
    }

    pub fn eval(&mut self, expr: &'a Expr) -> Eval<'a> {
        match &expr.kind {
            Kind::Literal(constant) => Ok(literal(constant)),
            _ if self.plan.constants.contains(&expr.id) => self.constant(expr),
            _ if attribute::is_attribute(expr) => {
                let value = self.attribute(expr);
                self.charge(u64::from(attribute::begins_with_name(expr)))?;
                value
            }
            Kind::Select { operand, field, .. } => self.has(operand, field),
            Kind::Call { .. } => self.call(expr),
            Kind::Comprehension(fold) => self.fold(fold),
            _ => self.construct(expr),
        }
    }

    /// A constant: computed once, its cost not counted.
    fn constant(&mut self, expr: &'a Expr) -> Eval<'a> {
        if let Some(known) = self.constants.get(&expr.id) {
            return Ok(known.clone());
        }
        let cost = self.cost;
        let value = match &expr.kind {
            Kind::Call { .. } => self.call(expr),
            _ => self.construct(expr),
        };
        self.cost = cost;
        let value = value?;
        self.constants.insert(expr.id, value.clone());
        Ok(value)
    }

    /// Lists, maps and objects.
    fn construct(&mut self, expr: &'a Expr) -> Eval<'a> {
        let (value, cost) = match &expr.kind {
            Kind::List(elements) => {
                let mut items = Vec::with_capacity(elements.len());
                for element in elements {
                    let value = self.eval(&element.value)?;
                    items.extend(present(value, element.optional)?);
                }
                (Value::list(items), 10)
            }
            Kind::Map(entries) => {
                let mut map = crate::value::Table::default();
                for entry in entries {
                    let key = self.eval(&entry.key)?;
                    let value = self.eval(&entry.value)?;
                    if let Some(value) = present(value, entry.optional)? {
                        map.set(key, value)?;
                    }
                }
                (Value::Map(Map::Values(Rc::new(map))), 30)
            }
            Kind::Struct { name, fields } => {
                let mut made = Vec::new();
                for field in fields {
                    let value = self.eval(&field.value)?;
                    if let Some(value) = present(value, field.optional)? {
                        made.push((field.name.to_string(), value));
                    }
                }
                (Value::Map(Map::Made(Rc::new(MadeObject { name: name.to_string(), fields: made }))), 40)
            }
            _ => return Err(EvalError::no_overload()),
        };
        self.charge(cost)?;
        Ok(value)
    }

    fn call(&mut self, expr: &'a Expr) -> Eval<'a> {
        let Kind::Call { function, target, args } = &expr.kind else {
            return Err(EvalError::no_overload());
        };
        match &**function {
            operator::AND => return self.logical(args, false),
            operator::OR => return self.logical(args, true),
            operator::NOT_STRICTLY_FALSE => {
                let value = match self.eval(&args[0]) {
                    Err(error) if error.is_final() => return Err(error),
                    Ok(Value::Bool(false)) => false,
                    _ => true,
                };
                self.charge(1)?;
                return Ok(Value::Bool(value));
            }
            operator::ADD | operator::MAP_INSERT if fold::is_accumulator(&args[0]) => {
                return self.accumulate(expr, function, args);
            }
            "or" | "orValue" => {
                if let Some(target) = target {
                    return self.or_else(function, target, &args[0]);
                }
            }
            "@in" if self.plan.overload(expr.id) == "in_list" => {
                if let Some(found) = self.member(&args[0], &args[1])? {
                    return Ok(found);
                }
            }
            _ => {}
        }
        let mut values = Vec::with_capacity(args.len() + 1);
        let mut error = None;
        for arg in target.iter().map(|target| &**target).chain(args) {
            match self.eval(arg) {
                Ok(value) => values.push(value),
                Err(problem) if problem.is_final() => return Err(problem),
                Err(problem) => error = error.or(Some(problem)),
            }
        }
        if let Some(error) = error {
            // The call is counted all the same.
            self.charge(1)?;
            return Err(error);
        }
        self.apply(expr.id, function, values)
    }

    /// The function's value; its cost counts whether it fails or not.
    fn apply(&mut self, id: Id, function: &str, values: Vec<Value<'a>>) -> Eval<'a> {
        let overload = self.plan.overload(id);
        let result = match function {
            "matches" | "find" | "findAll" => self.with_pattern(id, function, &values),
            _ => functions::call(function, &values, &mut self.work),
        };
        let cost = runtime::call_cost(function, overload, &values, result.as_ref().ok());
        self.charge(cost)?;
        result
    }

    fn with_pattern(&mut self, id: Id, function: &str, values: &[Value<'a>]) -> Eval<'a> {
        let (Some(text), Some(pattern)) = (values[0].as_str(), values.get(1).and_then(Value::as_str)) else {
            return Err(match function {
                "matches" => EvalError::no_overload(),
                _ => functions::no_overload(function, values),
            });
        };
        self.work.add(text.len())?;
        if let Some(known) = self.plan.patterns.get(&id) {
            return functions::regex::call(function, known, values);
        }
        if self.patterns.len() > 100 {
            self.patterns.clear();
        }
        if !self.patterns.contains_key(pattern) {
            self.work.add(pattern.len() * 1000)?;
            let compiled = Pattern::new(pattern).map_err(EvalError::new)?;
            self.patterns.insert(pattern.to_owned(), compiled);
        }
        functions::regex::call(function, &self.patterns[pattern], values)
    }

    /// `&&` and `||`: one side's certainty makes up for the other's error.
    fn logical(&mut self, args: &'a [Expr], certain: bool) -> Eval<'a> {
        let mut error = None;
        for arg in args {
            match self.eval(arg) {
                Ok(Value::Bool(value)) if value == certain => return Ok(Value::Bool(certain)),
                Ok(Value::Bool(_)) => {}
                Ok(_) => error = error.or_else(|| Some(EvalError::no_overload())),
                Err(problem) if problem.is_final() => return Err(problem),
                Err(problem) => error = error.or(Some(problem)),
            }
        }
        error.map_or(Ok(Value::Bool(!certain)), Err)
    }

    fn or_else(&mut self, function: &str, target: &'a Expr, other: &'a Expr) -> Eval<'a> {
        match self.eval(target)? {
            Value::Optional(Some(inner)) if function == "orValue" => Ok((*inner).clone()),
            Value::Optional(None) => self.eval(other),
            // As upstream: what is no optional is taken as it is.
            value => Ok(value),
        }
    }

    /// Whether a value is in a constant list, which upstream makes a set of; `None` if it does not.
    fn member(&mut self, value: &'a Expr, list: &'a Expr) -> Result<Option<Value<'a>>, EvalError> {
        if !self.plan.constants.contains(&list.id) {
            return Ok(None);
        }
        let Value::List(items) = self.eval(list)? else { return Ok(None) };
        let members = match self.members.get(&list.id) {
            Some(known) => known.clone(),
            None => {
                let keys = (0..items.len()).map(|at| items.get(at).ok().and_then(|item| Key::of(&item)));
                let known: Option<Rc<HashSet<Key<'a>>>> = keys.collect::<Option<_>>().map(Rc::new);
                self.members.insert(list.id, known.clone());
                known
            }
        };
        let Some(members) = members else { return Ok(None) };
        if members.is_empty() {
            return Ok(Some(Value::Bool(false)));
        }
        let value = self.eval(value)?;
        let found = Key::of(&value).is_some_and(|key| members.contains(&key));
        Ok(Some(Value::Bool(found)))
    }
}

/// The value of an element that may be optional, or none when it is left out.
fn present(value: Value<'_>, optional: bool) -> Result<Option<Value<'_>>, EvalError> {
    if !optional {
        return Ok(Some(value));
    }
    match value {
        Value::Optional(inner) => Ok(inner.map(|inner| (*inner).clone())),
        other => Err(EvalError::new(format!(
            "cannot initialize optional entry from non-optional value {}",
            functions::convert::shown(&other)
        ))),
    }
}

fn literal(constant: &Constant) -> Value<'_> {
    match constant {
        Constant::Null => Value::Null,
        Constant::Bool(value) => Value::Bool(*value),
        Constant::Int(value) => Value::Int(*value),
        Constant::Uint(value) => Value::Uint(*value),
        Constant::Double(value) => Value::Double(*value),
        Constant::String(text) => Value::text(text),
        Constant::Bytes(bytes) => Value::Bytes(bytes.as_ref().into()),
        Constant::Type(of) => Value::Type(of.clone()),
    }
}
