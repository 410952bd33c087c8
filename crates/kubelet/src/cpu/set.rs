//! Sets of processors, as the kernel writes them: `0-3,8`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The highest number that is believed.
const MOST: u32 = 8192;

/// Processors by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuSet(pub BTreeSet<u32>);

impl CpuSet {
    /// Those of `self` that are not in `other`.
    pub fn without(&self, other: &CpuSet) -> CpuSet {
        CpuSet(self.0.difference(&other.0).copied().collect())
    }

    /// Those of both.
    pub fn with(&self, other: &CpuSet) -> CpuSet {
        CpuSet(self.0.union(&other.0).copied().collect())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromStr for CpuSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut out = BTreeSet::new();
        for part in text.trim().split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            let number = |t: &str| t.trim().parse::<u32>().ok().filter(|n| *n < MOST);
            match (number(from), number(to)) {
                (Some(from), Some(to)) if from <= to => out.extend(from..=to),
                _ => return Err(format!("{part:?} is no processor or range of processors such as 0-3")),
            }
        }
        Ok(CpuSet(out))
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for cpu in &self.0 {
            match ranges.last_mut() {
                Some((_, to)) if *to + 1 == *cpu => *to = *cpu,
                _ => ranges.push((*cpu, *cpu)),
            }
        }
        let one =
            |(from, to): &(u32, u32)| if from == to { from.to_string() } else { format!("{from}-{to}") };
        f.write_str(&ranges.iter().map(one).collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_written_as_the_kernel_does() {
        for (text, want) in [("0-3,8", "0-3,8"), ("1,0,2", "0-2"), ("", ""), ("5,7,6,9\n", "5-7,9")] {
            assert_eq!(text.parse::<CpuSet>().expect("valid").to_string(), want);
        }
        for text in ["3-1", "x", "1-", "99999"] {
            assert!(text.parse::<CpuSet>().is_err(), "{text}");
        }
        let set: CpuSet = "0-3".parse().expect("valid");
        assert_eq!(
            set.without(&"1".parse().expect("valid")).with(&"7".parse().expect("valid")).to_string(),
            "0,2-3,7"
        );
    }
}
