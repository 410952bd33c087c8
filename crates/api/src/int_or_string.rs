//! A number or a text, as ports and percentages are.

/// Upstream's `IntOrString`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntOrString {
    Int(i32),
    String(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        IntOrString::Int(0)
    }
}

impl From<i32> for IntOrString {
    fn from(i: i32) -> Self {
        IntOrString::Int(i)
    }
}

impl From<&str> for IntOrString {
    fn from(s: &str) -> Self {
        IntOrString::String(s.to_string())
    }
}

impl std::fmt::Display for IntOrString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            IntOrString::Int(i) => i.fmt(f),
            IntOrString::String(s) => f.write_str(s),
        }
    }
}

impl IntOrString {
    /// The number, or the percentage of `total` rounded up or down; `None` for a text that is neither.
    pub fn scaled(&self, total: i32, round_up: bool) -> Option<i32> {
        match self {
            IntOrString::Int(i) => Some(*i),
            IntOrString::String(s) => {
                let percent: i64 = s.strip_suffix('%')?.parse().ok()?;
                let product = percent * i64::from(total);
                let whole = if round_up { (product + 99).div_euclid(100) } else { product.div_euclid(100) };
                i32::try_from(whole).ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::IntOrString;

    #[test]
    fn percentages_round_as_told() {
        for (value, total, up, want) in [
            (IntOrString::from("25%"), 10, true, Some(3)),
            (IntOrString::from("25%"), 10, false, Some(2)),
            (IntOrString::from(4), 10, false, Some(4)),
            (IntOrString::from("many"), 10, false, None),
        ] {
            assert_eq!(value.scaled(total, up), want, "{value}");
        }
    }
}
