//! One operation of a JSON patch.

use std::io;

use serde_json::Value;

use super::place::Place;

/// How many bytes all copies of a patch may add, as upstream's server has it: a document could be doubled by each.
const MOST_COPIED: usize = 3 << 20;

/// Why an operation was not done.
#[derive(Debug, PartialEq)]
pub enum Failure {
    /// A test found something else.
    Test(String),
    /// It does not fit the document, or is no operation.
    Other(String),
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Failure::Other(why)
    }
}

/// What was copied so far.
#[derive(Default)]
pub struct Budget {
    copied: usize,
}

impl Budget {
    fn spend(&mut self, value: &Value) -> Result<(), String> {
        let mut size = Size(0);
        // A size takes whatever is written.
        let _ = serde_json::to_writer(&mut size, value);
        self.copied = self.copied.saturating_add(size.0);
        if self.copied <= MOST_COPIED {
            return Ok(());
        }
        Err(format!(
            "Unable to complete the copy, the accumulated size increase of copy is {}, exceeding the limit {MOST_COPIED}",
            self.copied
        ))
    }
}

struct Size(usize);

impl io::Write for Size {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does `operation` to `document`, which is of no use if that fails.
pub fn apply(document: &mut Value, operation: &Value, budget: &mut Budget) -> Result<(), Failure> {
    let operation = Operation(operation);
    match operation.kind() {
        "add" => operation.add(document)?,
        "remove" => operation.remove(document)?,
        "replace" => operation.replace(document)?,
        "move" => operation.move_value(document)?,
        "copy" => operation.copy(document, budget)?,
        "test" => return operation.test(document),
        kind => return Err(Failure::Other(format!("Unexpected kind: {kind}"))),
    }
    Ok(())
}

struct Operation<'o>(&'o Value);

impl<'o> Operation<'o> {
    fn kind(&self) -> &'o str {
        self.0["op"].as_str().unwrap_or("unknown")
    }

    /// The path in the field of that name.
    fn path(&self, field: &str) -> Result<&'o str, String> {
        self.0[field].as_str().ok_or_else(|| {
            let kind = self.kind();
            let why = match (kind, field) {
                ("add" | "remove" | "copy", "path") => "",
                (_, "from") => "operation, missing from field: ",
                _ => "operation missing path field: ",
            };
            format!("{kind} operation failed to decode {field}: {why}missing value")
        })
    }

    /// What is to be put somewhere; nothing said is null.
    fn value(&self) -> Value {
        self.0["value"].clone()
    }

    fn add(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path("path")?;
        let Some(mut place) = Place::find(document, path) else { return Err(self.nowhere("path", path)) };
        place.within.add(&place.key, self.value()).map_err(|why| self.failed(path, &why))
    }

    fn remove(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path("path")?;
        let Some(mut place) = Place::find(document, path) else { return Err(self.nowhere("path", path)) };
        place.within.remove(&place.key).map_err(|why| self.failed(path, &why))?;
        Ok(())
    }

    fn replace(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path("path")?;
        if path.is_empty() {
            let value = self.value();
            if !value.is_object() && !value.is_array() {
                return Err("replace operation value must be object or array".into());
            }
            *document = value;
            return Ok(());
        }
        let Some(mut place) = Place::find(document, path) else {
            return Err(format!(
                "replace operation does not apply: doc is missing path: {path}: missing value"
            ));
        };
        place.within.set(&place.key, self.value()).map_err(|_| {
            format!("replace operation does not apply: doc is missing key: {path}: missing value")
        })
    }

    fn move_value(&self, document: &mut Value) -> Result<(), String> {
        let from = self.path("from")?;
        let Some(mut place) = Place::find(document, from) else {
            return Err(self.nowhere("from path", from));
        };
        let value = place.within.remove(&place.key).map_err(|why| self.failed(&place.key, &why))?;
        let path = self.path("path")?;
        let Some(mut place) = Place::find(document, path) else {
            return Err(self.nowhere("destination path", path));
        };
        place.within.add(&place.key, value).map_err(|why| self.failed(path, &why))
    }

    fn copy(&self, document: &mut Value, budget: &mut Budget) -> Result<(), String> {
        let from = self.path("from")?;
        let Some(place) = Place::find(document, from) else { return Err(self.nowhere("from path", from)) };
        let value =
            place.within.get(&place.key).map_err(|why| format!("error in copy for from: '{from}': {why}"))?;
        if let Some(value) = value {
            budget.spend(value)?;
        }
        let value = value.cloned().unwrap_or_default();
        let path = self.path("path")?;
        let Some(mut place) = Place::find(document, path) else {
            return Err(self.nowhere("destination path", path));
        };
        place
            .within
            .add(&place.key, value)
            .map_err(|why| format!("error while adding value during copy: {why}"))
    }

    fn test(&self, document: &mut Value) -> Result<(), Failure> {
        let path = self.path("path")?;
        let expected = &self.0["value"];
        let equal = if path.is_empty() {
            document == expected
        } else {
            let Some(place) = Place::find(document, path) else {
                return Err(Failure::Other(format!(
                    "test operation does not apply: is missing path: {path}: missing value"
                )));
            };
            let found = place.within.get(&place.key).map_err(|why| self.failed(path, &why))?;
            found.unwrap_or(&Value::Null) == expected
        };
        if equal { Ok(()) } else { Err(Failure::Test(format!("testing value {path} failed: test failed"))) }
    }

    fn nowhere(&self, what: &str, path: &str) -> String {
        let kind = self.kind();
        match kind {
            "add" | "remove" => {
                format!("{kind} operation does not apply: doc is missing {what}: {path:?}: missing value")
            }
            _ => format!("{kind} operation does not apply: doc is missing {what}: {path}: missing value"),
        }
    }

    fn failed(&self, path: &str, why: &str) -> String {
        format!("error in {} for path: '{path}': {why}", self.kind())
    }
}
