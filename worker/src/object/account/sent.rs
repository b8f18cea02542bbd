//! The calls about second factors that are sent: codes by mail and SMS. The code, its count and its message are one commit.

use super::Account;
use super::commit::Change;
use super::decisions::secret_of;
use super::factors::{FactorAnswer, FactorRefusal, LastFactorChange, Presented, told};
use crate::outbox::message::{Mail, MailTemplate, Recipient};
use postern_core::account::AccountRecord;
use postern_core::factor::{
    BackupCodes, ChallengeId, CodeOwner, ContactOutcome, FactorChange, FactorMethod, FactorRecord,
    SENT_CODE_TTL, SendRefusal, begin_contact, confirm_contact, send_code, send_step_up_code,
};
use postern_core::id::{ClientId, OperationId, SessionId};
use postern_core::intake::CodePurpose;
use postern_core::password::Pepper;
use postern_core::session::DeviceHint;
use postern_core::throttle::RateLimit;
use serde::{Deserialize, Serialize};
use worker::{Error, Result};

/// What is wanted of codes that are sent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SentOrder {
    /// Send one to the account's address or number, which is to be a factor. Its owner has been asked for; the factor of an
    /// account that has one comes with it, unless the session has shown it lately, and is used up only if a code is sent.
    Begin {
        method: FactorMethod,
        to: String,
        code: String,
        language: Option<String>,
        /// Whether the session has shown a factor lately. A Worker of before has asked for it by itself.
        #[serde(default = "shown_before")]
        recently: bool,
        #[serde(default)]
        presented: Option<Presented>,
    },
    /// It came back. Without backup codes, which cost more than a guess should, an account that has none is told so.
    Confirm { method: FactorMethod, code: String, backup: Option<BackupCodes> },
    /// Send one for a session whose owner is to prove to be there once more.
    ForSession { method: FactorMethod, code: String, session: SessionId, language: Option<String> },
    /// Send one for a login that waits.
    ForLogin {
        method: FactorMethod,
        code: String,
        client_id: ClientId,
        device: DeviceHint,
        /// base64url of the login's secret.
        secret: String,
        language: Option<String>,
    },
}

const fn shown_before() -> bool {
    true
}

/// What is answered to an order that was carried out before.
pub(super) fn repeated(order: SentOrder, record: &FactorRecord) -> FactorAnswer {
    let to = match order {
        SentOrder::Begin { to, .. } => Some(to),
        SentOrder::ForSession { method, .. } | SentOrder::ForLogin { method, .. } => {
            record.contact(method).map(|contact| contact.value.clone())
        }
        SentOrder::Confirm { .. } => None,
    };
    to.map_or(FactorAnswer::Done { pending: false }, |to| FactorAnswer::Sent { to })
}

impl Account<'_> {
    pub(super) fn sent(
        &self,
        account: &AccountRecord,
        record: FactorRecord,
        operation: OperationId,
        order: SentOrder,
    ) -> Result<FactorAnswer> {
        match order {
            SentOrder::Begin { method, to, code, language, recently, presented } => {
                let pepper = self.pepper()?;
                let owner = CodeOwner { tenant: &account.tenant, account: &account.id, pepper };
                let begin =
                    |record: &FactorRecord| begin_contact(record, owner, method, to.clone(), &code, self.now);
                // Nothing is used up, nor compared, for a code that is not sent.
                let limit = self.limit_of(method)?;
                if let Err(refusal) = begin(&record).and_then(|begun| begun.rated(method, limit, self.now)) {
                    return Ok(refused(refusal));
                }
                let left = match presented {
                    _ if recently || !self.is_guarded(&record, &self.passkeys()?) => record,
                    None => return Ok(FactorAnswer::Refused(FactorRefusal::Missing)),
                    Some(_) if !record.has_codes() => {
                        return Ok(FactorAnswer::Refused(FactorRefusal::Missing));
                    }
                    Some(presented) => match self.tried(account, &record, &presented)? {
                        Ok(left) => left,
                        Err(answer) => return Ok(answer),
                    },
                };
                let begun = begin(&left).map(|record| (record, to.clone()));
                self.send(account, begun, operation, (method, code.clone()), language)
            }
            SentOrder::ForSession { method, code, session, language } => {
                let owner =
                    CodeOwner { tenant: &account.tenant, account: &account.id, pepper: self.pepper()? };
                let sent = send_step_up_code(&record, owner, session, (method, &code), self.now);
                self.send(account, sent, operation, (method, code), language)
            }
            SentOrder::ForLogin { method, code, client_id, device, secret, language } => {
                let secret = secret_of(&secret)?;
                let id = ChallengeId { tenant: &account.tenant, account: &account.id, secret: &secret };
                let peppers = (self.peppers()?, self.pepper()?);
                let sent = send_code(&record, id, (&client_id, &device), (method, &code), peppers, self.now);
                self.send(account, sent, operation, (method, code), language)
            }
            SentOrder::Confirm { method, code, backup } => {
                let owner = (&account.tenant, &account.id);
                let peppers = self.peppers()?;
                match confirm_contact(&record, owner, method, &code, backup, peppers, self.now) {
                    ContactOutcome::Confirmed(confirmed) => {
                        let factors = Some(confirmed);
                        self.commit(Change { factors, ..told(operation, FactorChange::Enabled) })?;
                        Ok(FactorAnswer::Done { pending: false })
                    }
                    ContactOutcome::Wrong(counted) => {
                        self.commit(Change { factors: Some(counted), ..Change::default() })?;
                        Ok(FactorAnswer::Refused(FactorRefusal::Wrong))
                    }
                    ContactOutcome::BackupCodesWanted => Ok(FactorAnswer::BackupCodesWanted),
                    ContactOutcome::NotBegun => Ok(FactorAnswer::Refused(FactorRefusal::NotBegun)),
                    ContactOutcome::Paused { retry_after_seconds } => {
                        Ok(FactorAnswer::Limited { retry_after_seconds })
                    }
                }
            }
        }
    }

    fn send(
        &self,
        account: &AccountRecord,
        sent: std::result::Result<(FactorRecord, String), SendRefusal>,
        operation: OperationId,
        (method, code): (FactorMethod, String),
        language: Option<String>,
    ) -> Result<FactorAnswer> {
        let limit = self.limit_of(method)?;
        let rated = sent.and_then(|(record, to)| Ok((record.rated(method, limit, self.now)?, to)));
        let (record, to) = match rated {
            Ok(sent) => sent,
            Err(refusal) => return Ok(refused(refusal)),
        };
        let (purpose, ttl_seconds) = (CodePurpose::SecondFactor, SENT_CODE_TTL.as_secs());
        let mail = Mail {
            tenant: account.tenant.to_string(),
            to: Recipient::Address(to.clone()),
            template: MailTemplate::Code { purpose, code, ttl_seconds },
            language,
        };
        let factor_change = Some(LastFactorChange { operation });
        self.commit(Change { factors: Some(record), factor_change, mail: Some(mail), ..Change::default() })?;
        Ok(FactorAnswer::Sent { to })
    }

    /// What an account may be sent, as anybody who asks for codes to one address or number may.
    fn limit_of(&self, method: FactorMethod) -> Result<Option<RateLimit>> {
        let limits = self.environment.config().limits();
        let limit =
            if method == FactorMethod::Sms { limits.sms_per_identifier } else { limits.code_per_identifier };
        let limit = limit.map(|limit| RateLimit::new(limit.count(), limit.period())).transpose();
        limit.map_err(|error| Error::RustError(error.to_string()))
    }

    fn pepper(&self) -> Result<&Pepper> {
        let current = self.peppers()?.current();
        current.ok_or_else(|| Error::RustError("there is no pepper".into()))
    }
}

const fn refused(refusal: SendRefusal) -> FactorAnswer {
    match refusal {
        SendRefusal::NoLogin => FactorAnswer::Refused(FactorRefusal::NoLogin),
        SendRefusal::NotEnrolled => FactorAnswer::Refused(FactorRefusal::NotEnrolled),
        SendRefusal::TooSoon { retry_after_seconds } => FactorAnswer::Limited { retry_after_seconds },
    }
}
