//! One of [`corten_fuzz::TARGETS`] under libFuzzer; `CORTEN_FUZZ` names it. Built and run by `fuzz/run`.

#![no_main]

use corten_fuzz::{Target, target};
use std::sync::LazyLock;

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("CORTEN_FUZZ").unwrap_or_default();
    target(&name).unwrap_or_else(|| panic!("CORTEN_FUZZ: there is no target {name:?}"))
});

libfuzzer_sys::fuzz_target!(|input: &[u8]| CHOSEN(input));
