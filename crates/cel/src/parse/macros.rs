//! Calls that are written as calls and mean loops: `has`, `all`, `exists`, `map`, `filter`, `optMap` and those
//! with two variables.

use super::{Parse, Parser};
use crate::ast::{ACCUMULATOR, Comprehension, Constant, Element, Expr, Id, Kind, operator};

/// A loop to be: what its macro decides.
struct Fold {
    init: Kind,
    condition: Expr,
    step: Expr,
    result: Expr,
}

/// The variable of a loop over nothing.
const UNUSED: &str = "#unused";

impl Parser<'_> {
    /// The call, or what its macro stands for; `id` is the call's.
    pub(super) fn expand(
        &mut self,
        id: Id,
        function: Box<str>,
        target: Option<Expr>,
        mut args: Vec<Expr>,
    ) -> Parse<Expr> {
        let count = args.len();
        let Some(target) = target else {
            if &*function == "has" && count == 1 {
                let arg = args.remove(0);
                return self.has(id, arg);
            }
            return self.build(id, Kind::Call { function, target: None, args });
        };
        match (&*function, count) {
            // Three arguments make `map` filter; the others then have two variables.
            ("all" | "exists" | "exists_one" | "existsOne" | "map" | "filter", 2) | ("map", 3) => {
                self.single(id, &function, target, args)
            }
            ("all" | "exists" | "exists_one" | "existsOne", 3)
            | ("transformList" | "transformMap" | "transformMapEntry", 3 | 4) => {
                self.double(id, &function, target, args)
            }
            ("sortBy", 2) => self.sort_by(id, target, args),
            ("optMap" | "optFlatMap", 2) => self.opt_map(id, &function, target, args),
            _ => self.build(id, Kind::Call { function, target: Some(target.into()), args }),
        }
    }

    fn has(&mut self, id: Id, arg: Expr) -> Parse<Expr> {
        let Kind::Select { operand, field, test: false } = arg.kind else {
            self.report(self.positions[arg.id as usize], "invalid argument to has() macro");
            return Ok(arg);
        };
        let id = self.again(id);
        self.build(id, Kind::Select { operand, field, test: true })
    }

    /// A new id at the place of another.
    fn again(&mut self, id: Id) -> Id {
        self.id(self.positions[id as usize])
    }

    fn constant(&mut self, id: Id, constant: Constant) -> Parse<Expr> {
        let id = self.again(id);
        self.build(id, Kind::Literal(constant))
    }

    fn ident(&mut self, id: Id, name: &str) -> Parse<Expr> {
        let id = self.again(id);
        self.build(id, Kind::Ident(name.into()))
    }

    fn apply(&mut self, id: Id, function: &str, args: Vec<Expr>) -> Parse<Expr> {
        let id = self.again(id);
        self.build(id, Kind::Call { function: function.into(), target: None, args })
    }

    fn accumulator(&mut self, id: Id) -> Parse<Expr> {
        self.ident(id, ACCUMULATOR)
    }

    /// A variable's name; what is none is told.
    fn variable(&mut self, arg: &Expr, problem: &str) -> Option<Box<str>> {
        let position = self.positions[arg.id as usize];
        match &arg.kind {
            Kind::Ident(name) if &**name == "__result__" => {
                self.report(position, "iteration variable overwrites accumulator variable");
                None
            }
            Kind::Ident(name) => Some(name.clone()),
            _ => {
                self.report(position, problem);
                None
            }
        }
    }

    fn single(&mut self, id: Id, function: &str, target: Expr, mut args: Vec<Expr>) -> Parse<Expr> {
        let quantifier = !matches!(function, "map" | "filter");
        let problem =
            if quantifier { "argument must be a simple name" } else { "argument is not an identifier" };
        let Some(var) = self.variable(&args[0], problem) else { return Ok(target) };
        let first = args.remove(0);
        let last = args.pop();
        let filter = args.pop();
        let Some(last) = last else { return Ok(target) };
        let fold = match function {
            "map" => self.collecting(id, last, filter)?,
            "filter" => self.collecting(id, first, Some(last))?,
            _ => self.quantifier(id, function, last)?,
        };
        self.fold(id, target, var, None, fold)
    }

    fn double(&mut self, id: Id, function: &str, target: Expr, mut args: Vec<Expr>) -> Parse<Expr> {
        let problem = "argument must be a simple name";
        let names = (self.variable(&args[0], problem), self.variable(&args[1], problem));
        let (Some(var), Some(var2)) = names else { return Ok(target) };
        if var == var2 {
            self.report(self.positions[args[1].id as usize], format!("duplicate variable name: {var}"));
        }
        let mut rest = args.split_off(2);
        let last = rest.pop();
        let filter = rest.pop();
        let Some(last) = last else { return Ok(target) };
        let fold = match function {
            "transformList" => self.collecting(id, last, filter)?,
            "transformMap" => {
                let key = self.ident(id, &var)?;
                self.inserting(id, vec![key, last], filter)?
            }
            "transformMapEntry" => self.inserting(id, vec![last], filter)?,
            _ => self.quantifier(id, function, last)?,
        };
        self.fold(id, target, var, Some(var2), fold)
    }

    fn quantifier(&mut self, id: Id, function: &str, test: Expr) -> Parse<Fold> {
        match function {
            "all" => {
                let accumulator = self.accumulator(id)?;
                let condition = self.apply(id, operator::NOT_STRICTLY_FALSE, vec![accumulator])?;
                let accumulator = self.accumulator(id)?;
                let step = self.apply(id, operator::AND, vec![accumulator, test])?;
                let init = Kind::Literal(Constant::Bool(true));
                Ok(Fold { init, condition, step, result: self.accumulator(id)? })
            }
            "exists" => {
                let accumulator = self.accumulator(id)?;
                let not = self.apply(id, operator::NOT, vec![accumulator])?;
                let condition = self.apply(id, operator::NOT_STRICTLY_FALSE, vec![not])?;
                let accumulator = self.accumulator(id)?;
                let step = self.apply(id, operator::OR, vec![accumulator, test])?;
                let init = Kind::Literal(Constant::Bool(false));
                Ok(Fold { init, condition, step, result: self.accumulator(id)? })
            }
            _ => {
                let condition = self.constant(id, Constant::Bool(true))?;
                let counted = vec![self.accumulator(id)?, self.constant(id, Constant::Int(1))?];
                let counted = self.apply(id, operator::ADD, counted)?;
                let step = vec![test, counted, self.accumulator(id)?];
                let step = self.apply(id, operator::CONDITIONAL, step)?;
                let result = vec![self.accumulator(id)?, self.constant(id, Constant::Int(1))?];
                let result = self.apply(id, "_==_", result)?;
                Ok(Fold { init: Kind::Literal(Constant::Int(0)), condition, step, result })
            }
        }
    }

    /// A loop that makes a list of `item`s.
    fn collecting(&mut self, id: Id, item: Expr, filter: Option<Expr>) -> Parse<Fold> {
        let list = self.again(id);
        let list = self.build(list, Kind::List(vec![Element { value: item, optional: false }]))?;
        let accumulator = self.accumulator(id)?;
        let step = self.apply(id, operator::ADD, vec![accumulator, list])?;
        self.gathering(id, Kind::List(Vec::new()), step, filter)
    }

    /// A loop that makes a map.
    fn inserting(&mut self, id: Id, mut what: Vec<Expr>, filter: Option<Expr>) -> Parse<Fold> {
        what.insert(0, self.accumulator(id)?);
        let step = self.apply(id, operator::MAP_INSERT, what)?;
        self.gathering(id, Kind::Map(Vec::new()), step, filter)
    }

    fn gathering(&mut self, id: Id, init: Kind, mut step: Expr, filter: Option<Expr>) -> Parse<Fold> {
        if let Some(filter) = filter {
            let args = vec![filter, step, self.accumulator(id)?];
            step = self.apply(id, operator::CONDITIONAL, args)?;
        }
        let condition = self.constant(id, Constant::Bool(true))?;
        Ok(Fold { init, condition, step, result: self.accumulator(id)? })
    }

    fn fold(
        &mut self,
        id: Id,
        range: Expr,
        var: Box<str>,
        var2: Option<Box<str>>,
        fold: Fold,
    ) -> Parse<Expr> {
        let Fold { init, condition, step, result } = fold;
        let init_id = self.again(id);
        let init = self.build(init_id, init)?;
        let comprehension = Comprehension {
            range,
            var,
            var2,
            accumulator: ACCUMULATOR.into(),
            init,
            condition,
            step,
            result,
        };
        let id = self.again(id);
        self.build(id, Kind::Comprehension(comprehension.into()))
    }

    fn opt_map(&mut self, id: Id, function: &str, target: Expr, mut args: Vec<Expr>) -> Parse<Expr> {
        let problem = format!("{function}() variable name must be a simple identifier");
        let Some(var) = self.variable(&args[0], &problem) else { return Ok(target) };
        let Some(mapped) = args.pop() else { return Ok(target) };
        let copy = self.copy(&target)?;
        let has = self.receiver(id, "hasValue", target)?;
        let value = self.receiver(id, "value", copy)?;
        let mut bound = self.bind(id, &var, value, mapped)?;
        if function == "optMap" {
            bound = self.apply(id, "optional.of", vec![bound])?;
        }
        let none = self.apply(id, "optional.none", Vec::new())?;
        self.apply(id, operator::CONDITIONAL, vec![has, bound, none])
    }

    /// The list, bound to a name, and sorted by what the second argument makes of each item.
    fn sort_by(&mut self, id: Id, target: Expr, args: Vec<Expr>) -> Parse<Expr> {
        const INPUT: &str = "@__sortBy_input__";
        if matches!(target.kind, Kind::Literal(_) | Kind::Map(_) | Kind::Struct { .. }) {
            let message = "sortBy can only be applied to a list, identifier, comprehension, call or select \
                           expression";
            self.report(self.positions[target.id as usize], message);
            return Ok(target);
        }
        let (input, items) = (self.ident(id, INPUT)?, self.ident(id, INPUT)?);
        let keys = self.single(id, "map", items, args)?;
        let sorted = Kind::Call {
            function: "@sortByAssociatedKeys".into(),
            target: Some(input.into()),
            args: vec![keys],
        };
        let result = self.again(id);
        let result = self.build(result, sorted)?;
        self.bind(id, INPUT, target, result)
    }

    /// `result`, in which a name stands for a value.
    fn bind(&mut self, id: Id, name: &str, value: Expr, result: Expr) -> Parse<Expr> {
        let range = self.again(id);
        let bound = Comprehension {
            range: self.build(range, Kind::List(Vec::new()))?,
            var: UNUSED.into(),
            var2: None,
            accumulator: name.into(),
            init: value,
            condition: self.constant(id, Constant::Bool(false))?,
            step: self.ident(id, name)?,
            result,
        };
        let bound_id = self.again(id);
        self.build(bound_id, Kind::Comprehension(bound.into()))
    }

    fn receiver(&mut self, id: Id, function: &str, target: Expr) -> Parse<Expr> {
        let id = self.again(id);
        self.build(
            id,
            Kind::Call { function: function.into(), target: Some(target.into()), args: Vec::new() },
        )
    }

    /// The expression once more, with ids of its own.
    fn copy(&mut self, expr: &Expr) -> Parse<Expr> {
        let mut copy = expr.clone();
        self.renumber(&mut copy)?;
        Ok(copy)
    }

    fn renumber(&mut self, expr: &mut Expr) -> Parse<()> {
        if self.positions.len() > super::MOST_NODES {
            return Err(self.too_deep());
        }
        let depth = self.depths[expr.id as usize];
        expr.id = self.again(expr.id);
        self.depths[expr.id as usize] = depth;
        match &mut expr.kind {
            Kind::Literal(_) | Kind::Ident(_) => Ok(()),
            Kind::Select { operand, .. } => self.renumber(operand),
            Kind::Call { target, args, .. } => {
                target.iter_mut().try_for_each(|target| self.renumber(target))?;
                args.iter_mut().try_for_each(|arg| self.renumber(arg))
            }
            Kind::List(elements) => {
                elements.iter_mut().try_for_each(|element| self.renumber(&mut element.value))
            }
            Kind::Map(entries) => entries.iter_mut().try_for_each(|entry| {
                self.renumber(&mut entry.key)?;
                self.renumber(&mut entry.value)
            }),
            Kind::Struct { fields, .. } => {
                fields.iter_mut().try_for_each(|field| self.renumber(&mut field.value))
            }
            Kind::Comprehension(fold) => {
                let Comprehension { range, init, condition, step, result, .. } = &mut **fold;
                [range, init, condition, step, result].into_iter().try_for_each(|part| self.renumber(part))
            }
        }
    }
}
