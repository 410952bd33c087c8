//! Checks a token as any party would that trusts the issuer: by its discovery document and keys alone.

use crate::{base64, client};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::Value;
use std::io::{Error, Result};
use std::time::{SystemTime, UNIX_EPOCH};

/// Prints whose token it is, if it is valid for the audience.
pub fn check(file: &str, audience: &str) -> Result<()> {
    let token = std::fs::read_to_string(file)?;
    let parts: Vec<&str> = token.trim().split('.').collect();
    let [header, payload, signature] = parts[..] else { return Err(Error::other("this is no token")) };
    let (head, claims) = (part(header)?, part(payload)?);
    let issuer = claims["iss"].as_str().unwrap_or_default();
    let document = client::get(&format!("{issuer}/.well-known/openid-configuration"))?;
    if document["issuer"] != issuer {
        return Err(Error::other(format!("the issuer is {issuer}, and calls itself {}", document["issuer"])));
    }
    let keys = client::get(document["jwks_uri"].as_str().unwrap_or_default())?;
    let mut keys = keys["keys"].as_array().into_iter().flatten();
    let key = keys.find(|key| key["kid"] == head["kid"]);
    let key = key.ok_or_else(|| Error::other(format!("the issuer has no key {}", head["kid"])))?;
    verify(&head, key, format!("{header}.{payload}").as_bytes(), &bytes(signature)?)?;
    let audiences = match &claims["aud"] {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(Error::other)?.as_secs();
    if !audiences.iter().any(|a| a == audience) || claims["exp"].as_u64().is_none_or(|end| end <= now) {
        return Err(Error::other(format!("for {audience} now, the token is not valid: {claims}")));
    }
    println!("valid: {}", claims["sub"].as_str().unwrap_or_default());
    Ok(())
}

fn bytes(text: &str) -> Result<Vec<u8>> {
    base64::decode(text).ok_or_else(|| Error::other(format!("{text:?} is not base64")))
}

fn part(text: &str) -> Result<Value> {
    serde_json::from_slice(&bytes(text)?).map_err(Error::other)
}

fn verify(head: &Value, key: &Value, message: &[u8], signature: &[u8]) -> Result<()> {
    let number = |name: &str| bytes(key[name].as_str().unwrap_or_default());
    let verified = match head["alg"].as_str() {
        Some("RS256") => {
            let key = RsaPublicKeyComponents { n: number("n")?, e: number("e")? };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
        }
        Some("ES256") => {
            let point = [vec![4], number("x")?, number("y")?].concat();
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
        }
        other => return Err(Error::other(format!("unexpected algorithm {other:?}"))),
    };
    verified.map_err(|_| Error::other("the signature is not the issuer's"))
}
