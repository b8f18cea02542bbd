//! The calls about passkeys: registering, listing and removing them, and signing in with one.
//!
//! A challenge, the counter of a passkey, and what an answer brings about are one commit. Signatures by ECDSA and RSA
//! are the host's to check, which takes a wait: so they are checked before anything is decided, for the key that the
//! answer names, and all is read and decided after.

use super::commit::Change;
use super::factors::{Presented, Used, told};
use super::{ACCOUNT, Account, AccountCall, AnswerCall};
use crate::environment::Environment;
use crate::object::records::Records;
use crate::webcrypto;
use postern_core::account::AccountRecord;
use postern_core::entropy::Random;
use postern_core::factor::{ChallengeId, FactorChallenge, FactorChange, FactorRecord, find_waiting};
use postern_core::id::{ClientId, OperationId, SessionId, TenantId};
use postern_core::jwt::SignatureVerdict;
use postern_core::passkey::{
    AssertedPasskey, Assertion, CheckedAssertion, Expected, Octets, Passkey, PasskeyRecord, PasskeyRefusal,
    PasskeyUse, Registration, RegistrationOutcome, SignIn, SignInOutcome, begin_registration,
    finish_registration, second_factor_challenge, sign_in,
};
use postern_core::relying_party::RelyingParty;
use postern_core::session::{self, DeviceHint, RevokeReason};
use postern_core::time::UnixMillis;
use serde::{Deserialize, Serialize};
use worker::{Error, Result};

/// The row of the passkeys, beside the account's own.
pub(super) const PASSKEYS: &str = "passkeys";
/// The line of the audit trail for an answer whose counter had not risen.
const CLONED: &str = "passkey_cloned";

/// A call about the passkeys of an account.
#[derive(Serialize, Deserialize)]
pub(crate) struct PasskeyCall {
    pub(crate) tenant: TenantId,
    /// Drawn for this request. The same one again is answered again.
    pub(crate) operation: OperationId,
    /// What the account's passkeys are registered with.
    pub(crate) user_handle: Octets,
    pub(crate) order: PasskeyOrder,
}

/// What is wanted of them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PasskeyOrder {
    /// What there is.
    List,
    /// Keep a challenge of 32 bytes until a new passkey answers it. Its owner has been asked for.
    Begin { challenge: Octets, registered_for: PasskeyUse, shown: ShownFactor },
    /// Its answer.
    Finish { registration: Registration, name: String, transports: Vec<String> },
    /// Another name.
    Rename { id: Octets, name: String },
    /// Not this one any more; all sessions end but the one that asks. Its owner has been asked for.
    Remove { id: Octets, shown: ShownFactor, keep: SessionId, has_other_way_in: bool },
    /// Somebody who has said nothing else answers a challenge that was tagged for whoever asks.
    SignIn { challenge: Octets, challenge_expires_at: UnixMillis, assertion: Assertion },
    /// The same as [`Self::Begin`] for a login that has to enrol a factor.
    BeginForLogin {
        challenge: Octets,
        registered_for: PasskeyUse,
        client_id: ClientId,
        device: DeviceHint,
        /// base64url of the login's secret.
        secret: String,
    },
    /// Which passkeys may answer a login that waits for its second factor.
    ForLogin {
        client_id: ClientId,
        device: DeviceHint,
        /// base64url of the login's secret.
        secret: String,
    },
}

/// What a request has of the second factor, in case that the account has one.
#[derive(Serialize, Deserialize)]
pub(crate) struct ShownFactor {
    /// The session was opened with it a moment ago.
    pub(crate) recently: bool,
    /// It comes with the request.
    pub(crate) presented: Option<Presented>,
}

/// What came of a [`PasskeyCall`].
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PasskeyAnswer {
    /// The passkeys that there are, or that may answer.
    Passkeys(Vec<Passkey>),
    /// The new one.
    Registered(Box<Passkey>),
    Done {
        pending: bool,
    },
    /// It is the owner, by this passkey.
    Proven,
    Limited {
        retry_after_seconds: u64,
    },
    Refused(PasskeyProblem),
}

/// Why nothing was changed, or nobody proven.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PasskeyProblem {
    /// The account has a second factor, and the request does not.
    FactorMissing,
    FactorWrong,
    /// No passkey of this id, or no login that waits.
    NotFound,
    NotBegun,
    TooMany,
    AlreadyRegistered,
    LastWayIn,
    /// A step of the ceremony, by name.
    Ceremony(String),
}

impl From<PasskeyRefusal> for PasskeyProblem {
    fn from(refusal: PasskeyRefusal) -> Self {
        match refusal {
            PasskeyRefusal::NotBegun => Self::NotBegun,
            PasskeyRefusal::TooMany => Self::TooMany,
            PasskeyRefusal::AlreadyRegistered => Self::AlreadyRegistered,
            other => Self::Ceremony(other.as_str().into()),
        }
    }
}

/// What the host says of the signature in a call, and by which key.
pub(super) struct HostVerdict {
    public_key: Octets,
    verdict: SignatureVerdict,
}

impl Account<'_> {
    /// Asks the host about the signature that a call brings, if that is the host's to check.
    pub(super) async fn ask_host(&self, call: &AccountCall) -> Result<Option<HostVerdict>> {
        let (id, checked) = match call {
            AccountCall::Answer(answer) => match &answer.presented {
                Presented::Passkey { assertion, .. } => (&assertion.id, self.checked_for_login(answer)?),
                Presented::Totp(_)
                | Presented::Sent(..)
                | Presented::BackupCode(_)
                | Presented::NewPasskey(_) => {
                    return Ok(None);
                }
            },
            AccountCall::StepUp(call) => match &call.presented {
                Some(Presented::Passkey { assertion, .. }) => {
                    (&assertion.id, self.checked_again(call, assertion)?)
                }
                _ => return Ok(None),
            },
            AccountCall::Passkey(call) => match &call.order {
                PasskeyOrder::SignIn { challenge, assertion, .. } => (
                    &assertion.id,
                    self.checked(&call.tenant, challenge, &call.user_handle, assertion, true)?,
                ),
                _ => return Ok(None),
            },
            _ => return Ok(None),
        };
        let (Ok(checked), Some(passkey)) = (checked, self.passkeys()?.find(id).cloned()) else {
            return Ok(None);
        };
        if !checked.needs_host() {
            return Ok(None);
        }
        let verdict = webcrypto::verdict(checked.key(), checked.message(), checked.signature()).await;
        Ok(Some(HostVerdict { public_key: passkey.public_key, verdict }))
    }

    pub(super) fn passkey(&self, call: PasskeyCall) -> Result<PasskeyAnswer> {
        let refused = |problem| Ok(PasskeyAnswer::Refused(problem));
        let PasskeyCall { tenant, operation, user_handle, order } = call;
        let Some(account) = self.load_in(&tenant)? else {
            // Never opened: there is nothing to show.
            let is_list = matches!(order, PasskeyOrder::List);
            return if is_list {
                Ok(PasskeyAnswer::Passkeys(Vec::new()))
            } else {
                refused(PasskeyProblem::NotFound)
            };
        };
        let record = self.passkeys()?;
        match order {
            PasskeyOrder::List => Ok(PasskeyAnswer::Passkeys(record.passkeys)),
            PasskeyOrder::BeginForLogin { challenge, registered_for, client_id, device, secret } => {
                let factors = self.factors()?.unwrap_or_default();
                let found = self.waiting_for(&account, &factors, &secret, &client_id, &device)?;
                // Whoever has a factor by now shows that one.
                if self.is_guarded(&factors, &record) || !found.is_some_and(|found| found.enrols) {
                    return refused(PasskeyProblem::NotFound);
                }
                match begin_registration(&record, drawn(&challenge)?, registered_for, false, self.now) {
                    Err(refusal) => refused(refusal.into()),
                    Ok(begun) => {
                        self.commit(Change { passkeys: Some(begun), ..Change::default() })?;
                        Ok(PasskeyAnswer::Passkeys(record.passkeys))
                    }
                }
            }
            PasskeyOrder::Begin { challenge, registered_for, shown } => {
                let is_guarded = self.is_guarded(&self.factors()?.unwrap_or_default(), &record);
                match begin_registration(&record, drawn(&challenge)?, registered_for, is_guarded, self.now) {
                    Err(refusal) => refused(refusal.into()),
                    Ok(begun) => {
                        let change = Change { passkeys: Some(begun), ..Change::default() };
                        let answer = PasskeyAnswer::Passkeys(record.passkeys.clone());
                        self.behind_factor(&account, &record, shown, change, answer)
                    }
                }
            }
            PasskeyOrder::Finish { registration, name, transports } => {
                let Some(party) = self.party() else { return refused(PasskeyProblem::NotFound) };
                self.finish(&record, party, &registration, name, transports)
            }
            PasskeyOrder::Rename { id, name } => match record.renamed(&id, name) {
                None => refused(PasskeyProblem::NotFound),
                Some(renamed) => {
                    self.commit(Change { passkeys: Some(renamed), ..Change::default() })?;
                    Ok(PasskeyAnswer::Done { pending: false })
                }
            },
            _ if matches!(order, PasskeyOrder::Remove { .. })
                && self.last_factor_change()? == Some(operation) =>
            {
                Ok(PasskeyAnswer::Done { pending: false })
            }
            PasskeyOrder::Remove { id, shown, keep, has_other_way_in } => {
                let Some(left) = record.without(&id) else { return refused(PasskeyProblem::NotFound) };
                if !has_other_way_in && !record.signs_in_without(&id) {
                    return refused(PasskeyProblem::LastWayIn);
                }
                let sessions = self.sessions()?;
                let ended = session::revoke_all(
                    &account,
                    &sessions,
                    RevokeReason::PasswordChange,
                    Some(keep),
                    self.now,
                );
                let change = Change {
                    passkeys: Some(left.clone()),
                    account: Some(ended.account),
                    put: ended.revoked,
                    notices: ended.notices,
                    detail: Some(id.to_text()),
                    ..told(operation, FactorChange::PasskeyRemoved)
                };
                let change = self.without_orphans(change, &left)?;
                let answer = PasskeyAnswer::Done { pending: false };
                self.behind_factor(&account, &record, shown, change, answer)
            }
            PasskeyOrder::SignIn { challenge, challenge_expires_at, assertion } => {
                let Some(party) = self.party() else { return refused(PasskeyProblem::NotFound) };
                let expected = Expected {
                    party,
                    challenge: challenge.as_bytes(),
                    user_handle: user_handle.as_bytes(),
                    alone: true,
                };
                let verdict = self.verdict_on(&record, &assertion.id);
                let attempt =
                    SignIn { expected, challenge_expires_at, assertion: &assertion, operation, verdict };
                self.signed_in(sign_in(&record, &attempt, self.now), &assertion.id)
            }
            PasskeyOrder::ForLogin { client_id, device, secret } => {
                let factors = self.factors()?.unwrap_or_default();
                if self.waiting_for(&account, &factors, &secret, &client_id, &device)?.is_some() {
                    Ok(PasskeyAnswer::Passkeys(record.passkeys))
                } else {
                    refused(PasskeyProblem::NotFound)
                }
            }
        }
    }

    /// The login that waits for its second factor, by its secret.
    pub(super) fn waiting_for<'a>(
        &self,
        account: &AccountRecord,
        factors: &'a FactorRecord,
        secret: &str,
        client_id: &ClientId,
        device: &DeviceHint,
    ) -> Result<Option<&'a FactorChallenge>> {
        let secret = super::decisions::secret_of(secret)?;
        let id = ChallengeId { tenant: &account.tenant, account: &account.id, secret: &secret };
        Ok(find_waiting(factors, id, client_id, device, self.peppers()?, self.now))
    }

    /// What the passkey is worth that a login brings along to enrol it. Stored only with the session.
    pub(super) fn registered_for_login(&self, presented: &Presented) -> Result<Option<RegistrationOutcome>> {
        let Presented::NewPasskey(new) = presented else { return Ok(None) };
        let (record, Some(party)) = (self.passkeys()?, self.party()) else { return Ok(None) };
        // One that has come meanwhile guards already, whatever the challenge says.
        if self.is_guarded(&FactorRecord::default(), &record) {
            return Ok(None);
        }
        let (name, transports) = (new.name.clone(), new.transports.clone());
        let (registration, now) = (&new.registration, self.now);
        Ok(Some(finish_registration(&record, party, registration, name, transports, false, now)))
    }

    fn finish(
        &self,
        record: &PasskeyRecord,
        party: &RelyingParty,
        registration: &Registration,
        name: String,
        transports: Vec<String>,
    ) -> Result<PasskeyAnswer> {
        let is_guarded = self.is_guarded(&self.factors()?.unwrap_or_default(), record);
        match finish_registration(record, party, registration, name, transports, is_guarded, self.now) {
            RegistrationOutcome::Stored(stored) => {
                let new = stored.find(&registration.id).cloned().ok_or_else(super::commit::vanished)?;
                let change = Change::told(FactorChange::PasskeyRegistered);
                let (detail, factors) = (Some(registration.id.to_text()), self.settled()?);
                self.commit(Change { passkeys: Some(stored), detail, factors, ..change })?;
                Ok(PasskeyAnswer::Registered(Box::new(new)))
            }
            RegistrationOutcome::Refused { reason, write } => {
                if write.is_some() {
                    self.commit(Change { passkeys: write, ..Change::default() })?;
                }
                // Whoever lost the answer, and those who ask twice, have it.
                let is_known = record.find(&registration.id).is_some();
                let reason = if is_known { PasskeyRefusal::AlreadyRegistered } else { reason };
                Ok(PasskeyAnswer::Refused(reason.into()))
            }
        }
    }

    pub(super) fn signed_in(&self, outcome: SignInOutcome, id: &Octets) -> Result<PasskeyAnswer> {
        match outcome {
            SignInOutcome::Proven(record) => {
                self.commit(Change { passkeys: Some(record), ..Change::default() })?;
                Ok(PasskeyAnswer::Proven)
            }
            SignInOutcome::Repeated => Ok(PasskeyAnswer::Proven),
            SignInOutcome::Limited { retry_after_seconds } => {
                Ok(PasskeyAnswer::Limited { retry_after_seconds })
            }
            SignInOutcome::Refused { reason, write } => {
                if write.is_some() {
                    let (event, detail) = (Some(CLONED), Some(id.to_text()));
                    self.commit(Change { passkeys: write, event, detail, ..Change::default() })?;
                }
                Ok(PasskeyAnswer::Refused(reason.into()))
            }
        }
    }

    pub(super) fn is_guarded(&self, record: &FactorRecord, passkeys: &PasskeyRecord) -> bool {
        is_guarded(self.environment, record, passkeys)
    }

    /// The change, with nothing open or trusted, and no backup codes if it leaves no factor that they stand in for.
    fn without_orphans(&self, change: Change, left: &PasskeyRecord) -> Result<Change> {
        let Some(record) = self.factors()? else { return Ok(change) };
        let has_orphans = !self.is_guarded(&record, left);
        let backup = record.backup.clone().filter(|_| !has_orphans);
        let factors = Some(FactorRecord { backup, ..record.settled() });
        Ok(Change { factors, ..change })
    }

    /// Commits a change for which an account that has a second factor asks for it. A wrong one is counted.
    fn behind_factor(
        &self,
        account: &AccountRecord,
        passkeys: &PasskeyRecord,
        shown: ShownFactor,
        change: Change,
        answer: PasskeyAnswer,
    ) -> Result<PasskeyAnswer> {
        let record = self.factors()?.unwrap_or_default();
        if !self.is_guarded(&record, passkeys) || shown.recently {
            self.commit(change)?;
            return Ok(answer);
        }
        let Some(presented) = shown.presented else {
            return Ok(PasskeyAnswer::Refused(PasskeyProblem::FactorMissing));
        };
        match self.use_up(account, &record, &presented)? {
            Used::Limited { retry_after_seconds } => Ok(PasskeyAnswer::Limited { retry_after_seconds }),
            Used::Wrong => Ok(PasskeyAnswer::Refused(PasskeyProblem::FactorWrong)),
            Used::Right(left) => {
                let factors = match &change.factors {
                    Some(FactorRecord { backup: None, .. }) => {
                        FactorRecord { backup: None, ..left.settled() }
                    }
                    Some(_) => left.settled(),
                    None => left,
                };
                self.commit(Change { factors: Some(factors), ..change })?;
                Ok(answer)
            }
        }
    }

    /// What the passkey in an answer to a login's challenge is worth, and what is to be stored of it.
    pub(super) fn asserted_for_login(
        &self,
        call: &AnswerCall,
    ) -> Result<std::result::Result<AssertedPasskey, PasskeyRefusal>> {
        let Presented::Passkey { assertion, .. } = &call.presented else {
            return Ok(Err(PasskeyRefusal::Unknown));
        };
        let checked = self.checked_for_login(call)?;
        let verdict = self.verdict_on(&self.passkeys()?, &assertion.id);
        Ok(checked.and_then(|checked| checked.verified(verdict)))
    }

    fn checked_for_login(
        &self,
        call: &AnswerCall,
    ) -> Result<std::result::Result<CheckedAssertion, PasskeyRefusal>> {
        let Presented::Passkey { assertion, user_handle } = &call.presented else {
            return Ok(Err(PasskeyRefusal::Unknown));
        };
        let Some(account) = self.load_in(&call.tenant)? else { return Ok(Err(PasskeyRefusal::Unknown)) };
        let secret = super::decisions::secret_of(&call.secret)?;
        let id = ChallengeId { tenant: &account.tenant, account: &account.id, secret: &secret };
        let challenge = Octets::new(second_factor_challenge(&id).into());
        self.checked(&call.tenant, &challenge, user_handle, assertion, false)
    }

    fn checked(
        &self,
        tenant: &TenantId,
        challenge: &Octets,
        user_handle: &Octets,
        assertion: &Assertion,
        alone: bool,
    ) -> Result<std::result::Result<CheckedAssertion, PasskeyRefusal>> {
        let (Some(_), Some(party)) = (self.load_in(tenant)?, self.party()) else {
            return Ok(Err(PasskeyRefusal::Unknown));
        };
        let (challenge, user_handle) = (challenge.as_bytes(), user_handle.as_bytes());
        let expected = Expected { party, challenge, user_handle, alone };
        Ok(self.passkeys()?.check(&expected, assertion, self.now))
    }

    /// The host's word, if it is about the key that the passkey has now.
    pub(super) fn verdict_on(&self, record: &PasskeyRecord, id: &Octets) -> Option<SignatureVerdict> {
        let passkey = record.find(id)?;
        let asked = self.verdict.as_ref().filter(|asked| asked.public_key == passkey.public_key)?;
        Some(asked.verdict)
    }

    pub(super) fn party(&self) -> Option<&RelyingParty> {
        self.environment.config().passkeys().party()
    }

    pub(super) fn passkeys(&self) -> Result<PasskeyRecord> {
        let stored: Option<PasskeyRecord> =
            if self.was_opened()? { Records::new(&self.sql(), ACCOUNT).get(PASSKEYS)? } else { None };
        Ok(stored.unwrap_or_default())
    }
}

fn drawn(challenge: &Octets) -> Result<Random<32>> {
    let drawn = <[u8; 32]>::try_from(challenge.as_bytes()).map(Random::new);
    drawn.map_err(|_| Error::RustError("the challenge is malformed".into()))
}

/// Whether an account has a second factor. Where every login asks for one, a passkey that signs in is one too.
pub(super) fn is_guarded(environment: &Environment, record: &FactorRecord, passkeys: &PasskeyRecord) -> bool {
    let is_demanded = environment.config().second_factor().required_for_login;
    record.is_required() || passkeys.guards() || (is_demanded && !passkeys.passkeys.is_empty())
}

/// The line of the audit trail for an answer that was refused, if it tells of a copy.
pub(super) fn event_of(
    asserted: &std::result::Result<AssertedPasskey, PasskeyRefusal>,
) -> Option<&'static str> {
    matches!(asserted, Err(PasskeyRefusal::CounterNotRaised)).then_some(CLONED)
}
