//! Fully filled objects of every kind pass through the strategies without losing or inventing anything.

use corten_api::builtin::KINDS;
use corten_api::{KindInfo, Object};
use corten_codec::{Problems, json};
use corten_kinds::strategy_for;
use jiff::Timestamp;
use std::path::Path;

fn fixture(kind: &KindInfo) -> Option<Box<dyn Object>> {
    let group = if kind.group.is_empty() { "core" } else { kind.group };
    let name = format!("{group}.{}.{}.json", kind.version, kind.kind);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/fixtures");
    let bytes = std::fs::read(folder.join(&name)).ok()?;
    let mut object = kind.new?();
    json::decode(&bytes, &mut *object, &mut Problems::ignore()).expect("decodes");
    Some(object)
}

fn text(object: &dyn Object) -> String {
    String::from_utf8_lossy(&json::encode(object)).into_owned()
}

#[test]
fn strategies_keep_filled_objects_of_every_kind() {
    let mut seen = 0;
    for kind in KINDS {
        let Some(mut object) = fixture(kind) else { continue };
        seen += 1;
        let strategy = strategy_for(kind);
        strategy.default(&mut *object);
        let filled = text(&*object);
        strategy.default(&mut *object);
        assert_eq!(text(&*object), filled, "{kind:?}: defaults are not stable");

        let mut created = object.clone_object();
        strategy.prepare_create(&mut *created);
        strategy.validate(&*created);
        let mut written = created.clone_object();
        strategy.prepare_update(&mut *written, &*created);
        let generations = (written.meta().generation, created.meta().generation);
        assert_eq!(generations.0, generations.1, "{kind:?}: an update without change counts");
        strategy.validate_update(&*written, &*created);
        strategy.prepare_status_update(&mut *written, &*created);
        strategy.validate_status_update(&*written, &*created);

        assert_eq!(strategy.row(&*object, Timestamp::UNIX_EPOCH).len(), strategy.columns().len(), "{kind:?}");
        for label in strategy.field_labels() {
            assert!(strategy.selectable_field(&*object, label).is_some(), "{kind:?} {label}");
        }
    }
    if seen == 0 {
        println!("skipped: the fixtures are not here");
    }
}
