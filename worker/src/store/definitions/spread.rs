//! Telling those whom a change of a role, group or permission concerns: all accounts are looked through in slices, by id.
//!
//! It only makes tokens stale sooner. Every refresh builds the mask anew.

use super::DefinitionChange;
use crate::ambient::Ambient;
use crate::environment::Environment;
use crate::store::authorization::AUTHORIZATION_CHANGED;
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::organizations;
use crate::store::statement::Statement;
use crate::wire::problem::Problem;
use postern_core::id::OperationId;
use postern_core::time::UnixMillis;
use serde::Deserialize;
use worker::wasm_bindgen::JsValue;

/// How many accounts one slice looks at.
const SLICE: u32 = 5_000;
/// How many slices of one change the cron does in a minute.
const SLICES_A_MINUTE: u32 = 4;

/// A change whose holders are looked for.
#[derive(Deserialize)]
struct Spread {
    /// `role`, `group` or `permission`.
    kind: String,
    name: String,
    /// Whether holders lose it.
    removal: u32,
    /// That of the change: a newer one of the same begins anew.
    revision: u32,
    /// The last account that was looked at.
    reached: String,
}

impl Spread {
    /// Of whom it is true that they hold it; `?1` is the name.
    fn holders(&self) -> &'static str {
        match self.kind.as_str() {
            "role" => "EXISTS (SELECT 1 FROM json_each(users.roles) WHERE value = ?1)",
            "permission" => "EXISTS (SELECT 1 FROM json_each(users.permissions) WHERE value = ?1)",
            _ => {
                "EXISTS (SELECT 1 FROM group_members m WHERE m.account_id = users.account_id AND m.group_name = ?1)"
            }
        }
    }

    /// What is taken off them besides. Who is in a group is not in their row.
    fn loss(&self) -> &'static str {
        match (self.removal, self.kind.as_str()) {
            (1, "role") => {
                ", roles = (SELECT json_group_array(value) FROM json_each(users.roles) WHERE value <> ?1)"
            }
            (1, "permission") => {
                ", permissions = (SELECT json_group_array(value) FROM json_each(users.permissions) WHERE value <> ?1)"
            }
            _ => "",
        }
    }
}

impl Directory {
    /// The change is to reach those who hold it, from the first account on.
    pub(super) fn begin_spread(
        &self,
        change: &DefinitionChange<'_>,
        (kind, name): (&str, &str),
        removal: bool,
    ) -> Result<Statement, Problem> {
        self.prepare(
            "INSERT INTO permission_spreads (kind, name, removal, revision, reached) \
             SELECT ?1, ?2, ?3, revision, '' FROM permission_registry \
             WHERE EXISTS (SELECT 1 FROM audit_events WHERE event_id = ?4) ON CONFLICT (kind, name) DO UPDATE \
             SET removal = excluded.removal, revision = excluded.revision, reached = ''",
            &[kind.into(), name.into(), u32::from(removal).into(), change.operation.to_string().into()],
        )
    }

    /// The change of this name, if it has not reached everybody.
    async fn spread_of(&self, kind: &str, name: &str) -> Result<Option<Spread>, Problem> {
        let query = "SELECT kind, name, removal, revision, reached FROM permission_spreads WHERE kind = ? AND name = ?";
        self.prepare(query, &[kind.into(), name.into()])?.first(None).await.map_err(unavailable)
    }

    /// The changes that have not reached everybody.
    async fn spreads(&self) -> Result<Vec<Spread>, Problem> {
        let query = "SELECT kind, name, removal, revision, reached FROM permission_spreads ORDER BY revision LIMIT 20";
        self.prepare(query, &[])?.all().await.map_err(unavailable)
    }

    /// Sees to the next slice of accounts under this operation. `None` if it was the last.
    async fn spread_slice(
        &self,
        spread: &Spread,
        operation: OperationId,
        now: UnixMillis,
    ) -> Result<Option<String>, Problem> {
        let query = "SELECT account_id FROM users WHERE account_id > ? ORDER BY account_id LIMIT 1 OFFSET ?";
        let values = [spread.reached.as_str().into(), SLICE.saturating_sub(1).into()];
        let last: Option<String> =
            self.prepare(query, &values)?.first(Some("account_id")).await.map_err(unavailable)?;
        // Ids are hexadecimal digits: all are below this.
        let to = JsValue::from(last.as_deref().unwrap_or("~"));
        let (name, from) = (JsValue::from(spread.name.as_str()), JsValue::from(spread.reached.as_str()));
        let done = JsValue::from(operation.to_string());
        // Two requests may go through the same change. Once one is done, the name may be defined and given anew, and the
        // other must take it from nobody.
        let (kind, revision) = (JsValue::from(spread.kind.as_str()), JsValue::from(spread.revision));
        let mut statements = vec![
            self.prepare(
                &format!(
                    "UPDATE users SET authorization_version = authorization_version + 1, \
                     memberships_version = memberships_version + 1, authorization_operation = ?4{} \
                     WHERE account_id > ?2 AND account_id <= ?3 AND EXISTS (SELECT 1 FROM permission_spreads \
                     WHERE kind = ?5 AND name = ?1 AND revision = ?6) AND {}",
                    spread.loss(),
                    spread.holders()
                ),
                &[name.clone(), from.clone(), to.clone(), done.clone(), kind.clone(), revision.clone()],
            )?,
            self.open_authorization(&done, now)?,
        ];
        if spread.removal == 1 {
            statements.push(self.prepare(
                "INSERT INTO audit_events (event_id, occurred_at, tenant, account_id, event, detail) \
                 SELECT lower(hex(randomblob(16))), ?1, tenant, account_id, ?2, ?3 FROM users \
                 WHERE authorization_operation = ?4",
                &[
                    millis(now),
                    AUTHORIZATION_CHANGED.into(),
                    format!("{} -{}: it was deleted", spread.kind, spread.name).into(),
                    done,
                ],
            )?);
            if spread.kind == "group" {
                let query = "DELETE FROM group_members WHERE group_name = ?1 AND account_id > ?2 AND account_id <= ?3 \
                             AND EXISTS (SELECT 1 FROM permission_spreads WHERE kind = 'group' AND name = ?1 AND revision = ?4)";
                statements.push(self.prepare(query, &[name.clone(), from, to, revision.clone()])?);
            }
        }
        let at = [kind, name, revision];
        statements.push(match &last {
            None => {
                let query = "DELETE FROM permission_spreads WHERE kind = ? AND name = ? AND revision = ?";
                self.prepare(query, &at)?
            }
            Some(last) => {
                let [kind, name, revision] = at;
                self.prepare(
                    "UPDATE permission_spreads SET reached = ? WHERE kind = ? AND name = ? AND revision = ?",
                    &[last.as_str().into(), kind, name, revision],
                )?
            }
        });
        self.batch(statements).await?;
        Ok(last)
    }
}

/// Begins to tell those whom the change of this name concerns. Whether some of them do not know yet: the cron goes on.
pub(crate) async fn spread(
    environment: &Environment,
    directory: &Directory,
    (kind, name): (&str, &str),
    now: UnixMillis,
) -> Result<bool, Problem> {
    match directory.spread_of(kind, name).await? {
        None => Ok(false),
        Some(spread) => go_on(environment, directory, spread, 1, now).await,
    }
}

/// Goes on with all of them, some slices at a time.
pub(crate) async fn spread_on(
    environment: &Environment,
    directory: &Directory,
    now: UnixMillis,
) -> Result<(), Problem> {
    for spread in directory.spreads().await? {
        go_on(environment, directory, spread, SLICES_A_MINUTE, now).await?;
    }
    Ok(())
}

async fn go_on(
    environment: &Environment,
    directory: &Directory,
    mut spread: Spread,
    slices: u32,
    now: UnixMillis,
) -> Result<bool, Problem> {
    let mut waiting = 0;
    for _ in 0..slices {
        let operation = OperationId::from_bytes(Ambient::read().random()?.into_bytes());
        let reached = directory.spread_slice(&spread, operation, now).await?;
        // Of several tenants, each account is told as its own has it: by the minute's work.
        waiting = match environment.has_tenants() {
            true => 1,
            false => organizations::tell(environment, directory, operation).await?.max(waiting),
        };
        match reached {
            None => return Ok(waiting > 0),
            Some(reached) => spread.reached = reached,
        }
    }
    Ok(true)
}
