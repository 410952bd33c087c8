//! Links in pages of HTML, led through the proxy while the page passes.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder};

use super::links::Links;

/// Which attributes of which elements are links.
const LINKS: &[(&str, &[&str])] = &[
    ("a", &["href"]),
    ("applet", &["codebase"]),
    ("area", &["href"]),
    ("audio", &["src"]),
    ("base", &["href"]),
    ("blockquote", &["cite"]),
    ("body", &["background"]),
    ("button", &["formaction"]),
    ("command", &["icon"]),
    ("del", &["cite"]),
    ("embed", &["src"]),
    ("form", &["action"]),
    ("frame", &["longdesc", "src"]),
    ("head", &["profile"]),
    ("html", &["manifest"]),
    ("iframe", &["longdesc", "src"]),
    ("img", &["longdesc", "src", "usemap"]),
    ("input", &["src", "usemap", "formaction"]),
    ("ins", &["cite"]),
    ("link", &["href"]),
    ("object", &["classid", "codebase", "data", "usemap"]),
    ("q", &["cite"]),
    ("script", &["src"]),
    ("source", &["src"]),
    ("video", &["poster", "src"]),
];
/// Elements whose content is text until their end, whatever it looks like.
const RAW: [&str; 9] =
    ["script", "style", "textarea", "title", "iframe", "noembed", "noframes", "noscript", "xmp"];
/// A tag that is longer, in bytes, passes as it is.
const LONGEST_TAG: usize = 64 * 1024;
/// Compressed bytes that are taken at a time, so that little is unpacked at once.
const STEP: usize = 1024;

/// What unpacks a page, and packs it again.
type Packing = (GzDecoder<Vec<u8>>, GzEncoder<Vec<u8>>);

/// Rewrites a page that comes piece by piece.
pub struct Page {
    links: Links,
    /// What cannot be judged yet.
    rest: Vec<u8>,
    within: Within,
    packed: Option<Packing>,
}

/// Where in a page we are.
#[derive(Clone, Copy)]
enum Within {
    Markup,
    Comment,
    /// The content of such an element.
    Raw(&'static str),
}

impl Page {
    /// A page, perhaps compressed by gzip.
    pub fn new(links: Links, gzip: bool) -> Self {
        let packed =
            gzip.then(|| (GzDecoder::new(Vec::new()), GzEncoder::new(Vec::new(), Compression::fast())));
        Page { links, rest: Vec::new(), within: Within::Markup, packed }
    }

    /// Takes a piece and gives what can go on.
    ///
    /// # Errors
    /// When it is not gzip.
    pub fn feed(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        let Some((mut decoder, mut encoder)) = self.packed.take() else {
            self.rest.extend_from_slice(piece);
            return Ok(self.ready(false));
        };
        for step in piece.chunks(STEP) {
            decoder.write_all(step)?;
            self.rest.append(decoder.get_mut());
            encoder.write_all(&self.ready(false))?;
        }
        let out = std::mem::take(encoder.get_mut());
        self.packed = Some((decoder, encoder));
        Ok(out)
    }

    /// What is left when the page has ended.
    ///
    /// # Errors
    /// When it was not gzip.
    pub fn end(&mut self) -> io::Result<Vec<u8>> {
        let Some((mut decoder, mut encoder)) = self.packed.take() else { return Ok(self.ready(true)) };
        decoder.try_finish()?;
        self.rest.append(decoder.get_mut());
        encoder.write_all(&self.ready(true))?;
        encoder.finish()
    }

    /// Rewrites as much as is whole.
    fn ready(&mut self, ended: bool) -> Vec<u8> {
        let page = std::mem::take(&mut self.rest);
        let mut out = Vec::with_capacity(page.len() + 64);
        let mut at = 0;
        while at < page.len() {
            let Some(length) = self.step(&page[at..], &mut out) else { break };
            at += length;
        }
        if ended || page.len() - at > LONGEST_TAG {
            out.extend_from_slice(&page[at..]);
        } else {
            self.rest = page[at..].to_vec();
        }
        out
    }

    /// Passes over a part of the page, and tells its length; `None` when more must be seen.
    fn step(&mut self, page: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let length = match self.within {
            Within::Comment => match find(page, b"-->") {
                Some(at) => {
                    self.within = Within::Markup;
                    at + 3
                }
                // The last bytes may be its end's first.
                None => page.len().checked_sub(2).filter(|length| *length > 0)?,
            },
            Within::Raw(name) => match end_tag(page, name) {
                Some(at) => {
                    self.within = Within::Markup;
                    at
                }
                None => page.len().checked_sub(name.len() + 2).filter(|length| *length > 0)?,
            },
            Within::Markup => match page.iter().position(|b| *b == b'<') {
                Some(0) => return self.tag(page, out),
                Some(at) => at,
                None => page.len(),
            },
        };
        out.extend_from_slice(&page[..length]);
        Some(length)
    }

    /// What begins with an angle bracket.
    fn tag(&mut self, page: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        if page.starts_with(b"<!--") {
            self.within = Within::Comment;
            out.extend_from_slice(&page[..4]);
            return Some(4);
        }
        let length = match page.get(1)? {
            b'!' if b"<!--".starts_with(&page[..page.len().min(4)]) => return None,
            b'!' | b'?' | b'/' => page.iter().position(|b| *b == b'>')? + 1,
            first if first.is_ascii_alphabetic() => {
                let tag = Tag::read(page)?;
                self.start_tag(&tag, page, out);
                return Some(tag.length);
            }
            _ => 1,
        };
        out.extend_from_slice(&page[..length]);
        Some(length)
    }

    fn start_tag(&mut self, tag: &Tag, page: &[u8], out: &mut Vec<u8>) {
        let links = LINKS.iter().find(|(name, _)| *name == tag.name).map_or(&[][..], |(_, links)| links);
        let mut written = 0;
        for (_, start, end) in tag.attributes.iter().filter(|(name, ..)| links.contains(&name.as_str())) {
            let Ok(value) = std::str::from_utf8(&page[*start..*end]) else { continue };
            let Some(onward) = self.links.through(&unescaped(value)) else { continue };
            out.extend_from_slice(&page[written..*start]);
            out.extend_from_slice(escaped(&onward).as_bytes());
            written = *end;
        }
        out.extend_from_slice(&page[written..tag.length]);
        if let Some(name) = RAW.into_iter().find(|name| *name == tag.name) {
            self.within = Within::Raw(name);
        }
    }
}

/// A start tag: where the values of its attributes are.
struct Tag {
    name: String,
    attributes: Vec<(String, usize, usize)>,
    length: usize,
}

impl Tag {
    /// Reads a tag off a page that begins with one; `None` when its end has not come yet.
    fn read(page: &[u8]) -> Option<Tag> {
        let is_end = |b: u8| b.is_ascii_whitespace() || b == b'>' || b == b'/';
        let word = |from: usize, stop: &dyn Fn(u8) -> bool| {
            page[from..].iter().position(|b| stop(*b)).map(|length| from + length)
        };
        let lower = |from: usize, to: usize| String::from_utf8_lossy(&page[from..to]).to_ascii_lowercase();
        let mut at = word(1, &is_end)?;
        let mut tag = Tag { name: lower(1, at), attributes: Vec::new(), length: 0 };
        loop {
            at = word(at, &|b| !b.is_ascii_whitespace() && b != b'/')?;
            if page[at] == b'>' {
                tag.length = at + 1;
                return Some(tag);
            }
            let from = at;
            at = word(at + 1, &|b| is_end(b) || b == b'=')?;
            let name = lower(from, at);
            at = word(at, &|b| !b.is_ascii_whitespace())?;
            if page[at] != b'=' {
                continue;
            }
            at = word(at + 1, &|b| !b.is_ascii_whitespace())?;
            let quote = page[at];
            let (start, end) = if quote == b'"' || quote == b'\'' {
                (at + 1, word(at + 1, &|b| b == quote)?)
            } else {
                (at, word(at, &|b| b.is_ascii_whitespace() || b == b'>')?)
            };
            at = if start > at { end + 1 } else { end };
            tag.attributes.push((name, start, end));
        }
    }
}

fn find(page: &[u8], what: &[u8]) -> Option<usize> {
    page.windows(what.len()).position(|window| window == what)
}

/// Where the end tag of an element begins.
fn end_tag(page: &[u8], name: &str) -> Option<usize> {
    let length = name.len() + 2;
    page.windows(length)
        .position(|window| window.starts_with(b"</") && window[2..].eq_ignore_ascii_case(name.as_bytes()))
}

/// An attribute's value without the escapes that links have.
fn unescaped(value: &str) -> String {
    value.replace("&#34;", "\"").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&")
}

fn escaped(value: &str) -> String {
    value
        .replace('&', "&amp;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn links() -> Links {
        Links::new("10.0.0.1:80", "server:6443", "/p/proxy/a", "/a")
    }

    const PAGE: &str = r#"<!DOCTYPE html><HTML><!-- <a href="/no"> --><A class=x HREF='/b?c=1&amp;d=2'>1 < 2</A>
<img src=/i.png><a href="rel">x</a><a href="http://elsewhere/b">y</a><p href="/no">
<script src="/s.js">if (a<b) { "<a href='/no'>" }</script><form action="http://10.0.0.1:80/f"/><a href="/open"#;
    const WANT: &str = r#"<!DOCTYPE html><HTML><!-- <a href="/no"> --><A class=x HREF='/p/proxy/b?c=1&amp;d=2'>1 < 2</A>
<img src=/p/proxy/i.png><a href="rel">x</a><a href="http://elsewhere/b">y</a><p href="/no">
<script src="/p/proxy/s.js">if (a<b) { "<a href='/no'>" }</script><form action="/p/proxy/f"/><a href="/open"#;

    #[test]
    fn links_of_pages_lead_through_the_proxy() {
        for size in [1, 2, 7, 100, 10_000] {
            let mut page = Page::new(links(), false);
            let mut out = Vec::new();
            for piece in PAGE.as_bytes().chunks(size) {
                out.extend(page.feed(piece).expect("plain"));
            }
            out.extend(page.end().expect("plain"));
            assert_eq!(String::from_utf8(out).expect("text"), WANT, "pieces of {size}");
        }
    }

    #[test]
    fn compressed_pages_are_too() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(PAGE.as_bytes()).expect("written");
        let mut page = Page::new(links(), true);
        let mut out = page.feed(&packed.finish().expect("packed")).expect("gzip");
        out.extend(page.end().expect("gzip"));
        let mut text = String::new();
        flate2::read::GzDecoder::new(&out[..]).read_to_string(&mut text).expect("gzip");
        assert_eq!(text, WANT);
        assert!(Page::new(links(), true).feed(b"no gzip at all").is_err());
    }

    #[test]
    fn endless_tags_pass() {
        let mut page = Page::new(links(), false);
        let endless = [b"<a href=\"".as_slice(), &vec![b'x'; 2 * LONGEST_TAG]].concat();
        assert_eq!(page.feed(&endless).expect("plain"), endless);
    }
}
