//! How the server's seats are shared among priority levels, and lent between them (apiserver
//! `flowcontrol/conc_alloc`, KEP-1040).

use super::queue::Demand;

/// A level's bounds, in seats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    pub nominal: u32,
    pub lower: u32,
    pub upper: u32,
}

/// What a level asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    pub shares: i32,
    pub lendable_percent: i32,
    /// No limit when absent.
    pub borrowing_percent: Option<i32>,
}

/// Every level's bounds, of a server with `total` seats.
pub fn bounds(asked: &[Asked], total: u32) -> Vec<Bounds> {
    let sum: f64 = asked.iter().map(|a| f64::from(a.shares)).sum::<f64>().max(1.0);
    let of = |a: &Asked| {
        let nominal = (f64::from(total) * f64::from(a.shares) / sum).ceil();
        let part = |percent: i32| (nominal * f64::from(percent) / 100.0).round() as u32;
        let nominal_seats = nominal as u32;
        Bounds {
            nominal: nominal_seats,
            lower: nominal_seats.saturating_sub(part(a.lendable_percent)),
            upper: nominal_seats + a.borrowing_percent.map_or(total, part),
        }
    };
    asked.iter().map(of).collect()
}

/// What is remembered of a level's demand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Remembered {
    pub most: u32,
    pub smoothed: f64,
}

/// How slowly the memory of demand fades, for adjustments ten seconds apart.
const FADING: f64 = 0.977;

impl Remembered {
    /// Takes a period's demand in: up at once, down slowly.
    pub fn note(&mut self, demand: Demand) {
        let envelope = demand.average + demand.deviation;
        self.smoothed = envelope.max((1.0 - FADING) * envelope + FADING * self.smoothed);
        self.most = demand.most.round() as u32;
    }
}

/// The seats that every level has until the next adjustment.
pub fn lend(levels: &[(bool, Bounds, Remembered)]) -> Vec<u32> {
    let nominal_sum: i64 = levels.iter().map(|(_, b, _)| i64::from(b.nominal)).sum();
    let floor = |b: &Bounds, r: &Remembered| b.lower.max(b.nominal.min(r.most));
    let mut left = nominal_sum;
    let (mut lower_sum, mut floor_sum) = (0i64, 0i64);
    for (exempt, b, r) in levels {
        if *exempt {
            left -= i64::from(b.lower.max(r.most));
        } else {
            lower_sum += i64::from(b.lower);
            floor_sum += i64::from(floor(b, r));
        }
    }
    let limited: Vec<(f64, f64, f64)> = levels
        .iter()
        .filter(|(exempt, ..)| !exempt)
        .map(|(_, b, r)| {
            let least = f64::from(floor(b, r));
            (least, f64::from(b.upper).max(least), r.smoothed.max(least).max(0.001))
        })
        .collect();
    let mut shared = match left {
        left if left <= lower_sum || left <= floor_sum => Vec::new(),
        _ => proportional(&limited, nominal_sum as f64),
    }
    .into_iter();
    levels
        .iter()
        .map(|(exempt, b, r)| match left {
            _ if *exempt => b.lower.max(r.most),
            left if left <= lower_sum => b.lower,
            left if left <= floor_sum => {
                let part = (left - lower_sum) as f64 / (floor_sum - lower_sum) as f64;
                b.lower + (f64::from(floor(b, r) - b.lower) * part).round() as u32
            }
            _ => shared.next().map_or(b.nominal, |seats| seats.round() as u32),
        })
        .collect()
}

/// Shares `sum` in proportion to the targets, within the bounds: (least, most, target) each.
fn proportional(items: &[(f64, f64, f64)], sum: f64) -> Vec<f64> {
    let at =
        |factor: f64| items.iter().map(move |(least, most, target)| (target * factor).clamp(*least, *most));
    let (least, most): (f64, f64) = (at(0.0).sum(), items.iter().map(|i| i.1).sum());
    if sum <= least {
        return at(0.0).collect();
    }
    if sum >= most {
        return items.iter().map(|i| i.1).collect();
    }
    // The sum grows with the factor, so that halving finds it.
    let (mut low, mut high) = (0.0, items.iter().map(|(_, most, target)| most / target).fold(1.0, f64::max));
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if at(middle).sum::<f64>() < sum { low = middle } else { high = middle }
    }
    at(high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(shares: i32, lendable_percent: i32, borrowing_percent: Option<i32>) -> Asked {
        Asked { shares, lendable_percent, borrowing_percent }
    }

    #[test]
    fn nominal_seats_follow_the_shares() {
        // The levels that upstream ships, with its 600 seats.
        let levels = [
            asked(0, 0, None),
            asked(5, 0, None),
            asked(30, 33, None),
            asked(40, 25, None),
            asked(10, 0, None),
            asked(40, 50, None),
            asked(100, 90, None),
            asked(20, 50, Some(50)),
        ];
        let got = bounds(&levels, 600);
        let nominal: Vec<u32> = got.iter().map(|b| b.nominal).collect();
        assert_eq!(nominal, [0, 13, 74, 98, 25, 98, 245, 49]);
        assert_eq!(got[2], Bounds { nominal: 74, lower: 50, upper: 674 });
        assert_eq!(got[7], Bounds { nominal: 49, lower: 24, upper: 74 });
    }

    #[test]
    fn unused_seats_are_lent_within_bounds() {
        let b = |nominal, lower, upper| Bounds { nominal, lower, upper };
        let r = |most, smoothed| Remembered { most, smoothed };
        for (levels, want) in [
            // Nobody asks: all have their part of what is there.
            (vec![(false, b(50, 50, 100), r(0, 0.0)), (false, b(50, 50, 100), r(0, 0.0))], vec![50, 50]),
            // One asks for much and the other for nothing.
            (vec![(false, b(50, 10, 150), r(200, 200.0)), (false, b(50, 10, 150), r(0, 0.0))], vec![90, 10]),
            // No further than its limit of borrowing: the rest stays with the other.
            (vec![(false, b(50, 10, 60), r(200, 200.0)), (false, b(50, 10, 150), r(0, 0.0))], vec![60, 40]),
            // What exempt requests take is gone.
            (vec![(true, b(0, 0, 100), r(80, 9.0)), (false, b(100, 10, 200), r(100, 100.0))], vec![80, 20]),
            (vec![(true, b(0, 0, 100), r(99, 9.0)), (false, b(100, 10, 200), r(100, 100.0))], vec![99, 10]),
        ] {
            assert_eq!(lend(&levels), want, "{levels:?}");
        }
    }

    #[test]
    fn demand_fades_slowly() {
        let mut memory = Remembered::default();
        memory.note(Demand { average: 10.0, deviation: 0.0, most: 12.0 });
        assert_eq!((memory.smoothed, memory.most), (10.0, 12));
        memory.note(Demand::default());
        assert!((memory.smoothed - 9.77).abs() < 1e-9 && memory.most == 0);
    }
}
