//! Which controllers run.

use crate::list::CONTROLLERS;

/// Names of controllers as kube-controller-manager's `--controllers` takes them: `*` for all, `-NAME` for all but that
/// one, and names alone for nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice(Vec<String>);

impl Default for Choice {
    fn default() -> Self {
        Choice(vec!["*".into()])
    }
}

impl Choice {
    /// Reads names with commas between them.
    ///
    /// # Errors
    /// A name that no controller has, with those that there are.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<String> =
            text.split(',').filter(|name| !name.is_empty()).map(str::to_string).collect();
        let is_known = |name: &str| name == "*" || CONTROLLERS.iter().any(|row| row.name == name);
        match names.iter().find(|name| !is_known(name.strip_prefix('-').unwrap_or(name))) {
            Some(name) => {
                let known: Vec<&str> = CONTROLLERS.iter().map(|row| row.name).collect();
                Err(format!("{name:?} is not in the list of known controllers: {}", known.join(", ")))
            }
            None => Ok(Choice(names)),
        }
    }

    /// Whether it runs. What names it first decides.
    pub fn includes(&self, name: &str) -> bool {
        let named = self.0.iter().find(|chosen| chosen.strip_prefix('-').unwrap_or(chosen) == name);
        match named {
            Some(chosen) => !chosen.starts_with('-'),
            None => self.0.iter().any(|chosen| chosen == "*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_choose_as_upstreams_do() {
        for (text, namespace, deployment) in [
            ("*", true, true),
            ("*,-deployment-controller", true, false),
            ("-deployment-controller,*,deployment-controller", true, false),
            ("deployment-controller", false, true),
            ("", false, false),
        ] {
            let choice = Choice::parse(text).expect("known names");
            let got = (choice.includes("namespace-controller"), choice.includes("deployment-controller"));
            assert_eq!(got, (namespace, deployment), "{text}");
        }
        assert!(Choice::default().includes("namespace-controller"));
        let refused = Choice::parse("*,-tea-controller").expect_err("an unknown name");
        assert!(
            refused.starts_with("\"-tea-controller\" is not in the list of known controllers: service"),
            "{refused}"
        );
    }
}
