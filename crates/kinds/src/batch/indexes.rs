//! Lists of indexes of a job's pods: `1,3-5,7`.

/// What is wrong with a list for a job of so many completions; `None` when nothing is.
pub(super) fn wrong(list: &str, completions: i32) -> Option<String> {
    if list.is_empty() {
        return None;
    }
    let mut last: Option<i32> = None;
    for part in list.split(',') {
        let limits: Vec<&str> = part.split('-').collect();
        if limits.len() > 2 {
            return Some(format!(
                "the fragment {part:?} violates the requirement that an index interval can have at most two parts separated by '-'"
            ));
        }
        let number = |text: &str| {
            text.parse::<i32>().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))
        };
        let (first, end) = match (number(limits[0]), limits.get(1).map(|l| number(l))) {
            (Err(wrong), _) | (_, Some(Err(wrong))) => return Some(wrong),
            (Ok(first), None) => (first, first),
            (Ok(first), Some(Ok(end))) => (first, end),
        };
        for index in [first, end] {
            if index >= completions {
                return Some(format!("too large index: {:?}", index.to_string()));
            }
        }
        if first > end || limits.len() == 2 && first == end {
            return Some(format!("non-increasing order, previous: {first}, current: {end}"));
        }
        if let Some(last) = last.filter(|last| *last >= first) {
            return Some(format!("non-increasing order, previous: {last}, current: {first}"));
        }
        last = Some(end);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::wrong;

    #[test]
    fn lists_grow_and_stay_below_the_completions() {
        for (list, fine) in
            [("", true), ("0,2-3", true), ("a", false), ("2,1", false), ("0-9", false), ("1-2-3", false)]
        {
            assert_eq!(wrong(list, 5).is_none(), fine, "{list}");
        }
    }
}
