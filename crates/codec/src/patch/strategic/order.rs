//! The order of a merged list: what the patch names keeps the patch's order, what only the server has keeps
//! the server's, and the two are woven together by the server's order as far as that goes.

/// For each item its place in some list, or none where that list lacks it.
pub type Ranks = [Option<usize>];

/// Puts `items`, which are indices into both ranks, in order: `wanted` by the patch, `server` by the list
/// as it was.
pub fn arranged(items: impl IntoIterator<Item = usize>, wanted: &Ranks, server: &Ranks) -> Vec<usize> {
    let (mut named, mut rest): (Vec<usize>, Vec<usize>) =
        items.into_iter().partition(|&item| wanted[item].is_some());
    sort(&mut named, wanted);
    sort(&mut rest, server);
    weave(&rest, &named, server)
}

/// Up to so many items upstream's sort is an insertion sort.
const INSERTED: usize = 20;

fn sort(items: &mut [usize], ranks: &Ranks) {
    let ranked = items.iter().all(|&item| ranks[item].is_some());
    if ranked || items.len() > INSERTED {
        return items.sort_by_key(|&item| ranks[item]);
    }
    // What has no rank goes before all that stands there, in upstream too, and so what comes is turned round.
    let before = |a: usize, b: usize| match (ranks[a], ranks[b]) {
        (Some(a), Some(b)) => a < b,
        _ => true,
    };
    for end in 1..items.len() {
        let mut at = end;
        while at > 0 && before(items[at], items[at - 1]) {
            items.swap(at, at - 1);
            at -= 1;
        }
    }
}

/// Puts each of `rest` before the first of `named` that the server has after it.
fn weave(rest: &[usize], named: &[usize], server: &Ranks) -> Vec<usize> {
    let mut woven = Vec::with_capacity(rest.len() + named.len());
    let mut named = named.iter().copied().peekable();
    for &item in rest {
        while let Some(other) = named.next_if(|&other| !goes_before(server[item], server[other])) {
            woven.push(other);
        }
        woven.push(item);
    }
    woven.extend(named);
    woven
}

// What the server does not know says nothing: so an item new to the server comes first.
fn goes_before(rank: Option<usize>, other: Option<usize>) -> bool {
    matches!((rank, other), (Some(a), Some(b)) if a < b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patchs_order_goes_before_the_servers() {
        for (wanted, server, want) in [
            // A patch of one item leaves it where it is.
            ([None, Some(0), None], [Some(0), Some(1), Some(2)], [0, 1, 2]),
            // What the patch names in turn stands in turn.
            ([Some(1), None, Some(0)], [Some(0), Some(1), Some(2)], [1, 2, 0]),
            // What is new goes first.
            ([None, None, Some(0)], [Some(0), Some(1), None], [2, 0, 1]),
            // What neither knows goes before all, the last first.
            ([None, None, None], [Some(0), None, None], [2, 1, 0]),
        ] {
            assert_eq!(arranged(0..3, &wanted, &server), want, "{wanted:?} {server:?}");
        }
    }

    #[test]
    fn long_lists_need_no_rank_either() {
        let mut server: Vec<Option<usize>> = (0..100).map(|i| Some(100 - i)).collect();
        server[50] = None;
        let order = arranged(0..100, &[None; 100], &server);
        assert_eq!((order[0], order[1], order[99]), (50, 99, 0));
    }
}
