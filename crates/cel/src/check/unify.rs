//! Whether a type can stand for another, and what type parameters come to mean on the way.

use crate::types::{Param, Type};

/// What type parameters stand for.
#[derive(Debug, Default)]
pub struct Substitutions {
    meanings: Vec<Option<Type>>,
    /// What was changed since the last agreement, to be undone.
    trail: Vec<(usize, Option<Type>)>,
}

impl Substitutions {
    /// A type parameter that stands for nothing yet.
    pub fn fresh(&mut self) -> Type {
        self.meanings.push(None);
        Type::Param(Param::Fresh((self.meanings.len() - 1) as u32))
    }

    fn find(&self, of: &Type) -> Option<&Type> {
        match of {
            Type::Param(Param::Fresh(number)) => self.meanings[*number as usize].as_ref(),
            _ => None,
        }
    }

    fn set(&mut self, parameter: &Type, meaning: Type) {
        if let Type::Param(Param::Fresh(number)) = parameter {
            let number = *number as usize;
            let old = self.meanings[number].replace(meaning);
            self.trail.push((number, old));
        }
    }

    /// Whether each of the first types can stand where the second is wanted; if not, nothing is remembered.
    pub fn assignable_all<'t>(&mut self, pairs: impl IntoIterator<Item = (&'t Type, &'t Type)>) -> bool {
        self.trail.clear();
        let all = pairs.into_iter().all(|(from, to)| self.fits(from, to));
        if !all {
            while let Some((number, old)) = self.trail.pop() {
                self.meanings[number] = old;
            }
        }
        all
    }

    /// Whether `from` can stand where `to` is wanted.
    pub fn assignable(&mut self, from: &Type, to: &Type) -> bool {
        self.assignable_all([(from, to)])
    }

    fn fits(&mut self, from: &Type, to: &Type) -> bool {
        if matches!(to, Type::Param(_)) {
            let (valid, known) = self.substitute_for(from, to);
            if valid {
                return true;
            }
            if known {
                return false;
            }
        }
        if matches!(from, Type::Param(_)) {
            return self.substitute_for(to, from).0;
        }
        if from.is_dyn_or_error() || to.is_dyn_or_error() {
            return true;
        }
        if matches!(from, Type::Null) {
            return nullable(to);
        }
        if matches!(to, Type::Null) {
            return nullable(from);
        }
        match (from, to) {
            (Type::Type(_), Type::Type(_)) => true,
            (Type::List(from), Type::List(to)) | (Type::Optional(from), Type::Optional(to)) => {
                self.fits(&from.clone(), &to.clone())
            }
            (Type::Map(from), Type::Map(to)) => {
                let (from, to) = (from.clone(), to.clone());
                self.fits(&from.0, &to.0) && self.fits(&from.1, &to.1)
            }
            (from, to) => from == to,
        }
    }

    /// Whether the parameter can stand for the type, and whether it already stood for something.
    fn substitute_for(&mut self, of: &Type, parameter: &Type) -> (bool, bool) {
        if of == parameter {
            return (true, true);
        }
        if let Some(meaning) = self.find(parameter).cloned() {
            if *of == meaning {
                return (true, true);
            }
            if self.fits(of, &meaning) {
                let general = most_general(of, &meaning).clone();
                if self.absent(parameter, &general) {
                    self.set(parameter, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.absent(parameter, of) {
            self.set(parameter, of.clone());
            return (true, false);
        }
        (false, false)
    }

    /// Whether the parameter does not occur within the type.
    fn absent(&self, parameter: &Type, within: &Type) -> bool {
        if parameter == within {
            return false;
        }
        match within {
            Type::Param(_) => self.find(within).is_none_or(|meaning| self.absent(parameter, meaning)),
            Type::List(inner) | Type::Optional(inner) | Type::Type(inner) => self.absent(parameter, inner),
            Type::Map(entry) => self.absent(parameter, &entry.0) && self.absent(parameter, &entry.1),
            _ => true,
        }
    }

    /// The type with its parameters replaced; those that stand for nothing become `dyn` at the end.
    pub fn apply(&self, of: &Type, end: bool) -> Type {
        if let Some(meaning) = self.find(of) {
            return self.apply(meaning, end);
        }
        match of {
            Type::Param(_) if end => Type::Dyn,
            Type::List(inner) => Type::list(self.apply(inner, end)),
            Type::Optional(inner) => Type::optional(self.apply(inner, end)),
            Type::Type(inner) => Type::of(self.apply(inner, end)),
            Type::Map(entry) => Type::map(self.apply(&entry.0, end), self.apply(&entry.1, end)),
            other => other.clone(),
        }
    }
}

/// Whether null can stand for it.
fn nullable(of: &Type) -> bool {
    matches!(
        of,
        Type::Null | Type::Object(_) | Type::Opaque(_) | Type::Optional(_) | Type::Duration | Type::Timestamp
    )
}

/// The more general of two types that fit.
pub fn most_general<'t>(one: &'t Type, other: &'t Type) -> &'t Type {
    if less_specific(one, other) { one } else { other }
}

fn less_specific(one: &Type, other: &Type) -> bool {
    match (one, other) {
        (Type::Dyn | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(one), Type::List(other)) | (Type::Optional(one), Type::Optional(other)) => {
            less_specific(one, other)
        }
        (Type::Map(one), Type::Map(other)) => {
            less_specific(&one.0, &other.0) && less_specific(&one.1, &other.1)
        }
        (Type::Type(_), Type::Type(_)) => true,
        (one, other) => one == other,
    }
}
