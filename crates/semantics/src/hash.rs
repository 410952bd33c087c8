//! The hash that names revisions of a template.

use corten_api::{Reflect, View};
use std::fmt::Write;

/// A name-safe hash of a value and a collision count, for `pod-template-hash`. Equal values hash alike in
/// every process of the same version; nobody compares hashes of different versions.
pub fn template_hash(value: &dyn Reflect, collisions: Option<i32>) -> String {
    let mut hash = Fnv(0x811c_9dc5);
    feed(&mut hash, &value.view());
    if let Some(n) = collisions {
        hash.bytes(&n.to_le_bytes());
    }
    let mut digits = String::new();
    let _ = write!(digits, "{}", hash.0);
    digits.bytes().map(|d| NAME_SAFE[usize::from(d - b'0') % NAME_SAFE.len()] as char).collect()
}

/// Letters that stand for the digits, so that no word arises.
const NAME_SAFE: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// FNV-1a, 32 bits.
struct Fnv(u32);

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for b in bytes {
            self.0 = (self.0 ^ u32::from(*b)).wrapping_mul(0x0100_0193);
        }
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
        self.bytes(&[0]);
    }
}

fn feed(hash: &mut Fnv, view: &View<'_>) {
    match view {
        View::Null => hash.bytes(b"~"),
        View::Bool(b) => hash.bytes(&[u8::from(*b)]),
        View::Int(i) => hash.bytes(&i.to_le_bytes()),
        View::Float(f) => hash.bytes(&f.to_le_bytes()),
        View::String(s) => hash.text(s),
        View::Bytes(b) => hash.bytes(b),
        View::Quantity(q) => hash.text(&q.to_string()),
        View::Time(t) => hash.text(&t.to_string()),
        View::MicroTime(t) => hash.text(&t.to_string()),
        View::IntOrString(v) => hash.text(&v.to_string()),
        View::Raw(r) => hash.bytes(&r.0),
        View::Struct(s) => {
            for (i, field) in s.schema().fields.iter().enumerate() {
                let value = s.field(i).view();
                // Absent fields do not count, so that a new field of a later version changes no hash.
                if !value.is_empty() {
                    hash.text(field.name);
                    feed(hash, &value);
                }
            }
            hash.bytes(b"}");
        }
        View::List(l) => {
            for i in 0..l.len() {
                if let Some(item) = l.item(i) {
                    feed(hash, &item.view());
                }
            }
            hash.bytes(b"]");
        }
        View::Map(m) => {
            for (k, v) in m.entries() {
                hash.text(k);
                feed(hash, &v.view());
            }
            hash.bytes(b">");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::core::v1::PodTemplateSpec;

    #[test]
    fn a_hash_follows_the_content() {
        let a = PodTemplateSpec::default();
        let mut b = a.clone();
        b.metadata.labels.insert("x".into(), "y".into());
        assert_eq!(template_hash(&a, None), template_hash(&a.clone(), None));
        assert_ne!(template_hash(&a, None), template_hash(&b, None));
        assert_ne!(template_hash(&a, None), template_hash(&a, Some(1)));
        assert!(template_hash(&a, None).len() <= 10);
    }
}
