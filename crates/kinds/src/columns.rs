//! Columns of a `Table` and the cells in them.

use corten_api::core::v1::Container;
use corten_api::meta::v1::LabelSelector;
use corten_api::selector::Selector;
use corten_api::{Object, Time};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    /// `string`, `integer`, `date`, `boolean`, `number`.
    pub type_: &'static str,
    /// `name` for the column of names.
    pub format: &'static str,
    pub description: &'static str,
    /// 0 in the usual view, 1 in the wide one only.
    pub priority: i32,
}

/// A column as a table's head shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableColumn<'a> {
    pub name: &'a str,
    pub type_: &'a str,
    pub format: &'a str,
    pub description: &'a str,
    pub priority: i32,
}

impl Column {
    /// The column in a table of objects of `kind`, with its description.
    pub fn of_kind(&self, kind: &str) -> TableColumn<'static> {
        let description =
            if self.description.is_empty() { described(kind, self.name) } else { self.description };
        let Column { name, type_, format, priority, .. } = *self;
        TableColumn { name, type_, format, description, priority }
    }
}

impl From<&Column> for TableColumn<'static> {
    fn from(column: &Column) -> Self {
        column.of_kind("")
    }
}

/// What a column tells, in tables of this kind or in any.
fn described(kind: &str, name: &str) -> &'static str {
    static TEXTS: LazyLock<BTreeMap<&str, &str>> = LazyLock::new(|| {
        let lines = include_str!("columns.txt").lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| line.split_once(": ")).collect()
    });
    let own = TEXTS.get(format!("{kind}.{name}").as_str());
    own.or_else(|| TEXTS.get(name)).copied().unwrap_or_default()
}

impl Column {
    /// A column of texts in the usual view.
    pub const fn text(name: &'static str) -> Self {
        Column { name, type_: "string", format: "", description: "", priority: 0 }
    }

    /// A column of numbers in the usual view.
    pub const fn number(name: &'static str) -> Self {
        Column { type_: "integer", ..Column::text(name) }
    }

    /// The same, in the wide view only.
    pub const fn wide(self) -> Self {
        Column { priority: 1, ..self }
    }
}

/// The first column.
pub const NAME: Column = Column {
    name: "Name",
    type_: "string",
    format: "name",
    description: "The name, unique among objects of the kind in the namespace.",
    priority: 0,
};

/// How long ago the object was made.
pub const AGE: Column =
    Column { description: "How long ago the server made the object.", ..Column::text("Age") };

/// The columns of a kind that declares none.
pub const PLAIN: &[Column] = &[
    NAME,
    Column { name: "Created At", type_: "date", format: "", description: AGE.description, priority: 0 },
];

/// The cells of [`PLAIN`].
pub fn plain_row(obj: &dyn Object) -> Vec<Value> {
    let meta = obj.meta();
    let created = meta.creation_timestamp.map_or("0001-01-01T00:00:00Z".to_string(), |t| t.to_string());
    vec![meta.name.clone().into(), created.into()]
}

/// `5m`, or `<unknown>` without a time.
pub fn age(since: Option<Time>, now: Timestamp) -> String {
    since.map_or("<unknown>".to_string(), |t| duration(now.as_second() - t.seconds()))
}

/// Seconds as people read them (k8s.io/apimachinery `util/duration`): `90s`, `5m30s`, `3h`, `2d4h`, `400d`.
pub fn duration(seconds: i64) -> String {
    match seconds {
        i64::MIN..-1 => return "<invalid>".into(),
        -1 => return "0s".into(),
        0..120 => return format!("{seconds}s"),
        _ => {}
    }
    let two = |first: i64, a: &str, second: i64, b: &str| {
        if second == 0 { format!("{first}{a}") } else { format!("{first}{a}{second}{b}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match () {
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(hours / 24, "d", hours % 24, "h"),
        () if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        () if hours < 24 * 365 * 8 => two(hours / 24 / 365, "y", (hours / 24) % 365, "d"),
        () => format!("{}y", hours / 24 / 365),
    }
}

/// `<none>` when there is nothing to show.
pub(crate) fn or_none(text: impl Into<String>) -> String {
    let text = text.into();
    if text.is_empty() { "<none>".into() } else { text }
}

/// A row of cells.
macro_rules! row {
    ($($cell:expr),* $(,)?) => { vec![$(serde_json::Value::from($cell)),*] };
}
pub(crate) use row;

/// Names and images of containers, each joined by commas.
pub(crate) fn containers(list: &[Container]) -> (String, String) {
    let join = |part: fn(&Container) -> &str| list.iter().map(part).collect::<Vec<_>>().join(",");
    (join(|c| &c.name), join(|c| &c.image))
}

/// A selector as text; `<none>` when it selects everything or nothing.
pub(crate) fn selector(selector: Option<&LabelSelector>) -> String {
    match Selector::from_label_selector(selector) {
        Ok(s) => or_none(s.to_string()),
        Err(_) => "<error>".into(),
    }
}

/// Labels as `a=b,c=d`.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> String {
    or_none(labels.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(","))
}

/// The first three of a list, and how many more there are.
pub(crate) fn first_three(list: &[String]) -> String {
    match list.len() {
        0..=3 => Some(list.join(",")).filter(|text| !text.is_empty()).unwrap_or("<unset>".into()),
        n => format!("{} + {} more...", list[..3].join(","), n - 3),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;
    use crate::strategy_for;

    #[test]
    fn every_column_says_what_it_tells() {
        for kind in corten_api::builtin::KINDS {
            for column in strategy_for(kind).table_columns() {
                assert!(!column.description.is_empty(), "{}.{}", kind.kind, column.name);
            }
        }
    }

    #[test]
    fn durations_read_as_upstreams() {
        for (seconds, want) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (3599, "59m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 60, "3h1m"),
            (47 * 3600, "47h"),
            (50 * 3600, "2d2h"),
            (8 * 86400, "8d"),
            (800 * 86400, "2y70d"),
            (9 * 365 * 86400, "9y"),
        ] {
            assert_eq!(duration(seconds), want, "{seconds}");
        }
    }
}
