//! What a process itself uses, under the names that all of Prometheus' clients have for it.

use crate::text::{Kind, Text};

/// Clock ticks of a second, and bytes of a page, as Linux has them for programs.
const TICKS: f64 = 100.0;
const PAGE: u64 = 4096;

/// Appends the figures of this process.
pub fn write_process(out: &mut Text) {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let stat = read("/proc/self/stat");
    // The fields behind the command, which may hold anything, in brackets.
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .map(|field| field.parse().unwrap_or_default())
        .collect();
    let field = |at: usize| fields.get(at - 3).copied().unwrap_or_default();
    let help = "Total user and system CPU time spent in seconds.";
    out.single("process_cpu_seconds_total", Kind::Counter, help, (field(14) + field(15)) as f64 / TICKS);
    let resident = field(24) * PAGE;
    out.single("process_resident_memory_bytes", Kind::Gauge, "Resident memory size in bytes.", resident);
    out.single("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory size in bytes.", field(23));
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    out.single("process_open_fds", Kind::Gauge, "Number of open file descriptors.", open);
    let limits = read("/proc/self/limits");
    let most = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    let most: u64 = most.and_then(|most| most.parse().ok()).unwrap_or_default();
    out.single("process_max_fds", Kind::Gauge, "Maximum number of open file descriptors.", most);
    let machine = read("/proc/stat");
    let booted = machine.lines().find_map(|line| line.strip_prefix("btime ")?.parse::<f64>().ok());
    let started = booted.unwrap_or_default() + field(22) as f64 / TICKS;
    let help = "Start time of the process since unix epoch in seconds.";
    out.single("process_start_time_seconds", Kind::Gauge, help, started);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_uses() {
        let mut out = Text::default();
        write_process(&mut out);
        let text = out.finish();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.expect("there").parse::<f64>().expect("a number")
        };
        assert!(value("process_resident_memory_bytes") > 100_000.0, "{text}");
        assert!(value("process_open_fds") > 2.0 && value("process_max_fds") > 2.0, "{text}");
        // The year 2020, and the clock's now.
        let now = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs_f64();
        assert!((1.5e9..now + 1.0).contains(&value("process_start_time_seconds")), "{text}");
    }
}
