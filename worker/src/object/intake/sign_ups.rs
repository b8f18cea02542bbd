//! Pending sign-ups of a shard, and the names that they hold.

use super::decisions::Intake;
use super::{
    ClaimAnswer, ClaimSignUpCall, Claimed, LimitAnswer, NAMES, OpenSignUpCall, ResendAnswer,
    ResendSignUpCall, SIGN_UPS, Selector,
};
use crate::object::records::Expiring;
use crate::outbox::message::{Mail, MailTemplate, Message, Recipient};
use crate::wire::rate_limits::CountedLimit;
use postern_core::id::{OperationId, TenantId};
use postern_core::identifier::IdentifierKind;
use postern_core::intake::{
    ClaimOutcome, ClaimRequest, ClaimSelector, NewSignUp, OpenSignUpOutcome, PendingSignUp, ResendOutcome,
    SignUpAddress, SignUpWrites, claim_sign_up, finish_sign_up, open_sign_up, resend_sign_up,
};
use postern_core::secret::SecretText;
use worker::Result;

/// More attempts than the policy keeps open on one address, claimed ones included.
const MOST_SIGN_UPS: u16 = 64;

impl Intake<'_> {
    pub(super) fn open_sign_up(&self, call: OpenSignUpCall) -> Result<LimitAnswer> {
        let existing = self.sign_ups(&call.subject)?;
        let is_repeated = existing.iter().any(|attempt| attempt.registration_id == call.registration);
        if !is_repeated {
            let limited = self.take_sign_up(&call.subject, call.kind)?;
            if limited.retry_after_seconds.is_some() {
                return Ok(limited);
            }
        }
        let kind = call.kind.as_str();
        let address = SignUpAddress { tenant: &call.tenant, kind, identifier: &call.identifier };
        let policy = self.environment.sign_up_policy();
        let length = policy.guesses.code_length(self.budget(&call.subject)?, self.now);
        let code = SecretText::new(length.of(&call.code).into());
        let new = NewSignUp {
            registration_id: call.registration,
            code: &code,
            password: call.password,
            display_name: Some(call.name),
            username: call.username,
        };
        let pepper = self.pepper()?;
        if let OpenSignUpOutcome::Opened { writes, .. } =
            open_sign_up(&existing, &address, new, pepper, self.now, &policy)
        {
            self.store_sign_ups(&call.subject, writes)?;
            // The id goes to the mail service, which must not learn the registration.
            let id = self.digest(&[b"sign-up mail", call.registration.as_bytes()]);
            self.mail_code(call.shard, &id, &call.tenant, (call.identifier, call.language), &code)?;
        }
        Ok(LimitAnswer::ADMITTED)
    }

    /// Takes one from the limit on sign-ups, and by phone from that on SMS.
    fn take_sign_up(&self, subject: &str, kind: IdentifierKind) -> Result<LimitAnswer> {
        let limited = self.take_message(subject, subject, CountedLimit::SignUp)?;
        if limited.retry_after_seconds.is_some() || kind != IdentifierKind::Phone {
            return Ok(limited);
        }
        self.take_message(subject, subject, CountedLimit::Sms)
    }

    pub(super) fn resend_sign_up(&self, call: ResendSignUpCall) -> Result<ResendAnswer> {
        let existing = self.sign_ups(&call.subject)?;
        let kind = call.kind.as_str();
        let address = SignUpAddress { tenant: &call.tenant, kind, identifier: &call.identifier };
        let policy = self.environment.sign_up_policy();
        let length = policy.guesses.code_length(self.budget(&call.subject)?, self.now);
        let code = SecretText::new(length.of(&call.code).into());
        let new = (call.registration, &code);
        let (operation, pepper) = (call.operation, self.pepper()?);
        match resend_sign_up(&existing, &address, new, operation, pepper, self.now, &policy) {
            ResendOutcome::Resent { writes } => {
                let LimitAnswer { retry_after_seconds, limit } =
                    self.take_sign_up(&call.subject, call.kind)?;
                if let Some(retry_after_seconds) = retry_after_seconds {
                    return Ok(ResendAnswer::Limited { retry_after_seconds, limit });
                }
                self.store_sign_ups(&call.subject, writes)?;
                let id = self.digest(&[b"sign-up mail", operation.as_bytes()]);
                self.mail_code(call.shard, &id, &call.tenant, (call.identifier, call.language), &code)?;
                Ok(ResendAnswer::Mailed)
            }
            ResendOutcome::Repeated => Ok(ResendAnswer::Mailed),
            ResendOutcome::TooSoon { retry_after_seconds } => {
                Ok(ResendAnswer::Limited { retry_after_seconds, limit: Some(CountedLimit::Resend) })
            }
            ResendOutcome::Unknown => Ok(ResendAnswer::Unknown),
        }
    }

    fn mail_code(
        &self,
        shard: u8,
        id: &str,
        tenant: &TenantId,
        (to, language): (String, Option<String>),
        code: &SecretText,
    ) -> Result<()> {
        let ttl_seconds = self.environment.sign_up_policy().time_to_live.as_secs();
        let template = MailTemplate::SignUpCode { code: code.expose().into(), ttl_seconds };
        let to = Recipient::Address(to);
        self.post(shard, id, Message::Mail(Mail { tenant: tenant.to_string(), to, template, language }))
    }

    /// A name is held for as long as a sign-up waits. The directory has the last word.
    pub(super) fn hold_name(&self, subject: &str, holder: Option<&String>) -> Result<bool> {
        let table = Expiring::new(self.sql, NAMES);
        let held: Option<(String, u64)> = table.get(subject)?;
        let is_held = |(by, until): (String, u64)| self.now.as_millis() < until && Some(&by) != holder;
        if held.is_some_and(is_held) {
            return Ok(false);
        }
        if let Some(holder) = holder {
            let until = self.now.plus(self.environment.sign_up_policy().time_to_live);
            table.put(subject, &(holder, until.as_millis()), until)?;
        }
        Ok(true)
    }

    pub(super) fn claim_sign_up(&self, call: ClaimSignUpCall) -> Result<ClaimAnswer> {
        let existing = self.sign_ups(&call.subject)?;
        let budget = self.budget(&call.subject)?;
        let kind = call.kind.as_str();
        let address = SignUpAddress { tenant: &call.tenant, kind, identifier: &call.identifier };
        let code = SecretText::new(call.code);
        let selector = match call.selector {
            Selector::Registration(id) => ClaimSelector::ByRegistration(id),
            Selector::Bare => ClaimSelector::Bare,
            Selector::Password(password) => ClaimSelector::WithPassword { password, display_name: None },
        };
        let request =
            ClaimRequest { code: &code, selector, account_id: call.account, operation_id: call.operation };
        let policy = self.environment.sign_up_policy();
        let outcome =
            claim_sign_up(&existing, budget, &address, request, self.keyring.peppers(), self.now, &policy);
        let sign_up = match outcome {
            ClaimOutcome::Claimed { sign_up, writes } => {
                self.store_sign_ups(&call.subject, writes)?;
                // They were about no account, or about nobody who could have proven it.
                self.forgive_attempts(&call.subject)?;
                sign_up
            }
            ClaimOutcome::Repeated { sign_up } => sign_up,
            ClaimOutcome::Refused { writes, .. } => {
                self.store_sign_ups(&call.subject, writes)?;
                return Ok(ClaimAnswer::Refused);
            }
        };
        Ok(ClaimAnswer::Claimed(Box::new(Claimed {
            account: sign_up.claim.account_id,
            operation: sign_up.claim.operation_id,
            name: sign_up.display_name,
            username: sign_up.username,
            password: sign_up.password,
            send_set_password_link: sign_up.claim.send_set_password_link,
            done: sign_up.claim.done,
        })))
    }

    pub(super) fn finish_sign_up(&self, subject: &str, operation: OperationId) -> Result<bool> {
        if let Some(finished) = finish_sign_up(&self.sign_ups(subject)?, operation) {
            let writes = SignUpWrites { put: vec![finished], ..SignUpWrites::default() };
            self.store_sign_ups(subject, writes)?;
        }
        Ok(true)
    }

    pub(super) fn sign_ups(&self, subject: &str) -> Result<Vec<PendingSignUp>> {
        Expiring::new(self.sql, SIGN_UPS).starting_with(&format!("{subject}/"), MOST_SIGN_UPS)
    }

    fn store_sign_ups(&self, subject: &str, writes: SignUpWrites) -> Result<()> {
        let table = Expiring::new(self.sql, SIGN_UPS);
        let policy = self.environment.sign_up_policy();
        for attempt in &writes.put {
            let key = format!("{subject}/{}", attempt.registration_id);
            table.put(&key, attempt, attempt.removable_at(&policy))?;
        }
        for id in &writes.delete {
            table.delete(&format!("{subject}/{id}"))?;
        }
        match writes.budget {
            Some(budget) => self.store_budget(subject, &budget, policy.guesses),
            None => Ok(()),
        }
    }
}
