//! Reads a kubelet's `/metrics/resource`.

use corten_rt::Timestamp;
use std::collections::HashMap;

/// Namespace and name of a pod, and a container's name.
pub type ContainerKey = (String, String, String);

/// Processor time and memory of one thing at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    pub time: Timestamp,
    /// Seconds of processor time in all.
    pub cpu: f64,
    /// Bytes.
    pub memory: u64,
    /// When it was started.
    pub started: Option<Timestamp>,
}

/// All figures of a node at one time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub node: Option<Point>,
    pub containers: HashMap<ContainerKey, Point>,
}

impl Sample {
    /// Reads the text; figures without a time are of `now`. What is not understood is left out.
    pub fn parse(text: &str, now: Timestamp) -> Self {
        let mut out = Sample::default();
        for (name, labels, value, at) in text.lines().filter_map(line) {
            let time = at.and_then(|at| Timestamp::from_millisecond(at).ok()).unwrap_or(now);
            let point = match name {
                "node_cpu_usage_seconds_total" | "node_memory_working_set_bytes" => {
                    out.node.get_or_insert_default()
                }
                "container_cpu_usage_seconds_total"
                | "container_memory_working_set_bytes"
                | "container_start_time_seconds" => {
                    let of = |name: &str| labels.get(name).cloned().unwrap_or_default();
                    out.containers.entry((of("namespace"), of("pod"), of("container"))).or_default()
                }
                _ => continue,
            };
            if name.ends_with("_cpu_usage_seconds_total") {
                (point.cpu, point.time) = (value, time);
            } else if name == "container_start_time_seconds" {
                point.started = Timestamp::from_millisecond((value * 1000.0) as i64).ok();
            } else {
                point.memory = value as u64;
            }
        }
        out
    }
}

/// Name, labels, value, and milliseconds since 1970.
type Line<'a> = (&'a str, HashMap<&'a str, String>, f64, Option<i64>);

/// `NAME{LABEL="VALUE",...} VALUE [MILLISECONDS]`.
fn line(line: &str) -> Option<Line<'_>> {
    if line.starts_with('#') {
        return None;
    }
    let at = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(at);
    let mut found = HashMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = labels(inner, &mut found)?;
    }
    let mut words = rest.split_whitespace();
    let value = words.next()?.parse().ok()?;
    Some((name, found, value, words.next().and_then(|w| w.parse().ok())))
}

/// Reads labels up to the closing brace; gives what follows it.
fn labels<'a>(mut text: &'a str, out: &mut HashMap<&'a str, String>) -> Option<&'a str> {
    loop {
        text = text.trim_start_matches([',', ' ']);
        if let Some(rest) = text.strip_prefix('}') {
            return Some(rest);
        }
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = rest.char_indices();
        loop {
            match chars.next()? {
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    other => value.push(other),
                },
                (end, '"') => {
                    text = &rest[end + 1..];
                    break;
                }
                (_, c) => value.push(c),
            }
        }
        out.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_strange_ones_left_out() {
        let text = "# TYPE x counter\nnode_cpu_usage_seconds_total 7.5 1000\n\
            container_cpu_usage_seconds_total{container=\"c\",namespace=\"n}s\",pod=\"p\\\"\"} 1.5 2000\n\
            container_memory_working_set_bytes{container=\"c\",namespace=\"n}s\",pod=\"p\\\"\"} 4096\n\
            container_start_time_seconds{container=\"c\",namespace=\"n}s\",pod=\"p\\\"\"} 1.5\n\
            broken{a=\"b 1\nnode_memory_working_set_bytes x\nother 1\n";
        let sample = Sample::parse(text, Timestamp::UNIX_EPOCH);
        assert_eq!(sample.node.map(|n| (n.cpu, n.time.as_millisecond())), Some((7.5, 1000)));
        let key = ("n}s".to_string(), "p\"".to_string(), "c".to_string());
        let point = sample.containers[&key];
        assert_eq!((point.cpu, point.memory, point.time.as_second()), (1.5, 4096, 2));
        assert_eq!(point.started.map(|t| t.as_millisecond()), Some(1500));
        assert_eq!(sample.containers.len(), 1);
    }
}
