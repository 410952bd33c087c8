//! The selectors of an access review: as a text or as requirements. What cannot be read is left out, and said;
//! selectors only narrow, so the question is then about more than was wanted.

use corten_api::authorization::v1::{FieldSelectorAttributes, LabelSelectorAttributes, ResourceAttributes};
use corten_api::meta::v1::LabelSelector;
use corten_api::selector::{FieldSelector, Selector};

/// What a review narrows its question to.
#[derive(Debug, Default)]
pub struct Narrowed {
    /// By fields.
    pub fields: Option<FieldSelector>,
    /// By labels.
    pub labels: Option<Selector>,
    ignored: Vec<String>,
}

impl Narrowed {
    /// The selectors of `asked`.
    pub fn of(asked: &ResourceAttributes) -> Self {
        let mut narrowed = Narrowed::default();
        if let Some(selector) = &asked.field_selector {
            let (fields, wrong) = fields(selector);
            narrowed.note("fieldSelector", fields.is_some(), wrong);
            narrowed.fields = fields;
        }
        if let Some(selector) = &asked.label_selector {
            let (labels, wrong) = labels(selector);
            narrowed.note("labelSelector", labels.is_some(), wrong);
            narrowed.labels = labels;
        }
        narrowed
    }

    fn note(&mut self, field: &str, some: bool, wrong: bool) {
        if wrong {
            let partially = if some { "partially " } else { "" };
            self.ignored
                .push(format!("spec.resourceAttributes.{field} {partially}ignored due to parse error"));
        }
    }

    /// An authorizer's error with what was ignored, as a review's status tells it.
    pub fn evaluation_error(&self, error: String) -> String {
        if self.ignored.is_empty() {
            return error;
        }
        let all: Vec<&str> = Some(error.as_str())
            .filter(|text| !text.is_empty())
            .into_iter()
            .chain(self.ignored.iter().map(String::as_str))
            .collect();
        all.join("; ")
    }
}

/// What could be read, and whether something could not.
fn fields(selector: &FieldSelectorAttributes) -> (Option<FieldSelector>, bool) {
    if selector.requirements.is_empty() {
        return match FieldSelector::parse(&selector.raw_selector) {
            Ok(fields) => (Some(fields).filter(|f| !f.is_everything()), false),
            Err(_) => (None, true),
        };
    }
    let mut terms = Vec::new();
    for requirement in &selector.requirements {
        let equal = requirement.operator == "In";
        if let ([value], true) = (requirement.values.as_slice(), equal || requirement.operator == "NotIn") {
            terms.push((requirement.key.clone(), equal, value.clone()));
        }
    }
    let wrong = terms.len() < selector.requirements.len();
    (Some(FieldSelector { terms }).filter(|f| !f.is_everything()), wrong)
}

fn labels(selector: &LabelSelectorAttributes) -> (Option<Selector>, bool) {
    if selector.requirements.is_empty() {
        return match Selector::parse(&selector.raw_selector) {
            Ok(labels) => (Some(labels).filter(|l| !l.is_everything()), false),
            Err(_) => (None, true),
        };
    }
    let mut known = selector.requirements.clone();
    known.retain(|r| matches!(r.operator.as_str(), "In" | "NotIn" | "Exists" | "DoesNotExist"));
    let wrong = known.len() < selector.requirements.len();
    let labels = LabelSelector { match_expressions: known, ..LabelSelector::default() };
    match Selector::from_label_selector(Some(&labels)) {
        Ok(labels) => (Some(labels).filter(|l| !l.is_everything()), wrong),
        Err(_) => (None, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_api::meta::v1::{FieldSelectorRequirement, LabelSelectorRequirement};

    fn raw(fields: &str, labels: &str) -> ResourceAttributes {
        let field = FieldSelectorAttributes { raw_selector: fields.into(), ..Default::default() };
        let label = LabelSelectorAttributes { raw_selector: labels.into(), ..Default::default() };
        ResourceAttributes {
            field_selector: Some(Box::new(field)),
            label_selector: Some(Box::new(label)),
            ..ResourceAttributes::default()
        }
    }

    #[test]
    fn texts_are_read_or_said_to_be_ignored() {
        let good = Narrowed::of(&raw("spec.nodeName=n1", "a=b"));
        assert_eq!(good.fields.as_ref().and_then(|f| f.required("spec.nodeName")), Some("n1"));
        assert_eq!(good.labels.as_ref().map(ToString::to_string), Some("a=b".into()));
        assert_eq!(good.evaluation_error("why".into()), "why");
        let bad = Narrowed::of(&raw("nonsense", "a=b"));
        assert!(bad.fields.is_none() && bad.labels.is_some());
        assert_eq!(
            bad.evaluation_error("why".into()),
            "why; spec.resourceAttributes.fieldSelector ignored due to parse error"
        );
    }

    #[test]
    fn requirements_that_nobody_knows_are_dropped() {
        let field = |operator: &str, values: &[&str]| FieldSelectorRequirement {
            key: "spec.x".into(),
            operator: operator.into(),
            values: values.iter().map(ToString::to_string).collect(),
        };
        let label = |operator: &str| LabelSelectorRequirement {
            key: "a".into(),
            operator: operator.into(),
            values: Vec::new(),
        };
        let mut asked = raw("", "");
        if let (Some(fields), Some(labels)) = (&mut asked.field_selector, &mut asked.label_selector) {
            fields.requirements =
                vec![field("NotIn", &["1"]), field("In", &["1", "2"]), field("Exists", &[])];
            labels.requirements = vec![label("Exists"), label("Near")];
        }
        let narrowed = Narrowed::of(&asked);
        assert_eq!(narrowed.fields.as_ref().map(|f| f.terms.len()), Some(1));
        assert_eq!(narrowed.labels.as_ref().map(|l| l.requirements().len()), Some(1));
        let partly =
            |field: &str| format!("spec.resourceAttributes.{field} partially ignored due to parse error");
        let want = format!("{}; {}", partly("fieldSelector"), partly("labelSelector"));
        assert_eq!(narrowed.evaluation_error(String::new()), want);
    }
}
