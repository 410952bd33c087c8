//! JSON that is kept as text.

/// A JSON value of any shape, as its text; empty when unset. Stands for `RawExtension`, `FieldsV1` and the
/// schema's `JSON`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

impl Raw {
    /// From a JSON value.
    pub fn from_value(value: &serde_json::Value) -> Self {
        Raw(value.to_string().into_bytes())
    }

    /// The value; `None` when unset or not JSON.
    pub fn to_value(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.0).ok()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Debug for Raw {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}
