//! The statements of an import: a few hundred accounts each, and every one repeatable.
//!
//! An account's credential is written last, and an account that has one is left alone, whatever it has become since.
//! So a repeated import changes nothing, and one that was cut off goes on where it was. Somebody with an address or
//! number of another account is left out as a whole, and so is somebody with a role that was deleted since the file was
//! checked.

use super::people::{Entry, People};
use postern_core::config::Config;
use postern_core::id::TenantId;
use serde_json::{Value, json};
use std::iter;

/// The audit trail's name for an account that came into being by an import.
pub(crate) const IMPORTED: &str = "account_imported";
/// The audit trail's name for a line that was left out.
pub(crate) const CONFLICT: &str = "import_conflict";

/// The roles that operators have defined.
pub(crate) const DEFINED_ROLES: &str = "SELECT name FROM permission_sets WHERE kind = 'role'";

/// D1 takes statements of 100,000 bytes.
const MAX_BATCH_BYTES: usize = 80_000;

/// Where the accounts go.
pub(crate) struct Tenants {
    pub(crate) tenant: TenantId,
    /// The tenants, that one among them, in which an address, number or username is one account's.
    pub(crate) as_one: Vec<TenantId>,
}

impl Tenants {
    /// The tenant that is asked for, or the only one.
    pub(crate) fn of(deployment: &Config, tenant: TenantId) -> Self {
        let settings = deployment.tenants();
        if settings.duplicate_identifiers() {
            return Self { as_one: vec![tenant.clone()], tenant };
        }
        let all = iter::once(deployment).chain(settings.others());
        Self { as_one: all.map(|config| config.tenant().clone()).collect(), tenant }
    }
}

/// The statements, in order.
pub(crate) fn statements<'a>(
    people: &'a People,
    tenants: &'a Tenants,
    now_ms: u64,
) -> impl Iterator<Item = String> + 'a {
    let mut entries = people.iter().peekable();
    std::iter::from_fn(move || {
        let mut rows = String::new();
        while let Some(entry) = entries.peek() {
            let row = literal(&row(entry));
            let size = rows.len().saturating_add(row.len());
            if !rows.is_empty() && size > MAX_BATCH_BYTES {
                break;
            }
            rows.push_str(if rows.is_empty() { "" } else { "," });
            rows.push_str(&row);
            entries.next();
        }
        (!rows.is_empty()).then(|| batch(&rows, tenants, now_ms))
    })
}

/// How many accounts this import has created, and which lines were left out.
pub(crate) fn outcome(now_ms: u64) -> String {
    format!(
        "SELECT event, detail, count(*) AS number FROM audit_events WHERE occurred_at = {now_ms} \
         AND event IN ('{IMPORTED}', '{CONFLICT}') GROUP BY event, detail"
    )
}

fn row(entry: &Entry) -> Value {
    let person = &entry.person;
    let verified_at = |is_verified: bool| is_verified.then_some(person.created_at_ms);
    let identifiers = person.identifiers();
    let identifiers: Vec<Value> =
        identifiers.map(|(kind, value, verified)| json!([kind, value, verified_at(verified)])).collect();
    json!({
        "line": format!("line {}", entry.line),
        "account": entry.account.to_string(),
        "identifiers": identifiers,
        "username": person.username.as_ref().map(|name| name.as_str()),
        "email": person.email.as_ref().map(|email| email.as_str()),
        "phone": person.phone.as_ref().map(|phone| phone.as_str()),
        "name": person.name.as_str(),
        "roles": Value::from(person.roles.clone()).to_string(),
        "besides": person.roles_besides,
        "hash": person.hash.as_ref().map(|hash| hash.as_str()),
        "created_at": person.created_at_ms,
    })
}

/// JSON without the characters that mean something in SQL: a quote would end the text, and a semicolon is where
/// statements are told apart.
fn literal(row: &Value) -> String {
    row.to_string().replace('\'', "\\u0027").replace(';', "\\u003b")
}

fn batch(rows: &str, tenants: &Tenants, now_ms: u64) -> String {
    let Tenants { tenant, as_one } = tenants;
    let as_one: Vec<String> = as_one.iter().map(|tenant| format!("'{tenant}'")).collect();
    let as_one = as_one.join(",");
    // A tenant id has letters, digits and few signs, none of which is a quote. `CROSS JOIN` is SQLite's way to say
    // which table comes first: the other way round it would walk through all identifiers.
    let people = format!(
        "WITH given AS MATERIALIZED (SELECT value ->> '$.line' AS line, value ->> '$.account' AS account, \
         value -> '$.identifiers' AS identifiers, value ->> '$.email' AS email, value ->> '$.phone' AS phone, value ->> '$.name' AS name, \
         value ->> '$.username' AS username, value ->> '$.roles' AS roles, value -> '$.besides' AS besides, value ->> '$.hash' AS hash, value ->> '$.created_at' AS created_at \
         FROM json_each('[{rows}]')), \
         named AS MATERIALIZED (SELECT *, EXISTS (SELECT 1 FROM json_each(given.besides) AS r \
         WHERE r.value NOT IN ({DEFINED_ROLES})) AS gone FROM given), \
         unfinished AS MATERIALIZED (SELECT *, g.gone OR EXISTS (SELECT 1 FROM json_each(g.identifiers) AS w \
         CROSS JOIN identifiers AS i ON i.tenant IN ({as_one}) AND i.kind = w.value ->> 0 AND i.value = w.value ->> 1 \
         WHERE i.account_id <> g.account) OR EXISTS (SELECT 1 FROM owner_names AS o WHERE o.tenant = '{tenant}' \
         AND o.name = g.username AND o.owner_id <> g.account) AS taken FROM named AS g \
         WHERE NOT EXISTS (SELECT 1 FROM credentials AS c WHERE c.account_id = g.account)) "
    );
    format!(
        "{people}INSERT OR IGNORE INTO users (account_id, tenant, email, phone, username, name, status, roles, created_at) \
         SELECT account, '{tenant}', email, phone, username, name, 'active', roles, created_at FROM unfinished WHERE NOT taken;\n\
         {people}INSERT OR IGNORE INTO owner_names (tenant, name, owner_kind, owner_id, created_at) \
         SELECT '{tenant}', username, 'account', account, created_at FROM unfinished \
         WHERE username IS NOT NULL AND NOT taken;\n\
         {people}INSERT OR IGNORE INTO identifiers (tenant, kind, value, account_id, verified_at, created_at) \
         SELECT '{tenant}', n.value ->> 0, n.value ->> 1, account, n.value ->> 2, created_at \
         FROM unfinished CROSS JOIN json_each(unfinished.identifiers) AS n WHERE NOT taken;\n\
         {people}INSERT INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) \
         SELECT lower(hex(randomblob(16))), {now_ms}, '{tenant}', iif(taken, NULL, account), \
         iif(taken, '{CONFLICT}', '{IMPORTED}'), \
         iif(gone, line || ': a role was deleted meanwhile', iif(taken, line, NULL)) FROM unfinished;\n\
         {people}INSERT OR IGNORE INTO credentials (account_id, password_hash, version, updated_at) \
         SELECT account, hash, 1, {now_ms} FROM unfinished WHERE NOT taken;\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_row_ends_the_text_that_it_is_in() {
        let row = json!({ "name": "Robert'); DROP TABLE users;--\n\u{1f511}" });
        let text = literal(&row);
        assert!(!text.contains(['\'', ';', '\n']), "{text}");
        let read: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(read, row);
    }
}
