//! The storage class of a claim or a volume.

use corten_api::meta::v1::ObjectMeta;

/// Where the class stood before it had a field; it still counts, and before the field.
pub const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";

/// The class that an object names in its annotations or in its `field`.
pub fn class_of<'a>(meta: &'a ObjectMeta, field: Option<&'a str>) -> Option<&'a str> {
    meta.annotations.get(CLASS_ANNOTATION).map(String::as_str).or(field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_comes_first() {
        let mut meta = ObjectMeta::default();
        assert_eq!(class_of(&meta, Some("fast")), Some("fast"));
        meta.annotations.insert(CLASS_ANNOTATION.into(), "slow".into());
        assert_eq!(class_of(&meta, Some("fast")), Some("slow"));
        assert_eq!(class_of(&meta, None), Some("slow"));
    }
}
