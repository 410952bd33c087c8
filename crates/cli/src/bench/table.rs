//! Tables for people: columns as wide as their widest cell, words to the left and figures to the right.

/// A table that grows by rows.
#[derive(Clone, Debug, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns. The first is of words, all others are of figures.
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Table {
        Table { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row; cells that are missing stay empty.
    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The lines, each ended by a newline and without trailing blanks.
    pub fn render(&self) -> String {
        let lines = || std::iter::once(&self.header).chain(&self.rows);
        let columns = lines().map(Vec::len).max().unwrap_or(0);
        let cell = |line: &'_ [String], column: usize| line.get(column).cloned().unwrap_or_default();
        let widths: Vec<usize> = (0..columns)
            .map(|column| lines().map(|line| cell(line, column).chars().count()).max().unwrap_or(0))
            .collect();
        let mut out = String::new();
        for line in lines() {
            let mut text = String::new();
            for (column, width) in widths.iter().enumerate() {
                let cell = cell(line, column);
                match column {
                    0 => text.push_str(&format!("{cell:<width$}")),
                    _ => text.push_str(&format!("  {cell:>width$}")),
                }
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
        out
    }
}

/// A figure with three digits that matter: `0.012`, `1.23`, `45.6`, `1234`.
pub fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 1.0 => format!("{value:.3}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Bytes as MiB.
pub fn mebibytes(bytes: u64) -> String {
    figure(bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["operation", "per second", "p50 ms"]);
        table.row(["create", "1234", "0.5"]);
        table.row(["list of 5000 µ", "7"]);
        let expected = "operation       per second  p50 ms\n\
                        create                1234     0.5\n\
                        list of 5000 µ           7\n";
        assert_eq!(table.render(), expected);
    }

    #[test]
    fn a_row_may_be_longer_than_the_header() {
        let mut table = Table::new(["a"]);
        table.row(["b", "c"]);
        assert_eq!(table.render(), "a\nb  c\n");
        assert_eq!(Table::default().render(), "\n");
    }

    #[test]
    fn figures_keep_three_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (0.01234, "0.012"),
            (1.234, "1.23"),
            (45.67, "45.7"),
            (1234.5, "1234"),
            (-2.5, "-2.50"),
        ] {
            assert_eq!(figure(value), expected);
        }
        assert_eq!(mebibytes(3 << 19), "1.50");
    }
}
