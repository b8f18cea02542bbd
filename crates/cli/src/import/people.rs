//! Everybody in the file, with the ids that they get, and nobody twice.

use super::line::{MAX_LINE_BYTES, Person, Rules};
use anyhow::{Context as _, Result};
use postern_core::id::{AccountId, TenantId};
use postern_core::identifier::length_prefixed;
use postern_core::password::HashKind;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, Read as _};

/// Somebody on a line of the file.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) line: usize,
    pub(crate) account: AccountId,
    pub(crate) person: Person,
}

/// Everybody who could be imported.
#[derive(Debug)]
pub(crate) struct People(Vec<Entry>);

/// The texts in front of the salts, which say what a hash costs, with their kind and how many there are.
pub(crate) type Costs = BTreeMap<String, (Option<HashKind>, usize)>;

impl People {
    /// Reads all lines; every broken rule comes as `line N: member: rule`. Empty lines are passed over.
    pub(crate) fn read(
        mut file: impl BufRead,
        tenant: &TenantId,
        rules: &Rules<'_>,
    ) -> Result<Result<Self, Vec<String>>> {
        let (mut found, mut broken) = (Vec::new(), Vec::new());
        let (mut ids, mut identifiers) = (HashMap::new(), HashMap::new());
        for line in 1.. {
            let mut bytes = Vec::new();
            // One byte more than is allowed, so that what is too long shows, and the rest of it is skipped.
            let most = u64::try_from(MAX_LINE_BYTES)?.saturating_add(2);
            file.by_ref().take(most).read_until(b'\n', &mut bytes).context("cannot read on")?;
            if bytes.is_empty() {
                break;
            }
            if bytes.last() != Some(&b'\n') {
                file.skip_until(b'\n').context("cannot read on")?;
            }
            let text = bytes.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let mut refuse = |rule: String| broken.push(format!("line {line}: {rule}"));
            match Person::read(text, rules) {
                Err(rules) => rules.into_iter().for_each(refuse),
                Ok(person) => {
                    let account = account_id(tenant, &person);
                    if let Some(first) = ids.insert(account, line) {
                        refuse(format!("id: is that of line {first}, too"));
                    }
                    for (kind, value, _) in person.identifiers() {
                        if let Some(first) = identifiers.insert((kind, value.to_owned()), line) {
                            refuse(format!("{kind}: is that of line {first}, too"));
                        }
                    }
                    found.push(Entry { line, account, person });
                }
            }
        }
        Ok(if broken.is_empty() { Ok(Self(found)) } else { Err(broken) })
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    /// How many hashes there are of each cost.
    pub(crate) fn costs(&self) -> Costs {
        let mut costs = Costs::new();
        for hash in self.iter().filter_map(|entry| entry.person.hash.as_ref()) {
            let (_, count) = costs.entry(hash.cost().to_owned()).or_insert((hash.kind(), 0));
            *count = count.saturating_add(1);
        }
        costs
    }
}

/// The first half of SHA-256 over the tenant and the id of the other system, or the address where there is none, or the
/// number where there is neither: the same in every import, and another in every tenant.
fn account_id(tenant: &TenantId, person: &Person) -> AccountId {
    let first = person.identifiers().next().map(|(kind, value, _)| (kind, value));
    let (kind, value) = match &person.source_id {
        Some(id) => ("id", id.as_str()),
        None => first.unwrap_or_default(),
    };
    let parts = ["postern/v1/import", tenant.as_str(), kind, value].map(str::as_bytes);
    let digest = <[u8; 32]>::from(Sha256::digest(length_prefixed(&parts)));
    let mut bytes = [0; 16];
    for (byte, drawn) in bytes.iter_mut().zip(digest) {
        *byte = drawn;
    }
    AccountId::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::config::{Config, UsernameRule};

    fn read(text: &str) -> Result<People, Vec<String>> {
        let config = Config::from_json(r#"{"issuer": "https://a.example"}"#).expect("valid");
        let rules = Rules {
            permissions: config.permissions(),
            defined_roles: &[],
            usernames: UsernameRule::Optional,
            firebase: None,
            now_ms: 1_800_000_000_000,
        };
        People::read(text.as_bytes(), config.tenant(), &rules).expect("readable")
    }

    fn ids(text: &str) -> Vec<String> {
        read(text).expect("valid").iter().map(|entry| entry.account.to_string()).collect()
    }

    #[test]
    fn ids_follow_from_the_other_systems_or_from_the_address() {
        let named = ids("{\"id\": \"17\", \"email\": \"ann@example.com\"}");
        assert_eq!(named, ids("\n{\"email\": \"ann@example.org\", \"id\": \"17\", \"name\": \"Ann\"}\r\n"));
        let unnamed = ids("{\"email\": \"ann@example.com\"}");
        assert_eq!(unnamed, ids("{\"email\": \"ann@example.com\", \"phone\": \"+491701234567\"}"));
        let by_number = ids("{\"phone\": \"+49 170 1234567\", \"name\": \"Ann\"}");
        assert_eq!(by_number, ids("{\"phone\": \"+491701234567\", \"name\": \"Eve\"}"));
        assert_ne!(by_number, unnamed);
        assert_eq!(unnamed, ids("{\"email\": \"ANN@example.com\"}"));
        assert_ne!(named, unnamed);
        assert_ne!(unnamed, ids("{\"id\": \"ann@example.com\", \"email\": \"ann@example.com\"}"));
    }

    #[test]
    fn every_bad_line_is_named_and_nobody_comes_twice() {
        let file = "{\"email\": \"a@b.example\", \"id\": \"1\"}\n\nnot json\n{\"email\": \"c@b.example\", \"id\": \"1\"}\n\
                    {\"email\": \"A@b.example\", \"id\": \"2\"}\n{\"email\": 1, \"name\": 2}\n\
                    {\"phone\": \"+491701234567\", \"name\": \"A\"}\n{\"email\": \"d@b.example\", \"phone\": \"+49-1701234567\"}";
        assert_eq!(
            read(file).expect_err("refused"),
            [
                "line 3: is not JSON",
                "line 4: id: is that of line 1, too",
                "line 5: email: is that of line 1, too",
                "line 6: email: must be a string",
                "line 6: name: must be a string",
                "line 8: phone: is that of line 7, too",
            ]
        );
        let long = format!("{{\"email\": \"{}\"}}\nnot json\n", "a".repeat(3 * MAX_LINE_BYTES));
        assert_eq!(
            read(&long).expect_err("refused"),
            ["line 1: has more than 65536 bytes", "line 2: is not JSON"]
        );
    }
}
