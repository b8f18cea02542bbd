//! The calls about second factors: enrolling them, using them, and answering the challenge of a login.
//!
//! Counting an attempt, comparing it, using it up and opening the session are one commit.

use super::commit::{Change, Welcome};
use super::decisions::{refusal_of_open, secret_of};
use super::sent::repeated;
use super::{ACCOUNT, Account, AdmissionAnswer, AdmissionRefusal, OPERATIONS, OpenCall, SentOrder, passkeys};
use crate::object::records::Records;
use crate::object::sealed;
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305};
use postern_core::account::AccountRecord;
use postern_core::codec::base64url;
use postern_core::dpop::ShownKey;
use postern_core::factor::{
    BackupCodes, BackupDigest, ChallengeAnswer, ChallengeId, ChallengeOutcome, ChallengePolicy,
    ChallengeRefusal, EnrolmentOutcome, EnrolmentRefusal, FactorChallenge, FactorChange, FactorMethod,
    FactorRecord, PresentedFactor, TotpParameters, TotpSecret, TrustedDevice, answer_challenge,
    begin_enrolment, confirm_enrolment, use_factor,
};
use postern_core::grant::Admission;
use postern_core::id::{AccountId, ClientId, OperationId, SessionId, TenantId};
use postern_core::intake::CodeDigest;
use postern_core::passkey::{
    AssertedPasskey, Assertion, Octets, PasskeyRecord, Registration, RegistrationOutcome,
};
use postern_core::password::{Pepper, Peppers};
use postern_core::session::{self, DeviceFingerprint, DeviceHint, OpenOutcome, OpenRequest, RevokeReason};
use postern_core::time::{Seconds, UnixMillis};
use serde::{Deserialize, Serialize};
use worker::{Error, Result};

/// The row of the factors, beside the account's own.
pub(super) const FACTORS: &str = "factors";
/// The row of [`LastFactorChange`].
pub(super) const FACTOR_CHANGE: &str = "factor_change";

/// A call about the second factors of an account whose owner is signed in.
#[derive(Serialize, Deserialize)]
pub(crate) struct FactorCall {
    pub(crate) tenant: TenantId,
    /// Drawn for this request. The same one again is answered again.
    pub(crate) operation: OperationId,
    pub(crate) order: FactorOrder,
}

/// What is wanted of them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FactorOrder {
    /// What there is.
    Show,
    /// Keep the secret of a new authenticator until it shows a code.
    Begin { sealed_secret: String, pepper_id: u32 },
    /// The same for a login that waits for it.
    BeginForLogin {
        sealed_secret: String,
        pepper_id: u32,
        client_id: ClientId,
        device: DeviceHint,
        /// base64url of the login's secret.
        secret: String,
    },
    /// Its first code. Without backup codes it is compared, and not used: they cost more than a guess should.
    Confirm { code: String, backup: Option<BackupCodes> },
    /// Other backup codes; without any, what is presented is compared alone. Nothing need be presented within a session
    /// that has shown a factor lately.
    ReplaceBackup {
        presented: Option<Presented>,
        #[serde(default)]
        recently: bool,
        backup: Option<BackupCodes>,
    },
    /// About codes by mail and SMS.
    Sent(SentOrder),
    /// Something sensitive is about to be done by an owner whose session has not shown a factor lately. Used up if there
    /// is one; if the account has none, nothing is asked for.
    Prove { presented: Option<Presented> },
    /// A new password without the old one is about to be set. Used up if there is one; if there is none, nothing is
    /// asked for.
    Recover { presented: Option<Presented> },
    /// None any more, or one less; all sessions end but the one that asks.
    Remove {
        presented: Presented,
        keep: SessionId,
        #[serde(default)]
        only: Option<FactorMethod>,
    },
}

impl FactorOrder {
    /// Whether it can be carried out with the keyring only.
    pub(super) const fn opens_secrets(&self) -> bool {
        !matches!(self, Self::Show | Self::Prove { presented: None } | Self::Recover { presented: None })
    }
}

/// A second factor as it was presented.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Presented {
    Totp(String),
    /// A code that was sent for the login.
    Sent(FactorMethod, String),
    /// Digested under each pepper that there is.
    BackupCode(Vec<(u32, BackupDigest)>),
    /// An answer to the challenge that follows from the login's own.
    Passkey {
        assertion: Box<Assertion>,
        user_handle: Octets,
    },
    /// A passkey that a login registers which has to enrol a factor.
    NewPasskey(Box<NewPasskey>),
}

/// The answer to a registration, and what its owner calls it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct NewPasskey {
    pub(crate) registration: Registration,
    pub(crate) name: String,
    pub(crate) transports: Vec<String>,
}

impl Presented {
    /// The same for core; what a passkey's answer is worth was decided before.
    pub(super) fn as_factor<'a>(&'a self, asserted: Option<&'a AssertedPasskey>) -> PresentedFactor<'a> {
        match self {
            Self::NewPasskey(_) => PresentedFactor::NewPasskey(None),
            Self::Passkey { .. } => PresentedFactor::Passkey(asserted),
            Self::Totp(code) => PresentedFactor::Totp(code),
            Self::Sent(method, code) => PresentedFactor::Sent(*method, code),
            Self::BackupCode(digests) => PresentedFactor::BackupCode(digests),
        }
    }
}

/// What came of a [`FactorCall`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FactorAnswer {
    Shown {
        enabled: bool,
        backup_codes_left: usize,
        /// The place that has not shown its code yet.
        #[serde(default)]
        pending: Option<(FactorMethod, String, UnixMillis)>,
        /// Until when devices are trusted.
        #[serde(default)]
        trusted: Vec<UnixMillis>,
        /// Where codes are sent.
        #[serde(default)]
        email: Option<String>,
        #[serde(default)]
        phone: Option<String>,
    },
    Done {
        pending: bool,
    },
    /// A code is on its way.
    Sent {
        to: String,
    },
    /// The code is right, and nothing is stored: it comes again with backup codes.
    BackupCodesWanted,
    Limited {
        retry_after_seconds: u64,
    },
    Refused(FactorRefusal),
}

/// Why nothing was changed. The bearer may know: it is about their own account.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FactorRefusal {
    AlreadyEnrolled,
    NotBegun,
    NotEnrolled,
    /// There is one, and none was presented.
    Missing,
    Wrong,
    /// The account may not be let into by mail.
    Restricted,
    /// No login waits for what was asked.
    NoLogin,
    /// The operator's id came with another order before.
    OperationReused,
    /// The account is another tenant's, or gone.
    Unknown,
}

/// What a factor was that somebody signed in has shown.
#[allow(clippy::large_enum_variant, reason = "an outcome lives for one commit; a box would only allocate")]
pub(super) enum Used {
    /// Right: what is left.
    Right(FactorRecord),
    Wrong,
    Limited {
        retry_after_seconds: u64,
    },
}

/// The challenge that a login comes with, in case that the account asks for one.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct NewChallenge {
    pub(crate) digest: CodeDigest,
    pub(crate) pepper_id: u32,
}

/// An answer to a challenge. Answered with an [`AdmissionAnswer`].
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct AnswerCall {
    pub(crate) tenant: TenantId,
    pub(crate) client_id: ClientId,
    pub(crate) device: DeviceHint,
    #[serde(default)]
    pub(crate) fingerprint: DeviceFingerprint,
    /// base64url of the challenge's secret.
    pub(crate) secret: String,
    pub(crate) presented: Presented,
    /// The device is not to be asked again for a while.
    #[serde(default)]
    pub(crate) trust: Option<NewChallenge>,
    /// With the first code of an authenticator that the login has enrolled.
    #[serde(default)]
    pub(crate) backup: Option<BackupCodes>,
    pub(crate) operation: OperationId,
    pub(crate) session_key: String,
    pub(crate) edge_key_id: u32,
    /// The key that the answer has shown: that of the login, if it has shown one.
    #[serde(default)]
    pub(crate) shown: Option<ShownKey>,
}

/// The change that was last carried out, to answer its repetition from.
#[derive(Serialize, Deserialize)]
pub(super) struct LastFactorChange {
    pub(super) operation: OperationId,
}

/// The cipher that seals the secrets of authenticators under a pepper.
pub(crate) fn cipher(pepper: &Pepper) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(pepper.derive_key("postern/v1/authenticator seal").expose().into())
}

impl Account<'_> {
    pub(super) fn factor(&self, call: FactorCall) -> Result<FactorAnswer> {
        let refused = |refusal| Ok(FactorAnswer::Refused(refusal));
        let Some(account) = self.load_in(&call.tenant)? else { return refused(FactorRefusal::NotEnrolled) };
        let record = self.factors()?.unwrap_or_default();
        match call.order {
            FactorOrder::Show => Ok(FactorAnswer::Shown {
                enabled: self.is_guarded(&record, &self.passkeys()?),
                backup_codes_left: record.backup.as_ref().map_or(0, |codes| codes.left.len()),
                pending: record
                    .pending_contact
                    .filter(|pending| self.now < pending.code.expires_at)
                    .map(|pending| (pending.method, pending.value, pending.code.expires_at)),
                trusted: record.trusted.iter().map(|device| device.expires_at).collect(),
                email: record.email.map(|contact| contact.value),
                phone: record.sms.map(|contact| contact.value),
            }),
            order if self.last_factor_change()? == Some(call.operation) => Ok(match order {
                FactorOrder::Sent(order) => repeated(order, &record),
                _ => FactorAnswer::Done { pending: false },
            }),
            FactorOrder::Begin { sealed_secret, pepper_id } => {
                let parameters = TotpParameters::DEFAULT;
                let outcome = begin_enrolment(&record, sealed_secret, pepper_id, parameters, self.now);
                self.enrolled(outcome, Change::default())
            }
            FactorOrder::BeginForLogin { sealed_secret, pepper_id, client_id, device, secret } => {
                let found = self.waiting_for(&account, &record, &secret, &client_id, &device)?;
                if !found.is_some_and(|found| found.enrols) {
                    return refused(FactorRefusal::NoLogin);
                }
                let parameters = TotpParameters::DEFAULT;
                let outcome = begin_enrolment(&record, sealed_secret, pepper_id, parameters, self.now);
                self.enrolled(outcome, Change::default())
            }
            FactorOrder::Confirm { code, backup } => {
                let sealed = record.pending.as_ref().map(|it| (it.sealed_secret.as_str(), it.pepper_id));
                let secret = self.opened(&account.id, sealed)?;
                let is_compared_alone = backup.is_none();
                let none = BackupCodes { pepper_id: 0, left: Vec::new(), created_at: self.now };
                let backup = backup.unwrap_or(none);
                match confirm_enrolment(&record, secret.as_ref(), &code, backup, self.now) {
                    EnrolmentOutcome::Stored(_) if is_compared_alone => {
                        Ok(FactorAnswer::Done { pending: false })
                    }
                    outcome => self.enrolled(outcome, told(call.operation, FactorChange::Enabled)),
                }
            }
            FactorOrder::ReplaceBackup { presented, recently, backup } => {
                let is_guarded = self.is_guarded(&record, &self.passkeys()?);
                let left = match presented {
                    Some(presented) => self.tried(&account, &record, &presented)?,
                    None if !is_guarded => return refused(FactorRefusal::NotEnrolled),
                    None if !recently => return refused(FactorRefusal::Missing),
                    None => Ok(record),
                };
                match (left, backup) {
                    (Err(answer), _) => return Ok(answer),
                    (Ok(_), None) => {}
                    (Ok(left), Some(backup)) => {
                        let left = left.settled();
                        let factors = Some(FactorRecord { backup: Some(backup), ..left });
                        self.commit(Change {
                            factors,
                            ..told(call.operation, FactorChange::BackupCodesReplaced)
                        })?;
                    }
                }
                Ok(FactorAnswer::Done { pending: false })
            }
            FactorOrder::Sent(order) => self.sent(&account, record, call.operation, order),
            FactorOrder::Prove { presented } => match presented {
                Some(presented) if record.has_codes() => self.using(&account, &record, &presented, |left| {
                    let factor_change = Some(LastFactorChange { operation: call.operation });
                    Change { factors: Some(left), factor_change, ..Change::default() }
                }),
                _ if self.is_guarded(&record, &self.passkeys()?) => refused(FactorRefusal::Missing),
                _ => refused(FactorRefusal::NotEnrolled),
            },
            FactorOrder::Recover { presented } => {
                let status = account.status_at(account.clock.read(self.now));
                match presented {
                    _ if status.is_restricted() => refused(FactorRefusal::Restricted),
                    // What is sent, or stands on a device, cannot come with the request; but a backup code can.
                    None if record.asks_to_recover(self.passkeys()?.guards()) => {
                        refused(FactorRefusal::Missing)
                    }
                    None => refused(FactorRefusal::NotEnrolled),
                    Some(presented) => self.using(&account, &record, &presented, |left| {
                        let factor_change = Some(LastFactorChange { operation: call.operation });
                        let event = Some("second_factor_used_to_recover");
                        Change { factors: Some(left), factor_change, event, ..Change::default() }
                    }),
                }
            }
            FactorOrder::Remove { .. } if !record.is_required() => refused(FactorRefusal::NotEnrolled),
            FactorOrder::Remove { only: Some(method), .. } if record.without(method).is_none() => {
                refused(FactorRefusal::NotEnrolled)
            }
            FactorOrder::Remove { presented, keep, only } => {
                let (sessions, passkeys) = (self.sessions()?, self.passkeys()?);
                self.using(&account, &record, &presented, |left| {
                    let revoke = RevokeReason::PasswordChange;
                    let ended = session::revoke_all(&account, &sessions, revoke, Some(keep), self.now);
                    // Backup codes stay with whatever they stand in for.
                    let kept = only.and_then(|method| left.without(method));
                    let kept = kept.filter(|kept| self.is_guarded(kept, &passkeys));
                    Change {
                        factors: Some(kept.unwrap_or_else(|| left.without_factors())),
                        detail: only.map(|method| method.name().into()),
                        account: Some(ended.account),
                        put: ended.revoked,
                        notices: ended.notices,
                        ..told(call.operation, FactorChange::Disabled)
                    }
                })
            }
        }
    }

    fn enrolled(&self, outcome: EnrolmentOutcome, change: Change) -> Result<FactorAnswer> {
        let (factors, answer) = match outcome {
            EnrolmentOutcome::Stored(record) => (Some(record), FactorAnswer::Done { pending: false }),
            EnrolmentOutcome::Refused { reason, write } => (write, refusal_of_enrolment(reason)),
        };
        let change = if matches!(answer, FactorAnswer::Done { .. }) { change } else { Change::default() };
        if factors.is_some() {
            self.commit(Change { factors, ..change })?;
        }
        Ok(answer)
    }

    /// Uses a factor for a change; a wrong one is counted, and nothing is changed.
    fn using(
        &self,
        account: &AccountRecord,
        record: &FactorRecord,
        presented: &Presented,
        change: impl FnOnce(FactorRecord) -> Change,
    ) -> Result<FactorAnswer> {
        match self.tried(account, record, presented)? {
            Ok(left) => {
                self.commit(change(left))?;
                Ok(FactorAnswer::Done { pending: false })
            }
            Err(answer) => Ok(answer),
        }
    }

    /// What is left after a right factor, not stored yet.
    pub(super) fn tried(
        &self,
        account: &AccountRecord,
        record: &FactorRecord,
        presented: &Presented,
    ) -> Result<std::result::Result<FactorRecord, FactorAnswer>> {
        if !record.has_codes() {
            return Ok(Err(FactorAnswer::Refused(FactorRefusal::NotEnrolled)));
        }
        Ok(match self.use_up(account, record, presented)? {
            Used::Limited { retry_after_seconds } => Err(FactorAnswer::Limited { retry_after_seconds }),
            Used::Wrong => Err(FactorAnswer::Refused(FactorRefusal::Wrong)),
            Used::Right(left) => Ok(left),
        })
    }

    /// Compares a factor. A right one is to be stored as used by the caller; a wrong one has been counted.
    pub(super) fn use_up(
        &self,
        account: &AccountRecord,
        record: &FactorRecord,
        presented: &Presented,
    ) -> Result<Used> {
        let secret = self.authenticator(account, record)?;
        match use_factor(record, secret.as_ref(), presented.as_factor(None), self.now) {
            Err(retry_after_seconds) => Ok(Used::Limited { retry_after_seconds }),
            Ok((left, Some(_))) => Ok(Used::Right(left)),
            Ok((counted, None)) => {
                self.commit(Change { factors: Some(counted), ..Change::default() })?;
                Ok(Used::Wrong)
            }
        }
    }

    /// Puts a login off until its challenge is answered.
    pub(super) fn challenge(
        &self,
        account: AccountRecord,
        record: &FactorRecord,
        challenge: FactorChallenge,
        welcome: Option<Welcome>,
    ) -> Result<AdmissionAnswer> {
        let (enrols, expires_in) = (challenge.enrols, time_to_live(challenge.enrols).as_secs());
        let mut methods = record.methods();
        let settings = self.environment.config().second_factor();
        if challenge.takes_sent_codes() {
            methods.extend(record.email.as_ref().filter(|_| settings.email).map(|_| FactorMethod::Email));
            methods.extend(record.sms.as_ref().filter(|_| settings.sms).map(|_| FactorMethod::Sms));
        }
        if !self.passkeys()?.passkeys.is_empty() {
            methods.push(FactorMethod::Passkey);
        }
        let factors = Some(record.challenged(challenge, self.now));
        self.commit(Change { factors, welcome, ..Change::of(account) })?;
        Ok(AdmissionAnswer::ChallengeRequired { methods, expires_in, enrols })
    }

    pub(super) fn answer(&self, call: AnswerCall) -> Result<AdmissionAnswer> {
        let refused = AdmissionAnswer::Refused(AdmissionRefusal::ChallengeInvalid);
        let Some(account) = self.load_in(&call.tenant)? else { return Ok(refused) };
        let record = self.factors()?.unwrap_or_default();
        let secret = self.authenticator(&account, &record)?;
        let challenge = secret_of(&call.secret)?;
        let asserted = self.asserted_for_login(&call)?;
        let registered = self.registered_for_login(&call.presented)?;
        let pending = record.pending.as_ref().filter(|_| record.totp.is_none());
        let pending = pending.map(|it| (it.sealed_secret.as_str(), it.pepper_id));
        let pending = self.opened(&account.id, pending)?;
        let none = BackupCodes { pepper_id: 0, left: Vec::new(), created_at: self.now };
        let backup = call.backup.as_ref().unwrap_or(&none);
        let answer = ChallengeAnswer {
            id: ChallengeId { tenant: &account.tenant, account: &account.id, secret: &challenge },
            client_id: &call.client_id,
            device: &call.device,
            fingerprint: &call.fingerprint,
            key: call.shown.as_ref().map(|shown| &shown.thumbprint),
            factor: match &registered {
                Some(RegistrationOutcome::Stored(_)) => PresentedFactor::NewPasskey(Some(backup)),
                _ => call.presented.as_factor(asserted.as_ref().ok()),
            },
            enrolment: pending.as_ref().map(|secret| (secret, backup)),
            operation: call.operation,
        };
        let binding = self.environment.device_binding();
        let policy = ChallengePolicy { binding, ..ChallengePolicy::default() };
        match answer_challenge(&record, &answer, secret.as_ref(), self.peppers()?, self.now, policy) {
            ChallengeOutcome::Passed { write, challenge, .. } => {
                let told = match &call.presented {
                    Presented::NewPasskey(new) => Change {
                        detail: Some(new.registration.id.to_text()),
                        ..Change::told(FactorChange::PasskeyRegistered)
                    },
                    _ if record.totp.is_none() && write.totp.is_some() => Change::told(FactorChange::Enabled),
                    _ => Change::default(),
                };
                let passkeys = match (registered, asserted.ok()) {
                    (Some(RegistrationOutcome::Stored(stored)), _) => Some(stored),
                    (_, Some(asserted)) => Some(self.passkeys()?.used(&asserted)),
                    _ => None,
                };
                let write = match &call.trust {
                    Some(NewChallenge { digest, pepper_id }) => {
                        let lives = self.environment.config().second_factor().trusted_device;
                        let device = TrustedDevice {
                            digest: *digest,
                            pepper_id: *pepper_id,
                            fingerprint: call.fingerprint.clone(),
                            expires_at: self.now.plus(lives),
                        };
                        write.trusting(device, self.now)
                    }
                    None => write,
                };
                let used = Change { factors: Some(write), passkeys, ..told };
                self.open_answered(account, challenge, used, &call)
            }
            ChallengeOutcome::Repeated { challenge } => {
                self.open_answered(account, challenge, Change::default(), &call)
            }
            ChallengeOutcome::Refused { reason, write } => {
                if write.is_some() {
                    let event = passkeys::event_of(&asserted);
                    let passkeys = registered.and_then(used_up);
                    self.commit(Change { factors: write, passkeys, event, ..Change::default() })?;
                }
                Ok(match reason {
                    ChallengeRefusal::DeviceRejected { session, device } => {
                        self.tell(device.notices(session, self.now))?;
                        AdmissionAnswer::Refused(AdmissionRefusal::DeviceRejected)
                    }
                    ChallengeRefusal::Paused { retry_after_seconds } => {
                        AdmissionAnswer::Limited { retry_after_seconds }
                    }
                    ChallengeRefusal::FactorWrong => {
                        AdmissionAnswer::Refused(AdmissionRefusal::SecondFactorInvalid)
                    }
                    ChallengeRefusal::Unknown | ChallengeRefusal::AttemptsExhausted => refused,
                })
            }
        }
    }

    /// Opens the session that a challenge has put off. What was used up stays so, whether the account admits or not; what
    /// would be enrolled is, only where it does.
    fn open_answered(
        &self,
        account: AccountRecord,
        challenge: FactorChallenge,
        used: Change,
        call: &AnswerCall,
    ) -> Result<AdmissionAnswer> {
        let sessions = self.sessions()?;
        let repeated = sessions.iter().find(|session| session.id == challenge.session);
        let session_key = match repeated {
            Some(session) => session.session_key.clone(),
            None => secret_of(&call.session_key)?,
        };
        let account = self.with_resolved(account);
        let binding = self.environment.device_binding();
        let device = binding.judge(&challenge.fingerprint, Some(&call.fingerprint));
        let amr = challenge.answered_amr();
        let request = OpenRequest {
            id: challenge.session,
            session_key,
            tenant: account.tenant.clone(),
            client_id: challenge.client_id,
            credential_version: challenge.credential_version,
            edge_key_id: call.edge_key_id,
            amr,
            auth_time: self.now.to_seconds(),
            key_thumbprint: call.shown.as_ref().map(|shown| shown.thumbprint),
            device: challenge.device,
            fingerprint: challenge.fingerprint,
            remember: challenge.remember,
            seat: self.seat,
        };
        let enrols = used.factor_told.is_some();
        let outcome = session::open(&account, &sessions, request, self.now, &self.environment.open_policy());
        let refusal = match &outcome {
            OpenOutcome::Refused(refusal) => Some(refusal_of_open(*refusal)),
            _ => self.refuse_proof(call.shown.as_ref())?.map(AdmissionRefusal::ProofRefused),
        };
        if let Some(refusal) = refusal {
            if !enrols {
                self.commit(used)?;
            }
            return Ok(AdmissionAnswer::Refused(refusal));
        }
        match outcome {
            OpenOutcome::Refused(refusal) => Ok(AdmissionAnswer::Refused(refusal_of_open(refusal))),
            _ if enrols && call.backup.is_none() => Ok(AdmissionAnswer::BackupCodesWanted),
            OpenOutcome::SeatWanted(wish) => Ok(AdmissionAnswer::SeatWanted(wish)),
            OpenOutcome::Opened { token, session, evicted, account, mut notices } => {
                let admission = Box::new(Admission::of(&account, &session, self.now));
                notices.extend(device.notices(session.id, self.now));
                let opened = Some(session);
                let account = Some(account);
                self.commit(Change { account, put: evicted, notices, opened, ..used })?;
                Ok(AdmissionAnswer::Admitted { token, admission })
            }
            OpenOutcome::AlreadyOpen { token } => {
                let Some(session) = repeated else { return Err(super::commit::vanished()) };
                let admission = Box::new(Admission::of(&account, session, self.now));
                self.commit(used)?;
                Ok(AdmissionAnswer::Admitted { token, admission })
            }
        }
    }

    pub(super) fn factors(&self) -> Result<Option<FactorRecord>> {
        if self.was_opened()? { Records::new(&self.sql(), ACCOUNT).get(FACTORS) } else { Ok(None) }
    }

    pub(super) fn last_factor_change(&self) -> Result<Option<OperationId>> {
        let last: Option<LastFactorChange> = Records::new(&self.sql(), OPERATIONS).get(FACTOR_CHANGE)?;
        Ok(last.map(|last| last.operation))
    }

    pub(super) fn peppers(&self) -> Result<&Peppers> {
        let keyring = self.keyring.as_ref().map(|keyring| keyring.peppers());
        keyring.ok_or_else(|| Error::RustError("the call came without a keyring".into()))
    }

    pub(super) fn authenticator(
        &self,
        account: &AccountRecord,
        record: &FactorRecord,
    ) -> Result<Option<TotpSecret>> {
        let sealed = record.totp.as_ref().map(|it| (it.sealed_secret.as_str(), it.pepper_id));
        self.opened(&account.id, sealed)
    }

    /// Opens a sealed secret. One that cannot be opened fails the call: no code is right or wrong without it.
    fn opened(&self, account: &AccountId, sealed: Option<(&str, u32)>) -> Result<Option<TotpSecret>> {
        let Some((sealed, pepper_id)) = sealed else { return Ok(None) };
        let opened = self.peppers()?.find(pepper_id).and_then(|pepper| {
            let bytes = base64url::decode(sealed.as_bytes()).ok()?;
            TotpSecret::from_bytes(&sealed::open(&cipher(pepper), account.as_bytes(), &bytes)?)
        });
        opened.map(Some).ok_or_else(|| Error::RustError("an authenticator's secret cannot be opened".into()))
    }
}

/// The passkeys after a registration that failed, whose challenge works once.
fn used_up(registered: RegistrationOutcome) -> Option<PasskeyRecord> {
    match registered {
        RegistrationOutcome::Stored(_) => None,
        RegistrationOutcome::Refused { write, .. } => write,
    }
}

/// A change that is remembered by its operation, and told.
pub(super) fn told(operation: OperationId, change: FactorChange) -> Change {
    Change { factor_change: Some(LastFactorChange { operation }), ..Change::told(change) }
}

const fn refusal_of_enrolment(reason: EnrolmentRefusal) -> FactorAnswer {
    FactorAnswer::Refused(match reason {
        EnrolmentRefusal::AlreadyEnrolled => FactorRefusal::AlreadyEnrolled,
        EnrolmentRefusal::NotBegun => FactorRefusal::NotBegun,
        EnrolmentRefusal::Paused { retry_after_seconds } => {
            return FactorAnswer::Limited { retry_after_seconds };
        }
        EnrolmentRefusal::CodeWrong => FactorRefusal::Wrong,
    })
}

/// What a login leaves waiting.
pub(super) fn waiting(call: &OpenCall, enrols: bool, now: UnixMillis) -> Result<FactorChallenge> {
    let new = call.challenge.as_ref();
    let new = new.ok_or_else(|| Error::RustError("a login came without a challenge".into()))?;
    Ok(FactorChallenge {
        digest: new.digest,
        pepper_id: new.pepper_id,
        session: call.session,
        client_id: call.client_id.clone(),
        device: call.device.clone(),
        fingerprint: call.fingerprint.clone(),
        key_thumbprint: call.shown.as_ref().map(|shown| shown.thumbprint),
        amr: call.amr.clone(),
        remember: call.remember,
        credential_version: call.credential_version,
        expires_at: now.plus(time_to_live(enrols)),
        attempts: 0,
        answered_by: None,
        answered_with: None,
        enrols,
        sent: None,
        times_sent: 0,
    })
}

fn time_to_live(enrols: bool) -> Seconds {
    let policy = ChallengePolicy::default();
    if enrols { policy.enrolment_time_to_live } else { policy.time_to_live }
}
