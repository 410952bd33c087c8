//! Objects through many hands: what is applied and updated, what is left, and who owns it.

mod managers;
mod objects;
mod scenes;
mod types;

use super::*;
use serde_json::{Value, json};
use types::Types;

/// An object of a type, and its owners.
struct Scene {
    types: Types,
    versions: &'static [&'static str],
    live: Value,
    managed: Managed,
    seconds: i64,
    reset: Reset,
}

/// The versions of a scene's type; they differ in name alone.
struct Same<'a>(&'a Types, &'a [&'static str]);

impl Versions for Same<'_> {
    fn convert(&self, object: &Value, version: &str) -> Result<Option<Value>, String> {
        Ok(self.1.contains(&version).then(|| object.clone()))
    }

    fn type_of(&self, version: &str) -> Option<TypeRef<'_>> {
        self.1.contains(&version).then(|| self.0.root())
    }
}

impl Scene {
    fn new(schema: Value) -> Self {
        Scene {
            types: Types::read(&schema),
            versions: &["v1", "v2", "v3"],
            live: json!({}),
            managed: Managed::default(),
            seconds: 0,
            reset: Reset::NOTHING,
        }
    }

    fn write<'a>(&self, manager: &'a str, version: &'a str) -> Write<'a> {
        let now = corten_api::Time(jiff::Timestamp::from_second(self.seconds).expect("a time"));
        Write { manager, api_version: version, subresource: "", reset: self.reset, now }
    }

    fn apply_in(&mut self, version: &str, manager: &str, config: Value, force: bool) -> Result<(), String> {
        self.seconds += 1;
        let versions = Same(&self.types, self.versions);
        let application = Application {
            live: &self.live,
            blank: &json!({}),
            config: &config,
            config_name: "new",
            live_name: "live",
            versions: &versions,
            write: self.write(manager, version),
            force,
        };
        let applied = application.run(self.managed.clone()).map_err(|error| match error {
            ApplyError::Conflicts(conflicts) => conflicts.to_string(),
            ApplyError::Failed(why) => why,
        })?;
        self.managed = applied.managed;
        self.live = applied.object.unwrap_or_else(|| self.live.clone());
        Ok(())
    }

    fn apply(&mut self, manager: &str, config: Value) -> &mut Self {
        self.apply_in("v1", manager, config, false).expect("applies");
        self
    }

    fn force(&mut self, manager: &str, config: Value) -> &mut Self {
        self.apply_in("v1", manager, config, true).expect("applies");
        self
    }

    fn refused(&mut self, manager: &str, config: Value) -> String {
        self.apply_in("v1", manager, config, false).expect_err("is refused")
    }

    fn update(&mut self, manager: &str, object: Value) -> &mut Self {
        self.seconds += 1;
        let versions = Same(&self.types, self.versions);
        let changes = compare(&self.live, &object, self.types.root());
        let live = self.live.clone();
        let mut at = |version: &str| compare_at(&versions, &live, &object, version);
        let write = self.write(manager, "v1");
        self.managed = super::update(self.managed.clone(), &write, false, changes, &mut at);
        self.live = object;
        self
    }

    /// `manager+` for one who applied, with the paths that it owns.
    fn owners(&self) -> Vec<String> {
        let show = |m: &Manager| {
            let mut paths = Vec::new();
            m.set().each(&mut |path| paths.push(path.iter().map(ToString::to_string).collect::<String>()));
            paths.sort();
            let plus = if m.id.applied { "+" } else { "" };
            format!("{}{plus} {}", m.id.manager, paths.join(" "))
        };
        let mut owners: Vec<String> = self.managed.managers.iter().map(show).collect();
        owners.sort();
        owners
    }

    fn holds(&self, object: Value, owners: &[&str]) {
        assert_eq!(self.live, object);
        assert_eq!(self.owners(), owners);
    }
}
