//! What an account stores of a decision, in one transaction, and the outbox rows that it brings about.

use super::factors::{FACTOR_CHANGE, FACTORS, LastFactorChange};
use super::passkeys::PASSKEYS;
use super::proofs::PROOFS;
use super::{ACCOUNT, Account, FactorAnswer, OPERATIONS, SESSIONS, StatusAnswer};
use crate::environment::Environment;
use crate::object::orders::{self, ORDERS};
use crate::object::records::{self, Records};
use crate::object::transaction::commit;
use crate::outbox::message::{AuditEvent, Mail, MailTemplate, Message, Recipient};
use crate::outbox::{marks, rows};
use postern_core::account::AccountRecord;
use postern_core::factor::{FactorChange, FactorRecord};
use postern_core::id::{OperationId, SessionId, TenantId};
use postern_core::json;
use postern_core::order;
use postern_core::passkey::PasskeyRecord;
use postern_core::revocation::{RevocationMark, Revoked};
use postern_core::session::{Acquaintance, DeviceWatch, KnownDevices, Notice, SessionAudit, SessionRecord};
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};
use worker::{Error, Result, SqlStorage};

/// The row of the [`KnownDevices`].
const KNOWN_DEVICES: &str = "known_devices";
/// The row of the [`DeviceWatch`].
const DEVICE_WATCH: &str = "device_watch";
/// The row of [`RevokedAll`].
const REVOKE_ALL: &str = "revoke_all";
/// How long an ended session is kept, so that its tokens are refused by name.
const KEEP_ENDED: Seconds = Seconds::new(86_400);
/// How many ended sessions are kept at most.
const MOST_ENDED: usize = 200;
/// How many sessions get marks of their own when the account's version has risen.
const MOST_NAMED: usize = 32;

/// What one decision wants stored, all of it or nothing.
#[derive(Default)]
pub(super) struct Change {
    pub(super) account: Option<AccountRecord>,
    /// Sessions that have ended, or of which something else is true now.
    pub(super) put: Vec<SessionRecord>,
    pub(super) opened: Option<SessionRecord>,
    pub(super) advanced: Option<Advanced>,
    pub(super) revoked_all: Option<RevokedAll>,
    pub(super) notices: Vec<Notice>,
    pub(super) factors: Option<FactorRecord>,
    pub(super) factor_change: Option<LastFactorChange>,
    pub(super) passkeys: Option<PasskeyRecord>,
    /// A line of the audit log that no notice brings.
    pub(super) event: Option<&'static str>,
    /// What else that line says.
    pub(super) detail: Option<String>,
    /// What the owner is told of second factors.
    pub(super) factor_told: Option<FactorChange>,
    /// The address that a change of credentials is told to; the account's own if there is none.
    pub(super) notify: Option<String>,
    pub(super) welcome: Option<Welcome>,
    /// A message that the change itself brings.
    pub(super) mail: Option<Mail>,
    /// What is answered to an order, for its repetition.
    pub(super) order: Option<Order>,
    /// Nothing but the account's own record is kept.
    pub(super) purged: bool,
    /// The copy of the status is to be brought up to date, although nothing has changed here.
    pub(super) copy_status: bool,
    /// The session was opened from a device that the account has not seen lately. Found out by the commit itself.
    pub(super) new_device: bool,
    /// Second factors pause from now on. Found out by the commit itself.
    pub(super) factors_paused: bool,
}

/// An order that was carried out.
pub(super) struct Order {
    pub(super) operation: String,
    pub(super) told: String,
    pub(super) answer: OrderAnswer,
}

/// What an order was answered with: as it is, since whoever repeats the order knows what it is about.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum OrderAnswer {
    Status(StatusAnswer),
    Factor(FactorAnswer),
}

/// A new account is greeted.
pub(super) struct Welcome {
    /// The language that its owner would like best.
    pub(super) language: Option<String>,
}

/// A session with a new generation, and the operation that brought it about.
pub(super) struct Advanced {
    pub(super) session: SessionRecord,
    pub(super) operation: OperationId,
}

/// The last time that all sessions were ended, to answer a repetition from.
#[derive(Serialize, Deserialize)]
pub(super) struct RevokedAll {
    pub(super) operation: OperationId,
    pub(super) revoked: u32,
}

/// A session's row, and in it the operation that made it so.
#[derive(Serialize)]
struct AdvancedRow<'a> {
    #[serde(flatten)]
    session: &'a SessionRecord,
    refresh_operation: OperationId,
}

/// The same row again, without the session.
#[derive(Deserialize)]
struct LastRefresh {
    #[serde(default)]
    refresh_operation: Option<OperationId>,
}

impl Change {
    /// A change of factors that its owner and the audit trail are told of.
    pub(super) fn told(change: FactorChange) -> Self {
        Self { factor_told: Some(change), event: Some(change.event()), ..Self::default() }
    }

    pub(super) fn of(account: AccountRecord) -> Self {
        Self { account: Some(account), ..Self::default() }
    }
}

impl Account<'_> {
    /// Stores notices that no change brings, but for those that were told lately. Says whether any are left.
    pub(super) fn tell(&self, notices: Vec<Notice>) -> Result<bool> {
        // What is refused or asked again and again must not write each time.
        let (news, _) = self.device_watch(&notices)?.once(notices);
        let told = !news.is_empty();
        if told {
            self.commit(Change { notices: news, ..Change::default() })?;
        }
        Ok(told)
    }

    /// What was lately told, if that matters to any of these.
    fn device_watch(&self, notices: &[Notice]) -> Result<DeviceWatch> {
        if !notices.iter().any(DeviceWatch::watches) || !self.tables.have_operations(&self.sql())? {
            return Ok(DeviceWatch::default());
        }
        Ok(Records::new(&self.sql(), OPERATIONS).get(DEVICE_WATCH)?.unwrap_or_default())
    }

    fn known_devices(&self) -> Result<KnownDevices> {
        if !self.tables.have_operations(&self.sql())? {
            return Ok(KnownDevices::default());
        }
        Ok(Records::new(&self.sql(), OPERATIONS).get(KNOWN_DEVICES)?.unwrap_or_default())
    }

    pub(super) fn commit(&self, mut change: Change) -> Result<()> {
        let watch = self.device_watch(&change.notices)?;
        let (notices, watch) = watch.once(core::mem::take(&mut change.notices));
        change.notices = notices;
        let known_devices = match &change.opened {
            Some(session) => {
                let (acquaintance, known) = self.known_devices()?.meet(&session.fingerprint);
                change.new_device = acquaintance == Acquaintance::New;
                known
            }
            None => None,
        };
        if let Some(factors) = &change.factors {
            change.factors_paused = factors.pauses_since(&self.factors()?.unwrap_or_default(), self.now);
        }
        let storage = self.state.storage();
        let sql = storage.sql();
        let accounts = Records::new(&sql, ACCOUNT);
        let sessions = Records::new(&sql, SESSIONS);
        let before = self.load()?;
        let Some(account) = change.account.as_ref().or(before.as_ref()) else { return Err(vanished()) };
        let messages = self.messages(account, before.as_ref(), &change)?;
        let forgotten = if change.opened.is_some() { self.forgotten()? } else { Vec::new() };
        commit(&storage, || {
            self.tables.create(&sql)?;
            accounts.put(ACCOUNT, account)?;
            if let Some(factors) = &change.factors {
                accounts.put(FACTORS, factors)?;
            }
            if let Some(passkeys) = &change.passkeys {
                accounts.put(PASSKEYS, passkeys)?;
            }
            if let Some(done) = &change.factor_change {
                Records::new(&sql, OPERATIONS).put(FACTOR_CHANGE, done)?;
            }
            for session in change.put.iter().chain(&change.opened) {
                sessions.put(&session.id.to_string(), session)?;
            }
            if let Some(Advanced { session, operation }) = &change.advanced {
                let row = AdvancedRow { session, refresh_operation: *operation };
                sessions.put(&session.id.to_string(), &row)?;
            }
            if let Some(known_devices) = &known_devices {
                Records::new(&sql, OPERATIONS).put(KNOWN_DEVICES, known_devices)?;
            }
            if let Some(watch) = &watch {
                Records::new(&sql, OPERATIONS).put(DEVICE_WATCH, watch)?;
            }
            if let Some(revoked_all) = &change.revoked_all {
                Records::new(&sql, OPERATIONS).put(REVOKE_ALL, revoked_all)?;
            }
            if let Some(Order { operation, told, answer }) = &change.order {
                records::create_expiring(&sql, &[ORDERS])?;
                orders::remember(&sql, operation, told, answer, self.now)?;
            }
            if change.purged {
                accounts.delete(FACTORS)?;
                accounts.delete(PASSKEYS)?;
                records::create_expiring(&sql, &[ORDERS, PROOFS])?;
                for table in [SESSIONS, OPERATIONS, ORDERS, PROOFS] {
                    Records::new(&sql, table).clear()?;
                }
            }
            for session in forgotten {
                sessions.delete(&session.to_string())?;
            }
            for (id, message) in messages {
                rows::enqueue(&sql, &id, message, self.now)?;
            }
            Ok(())
        })?;
        self.tables.are_created();
        Ok(())
    }

    /// The outbox rows that a change brings about.
    fn messages(
        &self,
        account: &AccountRecord,
        before: Option<&AccountRecord>,
        change: &Change,
    ) -> Result<Vec<(String, Message)>> {
        let mut messages = Vec::new();
        let until = self.now.plus(Environment::longest_access_token());
        let snapshots = self.environment.config().sessions().snapshots;
        let mark = |revoked| Message::Mark(RevocationMark { account: account.id, revoked, until });
        let new_version = before.is_some_and(|before| before.account_version < account.account_version);
        if new_version {
            messages.push(mark(Revoked::OlderThan(account.account_version)));
        }
        // A new version covers every token of before, so that the sessions need no marks of their own; a few
        // have one, since "revoked" says more than "stale".
        let name_each = !new_version || change.put.len() <= MOST_NAMED;
        for session in &change.put {
            if session.revoked.is_some() && name_each {
                messages.push(mark(Revoked::Session(session.id)));
            }
            if snapshots && (session.revoked.is_some() || session.expired_at.is_none()) {
                messages.push(Message::Snapshot { session: session.id });
            }
        }
        if let Some(session) = change.opened.as_ref().filter(|_| snapshots) {
            messages.push(Message::Snapshot { session: session.id });
        }
        if snapshots {
            let outdated = self.outdated(change)?;
            messages.extend(outdated.into_iter().map(|session| Message::Snapshot { session }));
        }
        if change.copy_status {
            messages.push(Message::Status);
        }
        let list_of = |account: &AccountRecord| account.entitlements.version;
        if before.map_or(0, list_of) != list_of(account) {
            messages.push(Message::Audit(AuditEvent {
                occurred_at: self.now,
                tenant: account.tenant.to_string(),
                account: Some(account.id),
                session: None,
                event: "entitlements_changed".into(),
                detail: Some(account.entitlements.names_at(self.now).join(" ")),
            }));
        }
        let paused = change.factors_paused.then_some(FactorChange::Paused);
        let events = [change.event, paused.map(FactorChange::event)];
        for (event, detail) in events.into_iter().zip([change.detail.clone(), None]) {
            let Some(event) = event else { continue };
            messages.push(Message::Audit(AuditEvent {
                occurred_at: self.now,
                tenant: account.tenant.to_string(),
                account: Some(account.id),
                session: None,
                event: event.into(),
                detail,
            }));
        }
        for told in change.factor_told.into_iter().chain(paused) {
            messages.push(Message::Mail(Mail {
                tenant: account.tenant.to_string(),
                to: Recipient::Account(account.id),
                template: MailTemplate::FactorChanged(told),
                language: None,
            }));
        }
        if let Some(mail) = &change.mail {
            messages.push(Message::Mail(mail.clone()));
        }
        if let Some(Welcome { language }) = &change.welcome {
            messages.push(Message::Mail(Mail {
                tenant: account.tenant.to_string(),
                to: Recipient::Account(account.id),
                template: MailTemplate::Welcome,
                language: language.clone(),
            }));
        }
        if change.new_device {
            messages.push(Message::Audit(AuditEvent {
                occurred_at: self.now,
                tenant: account.tenant.to_string(),
                account: Some(account.id),
                session: change.opened.as_ref().map(|session| session.id),
                event: "new_device".into(),
                detail: None,
            }));
            if self.environment.config().mail().new_device {
                messages.push(Message::Mail(Mail {
                    tenant: account.tenant.to_string(),
                    to: Recipient::Account(account.id),
                    template: MailTemplate::NewDevice,
                    language: None,
                }));
            }
        }
        for notice in &change.notices {
            messages.extend(self.notice(account, notice, change.notify.as_ref()));
        }
        messages
            .into_iter()
            .map(|message| {
                let id = self.environment.draw_id()?;
                Ok((if matches!(message, Message::Mark(_)) { marks::row_id(&id) } else { id }, message))
            })
            .collect()
    }

    /// Audit lines and mails. Marks and snapshots follow from the records themselves.
    fn notice(&self, account: &AccountRecord, notice: &Notice, notify: Option<&String>) -> Vec<Message> {
        let audit = |session: Option<SessionId>, at: UnixMillis, event: String, detail: Option<String>| {
            let tenant = account.tenant.to_string();
            Message::Audit(AuditEvent {
                occurred_at: at,
                tenant,
                account: Some(account.id),
                session,
                event,
                detail,
            })
        };
        match notice {
            // The notice of the revocation itself has the reason too; one line is enough.
            Notice::Audit { event: SessionAudit::SessionRevoked, .. } => Vec::new(),
            Notice::Audit { event, session, at } => vec![audit(*session, *at, name_of(event), None)],
            Notice::Revoked { session, reason, at } => {
                vec![audit(*session, *at, "session_revoked".into(), Some(reason.code().into()))]
            }
            Notice::DeviceAnomaly { session, differs, at } => {
                let detail = Some(differs.name().into());
                vec![audit(Some(*session), *at, "device_anomaly_detected".into(), detail)]
            }
            Notice::DeviceRejected { session, differs, at } => {
                let detail = Some(differs.name().into());
                vec![audit(Some(*session), *at, "device_binding_rejected".into(), detail)]
            }
            // The audit line comes as a notice of its own.
            Notice::ReuseDetected { .. } => vec![Message::Mail(Mail {
                tenant: account.tenant.to_string(),
                to: Recipient::Account(account.id),
                template: MailTemplate::SessionReuse,
                language: None,
            })],
            Notice::CredentialChanged { change, at } => vec![
                audit(None, *at, name_of(change), None),
                Message::Mail(Mail {
                    tenant: account.tenant.to_string(),
                    to: notify.map_or(Recipient::Account(account.id), |to| Recipient::Address(to.clone())),
                    template: MailTemplate::CredentialChanged(*change),
                    language: None,
                }),
            ],
            Notice::StatusChanged { status, until, by, reason, at } => {
                let mut detail = String::from(status.name());
                if let Some(until) = until {
                    detail = detail + " until " + &until.as_millis().to_string();
                }
                detail = detail + " by " + by.name();
                if let Some(reason) = reason {
                    detail = detail + ": " + reason.as_str();
                }
                vec![audit(None, *at, "account_status_changed".into(), Some(detail)), Message::Status]
            }
            Notice::StateRegressed { session, presented, current, at } => {
                worker::console_error!("account {}: presented {presented:?}, stored {current:?}", account.id);
                let detail = format!("presented {}, stored {}", presented.as_u32(), current.as_u32());
                vec![audit(Some(*session), *at, "state_regressed".into(), Some(detail))]
            }
        }
    }

    /// Ended sessions that nobody needs to be told of any more: those that ended long ago, and the oldest of too
    /// many. Looked for when one is opened.
    fn forgotten(&self) -> Result<Vec<SessionId>> {
        let mut ended: Vec<(UnixMillis, SessionId)> = self
            .sessions()?
            .into_iter()
            .map(|session| (ended_at(&session), session.id))
            .filter(|(at, _)| *at <= self.now)
            .collect();
        order::sort_by_key(&mut ended, |(at, _)| core::cmp::Reverse(*at));
        let forgotten = ended
            .into_iter()
            .enumerate()
            .filter(|(newer, (at, _))| *newer >= MOST_ENDED || at.plus(KEEP_ENDED) < self.now);
        Ok(forgotten.map(|(_, (_, session))| session).collect())
    }

    pub(super) fn sql(&self) -> SqlStorage {
        self.state.storage().sql()
    }

    pub(super) fn was_opened(&self) -> Result<bool> {
        self.tables.are_opened(&self.sql())
    }

    pub(super) fn load(&self) -> Result<Option<AccountRecord>> {
        if self.was_opened()? { Records::new(&self.sql(), ACCOUNT).get(ACCOUNT) } else { Ok(None) }
    }

    pub(super) fn load_in(&self, tenant: &TenantId) -> Result<Option<AccountRecord>> {
        Ok(self.load()?.filter(|account| account.tenant == *tenant))
    }

    /// The account and one of its sessions, by one statement.
    pub(super) fn load_with(
        &self,
        session: SessionId,
    ) -> Result<(Option<AccountRecord>, Option<SessionRecord>)> {
        let sql = self.sql();
        if !self.was_opened()? {
            return Ok((None, None));
        }
        records::get_both(&sql, (ACCOUNT, ACCOUNT), (SESSIONS, &session.to_string()))
    }

    pub(super) fn session(&self, session: SessionId) -> Result<Option<SessionRecord>> {
        if !self.was_opened()? {
            return Ok(None);
        }
        Records::new(&self.sql(), SESSIONS).get(&session.to_string())
    }

    /// The operation that last advanced a session.
    pub(super) fn last_refresh(&self, session: SessionId) -> Result<Option<OperationId>> {
        let row: Option<LastRefresh> = Records::new(&self.sql(), SESSIONS).get(&session.to_string())?;
        Ok(row.and_then(|row| row.refresh_operation))
    }

    pub(super) fn last_revoke_all(&self) -> Result<Option<RevokedAll>> {
        if !self.tables.have_operations(&self.sql())? {
            return Ok(None);
        }
        Records::new(&self.sql(), OPERATIONS).get(REVOKE_ALL)
    }

    /// All sessions, however many: what ends all must not miss one.
    pub(super) fn sessions(&self) -> Result<Vec<SessionRecord>> {
        if !self.was_opened()? {
            return Ok(Vec::new());
        }
        Records::new(&self.sql(), SESSIONS).all()
    }
}

/// When a session has ended or will.
fn ended_at(session: &SessionRecord) -> UnixMillis {
    let expiry = session.idle_expires_at.min(session.absolute_expires_at);
    let revoked = session.revoked.map(|revocation| revocation.at);
    revoked.or(session.expired_at).unwrap_or(expiry).min(expiry)
}

/// The name under which an event is serialized.
fn name_of(event: &impl Serialize) -> String {
    let text = json::write(event).unwrap_or_default();
    text.trim_matches('"').into()
}

pub(super) fn vanished() -> Error {
    Error::RustError("a decision named a record that is not there".into())
}
