//! What is watched, and when it is too little: signals and thresholds as upstream's flags write them.

use corten_api::Quantity;
use std::collections::BTreeMap;
use std::time::Duration;

/// What is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    Memory,
    /// Memory that pods may still use of what is theirs.
    AllocatableMemory,
    NodeFs,
    NodeFsInodes,
    ImageFs,
    ImageFsInodes,
    ContainerFs,
    ContainerFsInodes,
    Pids,
}

/// All, with their names.
pub const SIGNALS: [(Signal, &str); 9] = [
    (Signal::Memory, "memory.available"),
    (Signal::AllocatableMemory, "allocatableMemory.available"),
    (Signal::NodeFs, "nodefs.available"),
    (Signal::NodeFsInodes, "nodefs.inodesFree"),
    (Signal::ImageFs, "imagefs.available"),
    (Signal::ImageFsInodes, "imagefs.inodesFree"),
    (Signal::ContainerFs, "containerfs.available"),
    (Signal::ContainerFsInodes, "containerfs.inodesFree"),
    (Signal::Pids, "pid.available"),
];

impl Signal {
    /// Its name in flags and metrics.
    pub fn name(self) -> &'static str {
        SIGNALS.iter().find(|(s, _)| *s == self).map_or("", |(_, name)| name)
    }

    /// The resource that pods are asked to give back.
    pub fn resource(self) -> &'static str {
        match self {
            Signal::Memory | Signal::AllocatableMemory => "memory",
            Signal::NodeFs | Signal::ImageFs | Signal::ContainerFs => "ephemeral-storage",
            Signal::NodeFsInodes | Signal::ImageFsInodes | Signal::ContainerFsInodes => "inodes",
            Signal::Pids => "pids",
        }
    }

    /// The node's condition while there is too little.
    pub fn condition(self) -> &'static str {
        match self.resource() {
            "memory" => "MemoryPressure",
            "pids" => "PIDPressure",
            _ => "DiskPressure",
        }
    }
}

/// An amount: so much, or a part of the whole.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    Quantity(Quantity),
    /// Of one.
    Part(f64),
}

impl Amount {
    /// The amount, where the whole is `capacity`.
    pub fn of(&self, capacity: u64) -> u64 {
        match self {
            Amount::Quantity(q) => u64::try_from(q.value()).unwrap_or_default(),
            Amount::Part(part) => (capacity as f64 * part) as u64,
        }
    }
}

/// When there is too little of something.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    pub signal: Signal,
    pub value: Amount,
    /// How long it may be so; zero for a hard threshold.
    pub grace: Duration,
    /// How much more than the value must be freed.
    pub reclaim: Option<Amount>,
}

impl Threshold {
    /// Whether pods go at once.
    pub fn is_hard(&self) -> bool {
        self.grace.is_zero()
    }
}

/// Upstream's hard thresholds.
pub const DEFAULT_HARD: &str = "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,imagefs.available<15%,imagefs.inodesFree<5%";

/// The flags, as they are given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags<'a> {
    /// `SIGNAL<AMOUNT,...`
    pub hard: &'a str,
    pub soft: &'a str,
    /// `SIGNAL=DURATION,...`
    pub soft_grace: &'a str,
    /// `SIGNAL=AMOUNT,...`
    pub minimum_reclaim: &'a str,
}

/// Reads the flags.
///
/// # Errors
/// In words, what is wrong with them.
pub fn parse(flags: Flags<'_>) -> Result<Vec<Threshold>, String> {
    let mut out = statements(flags.hard)?;
    let graces = pairs(flags.soft_grace, '=')?;
    for mut soft in statements(flags.soft)? {
        let name = soft.signal.name();
        let Some(grace) = graces.get(name) else {
            return Err(format!("grace period must be specified for the soft eviction threshold {name}"));
        };
        soft.grace = duration(grace).filter(|d| !d.is_zero()).ok_or_else(|| {
            format!(
                "invalid eviction grace period specified: {grace}, must be a positive value such as 1m30s"
            )
        })?;
        out.push(soft);
    }
    for (name, value) in pairs(flags.minimum_reclaim, '=')? {
        let signal = signal(&name)?;
        let value = amount(&name, &value)?;
        out.iter_mut().filter(|t| t.signal == signal).for_each(|t| t.reclaim = Some(value));
    }
    // Pods' own share of memory is held to the hard threshold, too.
    let own: Vec<Threshold> = out
        .iter()
        .filter(|t| t.signal == Signal::Memory && t.is_hard())
        .map(|t| Threshold { signal: Signal::AllocatableMemory, ..t.clone() })
        .collect();
    out.extend(own);
    Ok(out)
}

fn statements(text: &str) -> Result<Vec<Threshold>, String> {
    let mut out: Vec<Threshold> = Vec::new();
    for (name, value) in pairs(text, '<')? {
        // Nothing less than nothing: the threshold is switched off.
        if matches!(value.as_str(), "0%" | "100%") {
            continue;
        }
        let (signal, value) = (signal(&name)?, amount(&name, &value)?);
        out.push(Threshold { signal, value, grace: Duration::ZERO, reclaim: None });
    }
    out.sort_by_key(|t| t.signal);
    Ok(out)
}

/// `NAME<sign>VALUE,...`.
pub fn pairs(text: &str, sign: char) -> Result<BTreeMap<String, String>, String> {
    let mut out = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (name, value) =
            part.split_once(sign).ok_or_else(|| format!("{part:?} must be of the form NAME{sign}VALUE"))?;
        let name = name.trim();
        if out.insert(name.to_string(), value.trim().to_string()).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    Ok(out)
}

fn signal(name: &str) -> Result<Signal, String> {
    SIGNALS
        .iter()
        .find(|(_, n)| *n == name)
        .map(|(s, _)| *s)
        .ok_or_else(|| format!("unsupported eviction signal {name}"))
}

fn amount(name: &str, text: &str) -> Result<Amount, String> {
    if let Some(percent) = text.strip_suffix('%') {
        let part = percent.parse::<f64>().ok().map(|p| p / 100.0).filter(|p| (0.0..=1.0).contains(p));
        return part.map(Amount::Part).ok_or_else(|| {
            format!("eviction percentage threshold {name} must be between 0% and 100%: {text}")
        });
    }
    let quantity: Quantity = text.parse().map_err(|e| format!("eviction threshold {name}: {text:?}: {e}"))?;
    if quantity.value() < 0 {
        return Err(format!("eviction threshold {name} must be positive: {text}"));
    }
    Ok(Amount::Quantity(quantity))
}

/// Go's notation: `1m30s`, `500ms`, `2h`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let seconds = match &unit[..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(number * seconds).ok()?;
        rest = &unit[end..];
    }
    (!text.trim().is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_upstreams() {
        let flags = Flags {
            hard: DEFAULT_HARD,
            soft: "memory.available<300Mi",
            soft_grace: "memory.available=1m30s",
            minimum_reclaim: "nodefs.available=500Mi,imagefs.available=2%",
        };
        let got = parse(flags).expect("valid");
        assert_eq!(got.len(), 7, "{got:?}");
        let soft = got.iter().find(|t| !t.is_hard()).expect("a soft one");
        assert_eq!((soft.signal, soft.grace.as_secs()), (Signal::Memory, 90));
        let disk = got.iter().find(|t| t.signal == Signal::NodeFs).expect("there");
        assert_eq!((disk.value.of(1000), disk.reclaim.map(|r| r.of(1))), (100, Some(500 << 20)));
        assert_eq!(got.last().map(|t| t.signal), Some(Signal::AllocatableMemory));
        for (hard, soft, why) in [
            ("disk.free<1", "", "unsupported eviction signal disk.free"),
            ("memory.available", "", "must be of the form NAME<VALUE"),
            ("memory.available<1,memory.available<2", "", "is given twice"),
            ("memory.available<101%", "", "must be between 0% and 100%"),
            ("memory.available<-1Mi", "", "must be positive"),
            ("", "nodefs.available<5%", "grace period must be specified"),
        ] {
            let got = parse(Flags { hard, soft, ..Flags::default() }).expect_err("invalid");
            assert!(got.contains(why), "{got}");
        }
        assert!(parse(Flags { hard: "memory.available<0%", ..Flags::default() }).expect("valid").is_empty());
    }

    #[test]
    fn durations_are_gos() {
        for (text, want) in [
            ("1m30s", Some(90_000)),
            ("500ms", Some(500)),
            ("1.5h", Some(5_400_000)),
            ("0", Some(0)),
            ("5", None),
            ("", None),
            ("1d", None),
        ] {
            assert_eq!(duration(text).map(|d| d.as_millis()), want, "{text}");
        }
    }
}
