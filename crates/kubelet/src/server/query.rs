//! Escapes and parameters of a request's target.

/// The parameters after `?`, decoded, in their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the text after `?`.
    pub fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (unescape(&name.replace('+', " ")), unescape(&value.replace('+', " ")))
        });
        Query(pairs.collect())
    }

    /// All parameters.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// Whether any of these parameters says yes.
    pub fn flag(&self, names: &[&str]) -> bool {
        self.pairs().any(|(name, value)| names.contains(&name) && matches!(value, "1" | "true"))
    }
}

/// Undoes `%` escapes; broken ones are kept.
pub fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|d| std::str::from_utf8(d).ok());
        match digits.and_then(|d| u8::from_str_radix(d, 16).ok()) {
            Some(byte) if first == b'%' => {
                out.push(byte);
                rest = &after[2..];
            }
            _ => {
                out.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Query::parse("command=sh&command=-c+a%20%26b&input=1&output=0&x&bad=%zz%4");
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["sh", "-c a &b"]);
        assert!(query.flag(&["stdin", "input"]) && !query.flag(&["stdout", "output"]));
        assert_eq!(query.all("bad").collect::<Vec<_>>(), ["%zz%4"]);
    }
}
