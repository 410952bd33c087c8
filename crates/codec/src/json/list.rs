//! Walking through a list of objects without a struct for the list.

use super::decode::Decoder;
use super::path::Step;
use super::reader::Token;
use crate::{DecodeError, Problems};
use corten_api::Struct;

/// Takes one item of a list; it is handed the struct that the item fills.
pub(crate) type ReadItem<'r> = dyn FnMut(&mut dyn Struct) -> Result<(), DecodeError> + 'r;

/// Walks through a list: fills `meta`, and calls `each` for every item.
pub(crate) fn decode_list(
    bytes: &[u8],
    meta: &mut dyn Struct,
    problems: &mut Problems,
    each: &mut dyn FnMut(&mut ReadItem<'_>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let text = String::from_utf8_lossy(bytes);
    let mut decoder = Decoder::new(&text, problems);
    decoder.list_of_objects(meta, each)?;
    decoder.finish()
}

impl Decoder<'_, '_> {
    fn list_of_objects(
        &mut self,
        meta: &mut dyn Struct,
        each: &mut dyn FnMut(&mut ReadItem<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let token = self.reader.peek()?;
        if token != Token::Object {
            return self.mismatch(token, "v1.List");
        }
        self.reader.open();
        let mut first = true;
        while let Some(key) = self.reader.key(&mut first)? {
            match (&*key, self.reader.peek()?) {
                ("metadata", _) => {
                    self.path.0.push(Step::Field("List", "metadata"));
                    self.whole(meta)?;
                    self.path.0.pop();
                }
                ("items", Token::Array) => {
                    self.path.0.push(Step::Field("List", "items"));
                    self.objects(each)?;
                    self.path.0.pop();
                }
                ("items", token) if token != Token::Null => self.mismatch(token, "[]v1.Object")?,
                ("apiVersion" | "kind" | "items", _) => drop(self.reader.skip()?),
                _ => {
                    if self.strict {
                        self.problems.unknown(&self.path.strict(&key));
                    }
                    self.reader.skip()?;
                }
            }
        }
        Ok(())
    }

    fn objects(
        &mut self,
        each: &mut dyn FnMut(&mut ReadItem<'_>) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.reader.open();
        let (mut first, mut at) = (true, 0);
        while self.reader.item(&mut first)? {
            self.path.0.push(Step::Index(at));
            each(&mut |object| {
                self.budget.take(size_of_val(object))?;
                self.whole(object)
            })?;
            self.path.0.pop();
            at += 1;
        }
        Ok(())
    }
}
