//! The machine's own figures, from `/proc`.

use super::Interface;

/// Ticks of `/proc/stat` a second.
const TICKS: u64 = 100;

/// The machine as a whole. Bytes, where not said otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Nanoseconds that processors were busy.
    pub cpu_nanoseconds: u64,
    pub memory_capacity: u64,
    pub memory_usage: u64,
    pub memory_working_set: u64,
    pub memory_rss: u64,
    pub faults: u64,
    pub major_faults: u64,
    pub swap_capacity: u64,
    pub swap_usage: u64,
    /// When it was started, in seconds since 1970.
    pub booted: i64,
    pub network: Vec<Interface>,
    /// The most processes, and those there are.
    pub pids_max: u64,
    pub pids: u64,
}

impl Machine {
    /// What pods could still have.
    pub fn memory_available(&self) -> u64 {
        self.memory_capacity.saturating_sub(self.memory_working_set)
    }

    /// As it is now.
    pub fn measure() -> Self {
        Self::from_texts(|path| std::fs::read_to_string(path).unwrap_or_default())
    }

    fn from_texts(read: impl Fn(&str) -> String) -> Self {
        let stat = read("/proc/stat");
        let info = read("/proc/meminfo");
        let vm = read("/proc/vmstat");
        let memory = |name| field(&info, name, ":") * 1024;
        let usage = memory("MemTotal").saturating_sub(memory("MemFree"));
        let number = |path: &str| read(path).trim().parse::<u64>().ok();
        let most = [number("/proc/sys/kernel/pid_max"), number("/proc/sys/kernel/threads-max")];
        Machine {
            cpu_nanoseconds: busy(&stat),
            memory_capacity: memory("MemTotal"),
            memory_usage: usage,
            memory_working_set: usage.saturating_sub(memory("Inactive(file)")),
            memory_rss: memory("AnonPages"),
            faults: field(&vm, "pgfault", ""),
            major_faults: field(&vm, "pgmajfault", ""),
            swap_capacity: memory("SwapTotal"),
            swap_usage: memory("SwapTotal").saturating_sub(memory("SwapFree")),
            booted: i64::try_from(field(&stat, "btime", "")).unwrap_or_default(),
            network: interfaces(&read("/proc/net/dev")),
            pids_max: most.into_iter().flatten().min().unwrap_or_default(),
            pids: threads(&read("/proc/loadavg")),
        }
    }
}

fn field(text: &str, name: &str, end: &str) -> u64 {
    let line = text.lines().find_map(|l| {
        let rest = l.strip_prefix(name)?.strip_prefix(end)?;
        rest.starts_with(' ').then_some(rest)
    });
    line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// Nanoseconds that processors were busy, of the text of `/proc/stat`.
fn busy(text: &str) -> u64 {
    let line = text.lines().next().unwrap_or_default();
    let ticks = line.split_whitespace().skip(1).filter_map(|n| n.parse::<u64>().ok());
    // User, nice, system, then idle and waiting, then interrupts and stolen time; guests are counted already.
    let busy: u64 = ticks.enumerate().filter(|(i, _)| !matches!(i, 3 | 4 | 8 | 9)).map(|(_, n)| n).sum();
    busy * (1_000_000_000 / TICKS)
}

/// The number behind the slash of the fourth field of `/proc/loadavg`.
fn threads(text: &str) -> u64 {
    let field = text.split_whitespace().nth(3).and_then(|f| f.split_once('/'));
    field.and_then(|(_, all)| all.parse().ok()).unwrap_or_default()
}

/// The interfaces of a `net/dev` file; of the machine's many only its own: neither loopback nor pods' ends.
pub fn interfaces(text: &str) -> Vec<Interface> {
    let ours = |name: &str| {
        name != "lo" && !["veth", "corten", "cali", "cbr", "docker"].iter().any(|p| name.starts_with(p))
    };
    let read = |line: &str| {
        let (name, figures) = line.split_once(':')?;
        let n: Vec<u64> = figures.split_whitespace().filter_map(|f| f.parse().ok()).collect();
        let at = |i: usize| n.get(i).copied().unwrap_or_default();
        Some(Interface {
            name: name.trim().to_string(),
            rx_bytes: at(0),
            rx_packets: at(1),
            rx_errors: at(2),
            rx_dropped: at(3),
            tx_bytes: at(8),
            tx_packets: at(9),
            tx_errors: at(10),
            tx_dropped: at(11),
        })
    };
    text.lines().skip(2).filter_map(read).filter(|i| ours(&i.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_read() {
        let machine = Machine::from_texts(|path| {
            let text = match path {
                "/proc/stat" => "cpu  10 0 5 100 7 1 2 0 0 0\ncpu0 1 2\nbtime 1700000000\n",
                "/proc/meminfo" => {
                    "MemTotal:  100 kB\nMemFree: 5 kB\nInactive(file):   40 kB\nAnonPages: 9 kB\n"
                }
                "/proc/vmstat" => "pgfault 77\npgmajfault 3\n",
                "/proc/net/dev" => {
                    "Inter-| Receive\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n  eth0: 5 4 3 2 0 0 0 0 9 8 7 6 0 0 0 0\nveth1: 1 1\n"
                }
                "/proc/sys/kernel/pid_max" => "32768\n",
                "/proc/sys/kernel/threads-max" => "100000\n",
                "/proc/loadavg" => "0.1 0.2 0.3 2/345 678\n",
                _ => "",
            };
            text.to_owned()
        });
        assert_eq!((machine.cpu_nanoseconds, machine.booted), (18 * 10_000_000, 1_700_000_000));
        assert_eq!((machine.memory_usage, machine.memory_working_set), (95 * 1024, 55 * 1024));
        assert_eq!(machine.memory_available(), 45 * 1024);
        assert_eq!((machine.faults, machine.major_faults), (77, 3));
        assert_eq!((machine.pids_max, machine.pids), (32768, 345));
        let [eth] = machine.network.as_slice() else { panic!("{:?}", machine.network) };
        assert_eq!((eth.name.as_str(), eth.rx_bytes, eth.rx_dropped, eth.tx_bytes), ("eth0", 5, 2, 9));
        assert_eq!(Machine::from_texts(|_| String::new()), Machine::default());
    }
}
