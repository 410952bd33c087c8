//! Tokens of a file (`--token-auth-file`): lines of token, user, UID and, if there are any, groups.

use super::{TokenAccepted, TokenAuthenticator, TokenRefused};
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use corten_api::authentication::v1::UserInfo;
use std::collections::HashMap;

/// Knows the tokens of a file.
pub struct TokenFile {
    /// By the hashes of their tokens, so that how long it takes to find one tells nothing of others.
    users: HashMap<Vec<u8>, UserInfo>,
    audiences: Vec<String>,
}

fn hash(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
}

impl TokenFile {
    /// Reads the text of `file`, for an API server of these names.
    ///
    /// # Errors
    /// When a line lacks something, or is not CSV.
    pub fn parse(text: &str, file: &str, audiences: Vec<String>) -> Result<Self, String> {
        let mut users = HashMap::new();
        for (i, record) in records(text)?.into_iter().enumerate() {
            let number = i + 1;
            let [token, name, uid, rest @ ..] = record.as_slice() else {
                return Err(format!(
                    "token file '{file}' must have at least 3 columns (token, user name, user uid), found {}",
                    record.len()
                ));
            };
            if token.is_empty() {
                tracing::warn!("empty token has been found in token file '{file}', record number '{number}'");
                continue;
            }
            let groups = rest.first().map(|groups| groups.split(',').map(str::to_string).collect());
            let user = UserInfo {
                username: name.clone(),
                uid: uid.clone(),
                groups: groups.unwrap_or_default(),
                ..UserInfo::default()
            };
            if users.insert(hash(token), user).is_some() {
                tracing::warn!(
                    "duplicate token has been found in token file '{file}', record number '{number}'"
                );
            }
        }
        Ok(TokenFile { users, audiences })
    }
}

/// The records of a text of comma-separated values: fields may stand between double quotes, where two of them
/// mean one.
fn records(text: &str) -> Result<Vec<Vec<String>>, String> {
    let (mut all, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut is_empty) = (false, true);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted => match letters.peek() {
                None | Some(',' | '\n' | '\r') => quoted = false,
                Some(_) => return Err("extraneous or missing \" in quoted-field".into()),
            },
            '"' if field.is_empty() => (quoted, is_empty) = (true, false),
            '"' => return Err("bare \" in non-quoted-field".into()),
            ',' if !quoted => {
                record.push(std::mem::take(&mut field));
                is_empty = false;
            }
            '\r' if !quoted && letters.peek() == Some(&'\n') => {}
            '\n' if !quoted => {
                if !is_empty {
                    record.push(std::mem::take(&mut field));
                    all.push(std::mem::take(&mut record));
                }
                is_empty = true;
            }
            other => {
                field.push(other);
                is_empty = false;
            }
        }
    }
    if quoted {
        return Err("extraneous or missing \" in quoted-field".into());
    }
    if !is_empty {
        record.push(field);
        all.push(record);
    }
    Ok(all)
}

#[async_trait]
impl TokenAuthenticator for TokenFile {
    async fn authenticate(
        &self,
        token: &str,
        audiences: &[String],
    ) -> Result<Option<TokenAccepted>, TokenRefused> {
        let Some(user) = self.users.get(&hash(token)) else { return Ok(None) };
        let ours = |name: &&String| audiences.is_empty() || audiences.contains(name);
        let audiences: Vec<String> = self.audiences.iter().filter(ours).cloned().collect();
        Ok((!audiences.is_empty()).then(|| TokenAccepted { user: user.clone(), audiences }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tokens_of_a_file_are_users() {
        let text = "t1,ann,1,\"a,b\"\r\n\n,nobody,2\nt2,\"say \"\"hi\"\"\",3\nt1,eve,4";
        let file = TokenFile::parse(text, "tokens.csv", vec!["api".into()]).expect("read");
        for (token, audiences, want) in [
            ("t1", &[][..], Some(("eve", "4", vec![]))),
            ("t2", &["api".to_string()], Some(("say \"hi\"", "3", vec![]))),
            ("t2", &["else".to_string()], None),
            ("", &[], None),
        ] {
            let found = file.authenticate(token, audiences).await.expect("no error").map(|found| found.user);
            let found =
                found.as_ref().map(|user| (user.username.as_str(), user.uid.as_str(), user.groups.clone()));
            assert_eq!(found, want, "{token}");
        }
        let ann = TokenFile::parse("t1,ann,1,\"a,b\"", "f", vec!["api".into()]).expect("read");
        let ann = ann.authenticate("t1", &[]).await.expect("no error").expect("ann");
        assert_eq!(ann.user.groups, ["a", "b"]);
    }

    #[test]
    fn wrong_files_are_refused() {
        for (text, why) in [
            ("a,b", "token file 'f' must have at least 3 columns (token, user name, user uid), found 2"),
            ("a,\"b,c", "extraneous or missing \" in quoted-field"),
            ("a,\"b\"x,c", "extraneous or missing \" in quoted-field"),
            ("a,b\"c,d", "bare \" in non-quoted-field"),
        ] {
            assert_eq!(TokenFile::parse(text, "f", Vec::new()).err().as_deref(), Some(why));
        }
    }
}
