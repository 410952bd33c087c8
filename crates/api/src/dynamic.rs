//! Kinds that come and go while the server runs, and their objects: metadata is typed, the rest is JSON whose
//! shape somebody else knows (a definition's schema).

use crate::meta::v1::ObjectMeta;
use crate::{Edit, Field, Form, KindInfo, ListKind, Object, Raw, Reflect, Schema, Struct, Type, Typed, View};
use std::any::Any;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What is declared of a kind at run time.
#[derive(Clone, Copy, Debug)]
pub struct Declared<'a> {
    pub group: &'a str,
    pub version: &'a str,
    pub kind: &'a str,
    pub list_kind: &'a str,
    pub plural: &'a str,
    pub singular: &'a str,
    pub namespaced: bool,
    pub short_names: &'a [String],
    pub categories: &'a [String],
    pub status: bool,
    pub scale: bool,
}

/// The identities given out so far. The same declaration always gets the same one, so definitions that come
/// and go again leave nothing more behind.
#[derive(Default)]
struct Identities {
    texts: HashSet<&'static str>,
    lists: HashSet<&'static [&'static str]>,
    kinds: HashMap<Key, &'static KindInfo>,
}

type Key = ([&'static str; 6], bool, [&'static [&'static str]; 3]);

impl Identities {
    fn text(&mut self, text: &str) -> &'static str {
        if let Some(known) = self.texts.get(text) {
            return known;
        }
        let kept: &'static str = Box::leak(text.into());
        self.texts.insert(kept);
        kept
    }

    fn list(&mut self, list: &[String]) -> &'static [&'static str] {
        let list: Vec<&'static str> = list.iter().map(|t| self.text(t)).collect();
        if let Some(known) = self.lists.get(&*list) {
            return known;
        }
        let kept: &'static [&'static str] = Box::leak(list.into());
        self.lists.insert(kept);
        kept
    }

    fn kind(&mut self, d: &Declared<'_>) -> &'static KindInfo {
        let subresources: &'static [&'static str] = match (d.status, d.scale) {
            (false, false) => &[],
            (true, false) => &["status"],
            (false, true) => &["scale"],
            (true, true) => &["status", "scale"],
        };
        let info = KindInfo {
            group: self.text(d.group),
            version: self.text(d.version),
            kind: self.text(d.kind),
            list_kind: self.text(d.list_kind),
            plural: self.text(d.plural),
            singular: self.text(d.singular),
            storage: self.text(&format!("{}/{}", d.group, d.plural)),
            namespaced: d.namespaced,
            short_names: self.list(d.short_names),
            categories: self.list(d.categories),
            subresources,
            verbs: "",
            schema: DynamicObject::schema,
            new: None,
            custom: true,
        };
        let names = [info.group, info.version, info.kind, info.list_kind, info.plural, info.singular];
        let key = (names, info.namespaced, [info.short_names, info.categories, info.subresources]);
        self.kinds.entry(key).or_insert_with(|| Box::leak(Box::new(info)))
    }
}

/// The identity of a declared kind, for the life of the process.
pub fn intern(declared: &Declared<'_>) -> &'static KindInfo {
    static KNOWN: OnceLock<Mutex<Identities>> = OnceLock::new();
    let known = KNOWN.get_or_init(Mutex::default);
    known.lock().unwrap_or_else(PoisonError::into_inner).kind(declared)
}

/// An object of a kind that is not compiled in.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicObject {
    info: &'static KindInfo,
    pub metadata: ObjectMeta,
    /// Every other field at the top, as JSON.
    pub content: BTreeMap<String, Raw>,
}

impl DynamicObject {
    /// An empty object of the kind.
    pub fn new(info: &'static KindInfo) -> Self {
        DynamicObject { info, metadata: ObjectMeta::default(), content: BTreeMap::new() }
    }

    /// The same object as one of another version of its kind.
    pub fn with_kind(mut self, info: &'static KindInfo) -> Self {
        self.info = info;
        self
    }

    /// The table that all dynamic objects share: metadata, and the rest standing beside it.
    pub fn schema() -> &'static Schema {
        const PLAIN: Field = Field {
            name: "",
            tag: 0,
            ty: &Type::Raw,
            optional: false,
            omit_empty: true,
            nullable: false,
            inline: false,
            required: false,
            atomic: false,
            list: ListKind::Atomic,
            keys: &[],
            merge: false,
            retain_keys: false,
            merge_key: "",
            default: None,
        };
        static SCHEMA: Schema = Schema {
            name: "Unstructured",
            package: "unstructured",
            form: Form::Object,
            fields: &[
                Field { name: "metadata", ty: <ObjectMeta as Typed>::TYPE, ..PLAIN },
                Field { inline: true, ty: <BTreeMap<String, Raw> as Typed>::TYPE, ..PLAIN },
            ],
            kind: None,
        };
        &SCHEMA
    }
}

impl Reflect for DynamicObject {
    fn view(&self) -> View<'_> {
        View::Struct(self)
    }
    fn edit(&mut self) -> Edit<'_> {
        Edit::Struct(self)
    }
    fn reset(&mut self) {
        *self = DynamicObject::new(self.info);
    }
}

impl Struct for DynamicObject {
    fn schema(&self) -> &Schema {
        DynamicObject::schema()
    }
    fn field(&self, number: usize) -> &dyn Reflect {
        match number {
            0 => &self.metadata,
            _ => &self.content,
        }
    }
    fn field_mut(&mut self, number: usize) -> &mut dyn Reflect {
        match number {
            0 => &mut self.metadata,
            _ => &mut self.content,
        }
    }
    fn kind(&self) -> Option<&'static KindInfo> {
        Some(self.info)
    }
}

impl Object for DynamicObject {
    fn info(&self) -> &'static KindInfo {
        self.info
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
    fn as_struct(&self) -> &dyn Struct {
        self
    }
    fn as_struct_mut(&mut self) -> &mut dyn Struct {
        self
    }
    fn clone_object(&self) -> Box<dyn Object> {
        Box::new(self.clone())
    }
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
    fn into_any_box(self: Box<Self>) -> Box<dyn Any> {
        self
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_declaration_gets_the_same_identity() {
        let names = ["t".to_string()];
        let declared = Declared {
            group: "example.com",
            version: "v1",
            kind: "Test",
            list_kind: "TestList",
            plural: "tests",
            singular: "test",
            namespaced: true,
            short_names: &names,
            categories: &[],
            status: true,
            scale: false,
        };
        let first = intern(&declared);
        assert!(std::ptr::eq(first, intern(&declared)));
        assert!(!std::ptr::eq(first, intern(&Declared { version: "v2", ..declared })));
        assert_eq!((first.storage, first.subresources), ("example.com/tests", &["status"][..]));
        let blank = first.blank().expect("custom kinds have objects");
        assert_eq!(blank.info(), first);
    }
}
