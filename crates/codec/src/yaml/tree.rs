//! From text to a tree of nodes, aliases kept as such.

use super::fault;
use crate::DecodeError;
use granit_parser::{Event, Parser, ScalarStyle, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// One node, and the line it starts on.
pub(super) struct Node<'a> {
    pub line: usize,
    pub content: Content<'a>,
}

/// What a node is. Numbers are places in [`Tree::nodes`].
pub(super) enum Content<'a> {
    /// A text, whether it stands without quotes, and the short name of its tag.
    Scalar(Cow<'a, str>, bool, Option<Cow<'a, str>>),
    List(Vec<usize>),
    /// Keys and values in turn.
    Map(Vec<usize>),
    Alias(usize),
}

/// One document; its root is the first node, if there is any.
#[derive(Default)]
pub(super) struct Tree<'a> {
    pub nodes: Vec<Node<'a>>,
}

/// The documents of a text; `only_first` stops behind the first.
pub(super) fn read(text: &str, only_first: bool) -> Result<Vec<Tree<'_>>, DecodeError> {
    let mut documents = Vec::new();
    let mut tree = Tree::default();
    let mut open: Vec<usize> = Vec::new();
    let mut anchors: HashMap<usize, usize> = HashMap::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| fault(e.marker().line(), &e.info()))?;
        let (content, anchor) = match event {
            Event::DocumentStart(..) => {
                tree = Tree::default();
                anchors.clear();
                continue;
            }
            Event::DocumentEnd => {
                documents.push(std::mem::take(&mut tree));
                if only_first {
                    break;
                }
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                open.pop();
                continue;
            }
            Event::Scalar(text, style, anchor, tag) => {
                (Content::Scalar(text, style == ScalarStyle::Plain, tag.and_then(short)), anchor)
            }
            Event::SequenceStart(_, anchor, _) => (Content::List(Vec::new()), anchor),
            Event::MappingStart(_, anchor, _) => (Content::Map(Vec::new()), anchor),
            Event::Alias(id) => match anchors.get(&id) {
                Some(node) => (Content::Alias(*node), 0),
                None => return Err(fault(span.start.line(), "unknown anchor")),
            },
            _ => continue,
        };
        let number = tree.nodes.len();
        if let Some(Content::List(items) | Content::Map(items)) =
            open.last().map(|parent| &mut tree.nodes[*parent].content)
        {
            items.push(number);
        }
        if anchor > 0 {
            anchors.insert(anchor, number);
        }
        if matches!(content, Content::List(_) | Content::Map(_)) {
            open.push(number);
        }
        tree.nodes.push(Node { line: span.start.line(), content });
    }
    Ok(documents)
}

/// A tag's name within YAML's own, or the whole tag; `!` alone says that the text is one.
fn short<'a>(tag: Cow<'_, Tag>) -> Option<Cow<'a, str>> {
    let name = tag.suffix_in_namespace("tag:yaml.org,2002:").map(Cow::into_owned);
    Some(Cow::Owned(name.unwrap_or_else(|| tag.original())))
}
