//! Which names a definition gets: those no other definition of its group has taken.

use std::collections::HashSet;

use corten_api::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionCondition, CustomResourceDefinitionNames,
};

/// The names that other definitions of the group have.
#[derive(Debug, Default)]
pub(super) struct Taken {
    resources: HashSet<String>,
    kinds: HashSet<String>,
}

impl Taken {
    pub fn add(&mut self, names: &CustomResourceDefinitionNames) {
        self.resources
            .extend([&names.plural, &names.singular].into_iter().chain(&names.short_names).cloned());
        self.kinds.extend([&names.kind, &names.list_kind].into_iter().cloned());
        self.resources.remove("");
        self.kinds.remove("");
    }
}

/// The names that the definition may use, and the condition that says whether they are all it wants.
pub(super) fn accept(
    crd: &CustomResourceDefinition,
    taken: &Taken,
) -> (CustomResourceDefinitionNames, CustomResourceDefinitionCondition) {
    let (wanted, have) = (&crd.spec.names, &crd.status.accepted_names);
    let mut names = have.clone();
    let mut conflict: Option<(&str, String)> = None;
    let free = |wanted: &str, have: &str, taken: &HashSet<String>| {
        if wanted == have || !taken.contains(wanted) {
            Ok(())
        } else {
            Err(format!("{wanted:?} is already in use"))
        }
    };
    let mut settle = |slot: &mut String, wanted: &str, have: &str, taken: &HashSet<String>, reason| match free(
        wanted, have, taken,
    ) {
        Ok(()) => *slot = wanted.to_string(),
        Err(why) => conflict = Some((reason, why)),
    };
    settle(&mut names.plural, &wanted.plural, &have.plural, &taken.resources, "PluralConflict");
    settle(&mut names.singular, &wanted.singular, &have.singular, &taken.resources, "SingularConflict");
    if wanted.short_names != have.short_names {
        let new = wanted.short_names.iter().filter(|name| !have.short_names.contains(name));
        let errors: Vec<String> = new.filter_map(|name| free(name, "", &taken.resources).err()).collect();
        match errors.as_slice() {
            [] => names.short_names.clone_from(&wanted.short_names),
            [one] => conflict = Some(("ShortNamesConflict", one.clone())),
            many => conflict = Some(("ShortNamesConflict", format!("[{}]", many.join(", ")))),
        }
    }
    let mut settle =
        |slot: &mut String, wanted: &str, have: &str, reason| match free(wanted, have, &taken.kinds) {
            Ok(()) => *slot = wanted.to_string(),
            Err(why) => conflict = Some((reason, why)),
        };
    settle(&mut names.kind, &wanted.kind, &have.kind, "KindConflict");
    settle(&mut names.list_kind, &wanted.list_kind, &have.list_kind, "ListKindConflict");
    names.categories.clone_from(&wanted.categories);
    let condition = |status: &str, reason: &str, message: String| CustomResourceDefinitionCondition {
        type_: "NamesAccepted".into(),
        status: status.into(),
        reason: reason.into(),
        message,
        ..CustomResourceDefinitionCondition::default()
    };
    let condition = match conflict {
        Some((reason, why)) => condition("False", reason, why),
        None => condition("True", "NoConflicts", "no conflicts found".into()),
    };
    (names, condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(plural: &str, kind: &str, short: &[&str]) -> CustomResourceDefinitionNames {
        CustomResourceDefinitionNames {
            plural: plural.into(),
            singular: kind.to_lowercase(),
            kind: kind.into(),
            list_kind: format!("{kind}List"),
            short_names: short.iter().map(ToString::to_string).collect(),
            ..CustomResourceDefinitionNames::default()
        }
    }

    #[test]
    fn names_of_others_are_refused_and_own_ones_kept() {
        let mut taken = Taken::default();
        taken.add(&names("foos", "Foo", &["f"]));
        for (wanted, want) in [
            (names("bars", "Bar", &["b"]), ("True", "NoConflicts", "no conflicts found")),
            (names("bars", "Foo", &[]), ("False", "ListKindConflict", "\"FooList\" is already in use")),
            (names("bars", "Bar", &["f"]), ("False", "ShortNamesConflict", "\"f\" is already in use")),
            (names("f", "Bar", &[]), ("False", "PluralConflict", "\"f\" is already in use")),
        ] {
            let mut crd = CustomResourceDefinition::default();
            crd.spec.names = wanted.clone();
            let (accepted, condition) = accept(&crd, &taken);
            assert_eq!((&*condition.status, &*condition.reason, &*condition.message), want);
            assert_eq!(accepted == wanted, want.0 == "True");
        }
    }
}
