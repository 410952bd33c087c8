//! The authority by which a conversion webhook's server proves itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use corten_api::apiextensions::v1::CustomResourceDefinition;
use corten_semantics::field::{FieldError, Mistake};

/// Why the bundle of a definition's conversion webhook cannot be used; none when it can, or there is none.
pub fn refused(crd: &CustomResourceDefinition) -> Option<&'static str> {
    refuse(bundle(crd))
}

fn bundle(crd: &CustomResourceDefinition) -> &[u8] {
    let webhook = crd.spec.conversion.as_deref().and_then(|c| c.webhook.as_deref());
    webhook.and_then(|w| w.client_config.as_deref()).map_or(&[], |client| &client.ca_bundle)
}

/// A definition that is in use, with a bundle that can be used or none, must not get one that cannot.
pub fn check(new: &CustomResourceDefinition, old: &CustomResourceDefinition) -> Option<FieldError> {
    let established = old.status.conditions.iter().any(|c| c.type_ == "Established" && c.status == "True");
    let webhook = new.spec.conversion.as_deref().is_some_and(|c| c.strategy == "Webhook");
    if !webhook || !established || refused(old).is_some() {
        return None;
    }
    let why = refused(new)?;
    Some(FieldError {
        path: "spec.conversion.webhookClientConfig.caBundle".into(),
        mistake: Mistake::Invalid,
        value: format!("{:?}", STANDARD.encode(bundle(new))),
        detail: format!("unable to load root certificates: {why}"),
    })
}

fn refuse(bundle: &[u8]) -> Option<&'static str> {
    if bundle.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(bundle);
    let mut rest = &*text;
    let mut certificates = 0;
    let mut damaged = false;
    while let Some((_, begun)) = rest.split_once("-----BEGIN CERTIFICATE-----") {
        let Some((body, after)) = begun.split_once("-----END CERTIFICATE-----") else { break };
        let body: String = body.split_ascii_whitespace().collect();
        let good = STANDARD.decode(body).is_ok_and(|der| is_certificate(&der));
        certificates += usize::from(good);
        damaged |= !good;
        rest = after;
    }
    match (certificates, damaged) {
        (1.., _) => None,
        (0, true) => Some("failed to parse certificate: x509: malformed certificate"),
        (0, false) if !text.contains("-----BEGIN ") => Some("unable to parse bytes as PEM block"),
        (0, false) => Some("no valid certificate authority data seen"),
    }
}

/// Whether bytes are built as a certificate is: what is signed, how, and the signature.
fn is_certificate(der: &[u8]) -> bool {
    let whole = |(tag, content, rest): (u8, _, &[u8])| (tag == 0x30 && rest.is_empty()).then_some(content);
    let Some(inner) = part(der).and_then(whole) else { return false };
    let Some((0x30, signed, rest)) = part(inner) else { return false };
    let Some((0x30, _, rest)) = part(rest) else { return false };
    !signed.is_empty() && matches!(part(rest), Some((0x03, _, [])))
}

/// The first part of DER: its tag, its content, and what follows it.
fn part(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(der: &[u8]) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der))
    }

    #[test]
    fn bundles_hold_certificates() {
        let certificate = pem(&[0x30, 9, 0x30, 1, 7, 0x30, 0, 0x03, 2, 0, 1]);
        for (bundle, want) in [
            (String::new(), None),
            (certificate.clone(), None),
            (format!("of ours\n{}{certificate}", pem(&[1, 2])), None),
            ("Cg==".into(), Some("unable to parse bytes as PEM block")),
            (" \n".into(), Some("unable to parse bytes as PEM block")),
            (pem(&[0x30, 1, 2]), Some("failed to parse certificate: x509: malformed certificate")),
            (
                "-----BEGIN KEY-----\n-----END KEY-----".into(),
                Some("no valid certificate authority data seen"),
            ),
        ] {
            assert_eq!(refuse(bundle.as_bytes()), want, "{bundle}");
        }
    }
}
