//! Lists: every kind's list has the same shape, so items are put together and taken apart without a struct
//! for the list.

use crate::json::{self, TypeMeta};
use crate::protobuf;
use crate::protobuf::wire::{put_bytes, put_tag, put_varint};
use crate::{DecodeError, Problems};
use corten_api::meta::v1::ListMeta;
use corten_api::{Kind, KindInfo, Object, View};
use std::borrow::Cow;

/// `apiVersion` and `kind` of the list of a kind.
pub fn type_meta(info: &KindInfo) -> TypeMeta<'static> {
    TypeMeta { api_version: Cow::Owned(info.api_version()), kind: Cow::Owned(info.list_kind()) }
}

/// A list as JSON, from items that are JSON. Items of built-in kinds do not repeat their kind, as upstream's
/// do not: `item` is what to take off, `None` to leave items as they are (custom resources). Each item is
/// copied once.
pub fn encode_json<I>(list: &TypeMeta<'_>, meta: &ListMeta, item: Option<&KindInfo>, items: I) -> Vec<u8>
where
    I: IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
{
    let items = items.into_iter();
    let size = items.clone().map(|item| item.as_ref().len() + 1).sum::<usize>();
    let prefix = item.map_or_else(|| b"{".to_vec(), json_prefix);
    let mut out = Vec::with_capacity(size + 256);
    open_json(&mut out, list, meta);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match item.as_ref().strip_prefix(&*prefix) {
            Some(rest) => {
                out.push(b'{');
                out.extend_from_slice(rest);
            }
            None => out.extend_from_slice(item.as_ref()),
        }
    }
    out.extend_from_slice(JSON_END);
    out
}

/// What every JSON object of a built-in kind begins with; the items of its lists begin with `{` alone.
pub fn json_prefix(info: &KindInfo) -> Vec<u8> {
    let mut prefix = b"{".to_vec();
    json::write_type_meta(&mut prefix, info);
    prefix.push(b',');
    prefix
}

/// What comes before the first item of a JSON list, for those who write it piece by piece.
pub fn open_json(out: &mut Vec<u8>, list: &TypeMeta<'_>, meta: &ListMeta) {
    out.extend_from_slice(b"{\"kind\":");
    json::encode_value(out, View::String(&list.kind));
    out.extend_from_slice(b",\"apiVersion\":");
    json::encode_value(out, View::String(&list.api_version));
    out.extend_from_slice(b",\"metadata\":");
    json::encode_value(out, View::Struct(meta));
    out.extend_from_slice(b",\"items\":[");
}

/// What comes behind the last one.
pub const JSON_END: &[u8] = b"]}";

/// A list as enveloped protobuf, from items that are messages without envelopes.
pub fn encode_protobuf<I>(list: &TypeMeta<'_>, meta: &ListMeta, items: I) -> Vec<u8>
where
    I: IntoIterator<Item: AsRef<[u8]>, IntoIter: Clone>,
{
    let items = items.into_iter();
    // The whole message's length is known before, so nothing has to move.
    let length = items.clone().map(|item| protobuf_item_len(item.as_ref())).sum();
    let mut out = open_protobuf(list, meta, length);
    out.reserve(length + 8);
    for item in items {
        put_protobuf_item(&mut out, item.as_ref());
    }
    close_protobuf(&mut out);
    out
}

/// What comes before the first item of an enveloped protobuf list, for those who write it piece by piece. All
/// its items take `length` bytes.
pub fn open_protobuf(list: &TypeMeta<'_>, meta: &ListMeta, length: usize) -> Vec<u8> {
    let mut head = Vec::with_capacity(64);
    put_bytes(&mut head, 1, &protobuf::encode_message(meta));
    let mut out = Vec::with_capacity(head.len() + list.api_version.len() + list.kind.len() + 32);
    protobuf::open_envelope(&mut out, &list.api_version, &list.kind);
    put_tag(&mut out, 2, protobuf::wire::BYTES);
    put_varint(&mut out, (head.len() + length) as u64);
    out.extend_from_slice(&head);
    out
}

/// Appends an item, a message without an envelope.
pub fn put_protobuf_item(out: &mut Vec<u8>, message: &[u8]) {
    put_bytes(out, 2, message);
}

/// The bytes that [`put_protobuf_item`] appends.
pub fn protobuf_item_len(message: &[u8]) -> usize {
    let bits = usize::BITS - (message.len() | 1).leading_zeros();
    1 + bits.div_ceil(7) as usize + message.len()
}

/// What comes behind the last item.
pub fn close_protobuf(out: &mut Vec<u8>) {
    protobuf::close_envelope(out);
}

/// A list taken apart.
#[derive(Debug)]
pub struct Decoded<T> {
    pub meta: ListMeta,
    pub items: Vec<T>,
}

/// Reads a JSON list of a kind known at run time; `new` makes the empty object.
pub fn decode_json(
    bytes: &[u8],
    mut new: impl FnMut() -> Box<dyn Object>,
    problems: &mut Problems,
) -> Result<Decoded<Box<dyn Object>>, DecodeError> {
    let mut list = Decoded { meta: ListMeta::default(), items: Vec::new() };
    json::decode_list(bytes, &mut list.meta, problems, &mut |read| {
        let mut object = new();
        read(object.as_struct_mut())?;
        list.items.push(object);
        Ok(())
    })?;
    Ok(list)
}

/// Reads a JSON list of `K`.
pub fn decode_json_of<K: Kind>(bytes: &[u8]) -> Result<Decoded<K>, DecodeError> {
    let mut list = Decoded { meta: ListMeta::default(), items: Vec::new() };
    json::decode_list(bytes, &mut list.meta, &mut Problems::ignore(), &mut |read| {
        let mut object = K::default();
        read(object.as_struct_mut())?;
        list.items.push(object);
        Ok(())
    })?;
    Ok(list)
}

/// Reads an enveloped list; `new` makes the empty object.
pub fn decode_protobuf(
    bytes: &[u8],
    mut new: impl FnMut() -> Box<dyn Object>,
) -> Result<Decoded<Box<dyn Object>>, DecodeError> {
    let mut list = Decoded { meta: ListMeta::default(), items: Vec::new() };
    let mut fields = protobuf::wire::Fields::new(protobuf::open(bytes)?.raw);
    while let Some((tag, value)) = fields.next()? {
        match (tag, value) {
            (1, protobuf::wire::Value::Bytes(meta)) => protobuf::decode_message(meta, &mut list.meta)?,
            (2, protobuf::wire::Value::Bytes(item)) => {
                let mut object = new();
                protobuf::decode_message(item, object.as_struct_mut())?;
                list.items.push(object);
            }
            _ => {}
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::ConfigMap;

    fn config_map(name: &str) -> ConfigMap {
        let mut object = ConfigMap::default();
        object.metadata.name = name.to_string();
        object.data.insert("a".to_string(), "\"items\":[".to_string());
        object
    }

    fn meta() -> ListMeta {
        ListMeta {
            resource_version: "7".to_string(),
            continue_: "more".to_string(),
            remaining_item_count: Some(3),
            ..Default::default()
        }
    }

    #[test]
    fn lists_go_to_json_and_back() {
        let items = [config_map("x"), config_map("y")];
        let encoded: Vec<_> = items.iter().map(|i| json::encode(i)).collect();
        let list = encode_json(&type_meta(ConfigMap::INFO), &meta(), Some(ConfigMap::INFO), &encoded);
        let item = |n| format!(r#"{{"metadata":{{"name":"{n}"}},"data":{{"a":"\"items\":["}}}}"#);
        assert_eq!(
            String::from_utf8_lossy(&list),
            format!(
                r#"{{"kind":"ConfigMapList","apiVersion":"v1","metadata":{{"resourceVersion":"7","continue":"more","remainingItemCount":3}},"items":[{},{}]}}"#,
                item("x"),
                item("y")
            )
        );
        let read = decode_json_of::<ConfigMap>(&list).expect("a list");
        assert_eq!((read.meta, &read.items[..]), (meta(), &items[..]));
    }

    #[test]
    fn an_empty_list_has_an_empty_list_of_items() {
        let list = encode_json(&type_meta(ConfigMap::INFO), &ListMeta::default(), None, &[] as &[Vec<u8>]);
        assert!(list.ends_with(br#""metadata":{},"items":[]}"#), "{}", String::from_utf8_lossy(&list));
        let new = ConfigMap::INFO.new.expect("an object");
        for text in [&list[..], b"{}", br#"{"items":null,"metadata":null}"#] {
            assert!(decode_json(text, new, &mut Problems::strict()).expect("a list").items.is_empty());
        }
    }

    #[test]
    fn findings_and_errors_name_the_item() {
        let new = ConfigMap::INFO.new.expect("an object");
        let mut problems = Problems::strict();
        let text = br#"{"items":[{},{"metadata":{"x":1}}]}"#;
        decode_json(text, new, &mut problems).expect("a list");
        assert_eq!(problems.found(), ["unknown field \"items[1].metadata.x\""]);
        for bad in ["[]", "{\"items\":{}}", "{\"items\":[1]}", "{\"items\":[{}"] {
            assert!(decode_json(bad.as_bytes(), new, &mut Problems::ignore()).is_err(), "{bad}");
        }
    }

    #[test]
    fn lists_go_to_protobuf_and_back() {
        let items = [config_map("x"), config_map(&"y".repeat(300))];
        let encoded: Vec<_> = items.iter().map(|i| protobuf::encode_message(i)).collect();
        let list = encode_protobuf(&type_meta(ConfigMap::INFO), &meta(), &encoded);
        let envelope = protobuf::open(&list).expect("an envelope");
        assert_eq!((&*envelope.type_meta.kind, &*envelope.type_meta.api_version), ("ConfigMapList", "v1"));
        assert_eq!(list, protobuf::close(&envelope.type_meta, envelope.raw));
        let read = decode_protobuf(&list, ConfigMap::INFO.new.expect("an object")).expect("a list");
        assert_eq!(read.meta, meta());
        let names: Vec<_> = read.items.iter().filter_map(|i| i.downcast_ref::<ConfigMap>()).collect();
        assert_eq!(names, [&items[0], &items[1]]);
    }
}
