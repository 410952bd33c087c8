//! Messages out, attributes in (netlink(7)).

/// A message being built: the header, a fixed part, then attributes, some nested.
#[derive(Clone, Debug)]
pub(crate) struct Message(Vec<u8>);

pub(crate) const HEADER: usize = 16;
const NESTED: u16 = 0x8000;
/// The bits of an attribute's type that name it.
const TYPE_MASK: u16 = 0x3fff;

impl Message {
    /// A message of a type with flags; `fixed` is the structure that the type begins with.
    pub fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let mut out = Vec::with_capacity(128);
        out.extend([0; 4]);
        out.extend(kind.to_ne_bytes());
        out.extend((flags as u16 | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        out.extend([0; 8]);
        out.extend(fixed);
        Message(out)
    }

    /// Adds an attribute with these bytes.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        // An attribute's length is a 16 bit number; callers keep lists below that.
        debug_assert!(value.len() < u16::MAX as usize - 4);
        self.0.extend((value.len() as u16 + 4).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.pad();
        self
    }

    /// Adds a text, ended by a zero.
    pub fn text(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend(value.as_bytes());
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// Adds a number in the machine's byte order.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// Adds a number in network byte order.
    pub fn be32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds a number in network byte order.
    pub fn be64(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds an attribute that holds those which `inside` adds.
    pub fn nest(&mut self, kind: u16, inside: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend((kind | NESTED).to_ne_bytes());
        inside(self);
        let length = self.0.len() - start;
        debug_assert!(length <= u16::MAX as usize);
        self.0[start..start + 2].copy_from_slice(&(length as u16).to_ne_bytes());
        self
    }

    /// Adds bytes as they are, inside a nest whose attribute begins with a structure.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self.pad();
        self
    }

    /// Bytes so far, the header included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The message as sent, with its sequence number and, if `ack`, a request to be answered.
    pub fn encode(mut self, sequence: u32, ack: bool) -> Vec<u8> {
        let length = self.0.len() as u32;
        self.0[0..4].copy_from_slice(&length.to_ne_bytes());
        if ack {
            self.0[6] |= libc::NLM_F_ACK as u8;
        }
        self.0[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.0
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

/// Attributes of a received message, each with its type and bytes; stops at the first malformed one.
pub(crate) struct Attributes<'a>(pub &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16::from_ne_bytes(self.0.get(0..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(self.0.get(2..4)?.try_into().ok()?) & TYPE_MASK;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// The bytes of the first attribute of a type.
pub(crate) fn find(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    Attributes(attributes).find(|(k, _)| *k == kind).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut message = Message::new(16, libc::NLM_F_CREATE, &[9; 4]);
        message.text(1, "eth0").nest(2, |m| {
            m.be32(3, 7).bytes(4, &[1, 2, 3]);
        });
        let bytes = message.encode(5, true);
        assert_eq!(bytes.len() % 4, 0);
        assert_eq!(u32::from_ne_bytes(bytes[0..4].try_into().expect("4")), bytes.len() as u32);
        assert_eq!(u32::from_ne_bytes(bytes[8..12].try_into().expect("4")), 5);
        let attributes = &bytes[HEADER + 4..];
        assert_eq!(find(attributes, 1), Some(&b"eth0\0"[..]));
        let nested = find(attributes, 2).expect("nest");
        assert_eq!(Attributes(nested).collect::<Vec<_>>(), [(3, &[0, 0, 0, 7][..]), (4, &[1, 2, 3][..])]);
    }

    #[test]
    fn torn_attributes_end_the_list() {
        assert_eq!(Attributes(&[9, 0, 1, 0, 5]).count(), 0, "longer than what is there");
        assert_eq!(Attributes(&[2, 0, 1, 0]).count(), 0, "shorter than its own header");
        assert_eq!(Attributes(&[5, 0, 1, 0, 5]).count(), 1, "the last may lack its padding");
    }
}
