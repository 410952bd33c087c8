//! Numbers of a range, each given to one holder at a time.

use std::collections::BTreeSet;

use corten_rt::random;

/// Why a number was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Taken,
    OutOfRange,
    Exhausted,
}

/// The numbers of ranges, from the first to the last of each. Those chosen here come from the upper part first, so that the lower
/// part stays free for those who name theirs (upstream's KEP-3070 and KEP-3668).
pub(super) struct Pool {
    /// At least one; each may overlap others.
    ranges: Vec<(u128, u128)>,
    taken: BTreeSet<u128>,
}

impl Pool {
    pub fn new(first: u128, last: u128) -> Self {
        Pool { ranges: vec![(first, last)], taken: BTreeSet::new() }
    }

    /// First and last number of the first range.
    pub fn range(&self) -> (u128, u128) {
        self.ranges.first().copied().unwrap_or_default()
    }

    /// Gives numbers of these ranges beside the first from now on; what is taken stays so.
    pub fn widen(&mut self, more: impl IntoIterator<Item = (u128, u128)>) {
        self.ranges.truncate(1);
        self.ranges.extend(more);
    }

    /// Takes this very number.
    pub fn take(&mut self, number: u128) -> Result<u128, Refused> {
        if !self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&number)) {
            return Err(Refused::OutOfRange);
        }
        if self.taken.insert(number) { Ok(number) } else { Err(Refused::Taken) }
    }

    /// Takes any free number.
    pub fn any(&mut self) -> Result<u128, Refused> {
        let number = self.ranges.iter().find_map(|range| self.any_in(*range)).ok_or(Refused::Exhausted)?;
        self.taken.insert(number);
        Ok(number)
    }

    fn any_in(&self, (first, last): (u128, u128)) -> Option<u128> {
        let size = last - first + 1;
        let lower = if size <= 16 { 0 } else { (size / 16).clamp(16, 256).min(size - 1) };
        let choices = usize::try_from(size - lower).unwrap_or(usize::MAX);
        let start = first + lower + random::below(choices) as u128;
        let found = self.free_in(start, last).or_else(|| self.free_in(first + lower, last));
        found.or_else(|| self.free_in(first, last))
    }

    /// Gives a number back.
    pub fn free(&mut self, number: u128) {
        self.taken.remove(&number);
    }

    /// The first free number from `from` to `to`.
    fn free_in(&self, from: u128, to: u128) -> Option<u128> {
        let mut next = from;
        for taken in self.taken.range(from..=to) {
            if *taken != next {
                break;
            }
            next += 1;
        }
        (next <= to).then_some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_given_once() {
        let mut pool = Pool::new(100, 199);
        let mut given: Vec<u128> = (0..100).map(|_| pool.any().expect("free")).collect();
        assert!(given[..80].iter().all(|n| *n >= 116), "the lower part is kept for those who ask");
        given.sort_unstable();
        assert_eq!(given, (100..200).collect::<Vec<_>>());
        assert_eq!(pool.any(), Err(Refused::Exhausted));
        pool.free(150);
        assert_eq!(pool.take(151), Err(Refused::Taken));
        assert_eq!(pool.take(200), Err(Refused::OutOfRange));
        assert_eq!(pool.any(), Ok(150));
        pool.widen([(300, 300)]);
        assert_eq!((pool.any(), pool.any()), (Ok(300), Err(Refused::Exhausted)));
        pool.widen([]);
        pool.free(300);
        assert_eq!(pool.take(300), Err(Refused::OutOfRange));
    }
}
