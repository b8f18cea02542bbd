//! The call by which a session's owner proves to be there once more. What proves it and what is said of the session
//! from then on are one commit.

use super::commit::Change;
use super::factors::{LastFactorChange, Presented, Used};
use super::{Account, AdmissionAnswer, AdmissionRefusal};
use postern_core::account::AccountRecord;
use postern_core::factor::{FactorMethod, FactorRecord, use_step_up_code};
use postern_core::grant::Admission;
use postern_core::id::{OperationId, SessionId, TenantId};
use postern_core::passkey::{
    Assertion, CheckedAssertion, Expected, Octets, PasskeyRecord, PasskeyRefusal, SignIn, SignInOutcome,
    sign_in_again,
};
use postern_core::session::{SessionRecord, ShownAgain, StepUpOutcome, StepUpRefusal, step_up};
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use worker::Result;

/// What somebody shows who has a session. Answered with an [`AdmissionAnswer`].
#[derive(Serialize, Deserialize)]
pub(crate) struct StepUpCall {
    pub(crate) tenant: TenantId,
    pub(crate) session: SessionId,
    /// Drawn for this request. The same one again is answered again.
    pub(crate) operation: OperationId,
    /// The version of the credential whose password was right, if one came.
    pub(crate) password: Option<u32>,
    pub(crate) presented: Option<Presented>,
    /// What a passkey answers, if one came: a challenge that was tagged for this session.
    pub(crate) challenge: Option<StepUpChallenge>,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct StepUpChallenge {
    pub(crate) bytes: Octets,
    pub(crate) expires_at: UnixMillis,
}

/// What a session was opened with that is no passkey, in `amr`.
const OTHERS: [&str; 3] = ["pwd", "otp", "sms"];

impl Account<'_> {
    pub(super) fn step_up(&self, call: &StepUpCall) -> Result<AdmissionAnswer> {
        let refused = |refusal| Ok(AdmissionAnswer::Refused(refusal));
        let Some(account) = self.load_in(&call.tenant)? else {
            return refused(AdmissionRefusal::SessionEnded);
        };
        let session = self.session(call.session)?;
        if let (Some(session), true) = (&session, self.last_factor_change()? == Some(call.operation)) {
            let admission = Box::new(Admission::of(&self.with_resolved(account), session, self.now));
            return Ok(AdmissionAnswer::Renewed { admission });
        }
        let (record, passkeys) = (self.factors()?.unwrap_or_default(), self.passkeys()?);
        let shown = ShownAgain {
            tenant: &call.tenant,
            password: call.password,
            factor: call.presented.as_ref().map(Presented::amr),
            is_guarded: self.is_guarded(&record, &passkeys),
        };
        let (renewed, clock, notices) = match step_up(&account, session.as_ref(), &shown, self.now) {
            StepUpOutcome::Renewed { session, clock, notices } => (session, clock, notices),
            StepUpOutcome::Refused(refusal) => return refused(refusal_of_step_up(refusal)),
        };
        let used = match self.shown_again(call, &account, &record, &passkeys)? {
            Ok(used) => used,
            Err(answer) => return Ok(answer),
        };
        let account = AccountRecord { clock, ..self.with_resolved(account) };
        let admission = Box::new(Admission::of(&account, &renewed, self.now));
        let factor_change = Some(LastFactorChange { operation: call.operation });
        let account = Some(account);
        self.commit(Change { account, put: vec![renewed], notices, factor_change, ..used })?;
        Ok(AdmissionAnswer::Renewed { admission })
    }

    /// What is to be stored of the factor that was shown; an answer if it was not right.
    fn shown_again(
        &self,
        call: &StepUpCall,
        account: &AccountRecord,
        record: &FactorRecord,
        passkeys: &PasskeyRecord,
    ) -> Result<std::result::Result<Change, AdmissionAnswer>> {
        let Some(presented) = &call.presented else { return Ok(Ok(Change::default())) };
        if let Presented::Passkey { assertion, .. } = presented {
            return self.asserted_again(call, passkeys, assertion);
        }
        if let Presented::Sent(method, code) = presented {
            return self.sent_again(call, account, record, (*method, code));
        }
        if !record.has_codes() {
            return Ok(Err(AdmissionAnswer::Refused(AdmissionRefusal::NotEnrolled)));
        }
        Ok(match self.use_up(account, record, presented)? {
            Used::Right(left) => Ok(Change { factors: Some(left), ..Change::default() }),
            Used::Wrong => Err(AdmissionAnswer::Refused(AdmissionRefusal::SecondFactorInvalid)),
            Used::Limited { retry_after_seconds } => Err(AdmissionAnswer::Limited { retry_after_seconds }),
        })
    }

    /// A code that was sent stands behind the password alone.
    fn sent_again(
        &self,
        call: &StepUpCall,
        account: &AccountRecord,
        record: &FactorRecord,
        code: (FactorMethod, &str),
    ) -> Result<std::result::Result<Change, AdmissionAnswer>> {
        if call.password.is_none() {
            return Ok(Err(AdmissionAnswer::Refused(AdmissionRefusal::FactorMissing)));
        }
        let owner = (&account.tenant, &account.id);
        Ok(match use_step_up_code(record, owner, call.session, code, self.peppers()?, self.now) {
            Err(retry_after_seconds) => Err(AdmissionAnswer::Limited { retry_after_seconds }),
            Ok((left, true)) => Ok(Change { factors: Some(left), ..Change::default() }),
            Ok((counted, false)) => {
                self.commit(Change { factors: Some(counted), ..Change::default() })?;
                Err(AdmissionAnswer::Refused(AdmissionRefusal::SecondFactorInvalid))
            }
        })
    }

    fn asserted_again(
        &self,
        call: &StepUpCall,
        passkeys: &PasskeyRecord,
        assertion: &Assertion,
    ) -> Result<std::result::Result<Change, AdmissionAnswer>> {
        let refused = Ok(Err(AdmissionAnswer::Refused(AdmissionRefusal::SecondFactorInvalid)));
        let Some((expected, challenge_expires_at)) = self.expected_again(call)? else { return refused };
        let verdict = self.verdict_on(passkeys, &assertion.id);
        let operation = call.operation;
        let attempt = SignIn { expected, challenge_expires_at, assertion, operation, verdict };
        let outcome = sign_in_again(passkeys, &attempt, self.now);
        if let SignInOutcome::Proven(passkeys) = outcome {
            return Ok(Ok(Change { passkeys: Some(passkeys), ..Change::default() }));
        }
        match self.signed_in(outcome, &assertion.id)? {
            super::PasskeyAnswer::Limited { retry_after_seconds } => {
                Ok(Err(AdmissionAnswer::Limited { retry_after_seconds }))
            }
            _ => refused,
        }
    }

    /// The passkey's answer in a call, checked up to its signature.
    pub(super) fn checked_again(
        &self,
        call: &StepUpCall,
        assertion: &Assertion,
    ) -> Result<std::result::Result<CheckedAssertion, PasskeyRefusal>> {
        match self.expected_again(call)? {
            Some((expected, _)) => Ok(self.passkeys()?.check(&expected, assertion, self.now)),
            None => Ok(Err(PasskeyRefusal::Unknown)),
        }
    }

    /// Behind another factor it is the session's first factor that a passkey stands with, unless that was a passkey too;
    /// elsewhere it has to be two by itself.
    fn expected_again<'a>(&'a self, call: &'a StepUpCall) -> Result<Option<(Expected<'a>, UnixMillis)>> {
        let (Some(Presented::Passkey { user_handle, .. }), Some(challenge), Some(party)) =
            (&call.presented, &call.challenge, self.party())
        else {
            return Ok(None);
        };
        let is_guarded = self.is_guarded(&self.factors()?.unwrap_or_default(), &self.passkeys()?);
        let has_other = |session: SessionRecord| session.amr.iter().any(|method| OTHERS.contains(&&**method));
        let is_behind = call.password.is_some() || self.session(call.session)?.is_some_and(has_other);
        let alone = !(is_guarded && is_behind);
        let (challenge, expires_at) = (challenge.bytes.as_bytes(), challenge.expires_at);
        Ok(Some((Expected { party, challenge, user_handle: user_handle.as_bytes(), alone }, expires_at)))
    }
}

impl Presented {
    const fn amr(&self) -> &'static [&'static str] {
        match self {
            Self::Totp(_) | Self::BackupCode(_) => FactorMethod::Totp.amr(),
            Self::Sent(method, _) => method.amr(),
            Self::Passkey { .. } | Self::NewPasskey(_) => FactorMethod::Passkey.amr(),
        }
    }
}

const fn refusal_of_step_up(refusal: StepUpRefusal) -> AdmissionRefusal {
    match refusal {
        StepUpRefusal::SessionEnded => AdmissionRefusal::SessionEnded,
        StepUpRefusal::CredentialStale => AdmissionRefusal::CredentialStale,
        StepUpRefusal::FactorMissing | StepUpRefusal::NothingShown => AdmissionRefusal::FactorMissing,
    }
}
