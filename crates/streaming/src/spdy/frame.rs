//! SPDY/3.1 frames (draft 3.1, section 2). Pure: bytes in, frames out and back.

use super::SpdyError;
use super::headers::{Deflater, Headers, Inflater};

const VERSION: u16 = 3;
/// The bytes that begin every frame.
pub(super) const HEAD: usize = 8;
/// The longest control frame that is accepted. Ours are far below.
const MAX_CONTROL: usize = 64 * 1024;
const ID_MASK: u32 = 0x7fff_ffff;

/// The flag that says: nothing follows on this stream from the sender.
pub(super) const FIN: u8 = 0x01;

/// Why a stream was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResetReason(pub(super) u32);

impl ResetReason {
    pub(super) const PROTOCOL_ERROR: Self = ResetReason(1);
    pub(super) const REFUSED_STREAM: Self = ResetReason(3);
}

/// What the first eight bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// `length` bytes of a stream follow. They may be read piece by piece.
    Data { id: u32, fin: bool, length: usize },
    /// A control frame with a payload of `length` bytes.
    Control { kind: u16, flags: u8, length: usize },
}

impl Head {
    pub(super) fn decode(bytes: [u8; HEAD]) -> Result<Head, SpdyError> {
        let [a, b, c, d, flags, l0, l1, l2] = bytes;
        let (word, length) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([0, l0, l1, l2]) as usize);
        if word & !ID_MASK == 0 {
            return Ok(Head::Data { id: word, fin: flags & FIN != 0, length });
        }
        if u16::from_be_bytes([a & 0x7f, b]) != VERSION {
            return Err(SpdyError::Frame("not SPDY version 3"));
        }
        if length > MAX_CONTROL {
            return Err(SpdyError::Frame("control frame too long"));
        }
        Ok(Head::Control { kind: u16::from_be_bytes([c, d]), flags, length })
    }
}

/// A control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    SynStream {
        id: u32,
        fin: bool,
        headers: Headers,
    },
    SynReply {
        id: u32,
        fin: bool,
        headers: Headers,
    },
    Reset {
        id: u32,
        reason: ResetReason,
    },
    Ping {
        id: u32,
    },
    GoAway {
        last: u32,
        status: u32,
    },
    Headers {
        id: u32,
        fin: bool,
    },
    /// SETTINGS, WINDOW_UPDATE and what the version does not know: nothing to do. Peers of this protocol keep
    /// no windows; each side is slowed by the connection alone.
    Ignored,
}

mod kind {
    pub(super) const SYN_STREAM: u16 = 1;
    pub(super) const SYN_REPLY: u16 = 2;
    pub(super) const RST_STREAM: u16 = 3;
    pub(super) const PING: u16 = 6;
    pub(super) const GOAWAY: u16 = 7;
    pub(super) const HEADERS: u16 = 8;
}

impl Control {
    /// Reads a payload. Header blocks go through `inflater` even where nobody asks for them, as its state
    /// depends on every block.
    pub(super) fn decode(
        kind: u16,
        flags: u8,
        payload: &[u8],
        inflater: &mut Inflater,
    ) -> Result<Control, SpdyError> {
        let fin = flags & FIN != 0;
        let word = |at: usize| -> Result<u32, SpdyError> {
            let bytes = payload.get(at..at + 4).and_then(|b| b.first_chunk::<4>());
            bytes.map(|b| u32::from_be_bytes(*b)).ok_or(SpdyError::Frame("control frame cut short"))
        };
        let id = || match word(0)? & ID_MASK {
            0 => Err(SpdyError::Frame("stream 0")),
            id => Ok(id),
        };
        let block = |at: usize| payload.get(at..).ok_or(SpdyError::Frame("control frame cut short"));
        Ok(match kind {
            kind::SYN_STREAM => {
                Control::SynStream { id: id()?, fin, headers: inflater.decompress(block(10)?)? }
            }
            kind::SYN_REPLY => Control::SynReply { id: id()?, fin, headers: inflater.decompress(block(4)?)? },
            kind::RST_STREAM => Control::Reset { id: id()?, reason: ResetReason(word(4)?) },
            kind::PING => Control::Ping { id: word(0)? },
            kind::GOAWAY => Control::GoAway { last: word(0)? & ID_MASK, status: word(4)? },
            kind::HEADERS => {
                inflater.decompress(block(4)?)?;
                Control::Headers { id: id()?, fin }
            }
            _ => Control::Ignored,
        })
    }

    /// The whole frame, head included.
    pub(super) fn encode(&self, deflater: &mut Deflater) -> Result<Vec<u8>, SpdyError> {
        let flag = |fin: &bool| if *fin { FIN } else { 0 };
        let (kind, flags, payload) = match self {
            Control::SynStream { id, fin, headers } => {
                let mut payload = id.to_be_bytes().to_vec();
                payload.extend_from_slice(&[0; 6]); // no associated stream, priority 0, slot 0
                payload.extend_from_slice(&deflater.compress(headers)?);
                (kind::SYN_STREAM, flag(fin), payload)
            }
            Control::SynReply { id, fin, headers } => {
                let mut payload = id.to_be_bytes().to_vec();
                payload.extend_from_slice(&deflater.compress(headers)?);
                (kind::SYN_REPLY, flag(fin), payload)
            }
            Control::Reset { id, reason } => (kind::RST_STREAM, 0, words(*id, reason.0)),
            Control::Ping { id } => (kind::PING, 0, id.to_be_bytes().to_vec()),
            Control::GoAway { last, status } => (kind::GOAWAY, 0, words(*last, *status)),
            Control::Headers { id, fin } => {
                let mut payload = id.to_be_bytes().to_vec();
                payload.extend_from_slice(&deflater.compress(&Headers::default())?);
                (kind::HEADERS, flag(fin), payload)
            }
            Control::Ignored => return Ok(Vec::new()),
        };
        let mut out = Vec::with_capacity(HEAD + payload.len());
        out.extend_from_slice(&(0x8000 | VERSION).to_be_bytes());
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&flags_and_length(flags, payload.len()));
        out.extend_from_slice(&payload);
        Ok(out)
    }
}

fn words(first: u32, second: u32) -> Vec<u8> {
    [first.to_be_bytes(), second.to_be_bytes()].concat()
}

fn flags_and_length(flags: u8, length: usize) -> [u8; 4] {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    [flags, a, b, c]
}

/// The head of a data frame of `length` bytes (at most 2^24 - 1).
pub(super) fn data_head(id: u32, fin: bool, length: usize) -> [u8; HEAD] {
    let [a, b, c, d] = (id & ID_MASK).to_be_bytes();
    let [flags, l0, l1, l2] = flags_and_length(if fin { FIN } else { 0 }, length);
    [a, b, c, d, flags, l0, l1, l2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(frame: &Control) -> Control {
        let bytes = frame.encode(&mut Deflater::new().expect("zlib")).expect("encoded");
        let (head, payload) = bytes.split_first_chunk::<HEAD>().expect("a head");
        match Head::decode(*head).expect("decoded") {
            Head::Control { kind, flags, length } => {
                assert_eq!(length, payload.len());
                Control::decode(kind, flags, payload, &mut Inflater::new()).expect("decoded")
            }
            data => panic!("{data:?}"),
        }
    }

    #[test]
    fn control_frames_round_trip() {
        let headers = Headers::new(&[("streamtype", "error"), ("port", "80")]);
        for frame in [
            Control::SynStream { id: 1, fin: false, headers: headers.clone() },
            Control::SynStream { id: ID_MASK, fin: true, headers: headers.clone() },
            Control::SynReply { id: 2, fin: false, headers },
            Control::Reset { id: 5, reason: ResetReason::REFUSED_STREAM },
            Control::Ping { id: 7 },
            Control::GoAway { last: 9, status: 0 },
            Control::Headers { id: 3, fin: true },
        ] {
            assert_eq!(round_trip(&frame), frame);
        }
    }

    /// Bytes as the protocol's text gives them, so that both directions cannot be wrong together.
    #[test]
    fn bytes_are_those_of_the_protocol() {
        let ping = Control::Ping { id: 1 }.encode(&mut Deflater::new().expect("zlib")).expect("encoded");
        assert_eq!(ping, [0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1]);
        let reset = Control::Reset { id: 3, reason: ResetReason(5) };
        let reset = reset.encode(&mut Deflater::new().expect("zlib")).expect("encoded");
        assert_eq!(reset, [0x80, 3, 0, 3, 0, 0, 0, 8, 0, 0, 0, 3, 0, 0, 0, 5]);
        assert_eq!(data_head(5, true, 0x01_0203), [0, 0, 0, 5, 1, 1, 2, 3]);
    }

    #[test]
    fn bad_frames_are_refused() {
        let decode = |kind, payload: &[u8]| Control::decode(kind, 0, payload, &mut Inflater::new());
        assert!(Head::decode([0x80, 2, 0, 1, 0, 0, 0, 0]).is_err(), "version 2");
        assert!(Head::decode([0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff]).is_err(), "16 MiB of headers");
        assert!(decode(kind::RST_STREAM, &[0, 0, 0, 0, 0, 0, 0, 1]).is_err(), "stream 0");
        assert!(decode(kind::SYN_STREAM, &[0, 0, 0, 1]).is_err(), "cut short");
        assert_eq!(decode(4, &[1, 2]).expect("ignored"), Control::Ignored, "SETTINGS");
        assert_eq!(decode(9, &[]).expect("ignored"), Control::Ignored, "WINDOW_UPDATE");
    }

    proptest! {
        #[test]
        fn data_heads_round_trip(id in 1u32..=ID_MASK, fin: bool, length in 0usize..(1 << 24)) {
            let head = Head::decode(data_head(id, fin, length)).expect("decoded");
            prop_assert_eq!(head, Head::Data { id, fin, length });
        }

        #[test]
        fn noise_never_panics(kind in 0u16..12, flags: u8, payload in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Control::decode(kind, flags, &payload, &mut Inflater::new());
        }

        #[test]
        fn heads_never_panic(bytes: [u8; HEAD]) {
            let _ = Head::decode(bytes);
        }
    }
}
