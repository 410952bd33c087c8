//! Feature gates: what upstream has at v1.35 but leaves off, unless `--feature-gates` asks for it. A gate is
//! listed here when something behind it can be turned on or off; other names are refused.

/// A feature that can be turned on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Requests and answers in CBOR.
    CborServingAndStorage,
    /// Policies that change objects, and their bindings.
    MutatingAdmissionPolicy,
}

/// How ripe a feature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Alpha,
    Beta,
}

impl Stage {
    /// The name that stands for all gates of the stage.
    fn all(self) -> &'static str {
        match self {
            Stage::Alpha => "AllAlpha",
            Stage::Beta => "AllBeta",
        }
    }
}

/// Name, stage and default of each gate.
const TABLE: [(Gate, &str, Stage, bool); 2] = [
    (Gate::CborServingAndStorage, "CBORServingAndStorage", Stage::Alpha, false),
    (Gate::MutatingAdmissionPolicy, "MutatingAdmissionPolicy", Stage::Beta, false),
];

/// Which gates are open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates([bool; TABLE.len()]);

impl Default for Gates {
    fn default() -> Self {
        Gates(TABLE.map(|(_, _, _, default)| default))
    }
}

impl Gates {
    /// Reads `Name=true,Other=false`, as the flag has it.
    ///
    /// # Errors
    /// Upstream's text, when a name is unknown or a value is no truth.
    pub fn parse(text: &str) -> Result<Gates, String> {
        let mut wanted = Vec::new();
        for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
            let (name, value) =
                piece.split_once('=').ok_or_else(|| format!("missing bool value for {piece}"))?;
            let name = name.trim().trim_start_matches("kube:");
            let value = value.trim();
            let on = truth(value).ok_or_else(|| {
                format!("invalid value of {name}={value}, err: strconv.ParseBool: parsing {value:?}: invalid syntax")
            })?;
            let all = [Stage::Alpha, Stage::Beta].map(Stage::all);
            if !all.contains(&name) && !TABLE.iter().any(|(_, known, ..)| *known == name) {
                return Err(format!("unrecognized feature gate: {name}"));
            }
            wanted.push((name, on));
        }
        let mut gates = Gates::default();
        for (open, (_, name, stage, _)) in gates.0.iter_mut().zip(TABLE) {
            // A gate's own name goes before its stage's.
            let of =
                |wanted_name: &str| wanted.iter().rev().find(|(n, _)| *n == wanted_name).map(|(_, on)| *on);
            *open = of(name).or_else(|| of(stage.all())).unwrap_or(*open);
        }
        Ok(gates)
    }

    /// Name, upstream's word for its stage, and whether it is open, of each gate.
    pub fn each(self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        let stage = |stage| if stage == Stage::Alpha { "ALPHA" } else { "BETA" };
        TABLE.into_iter().zip(self.0).map(move |((_, name, ripe, _), open)| (name, stage(ripe), open))
    }

    /// Whether a gate is open.
    pub fn open(self, gate: Gate) -> bool {
        TABLE.iter().zip(self.0).any(|((known, ..), open)| *known == gate && open)
    }

    /// The same with this gate open or closed.
    #[must_use]
    pub fn with(mut self, gate: Gate, on: bool) -> Gates {
        for (open, (known, ..)) in self.0.iter_mut().zip(TABLE) {
            if known == gate {
                *open = on;
            }
        }
        self
    }
}

/// A truth as Go reads it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_are_read_as_upstreams() {
        let cbor = |text: &str| Gates::parse(text).map(|gates| gates.open(Gate::CborServingAndStorage));
        for (text, want) in [
            ("", Ok(false)),
            ("CBORServingAndStorage=true", Ok(true)),
            (" kube:CBORServingAndStorage = T ,", Ok(true)),
            ("CBORServingAndStorage=true,CBORServingAndStorage=false", Ok(false)),
            ("AllAlpha=true", Ok(true)),
            ("AllBeta=true", Ok(false)),
            ("AllAlpha=true,CBORServingAndStorage=false", Ok(false)),
            ("CBORServingAndStorage=false,AllAlpha=true", Ok(false)),
            ("CBORServingAndStorage", Err("missing bool value for CBORServingAndStorage")),
            (
                "CBORServingAndStorage=yes",
                Err(
                    "invalid value of CBORServingAndStorage=yes, err: strconv.ParseBool: parsing \"yes\": invalid syntax",
                ),
            ),
            ("Nothing=true", Err("unrecognized feature gate: Nothing")),
        ] {
            assert_eq!(cbor(text), want.map_err(String::from), "{text}");
        }
        let gates = Gates::parse("AllBeta=true").expect("gates");
        assert!(gates.open(Gate::MutatingAdmissionPolicy));
        assert!(!gates.with(Gate::MutatingAdmissionPolicy, false).open(Gate::MutatingAdmissionPolicy));
    }
}
