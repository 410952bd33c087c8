//! Lists of indexes of a job's pods: `1,3-5,7`.

/// What is wrong with a list for a job of so many completions; `None` when nothing is.
pub(super) fn wrong(list: &str, completions: i32) -> Option<String> {
    total(list, completions).err()
}

/// How many indexes a list has, or what is wrong with it.
pub(super) fn total(list: &str, completions: i32) -> Result<i64, String> {
    if list.is_empty() {
        return Ok(0);
    }
    let mut total = 0;
    let mut last: Option<i32> = None;
    for part in list.split(',') {
        let (first, end) = interval(part, completions)?;
        if let Some(last) = last.filter(|last| *last >= first) {
            return Err(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        total += i64::from(end) - i64::from(first) + 1;
        last = Some(end);
    }
    Ok(total)
}

/// The first and last index of a part of a list.
fn interval(part: &str, completions: i32) -> Result<(i32, i32), String> {
    let limits: Vec<&str> = part.split('-').collect();
    if limits.len() > 2 {
        return Err(format!(
            "the fragment {part:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        ));
    }
    let number = |text: &str| {
        let number = text.parse::<i64>();
        let number = number.map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
        i32::try_from(number)
            .ok()
            .filter(|number| *number < completions)
            .ok_or_else(|| format!("too large index: {text:?}"))
    };
    let first = number(limits[0])?;
    let Some(end) = limits.get(1) else { return Ok((first, first)) };
    let end = number(end)?;
    if first >= end {
        return Err(format!("non-increasing order, previous: {first}, current: {end}"));
    }
    Ok((first, end))
}

/// An index that is in both of two lists; parts that are no intervals are passed over.
pub(super) fn common(completed: &str, failed: &str, completions: i32) -> Option<i32> {
    let parts = |list: &str| -> Vec<(i32, i32)> {
        list.split(',').filter_map(|part| interval(part, completions).ok()).collect()
    };
    let (completed, failed) = (parts(completed), parts(failed));
    let (mut a, mut b) = (completed.iter().peekable(), failed.iter().peekable());
    while let (Some((first, end)), Some((other, other_end))) = (a.peek(), b.peek()) {
        if first <= other_end && other <= end {
            return Some(*first.max(other));
        }
        if first <= other {
            a.next();
        } else {
            b.next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{common, wrong};

    #[test]
    fn lists_grow_and_stay_below_the_completions() {
        for (list, fine) in
            [("", true), ("0,2-3", true), ("a", false), ("2,1", false), ("0-9", false), ("1-2-3", false)]
        {
            assert_eq!(wrong(list, 5).is_none(), fine, "{list}");
        }
    }

    #[test]
    fn lists_have_indexes_in_common() {
        for (completed, failed, want) in
            [("", "1", None), ("0,2-4", "1,3", Some(3)), ("0-1", "2-3,x", None), ("5-9", "1-5", Some(5))]
        {
            assert_eq!(common(completed, failed, 10), want, "{completed} {failed}");
        }
    }
}
