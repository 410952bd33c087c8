//! Which fields of CRI messages were in use: a message's bytes are read with the model of the API, so that
//! nothing is covered by claim.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// The services and messages of CRI v1.
#[derive(Debug, Deserialize)]
pub struct Model {
    services: BTreeMap<String, Vec<Rpc>>,
    messages: BTreeMap<String, Vec<Field>>,
}

/// A call.
#[derive(Debug, Deserialize)]
pub struct Rpc {
    /// Its name, `RunPodSandbox`.
    pub name: String,
}

#[derive(Debug, Deserialize)]
struct Field {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    tag: u64,
}

impl Model {
    /// Reads the model from a file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("understand {}", path.display()))
    }

    /// The names of all calls.
    pub fn calls(&self) -> impl Iterator<Item = &str> {
        self.services.values().flatten().map(|rpc| rpc.name.as_str())
    }

    /// Every field, as `Message.field`.
    pub fn fields(&self) -> BTreeSet<String> {
        let of = |(message, fields): (&String, &Vec<Field>)| -> Vec<String> {
            fields.iter().map(|f| format!("{message}.{}", f.name)).collect()
        };
        self.messages.iter().flat_map(of).collect()
    }

    /// Adds the fields that the `bytes` of a `message` hold to `found`, those of messages within too.
    pub fn used(&self, message: &str, bytes: &[u8], found: &mut BTreeSet<String>) -> Result<()> {
        let fields =
            self.messages.get(message).with_context(|| format!("no message {message} in the model"))?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            let value = match key & 7 {
                0 => {
                    varint(&mut rest)?;
                    &[][..]
                }
                1 => take(&mut rest, 8)?,
                2 => {
                    let length = varint(&mut rest)?;
                    take(&mut rest, usize::try_from(length)?)?
                }
                5 => take(&mut rest, 4)?,
                other => bail!("wire type {other} in {message}"),
            };
            let Some(field) = fields.iter().find(|f| f.tag == key >> 3) else {
                bail!("{message} has a field {} that the model does not know", key >> 3);
            };
            found.insert(format!("{message}.{}", field.name));
            self.within(field, value, found)?;
        }
        Ok(())
    }

    fn within(&self, field: &Field, value: &[u8], found: &mut BTreeSet<String>) -> Result<()> {
        if self.messages.contains_key(&field.kind) {
            return self.used(&field.kind, value, found);
        }
        let Some(inner) = field.kind.strip_prefix("map<").and_then(|k| k.strip_suffix('>')) else {
            return Ok(());
        };
        let kind = inner.split_once(',').map_or("", |(_, value)| value.trim());
        if !self.messages.contains_key(kind) {
            return Ok(());
        }
        let mut rest = value;
        while !rest.is_empty() {
            let key = varint(&mut rest)?;
            let length = varint(&mut rest)?;
            let part = take(&mut rest, usize::try_from(length)?)?;
            if key >> 3 == 2 {
                self.used(kind, part, found)?;
            }
        }
        Ok(())
    }
}

fn varint(rest: &mut &[u8]) -> Result<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number without end")
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count).context("the message ends early")?;
    *rest = tail;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_node_api::cri::{KeyValue, PodSandboxConfig, PodSandboxMetadata};
    use prost::Message;

    fn model() -> Model {
        serde_json::from_value(serde_json::json!({
            "services": {"S": [{"name": "Run"}]},
            "messages": {
                "PodSandboxConfig": [
                    {"name": "metadata", "type": "PodSandboxMetadata", "tag": 1},
                    {"name": "hostname", "type": "string", "tag": 2},
                    {"name": "labels", "type": "map<string,string>", "tag": 6},
                ],
                "PodSandboxMetadata": [
                    {"name": "name", "type": "string", "tag": 1},
                    {"name": "attempt", "type": "uint32", "tag": 4},
                ],
            },
        }))
        .expect("a model")
    }

    #[test]
    fn what_is_set_is_found() {
        let metadata = PodSandboxMetadata { name: "a".into(), attempt: 3, ..Default::default() };
        let labels = [("k".to_owned(), "v".to_owned())].into();
        let config = PodSandboxConfig { metadata: Some(metadata), labels, ..Default::default() };
        let mut found = BTreeSet::new();
        model().used("PodSandboxConfig", &config.encode_to_vec(), &mut found).expect("read");
        let expected = [
            "PodSandboxConfig.labels",
            "PodSandboxConfig.metadata",
            "PodSandboxMetadata.attempt",
            "PodSandboxMetadata.name",
        ];
        assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn strange_bytes_are_told() {
        let unknown = KeyValue { key: "x".repeat(3), value: "y".into() }.encode_to_vec();
        let mut found = BTreeSet::new();
        assert!(
            model().used("PodSandboxMetadata", &unknown, &mut found).is_err(),
            "field 2 is not in the model"
        );
        assert!(model().used("PodSandboxMetadata", &[0x0a, 9, b'x'], &mut found).is_err());
        assert!(model().used("Nothing", &[], &mut found).is_err());
    }
}
