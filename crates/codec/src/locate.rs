//! Finding the field that a JSON name means.

use corten_api::Field;

/// How many inline structs may lie around one another.
const MAX_INLINE: usize = 4;

/// Where a field is.
pub(crate) struct Place {
    pub field: &'static Field,
    /// Field numbers, from the struct down through inline ones.
    pub steps: [usize; MAX_INLINE],
    length: usize,
    /// A number that no other field of the JSON object has.
    pub ordinal: u32,
}

impl Place {
    /// The number of the field in its own struct, and the inline structs around it.
    pub fn route(&self) -> (usize, &[usize]) {
        (self.steps[self.length - 1], &self.steps[..self.length - 1])
    }
}

/// The field that `name` means, here or in an inline struct; fields mostly come in order, so the search
/// starts at number `hint`.
pub(crate) fn locate(fields: &'static [Field], name: &str, hint: usize) -> Option<Place> {
    let hint = hint.min(fields.len());
    let (before, behind) = fields.split_at(hint);
    let is = |f: &Field| f.name == name && !f.inline && !name.is_empty();
    let at = match behind.iter().position(is) {
        Some(at) => Some(hint + at),
        None => before.iter().position(is),
    };
    if let Some(at) = at {
        let ordinal = u32::try_from(at).unwrap_or(u32::MAX);
        return Some(Place { field: &fields[at], steps: [at, 0, 0, 0], length: 1, ordinal });
    }
    let mut ordinals = fields.len();
    for (at, field) in fields.iter().enumerate().filter(|(_, f)| f.inline) {
        let Some(schema) = field.ty.as_struct() else { continue };
        if let Some(mut place) = locate(schema.fields, name, 0)
            && place.length < MAX_INLINE
        {
            place.steps.copy_within(0..MAX_INLINE - 1, 1);
            place.steps[0] = at;
            place.length += 1;
            place.ordinal += u32::try_from(ordinals).unwrap_or(0);
            return Some(place);
        }
        ordinals += 64;
    }
    None
}
