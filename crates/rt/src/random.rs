//! Randomness that decides behaviour (names, jitter, tie breaks). A test seeds it per thread; keys and
//! tokens do not come from here.

use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};
use std::cell::RefCell;

thread_local! {
    static SOURCE: RefCell<SmallRng> = RefCell::new(SmallRng::from_os_rng());
}

/// Makes this thread's choices repeatable.
pub fn seed(seed: u64) {
    SOURCE.with(|s| *s.borrow_mut() = SmallRng::seed_from_u64(seed));
}

/// A whole number below `bound`; 0 when `bound` is 0.
pub fn below(bound: usize) -> usize {
    if bound == 0 { 0 } else { SOURCE.with(|s| s.borrow_mut().random_range(0..bound)) }
}

/// A number from 0 to 1, the end excluded.
pub fn unit() -> f64 {
    SOURCE.with(|s| s.borrow_mut().random())
}

/// Sixteen random bytes.
pub fn bytes16() -> [u8; 16] {
    let mut out = [0; 16];
    SOURCE.with(|s| s.borrow_mut().fill_bytes(&mut out));
    out
}

/// The characters that generated names end in: no vowels, so that no word arises.
pub const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A suffix of `length` characters of [`NAME_ALPHABET`].
pub fn name_suffix(length: usize) -> String {
    (0..length).map(|_| NAME_ALPHABET[below(NAME_ALPHABET.len())] as char).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_seed_repeats_its_choices() {
        super::seed(7);
        let first = (super::below(1000), super::name_suffix(5));
        super::seed(7);
        assert_eq!(first, (super::below(1000), super::name_suffix(5)));
    }
}
