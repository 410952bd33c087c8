//! What `/version` says.

/// The version of Kubernetes whose API this is, with the product's own behind it.
pub fn git_version() -> String {
    format!("v1.35.0+corten{}", env!("CARGO_PKG_VERSION"))
}

/// The document of `/version`; JSON.
pub fn document() -> String {
    let text = |t: &str| serde_json::Value::from(t).to_string();
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    format!(
        "{{\n  \"major\": \"1\",\n  \"minor\": \"35\",\n  \"emulationMajor\": \"1\",\n  \"emulationMinor\": \"35\",\n  \"minCompatibilityMajor\": \"1\",\n  \"minCompatibilityMinor\": \"34\",\n  \"gitVersion\": {},\n  \"gitCommit\": \"\",\n  \"gitTreeState\": \"clean\",\n  \"buildDate\": \"1970-01-01T00:00:00Z\",\n  \"goVersion\": \"none (Rust)\",\n  \"compiler\": \"rustc\",\n  \"platform\": {}\n}}",
        text(&git_version()),
        text(&format!("{}/{architecture}", std::env::consts::OS)),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn clients_can_read_the_version() {
        let version: serde_json::Value = serde_json::from_str(&super::document()).expect("JSON");
        assert_eq!((version["major"].as_str(), version["minor"].as_str()), (Some("1"), Some("35")));
        assert!(version["gitVersion"].as_str().is_some_and(|v| v.starts_with("v1.35.0+corten")));
    }
}
