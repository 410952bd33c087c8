//! From a tree to JSON, as upstream converts YAML before it reads it.

use super::fault;
use super::scalar::{Scalar, resolve, tagged};
use super::tree::{Content, Tree};
use crate::json::text::{write_float, write_string};
use crate::quote::quoted;
use crate::{DecodeError, Problems};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::HashMap;

/// What aliases may blow a document up to, beside its own size.
const MAX_GROWTH: usize = 16 << 20;

/// Appends the document as JSON. Keys that are set twice are told in `duplicates`; the later one holds.
pub(super) fn convert(
    tree: &Tree<'_>,
    input: usize,
    duplicates: &mut Vec<(usize, String)>,
) -> Result<Vec<u8>, DecodeError> {
    let mut writer = Writer {
        tree,
        out: Vec::with_capacity(input),
        limit: MAX_GROWTH + input * 4,
        within: Vec::new(),
        visited: 0,
        aliased: 0,
        duplicates,
    };
    match tree.nodes.is_empty() {
        true => writer.out.extend_from_slice(b"null"),
        false => writer.node(0)?,
    }
    Ok(writer.out)
}

/// Where the findings of strict reading come together, as upstream words them.
pub(super) fn report(mut duplicates: Vec<(usize, String)>, problems: &mut Problems) {
    if duplicates.is_empty() {
        return;
    }
    duplicates.sort_by_key(|(line, _)| *line);
    let lines: Vec<String> = duplicates.into_iter().map(|(_, text)| text).collect();
    problems.add(format!("yaml: unmarshal errors:\n  {}", lines.join("\n  ")));
}

struct Writer<'t, 'a, 'd> {
    tree: &'t Tree<'a>,
    out: Vec<u8>,
    limit: usize,
    /// The targets of the aliases around the place.
    within: Vec<usize>,
    visited: usize,
    aliased: usize,
    duplicates: &'d mut Vec<(usize, String)>,
}

/// The keys of a map in order, each with the node of its value.
#[derive(Default)]
struct Entries<'t> {
    list: Vec<(Cow<'t, str>, usize)>,
    places: HashMap<Cow<'t, str>, usize>,
}

impl<'t> Writer<'t, '_, '_> {
    /// Counts a visit, and refuses documents that mostly repeat themselves.
    fn visit(&mut self, number: usize) -> Result<(), DecodeError> {
        self.visited += 1;
        self.aliased += usize::from(!self.within.is_empty());
        let share = self.aliased as f64 / self.visited as f64;
        let excess = self.aliased > 100 && self.visited > 1000 && share > allowed_share(self.visited);
        if excess || self.out.len() > self.limit {
            return Err(fault(self.tree.nodes[number].line, "document contains excessive aliasing"));
        }
        Ok(())
    }

    fn node(&mut self, number: usize) -> Result<(), DecodeError> {
        self.visit(number)?;
        let node = &self.tree.nodes[number];
        match &node.content {
            Content::Alias(target) => {
                self.enter(*target, node.line)?;
                self.node(*target)?;
                self.within.pop();
                Ok(())
            }
            Content::Scalar(..) => self.scalar(number),
            Content::List(items) => {
                self.out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.out.push(b',');
                    }
                    self.node(*item)?;
                }
                self.out.push(b']');
                Ok(())
            }
            Content::Map(_) => {
                let mut entries = Entries::default();
                self.entries(number, &mut entries)?;
                // Upstream reads YAML into maps, whose keys it writes in order.
                entries.list.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
                self.out.push(b'{');
                for (at, (key, value)) in entries.list.iter().enumerate() {
                    if at > 0 {
                        self.out.push(b',');
                    }
                    write_string(&mut self.out, key);
                    self.out.push(b':');
                    self.node(*value)?;
                }
                self.out.push(b'}');
                Ok(())
            }
        }
    }

    fn enter(&mut self, target: usize, line: usize) -> Result<(), DecodeError> {
        if self.within.contains(&target) || self.within.len() > 100 {
            return Err(fault(line, "anchor value contains itself"));
        }
        self.within.push(target);
        Ok(())
    }

    fn scalar(&mut self, number: usize) -> Result<(), DecodeError> {
        match self.meaning(number)? {
            Scalar::Null => self.out.extend_from_slice(b"null"),
            Scalar::Bool(b) => self.out.extend_from_slice(if b { b"true" } else { b"false" }),
            Scalar::Int(i) => self.out.extend_from_slice(itoa::Buffer::new().format(i).as_bytes()),
            Scalar::Float(f) if f.is_finite() => write_float(&mut self.out, f),
            Scalar::Float(f) => {
                let name = if f.is_nan() {
                    "NaN"
                } else if f > 0.0 {
                    "+Inf"
                } else {
                    "-Inf"
                };
                return Err(DecodeError::Syntax(format!("json: unsupported value: {name}")));
            }
            Scalar::String(text) => write_string(&mut self.out, &text),
            Scalar::Merge => write_string(&mut self.out, "<<"),
        }
        Ok(())
    }

    fn meaning(&self, number: usize) -> Result<Scalar<'t>, DecodeError> {
        let node = &self.tree.nodes[number];
        let Content::Scalar(text, plain, tag) = &node.content else {
            return Err(fault(node.line, "a scalar is wanted"));
        };
        match tag.as_deref() {
            None if *plain => Ok(resolve(text)),
            None => Ok(Scalar::String(Cow::Borrowed(text))),
            Some("binary") => {
                let text: String = text.split_ascii_whitespace().collect();
                let bytes = STANDARD.decode(text).map_err(|_| {
                    DecodeError::Syntax("yaml: !!binary value contains invalid base64 data".to_string())
                })?;
                Ok(Scalar::String(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())))
            }
            Some(tag) => tagged(text, tag).map_err(|e| DecodeError::Syntax(format!("yaml: {e}"))),
        }
    }

    /// Collects what a map says, merges (`<<`) included, in the order of the text.
    fn entries(&mut self, number: usize, to: &mut Entries<'t>) -> Result<(), DecodeError> {
        let tree = self.tree;
        let Content::Map(parts) = &tree.nodes[number].content else { return Ok(()) };
        for pair in parts.chunks_exact(2) {
            let (key, value) = (pair[0], pair[1]);
            if is_merge(&tree.nodes[key].content) {
                self.merge(value, to)?;
                continue;
            }
            self.visit(key)?;
            let key = self.key(key)?;
            match to.places.get(&key) {
                Some(place) => {
                    let line = tree.nodes[value].line;
                    self.duplicates
                        .push((line, format!("line {line}: key {} already set in map", quoted(&key))));
                    to.list[*place].1 = value;
                }
                None => {
                    to.places.insert(key.clone(), to.list.len());
                    to.list.push((key, value));
                }
            }
        }
        Ok(())
    }

    fn merge(&mut self, number: usize, to: &mut Entries<'t>) -> Result<(), DecodeError> {
        self.visit(number)?;
        let node = &self.tree.nodes[number];
        match &node.content {
            Content::Map(_) => self.entries(number, to),
            Content::Alias(target) if matches!(self.tree.nodes[*target].content, Content::Map(_)) => {
                self.enter(*target, node.line)?;
                self.entries(*target, to)?;
                self.within.pop();
                Ok(())
            }
            Content::List(maps) => {
                // Earlier maps win, so they come last.
                for map in maps.iter().rev() {
                    if matches!(self.tree.nodes[*map].content, Content::List(_)) {
                        return Err(fault(
                            node.line,
                            "map merge requires map or sequence of maps as the value",
                        ));
                    }
                    self.merge(*map, to)?;
                }
                Ok(())
            }
            _ => Err(fault(node.line, "map merge requires map or sequence of maps as the value")),
        }
    }

    fn key(&self, number: usize) -> Result<Cow<'t, str>, DecodeError> {
        let node = &self.tree.nodes[number];
        match &node.content {
            Content::Alias(target) => self.key(*target),
            Content::Scalar(..) => match self.meaning(number)? {
                Scalar::String(text) => Ok(text),
                Scalar::Bool(b) => Ok(Cow::Borrowed(if b { "true" } else { "false" })),
                Scalar::Int(i) => Ok(Cow::Owned(i.to_string())),
                Scalar::Float(f) => {
                    let mut text = Vec::new();
                    write_float(&mut text, f);
                    Ok(Cow::Owned(String::from_utf8_lossy(&text).into_owned()))
                }
                Scalar::Merge => Ok(Cow::Borrowed("<<")),
                Scalar::Null => Err(fault(node.line, "unsupported map key of type: null")),
            },
            Content::List(_) | Content::Map(_) => Err(fault(node.line, "invalid map key")),
        }
    }
}

fn is_merge(key: &Content<'_>) -> bool {
    matches!(key, Content::Scalar(text, plain, tag)
        if text == "<<" && (*plain && tag.is_none() || tag.as_deref() == Some("merge")))
}

/// How much of a document may come from aliases: nearly all of a small one, a tenth of a large one.
fn allowed_share(visited: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    0.99 - 0.89 * ((visited as f64 - LOW) / (HIGH - LOW)).clamp(0.0, 1.0)
}
