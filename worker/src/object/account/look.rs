//! What the account says of a session to whoever shows it, and when the copy of that at the edge is made anew.

use super::commit::Change;
use super::factors::FACTORS;
use super::passkeys::{PASSKEYS, is_guarded};
use super::{ACCOUNT, Account, CheckedDevice, Done, OPERATIONS, SESSIONS};
use crate::environment::Environment;
use crate::object::records::{self, Records};
use crate::object::transaction::commit;
use crate::outbox::message::Message;
use crate::outbox::rows;
use crate::wire::problem::Problem;
use postern_core::account::AccountRecord;
use postern_core::id::{SessionId, TenantId};
use postern_core::session::{SessionRecord, SessionSnapshot, SessionVerdict, SnapshotRenewals};
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use worker::{Env, Error, Result, SqlStorage};

/// The row of the [`SnapshotRenewals`].
const RENEWALS: &str = "snapshot_renewals";

/// What an account answers about a session.
#[derive(Serialize, Deserialize)]
pub(crate) struct Looked {
    /// Whether the token is good that was asked with.
    pub(crate) verdict: SessionVerdict,
    /// What there is to say of a session that is live.
    pub(crate) snapshot: Option<SessionSnapshot>,
    /// The same of the account, whatever has become of the session.
    pub(crate) is_second_factor_enabled: bool,
}

/// What a copy of a session says that is made now; `None` if it is not live.
pub(crate) fn snapshot_of(
    sql: &SqlStorage,
    env: &Env,
    session: &SessionId,
    now: UnixMillis,
) -> Result<Option<SessionSnapshot>> {
    let found = records::get_both(sql, (ACCOUNT, ACCOUNT), (SESSIONS, &session.to_string()))?;
    let (Some::<AccountRecord>(account), Some::<SessionRecord>(session)) = found else { return Ok(None) };
    let environment = match Environment::open_for(env, Some(&account.tenant)) {
        Ok(environment) => environment,
        // Nobody asks for a tenant that is not configured any more.
        Err(problem) if problem.code() == Problem::tenant_unknown().code() => return Ok(None),
        Err(problem) => return Err(Error::RustError(problem.code().into())),
    };
    let has_factor = has_factor(sql, &environment)?;
    Ok(SessionSnapshot::of(&account, &session, has_factor, now))
}

/// Whether the account asks for a second factor, by what is stored.
fn has_factor(sql: &SqlStorage, environment: &Environment) -> Result<bool> {
    let (factors, passkeys) = records::get_both(sql, (ACCOUNT, FACTORS), (ACCOUNT, PASSKEYS))?;
    Ok(is_guarded(environment, &factors.unwrap_or_default(), &passkeys.unwrap_or_default()))
}

impl Account<'_> {
    /// Answers about a session, as [`AccountCall::Check`] does without a device, and has its copy made anew if none was lately:
    /// whoever asks had none, or an old one.
    ///
    /// [`AccountCall::Check`]: super::AccountCall::Check
    pub(super) fn look(&self, tenant: &TenantId, session: SessionId, account_version: u32) -> Result<Done> {
        let (verdict, _) = self.check(tenant, session, account_version, &CheckedDevice::Ignored)?;
        let (account, stored) = self.load_with(session)?;
        let Some(account) = account.filter(|account| account.tenant == *tenant) else {
            let (snapshot, is_second_factor_enabled) = (None, false);
            return Ok(Done::Read(records::write(&Looked { verdict, snapshot, is_second_factor_enabled })?));
        };
        let has_factor = has_factor(&self.sql(), self.environment)?;
        let snapshot =
            stored.and_then(|session| SessionSnapshot::of(&account, &session, has_factor, self.now));
        let is_renewed = match &snapshot {
            Some(snapshot) => self.renew(snapshot)?,
            None => false,
        };
        let answer = records::write(&Looked { verdict, snapshot, is_second_factor_enabled: has_factor })?;
        Ok(if is_renewed { Done::Written(answer) } else { Done::Read(answer) })
    }

    /// Has the copy of a session made anew, unless that was done lately.
    fn renew(&self, snapshot: &SessionSnapshot) -> Result<bool> {
        let config = self.environment.config();
        if !config.sessions().snapshots {
            return Ok(false);
        }
        let storage = self.state.storage();
        let sql = storage.sql();
        let stored: Option<SnapshotRenewals> = if self.tables.have_operations(&sql)? {
            Records::new(&sql, OPERATIONS).get(RENEWALS)?
        } else {
            None
        };
        let renewals = stored.unwrap_or_default().with(snapshot, config.tokens().access_ttl);
        let Some(renewals) = renewals else { return Ok(false) };
        let id = self.environment.draw_id()?;
        commit(&storage, || {
            self.tables.create(&sql)?;
            Records::new(&sql, OPERATIONS).put(RENEWALS, &renewals)?;
            rows::enqueue(&sql, &id, Message::Snapshot { session: snapshot.session }, self.now)
        })?;
        self.tables.are_created();
        Ok(true)
    }

    /// The sessions whose copies say something of second factors that is no longer so.
    pub(super) fn outdated(&self, change: &Change) -> Result<Vec<SessionId>> {
        if change.factors.is_none() && change.passkeys.is_none() {
            return Ok(Vec::new());
        }
        let (factors, passkeys) = (self.factors()?.unwrap_or_default(), self.passkeys()?);
        let had_factor = self.is_guarded(&factors, &passkeys);
        let factors = change.factors.as_ref().unwrap_or(&factors);
        let has_factor = self.is_guarded(factors, change.passkeys.as_ref().unwrap_or(&passkeys));
        if had_factor == has_factor {
            return Ok(Vec::new());
        }
        let written = |session: &SessionRecord| change.put.iter().any(|put| put.id == session.id);
        let sessions = self.sessions()?.into_iter();
        let live = sessions.filter(|session| session.revoked.is_none() && session.expired_at.is_none());
        Ok(live.filter(|session| !written(session)).map(|session| session.id).collect())
    }
}
