//! The table of bad requests in `refusals/*.yaml`, sent to a server: each is refused with the code, reason,
//! causes and words that upstream's sources give. `refusals/README.md` says how rows are written.

use crate::world::{Call, World};
use std::time::Duration;

use serde_json::{Map, Value, json};

const FILES: &[(&str, &str)] = &[
    ("pods", include_str!("refusals/pods.yaml")),
    ("volumes", include_str!("refusals/volumes.yaml")),
    ("workloads", include_str!("refusals/workloads.yaml")),
    ("jobs", include_str!("refusals/jobs.yaml")),
    ("network", include_str!("refusals/network.yaml")),
    ("core", include_str!("refusals/core.yaml")),
    ("groups", include_str!("refusals/groups.yaml")),
    ("policies", include_str!("refusals/policies.yaml")),
    ("requests", include_str!("refusals/requests.yaml")),
];
/// So many rows there are at least.
const ROWS: usize = 500;

/// A request to be made, and what is to come of it.
struct Row {
    place: String,
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    want: Want,
}

struct Want {
    code: u16,
    reason: String,
    /// Exact, or a beginning when it ends in `...`; empty when the causes say it all.
    message: String,
    /// `path: text` of each cause, in any order.
    causes: Vec<String>,
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_string()
}

fn fits(have: &str, want: &str) -> bool {
    want.strip_suffix("...").map_or(have == want, |beginning| have.starts_with(beginning))
}

impl Want {
    fn of(row: &Value) -> Want {
        let causes = row["why"].as_array().cloned().unwrap_or_default().iter().map(text).collect();
        Want {
            code: row["code"].as_u64().map_or(422, |c| u16::try_from(c).expect("a code")),
            reason: row["reason"].as_str().unwrap_or("Invalid").into(),
            message: text(&row["message"]),
            causes,
        }
    }

    /// What differs from it; empty when nothing does.
    fn differs(&self, code: u16, status: &Value) -> String {
        let causes = status["details"]["causes"].as_array().cloned().unwrap_or_default();
        let mut have: Vec<String> =
            causes.iter().map(|c| format!("{}: {}", text(&c["field"]), text(&c["message"]))).collect();
        let message = text(&status["message"]);
        let mut missing = Vec::new();
        for want in &self.causes {
            match have.iter().position(|h| fits(h, want)) {
                Some(at) => drop(have.remove(at)),
                None => missing.push(want.clone()),
            }
        }
        let reasons = causes.iter().all(|c| reason_fits(&text(&c["reason"]), &text(&c["message"])));
        let same = code == self.code
            && status["kind"] == "Status"
            && status["code"] == self.code
            && text(&status["reason"]) == self.reason
            && (self.message.is_empty() || fits(&message, &self.message))
            && missing.is_empty()
            && (self.causes.is_empty() || have.is_empty())
            && reasons;
        if same {
            return String::new();
        }
        format!(
            "want {} {} {missing:?} {}\n    have {code} {}: {message}\n    beyond {have:?}",
            self.code,
            self.reason,
            self.message,
            text(&status["reason"])
        )
    }
}

/// A cause's reason goes with the beginning of its message.
fn reason_fits(reason: &str, message: &str) -> bool {
    let words = match reason {
        "FieldValueRequired" => "Required value",
        "FieldValueInvalid" | "FieldValueTypeInvalid" => "Invalid value",
        "FieldValueNotSupported" => "Unsupported value",
        "FieldValueDuplicate" => "Duplicate value",
        "FieldValueForbidden" => "Forbidden",
        "FieldValueTooLong" => "Too long",
        "FieldValueTooMany" => "Too many",
        "FieldValueNotFound" => "Not found",
        _ => return true,
    };
    message.starts_with(words)
}

/// Sets the value at `path`, whose parts are parted by slashes; null takes it away.
fn set(object: &mut Value, path: &str, value: &Value) {
    let (first, rest) = path.split_once('/').map_or((path, None), |(a, b)| (a, Some(b)));
    let name = first.replace("~1", "/");
    if object.is_null() {
        *object = if name.parse::<usize>().is_ok() { json!([]) } else { json!({}) };
    }
    if let Value::Array(list) = object {
        let at: usize = name.parse().unwrap_or_else(|_| panic!("{name} is no index"));
        while list.len() <= at {
            list.push(Value::Null);
        }
        match rest {
            Some(rest) => set(&mut list[at], rest, value),
            None if value.is_null() => drop(list.remove(at)),
            None => list[at] = value.clone(),
        }
        return;
    }
    let map: &mut Map<String, Value> = object.as_object_mut().unwrap_or_else(|| panic!("nothing at {path}"));
    match rest {
        Some(rest) => set(map.entry(name).or_insert(Value::Null), rest, value),
        None if value.is_null() => drop(map.remove(&name)),
        None => drop(map.insert(name, value.clone())),
    }
}

fn changed(object: &Value, changes: &Value) -> Value {
    let mut object = object.clone();
    for (path, value) in changes.as_object().into_iter().flatten() {
        match value {
            // A long text, so that the row need not hold it.
            Value::String(s) if s.starts_with("repeat ") => {
                let mut parts = s.splitn(3, ' ').skip(1);
                let count: usize = parts.next().and_then(|n| n.parse().ok()).expect("a number");
                set(&mut object, path, &parts.next().unwrap_or_default().repeat(count).into());
            }
            _ => set(&mut object, path, value),
        }
    }
    object
}

/// Where a document's objects are made and how the rows change them.
struct Sheet {
    file: &'static str,
    document: Value,
}

impl Sheet {
    fn all() -> Vec<Sheet> {
        let mut sheets = Vec::new();
        for (file, yaml) in FILES {
            let documents = corten_codec::yaml::documents_to_json(yaml.as_bytes())
                .unwrap_or_else(|e| panic!("{file}: {e:?}"));
            for document in documents {
                let document = serde_json::from_slice(&document).expect("JSON");
                sheets.push(Sheet { file, document });
            }
        }
        sheets
    }

    fn path(&self) -> String {
        text(&self.document["path"])
    }

    /// The rows of a section; changes are made to `object`.
    fn rows(&self, section: &str, object: &Value, method: &str, path: &str) -> Vec<Row> {
        let list = self.document[section].as_array().cloned().unwrap_or_default();
        let row = |(n, row): (usize, &Value)| {
            let own = |name: &str, usual: &str| row[name].as_str().unwrap_or(usual).to_string();
            let body = match (&row["body"], &row["raw"]) {
                (Value::Null, Value::String(raw)) => raw.clone(),
                (Value::Null, _) if object.is_null() => String::new(),
                (Value::Null, _) => changed(object, &row["set"]).to_string(),
                (body, _) => body.to_string(),
            };
            let mut headers: Vec<(String, String)> =
                row["headers"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect();
            if !body.is_empty() && !headers.iter().any(|(k, _)| k == "content-type") {
                headers.push(("content-type".into(), "application/json".into()));
            }
            let place = format!("{} {path} {section}[{n}] {}", self.file, row["set"]);
            // What is not refused must not stay.
            let dry = if row["path"].is_string() { "" } else { "?dryRun=All" };
            let path = own("path", path) + row["query"].as_str().unwrap_or(dry);
            Row { place, method: own("method", method), path, headers, body, want: Want::of(row) }
        };
        list.iter().enumerate().map(row).collect()
    }

    fn sections(&self) -> Vec<String> {
        let known = ["path", "object", "needs"];
        let map = self.document.as_object().expect("a document");
        map.keys().filter(|k| !known.contains(&k.as_str())).cloned().collect()
    }
}

async fn tell(world: &World, row: &Row) -> String {
    let headers: Vec<(&str, &str)> = row.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let call = Call { method: &row.method, path: &row.path, headers: &headers, body: row.body.as_bytes() };
    // A row that is wrong may be answered by a watch, which does not end.
    let answer = world.ask(Some(&world.pki.admin), &call);
    let Ok(answer) = tokio::time::timeout(Duration::from_secs(60), answer).await else {
        return format!("{}\n    no answer\n", row.place);
    };
    let told = row.want.differs(answer.code, &answer.json());
    if told.is_empty() { told } else { format!("{}\n    {told}\n", row.place) }
}

/// Makes the objects that rows need, and the good one that they spoil, and tells what is wrong.
async fn run(world: &World, sheet: &Sheet, count: &mut usize) -> String {
    let mut wrong = String::new();
    for need in sheet.document["needs"].as_array().cloned().unwrap_or_default() {
        let path = text(&need["path"]);
        let answer = world.admin("POST", &path, &need["object"].to_string()).await;
        if !matches!(answer.code, 201 | 409) {
            wrong += &format!("{}: needed at {path}: {}\n", sheet.file, answer.text());
        }
    }
    let (path, object) = (sheet.path(), &sheet.document["object"]);
    let mut there = Value::Null;
    let updates = sheet.sections().iter().any(|s| s != "create" && s != "requests");
    if !object.is_null() {
        let query = if updates { "" } else { "?dryRun=All" };
        let answer = world.admin("POST", &format!("{path}{query}"), &object.to_string()).await;
        there = answer.json();
        if answer.code != 201 {
            return format!("{} {path}: the good object: {}\n", sheet.file, answer.text());
        }
    }
    let one = format!("{path}/{}", text(&object["metadata"]["name"]));
    if updates {
        there = world.admin("GET", &one, "").await.json();
    }
    for section in sheet.sections() {
        let rows = match section.as_str() {
            "create" => sheet.rows("create", object, "POST", &path),
            "requests" => sheet.rows("requests", &Value::Null, "GET", &path),
            "update" => sheet.rows("update", &there, "PUT", &one),
            subresource => sheet.rows(subresource, &there, "PUT", &format!("{one}/{subresource}")),
        };
        *count += rows.len();
        for row in &rows {
            wrong += &tell(world, row).await;
        }
    }
    wrong
}

#[tokio::test]
async fn the_table_of_bad_requests_holds() {
    let world = World::new().await;
    world.furnish().await;
    let (mut wrong, mut count) = (String::new(), 0);
    for sheet in Sheet::all() {
        wrong += &run(&world, &sheet, &mut count).await;
    }
    println!("{count} bad requests");
    let told = wrong.lines().filter(|l| !l.starts_with(' ')).count();
    assert!(wrong.is_empty(), "{told} of {count} differ:\n{wrong}");
    assert!(count >= ROWS, "{count} rows");
    assert_eq!(world.admin("GET", "/livez", "").await.text(), "ok");
    world.end().await;
}
