//! The signal that asks a container to end.

use corten_node_api::cri;
use nix::libc::{SIGRTMAX, SIGRTMIN, SIGTERM};

use super::Refusal;
use super::refusal::invalid;

/// The configuration's signal, else the image's, else `SIGTERM`.
pub(super) fn stop_signal(config: &cri::ContainerConfig, image: &str) -> Result<i32, Refusal> {
    match config.stop_signal() {
        cri::Signal::RuntimeDefault if image.is_empty() => Ok(SIGTERM),
        cri::Signal::RuntimeDefault => number(image),
        signal => number(signal.as_str_name()),
    }
}

/// The number of `SIGTERM`, `TERM`, `15`, `SIGRTMIN+3` or CRI's `SIGRTMINPLUS3`.
fn number(text: &str) -> Result<i32, Refusal> {
    let unknown = || invalid(format!("failed to parse stop signal {text:?}"));
    let name = text.trim().to_ascii_uppercase().replace("PLUS", "+").replace("MINUS", "-");
    let number = match name.parse::<i32>() {
        Ok(number) => number,
        Err(_) => by_name(name.strip_prefix("SIG").unwrap_or(&name)).ok_or_else(unknown)?,
    };
    if (1..=SIGRTMAX()).contains(&number) { Ok(number) } else { Err(unknown()) }
}

fn by_name(name: &str) -> Option<i32> {
    for (prefix, base) in [("RTMIN", SIGRTMIN()), ("RTMAX", SIGRTMAX())] {
        if let Some(offset) = name.strip_prefix(prefix) {
            let offset: i32 = if offset.is_empty() { 0 } else { offset.parse().ok()? };
            let number = base.checked_add(offset)?;
            return (SIGRTMIN()..=SIGRTMAX()).contains(&number).then_some(number);
        }
    }
    let name = match name {
        "CLD" => "CHLD",
        "POLL" => "IO",
        "IOT" => "ABRT",
        other => other,
    };
    format!("SIG{name}").parse::<nix::sys::signal::Signal>().ok().map(|signal| signal as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        for (given, image, expected) in [
            (cri::Signal::RuntimeDefault, "", Some(15)),
            (cri::Signal::RuntimeDefault, "SIGQUIT", Some(3)),
            (cri::Signal::RuntimeDefault, "quit", Some(3)),
            (cri::Signal::RuntimeDefault, "9", Some(9)),
            (cri::Signal::RuntimeDefault, "SIGRTMIN+3", Some(37)),
            (cri::Signal::RuntimeDefault, "SIGRTMAX-1", Some(63)),
            (cri::Signal::RuntimeDefault, "SIGRTMIN-1", None),
            (cri::Signal::RuntimeDefault, "0", None),
            (cri::Signal::RuntimeDefault, "SIGNAL", None),
            (cri::Signal::Sigusr1, "9", Some(10)),
            (cri::Signal::Sigcld, "", Some(17)),
            (cri::Signal::Sigrtminplus3, "", Some(37)),
            (cri::Signal::Sigrtmaxminus14, "", Some(50)),
        ] {
            let config = cri::ContainerConfig { stop_signal: given as i32, ..Default::default() };
            assert_eq!(stop_signal(&config, image).ok(), expected, "{given:?} {image:?}");
        }
        // Every signal that CRI knows has a number.
        for value in 0..=i32::from(u8::MAX) {
            if let Ok(signal) = cri::Signal::try_from(value) {
                let config = cri::ContainerConfig { stop_signal: signal as i32, ..Default::default() };
                assert!(stop_signal(&config, "").is_ok(), "{signal:?}");
            }
        }
    }
}
