//! The Worker's side of intake shards.

use crate::environment::Environment;
use crate::object::call::{Unconfirmed, ask, ask_once};
use crate::object::intake::{
    AttemptAnswer, ClaimAnswer, ClaimSignUpCall, Claimed, FailedAttempts, IntakeCall, LimitAnswer,
    MailSecretCall, OpenSignUpCall, PresentSecretCall, ReportCall, ResendAnswer, ResendSignUpCall, SHARDS,
    SecretAnswer, SecretName, Selector, name,
};
use crate::outbox::message::{Incident, MailTemplate};
use crate::store::keyring::{Keyring, row_name};
use crate::wire::problem::Problem;
use crate::wire::rate_limits::CountedLimit;
use postern_core::id::{AccountId, OperationId, RegistrationId, TenantId};
use postern_core::identifier::{Identifier, IdentifierKind, Username};
use postern_core::intake::CodePurpose;
use postern_core::password::PasswordHash;
use postern_core::proof::AddressProven;
use postern_core::secret::SecretText;
use postern_core::throttle::PasswordCounts;
use postern_core::time::UnixMillis;
use serde::de::DeserializeOwned;

/// The version of a credential when its account is created.
pub(crate) const FIRST_CREDENTIAL: u32 = 1;

/// The intake shard of one identifier.
pub(crate) struct Intake<'a> {
    environment: &'a Environment,
    tenant: &'a TenantId,
    subject: String,
    shard: u8,
}

/// A sign-up about to wait for its code.
pub(crate) struct NewSignUp<'a> {
    pub(crate) name: &'a str,
    pub(crate) username: Option<&'a Username>,
    pub(crate) registration: RegistrationId,
    /// In full length; how much of it is mailed is decided by the guesses at the address.
    pub(crate) code: SecretText,
    pub(crate) password: Option<PasswordHash>,
    /// The language that the request would like best.
    pub(crate) language: Option<&'static str>,
}

/// A code or link about to be mailed, or sent by SMS.
pub(crate) struct NewSecret<'a> {
    pub(crate) purpose: CodePurpose,
    /// The account, address or number that it works for.
    pub(crate) bound_to: &'a str,
    /// A code in full length; how much of it is mailed is decided by the guesses at the address.
    pub(crate) secret: String,
    pub(crate) operation: OperationId,
    pub(crate) to: &'a Identifier,
    pub(crate) template: MailTemplate,
    /// The language that the request would like best.
    pub(crate) language: Option<&'static str>,
}

/// An attempt on a password that was counted and may be compared.
pub(crate) struct Attempt {
    /// The password of a sign-up that waits for its code.
    pub(crate) pending: Option<PasswordHash>,
    /// Whether the automatic lock holds from now on if it fails.
    pub(crate) locks_on_failure: bool,
}

/// A code or link that came back.
#[derive(Clone, Copy)]
pub(crate) struct PresentedSecret<'a> {
    pub(crate) secret: &'a str,
    pub(crate) operation: OperationId,
    /// The version of the account's credential; 0 without an account.
    pub(crate) against: u32,
    /// When the credential was changed: what was mailed before is not accepted.
    pub(crate) changed_at: Option<UnixMillis>,
}

/// A code or link that was accepted: only an intake shard's answer makes one.
pub(crate) struct UsedSecret {
    operation: OperationId,
    against: u32,
}

impl UsedSecret {
    /// The change that it is good for, this time and whenever it is repeated.
    pub(crate) const fn operation(&self) -> OperationId {
        self.operation
    }

    /// The version of the credential that the change is made against: the one that the secret first met.
    pub(crate) const fn against(&self) -> u32 {
        self.against
    }

    /// The proof that whoever asks reads what is sent to this account.
    pub(crate) const fn proof(self, account: AccountId, credential_version: u32) -> AddressProven {
        AddressProven::assertion(account, credential_version)
    }
}

impl<'a> Intake<'a> {
    /// The shard of an address, number or username.
    pub(crate) fn of_identifier(
        environment: &'a Environment,
        keyring: &Keyring,
        identifier: &Identifier,
    ) -> Self {
        let kind = identifier.kind().as_str().as_bytes();
        Self::of(environment, keyring, kind, identifier.value().as_bytes())
    }

    /// The shard of an account, for what follows after it exists.
    pub(crate) fn of_account(environment: &'a Environment, keyring: &Keyring, account: &AccountId) -> Self {
        Self::of(environment, keyring, b"account", account.as_bytes())
    }

    /// The shard of a name that somebody wants to have: the same in which logins by it are counted.
    pub(crate) fn of_username(environment: &'a Environment, keyring: &Keyring, username: &Username) -> Self {
        Self::of(environment, keyring, b"username", username.as_str().as_bytes())
    }

    fn of(environment: &'a Environment, keyring: &Keyring, kind: &[u8], value: &[u8]) -> Self {
        let tenant = environment.config().tenant();
        let digest = keyring.digest(&[b"intake", tenant.as_str().as_bytes(), kind, value]);
        let [first, .., last] = digest;
        let subject = row_name(&digest);
        // Shard and row name come from different bytes, so that a shard's rows do not share a prefix.
        Self { environment, tenant, subject, shard: (first ^ last) % SHARDS }
    }

    fn admitted(&self, answer: &LimitAnswer) -> Result<(), Problem> {
        let limit = answer.limit.unwrap_or(CountedLimit::Resend);
        answer.retry_after_seconds.map_or(Ok(()), |seconds| Err(self.environment.refused_by(limit, seconds)))
    }

    pub(crate) async fn open_sign_up(&self, contact: &Identifier, new: NewSignUp<'_>) -> Result<(), Problem> {
        let call = IntakeCall::OpenSignUp(Box::new(OpenSignUpCall {
            shard: self.shard,
            subject: self.subject.clone(),
            tenant: self.tenant.clone(),
            kind: contact.kind(),
            identifier: contact.value().into(),
            name: new.name.into(),
            username: new.username.map(|username| username.as_str().into()),
            registration: new.registration,
            code: new.code.expose().into(),
            password: new.password,
            language: new.language.map(Into::into),
        }));
        let answer: LimitAnswer = self.ask(&call).await.map_err(unavailable)?;
        self.admitted(&answer)
    }

    /// Mails the code of an attempt again.
    ///
    /// # Errors
    ///
    /// `code_invalid` if nothing of this registration waits for a code.
    pub(crate) async fn resend_sign_up(
        &self,
        contact: &Identifier,
        registration: RegistrationId,
        code: &SecretText,
        operation: OperationId,
        language: Option<&'static str>,
    ) -> Result<(), Problem> {
        let call = IntakeCall::ResendSignUp(Box::new(ResendSignUpCall {
            shard: self.shard,
            subject: self.subject.clone(),
            tenant: self.tenant.clone(),
            kind: contact.kind(),
            identifier: contact.value().into(),
            registration,
            operation,
            code: code.expose().into(),
            language: language.map(Into::into),
        }));
        match self.ask(&call).await.map_err(unavailable)? {
            ResendAnswer::Mailed => Ok(()),
            ResendAnswer::Limited { retry_after_seconds, limit } => {
                self.admitted(&LimitAnswer { retry_after_seconds: Some(retry_after_seconds), limit })
            }
            ResendAnswer::Unknown => Err(Problem::code_invalid()),
        }
    }

    /// Whether nobody who signs up holds this name; the sign-ups of `holder` hold it from now on, if they are to.
    pub(crate) async fn hold_name(&self, holder: Option<&Intake<'_>>) -> Result<bool, Problem> {
        let holder = holder.map(|intake| intake.subject.clone());
        let call = IntakeCall::HoldName { subject: self.subject.clone(), holder };
        self.ask(&call).await.map_err(unavailable)
    }

    /// Presents a sign-up code. `None` if it is not accepted, for whatever reason; otherwise what was claimed, and
    /// the proof that whoever asks reads what is sent to the address or number.
    pub(crate) async fn claim_sign_up(
        &self,
        contact: &Identifier,
        code: &SecretText,
        selector: Selector,
        account: AccountId,
        operation: OperationId,
    ) -> Result<Option<(Claimed, AddressProven)>, Problem> {
        let call = IntakeCall::ClaimSignUp(Box::new(ClaimSignUpCall {
            subject: self.subject.clone(),
            tenant: self.tenant.clone(),
            kind: contact.kind(),
            identifier: contact.value().into(),
            code: code.expose().into(),
            selector,
            account,
            operation,
        }));
        match self.ask(&call).await.map_err(unavailable)? {
            // Here and in `UsedSecret` the answer of an intake shard is believed, and nowhere else.
            ClaimAnswer::Claimed(claimed) => {
                let proof = AddressProven::assertion(claimed.account, FIRST_CREDENTIAL);
                Ok(Some((*claimed, proof)))
            }
            ClaimAnswer::Refused => Ok(None),
        }
    }

    pub(crate) async fn finish_sign_up(&self, operation: OperationId) -> Result<(), Problem> {
        let call = IntakeCall::FinishSignUp { subject: self.subject.clone(), operation };
        self.ask::<bool>(&call).await.map_err(unavailable)?;
        Ok(())
    }

    /// Counts an attempt on a password, before it is compared.
    pub(crate) async fn begin_attempt(&self, source: &str) -> Result<Attempt, Problem> {
        let attempt = self.ask_for_attempt(source, None).await?;
        attempt.ok_or_else(|| Problem::internal("intake", "an attempt was not counted"))
    }

    /// The same, unless the identifier has as many failures already: `None`, and it is not counted.
    pub(crate) async fn begin_attempt_below(
        &self,
        source: &str,
        failures: u32,
    ) -> Result<Option<Attempt>, Problem> {
        self.ask_for_attempt(source, Some(failures)).await
    }

    async fn ask_for_attempt(&self, source: &str, below: Option<u32>) -> Result<Option<Attempt>, Problem> {
        let call = IntakeCall::BeginAttempt { subject: self.subject.clone(), source: source.into(), below };
        let namespace = self.environment.intakes()?;
        let answer: AttemptAnswer =
            ask_once(&namespace, &name(self.shard), Some(self.tenant), &call).await.map_err(unavailable)?;
        match answer.retry_after_seconds {
            None if answer.too_many => Ok(None),
            None => {
                let (pending, locks_on_failure) = (answer.pending, answer.locks_on_failure);
                Ok(Some(Attempt { pending, locks_on_failure }))
            }
            Some(seconds) => {
                let limit = if answer.delayed { CountedLimit::Delay } else { CountedLimit::Lockout };
                Err(self.environment.refused_by(limit, seconds))
            }
        }
    }

    pub(crate) async fn clear_attempts(&self, source: &str) -> Result<(), Problem> {
        let call = IntakeCall::ClearAttempts { subject: self.subject.clone(), source: source.into() };
        self.ask::<bool>(&call).await.map_err(unavailable)?;
        Ok(())
    }

    /// Has something written to the audit trail if the identifier, whose shard this is, is an account's: that is looked up
    /// where no request can measure it.
    pub(crate) async fn report(
        &self,
        identifier: &Identifier,
        operation: OperationId,
        at: UnixMillis,
        event: &str,
        locks: bool,
    ) -> Result<(), Problem> {
        let (tenant, kind, event) = (self.tenant.to_string(), identifier.kind(), event.into());
        let incident = Incident { tenant, kind, identifier: identifier.value().into(), at, event, locks };
        let call = ReportCall { shard: self.shard, operation, incident };
        self.ask::<bool>(&IntakeCall::Report(Box::new(call))).await.map_err(unavailable)?;
        Ok(())
    }

    /// The failed attempts on this identifier.
    pub(crate) async fn attempts(&self) -> Result<FailedAttempts, Problem> {
        let call = IntakeCall::ShowAttempts { subject: self.subject.clone() };
        self.ask(&call).await.map_err(unavailable)
    }

    /// Forgets the failed attempts of every source on this identifier: an operator unlocks it.
    pub(crate) async fn forgive_attempts(&self) -> Result<(), Problem> {
        let call = IntakeCall::ForgiveAttempts { subject: self.subject.clone() };
        self.ask::<bool>(&call).await.map_err(unavailable)?;
        Ok(())
    }

    /// Sends a code or link. The same for every address and number.
    pub(crate) async fn mail_secret(&self, new: NewSecret<'_>) -> Result<(), Problem> {
        let call = IntakeCall::MailSecret(Box::new(MailSecretCall {
            shard: self.shard,
            name: self.name_of(new.purpose, new.bound_to, new.to.kind()),
            operation: new.operation,
            secret: new.secret,
            to: new.to.value().into(),
            template: new.template,
            language: new.language.map(Into::into),
        }));
        let answer: LimitAnswer = self.ask(&call).await.map_err(unavailable)?;
        self.admitted(&answer)
    }

    /// Counts a mail or SMS that this subject asks for to be sent to somebody else.
    pub(crate) async fn take_request(&self, purpose: CodePurpose, to: IdentifierKind) -> Result<(), Problem> {
        let by_sms = to == IdentifierKind::Phone;
        let call = IntakeCall::TakeRequest { subject: self.subject.clone(), purpose, by_sms };
        let answer: LimitAnswer = self.ask(&call).await.map_err(unavailable)?;
        self.admitted(&answer)
    }

    /// Presents a code or link, to be used up.
    ///
    /// # Errors
    ///
    /// `code_invalid` if it is not accepted, for whatever reason.
    pub(crate) async fn present_secret(
        &self,
        purpose: CodePurpose,
        bound_to: &str,
        sent_to: IdentifierKind,
        presented: PresentedSecret<'_>,
        source: &str,
    ) -> Result<UsedSecret, Problem> {
        let used = self.ask_of_secret(purpose, bound_to, sent_to, presented, source, true).await?;
        used.ok_or_else(Problem::code_invalid)
    }

    /// Presents a code or link, with `use_up` unless something else is to be shown before; then with its use, if it was
    /// used a moment ago.
    ///
    /// # Errors
    ///
    /// As for [`Intake::present_secret`]; a wrong guess counts in either case.
    pub(crate) async fn ask_of_secret(
        &self,
        purpose: CodePurpose,
        bound_to: &str,
        sent_to: IdentifierKind,
        presented: PresentedSecret<'_>,
        source: &str,
        use_up: bool,
    ) -> Result<Option<UsedSecret>, Problem> {
        let call = Box::new(PresentSecretCall {
            name: self.name_of(purpose, bound_to, sent_to),
            operation: presented.operation,
            against: presented.against,
            changed_at_millis: presented.changed_at.map(UnixMillis::as_millis),
            secret: presented.secret.into(),
            source: source.into(),
        });
        let call = if use_up { IntakeCall::PresentSecret(call) } else { IntakeCall::CompareSecret(call) };
        match self.ask(&call).await.map_err(unavailable)? {
            SecretAnswer::Used { operation, against } => Ok(Some(UsedSecret { operation, against })),
            SecretAnswer::Right => Ok(None),
            SecretAnswer::Refused => Err(Problem::code_invalid()),
        }
    }

    fn name_of(&self, purpose: CodePurpose, bound_to: &str, sent_to: IdentifierKind) -> SecretName {
        let (tenant, subject) = (self.tenant.clone(), self.subject.clone());
        let by_sms = sent_to == IdentifierKind::Phone;
        SecretName { tenant, subject, purpose, bound_to: bound_to.into(), by_sms }
    }

    async fn ask<A: DeserializeOwned>(&self, call: &IntakeCall) -> Result<A, Unconfirmed> {
        let namespace = self.environment.intakes().map_err(|problem| Unconfirmed::because(problem.code()))?;
        ask(&namespace, &name(self.shard), Some(self.tenant), call).await
    }
}

/// How many passwords were right and wrong, in all shards: those of all tenants together.
pub(crate) async fn password_counts(environment: &Environment) -> Result<PasswordCounts, Problem> {
    let namespace = environment.intakes()?;
    let mut total = PasswordCounts::default();
    for shard in 0..SHARDS {
        let counts: PasswordCounts =
            ask(&namespace, &name(shard), None, &IntakeCall::ShowCounts).await.map_err(unavailable)?;
        total = total.plus(counts);
    }
    Ok(total)
}

/// Tells a shard that messages were delivered.
pub(crate) async fn acknowledge(
    environment: &Environment,
    shard: u8,
    ids: Vec<String>,
) -> Result<(), Unconfirmed> {
    let namespace = environment.intakes().map_err(|problem| Unconfirmed::because(problem.code()))?;
    ask::<_, bool>(&namespace, &name(shard), None, &IntakeCall::Acknowledge { ids }).await.map(|_| ())
}

fn unavailable(error: Unconfirmed) -> Problem {
    Problem::unavailable("intake", error)
}
