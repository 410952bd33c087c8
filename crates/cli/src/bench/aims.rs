//! What an API server is to reach, and what one on upstream's own libraries (k8s.io/apiserver v0.35, with
//! etcd 3.6) came to on the same two processors: TLS, owners of fields and watch cache, but no RBAC, no
//! admission and no validation. CPU time is what compares; rates depend on who else is busy.

use serde::Serialize;

use super::api::Figures;
use super::table::{Table, figure};

/// In what a figure is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// CPU time of all processes for each, in microseconds; less is better.
    Cpu,
    /// Megabytes of answers for each second of CPU time; more is better.
    Megabytes,
    /// How many in a second; more is better.
    Rate,
}

/// What one operation is to reach.
struct Aim {
    operation: &'static str,
    unit: Unit,
    aim: f64,
    upstream: Option<f64>,
}

/// Clients that write at the same time for the rate.
pub const WRITERS: usize = 64;

const fn cpu(operation: &'static str, aim: f64, upstream: Option<f64>) -> Aim {
    Aim { operation, unit: Unit::Cpu, aim, upstream }
}

static AIMS: [Aim; 12] = [
    cpu("create", 140.0, Some(693.0)),
    cpu("get", 39.0, Some(391.0)),
    Aim { operation: "list", unit: Unit::Megabytes, aim: 850.0, upstream: Some(85.0) },
    cpu("update", 185.0, Some(927.0)),
    cpu("patch, strategic merge", 185.0, None),
    cpu("patch, JSON merge", 185.0, None),
    cpu("patch, server-side apply", 185.0, None),
    cpu("watch, burst", 2.0, Some(13.0)),
    cpu("watch, 50 writes/s", 4.0, Some(35.0)),
    Aim { operation: "create, 64 clients", unit: Unit::Rate, aim: 3.0 * 1413.0, upstream: Some(1413.0) },
    cpu("Pod in process: default, validate", 150.0, None),
    cpu("Pod in process: default, admit, validate", 150.0, None),
];

/// A figure beside what it is to reach.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    figure: String,
    now: f64,
    aim: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<f64>,
    reached: bool,
}

/// The figures that have an aim, in the order of the aims.
pub fn compare(operations: &[Figures]) -> Vec<Compared> {
    let of = |(aim, row): (&Aim, &Figures)| {
        let micros: f64 = row.cpu.iter().map(|cpu| cpu.micros_each).sum();
        let (unit, now) = match aim.unit {
            Unit::Rate => ("per second", Some(row.per_second)),
            Unit::Cpu => ("CPU µs", (!row.cpu.is_empty()).then_some(micros)),
            Unit::Megabytes => (
                "MB per CPU second",
                row.bytes_each.map(|bytes| bytes / micros).filter(|now| now.is_finite()),
            ),
        };
        let now = now?;
        let reached = if aim.unit == Unit::Cpu { now <= aim.aim } else { now >= aim.aim };
        let figure = format!("{}: {unit}", row.operation);
        Some(Compared { figure, now, aim: aim.aim, upstream: aim.upstream, reached })
    };
    let with_rows = |aim: &'static Aim| {
        operations.iter().filter(|row| is_of(&row.operation, aim)).map(move |row| (aim, row))
    };
    AIMS.iter().flat_map(with_rows).filter_map(of).collect()
}

/// Lists say how many objects they are of, watches how they are connected.
fn is_of(operation: &str, aim: &Aim) -> bool {
    let begins = aim.unit == Unit::Megabytes || aim.operation.starts_with("watch");
    operation == aim.operation || (begins && operation.starts_with(aim.operation))
}

/// The table of what is compared; nothing when no figure has an aim.
pub fn text(compared: &[Compared]) -> String {
    if compared.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["figure", "now", "aim", "upstream", "reached"]);
    for one in compared {
        let upstream = one.upstream.map_or_else(|| "-".to_owned(), figure);
        let reached = if one.reached { "yes" } else { "no" };
        table.row([one.figure.clone(), figure(one.now), figure(one.aim), upstream, reached.to_owned()]);
    }
    format!("\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::super::Cpu;
    use super::super::stats::Latency;
    use super::*;

    fn row(operation: &str, micros: &[f64], per_second: f64, bytes_each: Option<f64>) -> Figures {
        let one = |micros_each: &f64| Cpu { name: "x".into(), micros_each: *micros_each };
        Figures {
            operation: operation.into(),
            errors: 0,
            first_error: None,
            per_second,
            latency: Latency::default(),
            bytes_each,
            cpu: micros.iter().map(one).collect(),
        }
    }

    #[test]
    fn figures_stand_beside_their_aims() {
        for (row, expected) in [
            (row("create", &[100.0, 39.0], 9.0, None), Some((139.0, true))),
            (row("create", &[100.0, 41.0], 9.0, None), Some((141.0, false))),
            (row("create", &[], 9.0, None), None),
            (row("list of 5000", &[5000.0], 9.0, Some(7.5e6)), Some((1500.0, true))),
            (row("list of 5000", &[0.0], 9.0, Some(7.5e6)), None),
            (row("create, 64 clients", &[], 4239.0, None), Some((4239.0, true))),
            (row("create, 64 clients", &[], 4238.0, None), Some((4238.0, false))),
            (row("watch, burst, 10 connections", &[1.5], 9.0, None), Some((1.5, true))),
            (row("watch, 50 writes/s, a connection each", &[4.5], 9.0, None), Some((4.5, false))),
            (row("delete", &[1.0], 9.0, None), None),
        ] {
            let compared = compare(std::slice::from_ref(&row));
            let found = compared.first().map(|one| (one.now, one.reached));
            assert_eq!(found, expected, "{}", row.operation);
        }
        let compared = compare(&[row("get", &[20.0], 1.0, None)]);
        let table = text(&compared);
        let cells: Vec<&str> = table.lines().last().expect("a row").split_whitespace().collect();
        assert_eq!(cells, ["get:", "CPU", "µs", "20.0", "39.0", "391", "yes"]);
        assert_eq!(text(&[]), "");
    }
}
