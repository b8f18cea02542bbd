//! Codes and links of a shard, by mail or SMS: one record per subject and purpose, issued and used in one transaction each.

use super::decisions::Intake;
use super::{LINKS, LimitAnswer, MailSecretCall, PresentSecretCall, SHARD, SecretAnswer, SecretName};
use crate::object::records::{Expiring, Records};
use crate::outbox::message::{Incident, Mail, MailTemplate, Message, REPLAYED, Recipient};
use crate::wire::rate_limits::CountedLimit;
use postern_core::identifier::IdentifierKind;
use postern_core::intake::{
    CodeBinding, CodePurpose, ConsumeRefusal, MailOutcome, MailedPolicy, MailedSecret, PresentOutcome,
    PresentedSecret, mail_secret, present_secret,
};
use postern_core::throttle::LockoutRecords;
use postern_core::time::UnixMillis;
use worker::Result;

/// What else opens an account by its address: worthless once the password was reset.
const ENDED_BY_RESET: [CodePurpose; 3] =
    [CodePurpose::Login, CodePurpose::LoginLink, CodePurpose::SetPassword];

impl SecretName {
    fn binding(&self) -> CodeBinding<'_> {
        CodeBinding { purpose: self.purpose, tenant: &self.tenant, subject: self.bound_to.as_bytes() }
    }
}

impl Intake<'_> {
    /// Answers alike whoever the address belongs to: that is looked up by the consumer of the mail.
    pub(super) fn mail_secret(&self, call: MailSecretCall) -> Result<LimitAnswer> {
        let (key, policy) = (self.key_of(&call.name), self.policy_of(&call.name));
        let table = Expiring::new(self.sql, LINKS);
        let existing: Option<MailedSecret> = table.get(&key)?;
        let text = match policy.guesses {
            Some(limit) => limit.code_length(self.budget(&call.name.subject)?, self.now).of(&call.secret),
            None => call.secret.as_str(),
        };
        let (binding, secret) = (call.name.binding(), text.as_bytes());
        let (operation, pepper) = (call.operation, self.pepper()?);
        let write =
            match mail_secret(existing.as_ref(), &binding, secret, operation, pepper, self.now, &policy) {
                MailOutcome::Issued { write } => write,
                MailOutcome::Repeated => return Ok(LimitAnswer::ADMITTED),
                MailOutcome::TooSoon { retry_after_seconds } => {
                    return Ok(LimitAnswer::limited(retry_after_seconds, CountedLimit::Resend));
                }
            };
        // Links to a first password are mailed by sign-ups, which have a limit of their own.
        if call.name.purpose != CodePurpose::SetPassword {
            let limited = self.take_request(&call.name.subject, call.name.purpose, call.name.by_sms)?;
            if limited.retry_after_seconds.is_some() {
                return Ok(limited);
            }
        }
        self.store_secret(&key, &write, &policy)?;
        let to = Recipient::Address(call.to);
        let template = match call.template {
            MailTemplate::Code { purpose, ttl_seconds, .. } => {
                MailTemplate::Code { purpose, code: text.into(), ttl_seconds }
            }
            other => other,
        };
        let mail = Mail { tenant: call.name.tenant.to_string(), to, template, language: call.language };
        let id = self.digest(&[b"mailed secret", call.operation.as_bytes()]);
        self.post(call.shard, &id, Message::Mail(mail))?;
        Ok(LimitAnswer::ADMITTED)
    }

    /// Takes one from the limit on mails of a purpose, or on SMS of all.
    pub(super) fn take_request(
        &self,
        subject: &str,
        purpose: CodePurpose,
        by_sms: bool,
    ) -> Result<LimitAnswer> {
        let limit = match purpose {
            _ if by_sms => CountedLimit::Sms,
            CodePurpose::SignUp => CountedLimit::SignUp,
            _ => CountedLimit::Code,
        };
        self.take_message(&key(subject, purpose), subject, limit)
    }

    fn policy_of(&self, name: &SecretName) -> MailedPolicy {
        self.environment.mailed_policy(name.purpose, name.by_sms)
    }

    pub(super) fn present_secret(&self, call: &PresentSecretCall, uses_up: bool) -> Result<SecretAnswer> {
        let (key, policy) = (self.key_of(&call.name), self.policy_of(&call.name));
        let table = Expiring::new(self.sql, LINKS);
        let existing: Option<MailedSecret> = table.get(&key)?;
        let outcome = present_secret(
            existing.as_ref(),
            self.budget(&call.name.subject)?,
            &call.name.binding(),
            PresentedSecret {
                secret: call.secret.as_bytes(),
                operation: call.operation,
                against: call.against,
                changed_at: call.changed_at_millis.map(UnixMillis::new),
                uses_up,
            },
            self.keyring.peppers(),
            self.now,
            &policy,
        );
        match outcome {
            PresentOutcome::Used { write } => {
                self.store_secret(&key, &write, &policy)?;
                self.after_use(call)?;
                Ok(SecretAnswer::Used { operation: call.operation, against: call.against })
            }
            PresentOutcome::Right => Ok(SecretAnswer::Right),
            PresentOutcome::Repeated { operation, against } => Ok(SecretAnswer::Used { operation, against }),
            PresentOutcome::Refused { write, budget, reason } => {
                if reason == ConsumeRefusal::AlreadyUsed {
                    self.tell_of_replay(call)?;
                }
                if let Some(write) = write {
                    self.store_secret(&key, &write, &policy)?;
                }
                if let (Some(budget), Some(limit)) = (budget, policy.guesses) {
                    self.store_budget(&call.name.subject, &budget, limit)?;
                }
                Ok(SecretAnswer::Refused)
            }
        }
    }

    /// Has it written to the audit trail that the secret of a reset came back long after it was used.
    fn tell_of_replay(&self, call: &PresentSecretCall) -> Result<()> {
        let SecretName { tenant, purpose, bound_to, by_sms, .. } = &call.name;
        // It was sent from here.
        let shard: Option<u8> = Records::new(self.sql, SHARD).get(SHARD)?;
        let (CodePurpose::ResetPassword | CodePurpose::SetPassword, Some(shard)) = (purpose, shard) else {
            return Ok(());
        };
        let incident = Incident {
            tenant: tenant.to_string(),
            kind: if *by_sms { IdentifierKind::Phone } else { IdentifierKind::Email },
            identifier: bound_to.clone(),
            at: self.now,
            event: REPLAYED.into(),
            locks: false,
        };
        self.post(shard, &call.operation.to_string(), Message::Incident(incident))
    }

    /// Whoever reads what is sent to the address or number is its owner: failed passwords of this source are forgiven,
    /// and a reset takes every other way in with it.
    fn after_use(&self, call: &PresentSecretCall) -> Result<()> {
        let subject = &call.name.subject;
        self.store_attempts(subject, &call.source, LockoutRecords::after_success())?;
        if call.name.purpose == CodePurpose::ResetPassword {
            for purpose in ENDED_BY_RESET {
                Expiring::new(self.sql, LINKS).delete(&key(subject, purpose))?;
            }
        }
        Ok(())
    }

    /// Many accounts may want one address: their codes do not replace each other, and share its limits.
    fn key_of(&self, name: &SecretName) -> String {
        let key = key(&name.subject, name.purpose);
        match name.purpose {
            CodePurpose::ChangeIdentifier => {
                format!("{key}/{}", self.digest(&[b"change", name.bound_to.as_bytes()]))
            }
            _ => key,
        }
    }

    fn store_secret(&self, key: &str, secret: &MailedSecret, policy: &MailedPolicy) -> Result<()> {
        // While the next mail has to wait, the last one is remembered.
        let cooled = secret.secret.created_at.plus(policy.resend_after);
        let removable = secret.secret.removable_at(&policy.uses).max(cooled);
        Expiring::new(self.sql, LINKS).put(key, secret, removable)
    }
}

fn key(subject: &str, purpose: CodePurpose) -> String {
    format!("{subject}/{}", purpose.as_str())
}
