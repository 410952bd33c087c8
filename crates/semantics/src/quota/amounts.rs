//! Sums of amounts by name.

use crate::resources::ResourceList;
use corten_api::Quantity;

/// Both together, name by name.
pub fn add(a: &ResourceList, b: &ResourceList) -> ResourceList {
    let mut sum = a.clone();
    for (name, amount) in b {
        sum.entry(name.clone()).and_modify(|a| *a += *amount).or_insert(*amount);
    }
    sum
}

/// By how much `new` uses more than `old`; what it uses less or as much of is left out.
pub fn increase(new: &ResourceList, old: &ResourceList) -> ResourceList {
    let more = |(name, amount): (&String, &Quantity)| {
        let more = *amount - old.get(name).copied().unwrap_or_default();
        (!more.is_zero() && !more.is_negative()).then(|| (name.clone(), more))
    };
    new.iter().filter_map(more).collect()
}

/// The amounts whose names `names` has too.
pub fn mask(list: &ResourceList, names: &ResourceList) -> ResourceList {
    list.iter().filter(|(name, _)| names.contains_key(*name)).map(|(n, a)| (n.clone(), *a)).collect()
}

/// The names of which `list` has more than `most` allows.
pub fn exceeded(list: &ResourceList, most: &ResourceList) -> Vec<String> {
    list.iter()
        .filter(|(name, amount)| most.get(*name).is_some_and(|m| *amount > m))
        .map(|(n, _)| n.clone())
        .collect()
}

/// The names of negative amounts.
pub fn negative(list: &ResourceList) -> Vec<String> {
    list.iter().filter(|(_, amount)| amount.is_negative()).map(|(name, _)| name.clone()).collect()
}

/// Whether both have the same amounts, however these are written.
pub fn same(a: &ResourceList, b: &ResourceList) -> bool {
    a.len() == b.len() && a.iter().all(|(name, amount)| b.get(name) == Some(amount))
}
