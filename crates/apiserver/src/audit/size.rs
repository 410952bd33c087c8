//! How large events and what is sent at once may be.

use std::borrow::Cow;

use bytes::Bytes;

/// The most bytes of an event, and of what is sent at once; upstream's `truncate` flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Truncation {
    /// Beyond it an event goes without bodies, or not at all.
    pub event: usize,
    /// Beyond it a batch is divided.
    pub batch: usize,
}

/// The event, `bare` of bodies if it would be too large; `None` if it is even so.
pub(super) fn fitting(
    whole: &[u8],
    size: Option<Truncation>,
    bare: impl FnOnce(&mut Vec<u8>),
) -> Option<Cow<'_, [u8]>> {
    let Some(size) = size.filter(|size| whole.len() > size.event) else { return Some(Cow::Borrowed(whole)) };
    let mut out = Vec::new();
    bare(&mut out);
    (out.len() <= size.event).then_some(Cow::Owned(out))
}

/// The events in batches of at most so many bytes, or of one event.
pub(super) fn batches(events: Vec<Bytes>, size: Option<Truncation>) -> Vec<Vec<Bytes>> {
    let Some(size) = size else { return vec![events] };
    let (mut all, mut batch, mut bytes) = (Vec::new(), Vec::new(), 0);
    for event in events {
        if !batch.is_empty() && bytes + event.len() > size.batch {
            all.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += event.len();
        batch.push(event);
    }
    all.push(batch);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_goes_without_bodies_or_not_at_all() {
        for (whole, bare, most, want) in
            [("event", "e", 5, Some("event")), ("event", "e", 4, Some("e")), ("event", "event", 4, None)]
        {
            let size = Truncation { event: most, batch: most };
            let fits = fitting(whole.as_bytes(), Some(size), |out| out.extend_from_slice(bare.as_bytes()));
            assert_eq!(fits.as_deref(), want.map(str::as_bytes), "{whole} of {most}");
        }
        let all = fitting(b"event", None, |_| ());
        assert_eq!(all.as_deref(), Some(&b"event"[..]));
    }

    #[test]
    fn batches_are_divided_by_size() {
        let events = || ["aaa", "bb", "c", "dddddd", "e"].map(Bytes::from).to_vec();
        let lengths = |most| -> Vec<usize> {
            let size = Some(Truncation { event: most, batch: most });
            batches(events(), size).iter().map(Vec::len).collect()
        };
        assert_eq!((lengths(5), lengths(100)), (vec![2, 1, 1, 1], vec![5]));
        assert_eq!(batches(events(), None).len(), 1);
    }
}
