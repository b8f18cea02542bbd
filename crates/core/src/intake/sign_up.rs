//! Sign-ups that wait for their code: opening and finishing them. Claiming is in [`super::claim_sign_up`].
//!
//! Anybody can sign up with anybody's address. So several attempts on one address live side by side, each with
//! its own code and its own password, and none can see, replace or confirm another. All codes go to the owner
//! of the address; which password the account gets is decided when one of them comes back.

use super::digest::{CodeBinding, CodeDigest, CodePurpose};
use super::mailed::GuessLimit;
use crate::entropy::CodeLength;
use crate::id::{AccountId, OperationId, RegistrationId, TenantId};
use crate::order;
use crate::password::{PasswordHash, Pepper};
use crate::secret::SecretText;
use crate::time::{Seconds, UnixMillis};
use alloc::string::String;
use alloc::vec::Vec;

/// How sign-ups are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SignUpPolicy {
    /// Open attempts per address; the oldest goes when another comes. Default 8. At 0 it counts as 1.
    pub max_open: u32,
    /// Seconds a code works, default 15 minutes.
    pub time_to_live: Seconds,
    /// Seconds after one mail of an attempt in which no other is sent, default 1 minute.
    pub resend_after: Seconds,
    /// Wrong guesses after which an attempt is dead, default 5.
    pub max_attempts: u32,
    /// Seconds in which a claim can be repeated with the same code, default 10 minutes.
    pub claim_repeatable_for: Seconds,
    /// Wrong comparisons per address, whatever the attempt, before its codes become long.
    pub guesses: GuessLimit,
    /// Whether a bare claim may give the account the password of its attempt if no other attempt was open beside
    /// it; default yes. The one way in for somebody else's password: see [`super::claim_sign_up`].
    pub bare_claim_keeps_password: bool,
}

impl Default for SignUpPolicy {
    fn default() -> Self {
        Self {
            max_open: 8,
            time_to_live: Seconds::new(15 * 60),
            resend_after: Seconds::new(60),
            max_attempts: 5,
            claim_repeatable_for: Seconds::new(10 * 60),
            guesses: GuessLimit::DEFAULT,
            bare_claim_keeps_password: true,
        }
    }
}

/// The address that is being signed up.
#[derive(Clone, Copy, Debug)]
pub struct SignUpAddress<'a> {
    /// In this tenant.
    pub tenant: &'a TenantId,
    /// The kind of identifier, such as `email`.
    pub kind: &'a str,
    /// The identifier in its normalised form.
    pub identifier: &'a str,
}

impl SignUpAddress<'_> {
    /// A code's digest is bound to its attempt as well: id, then the length of the kind, the kind, the identifier.
    pub(super) fn code_digest(&self, id: RegistrationId, code: &SecretText, pepper: &Pepper) -> CodeDigest {
        let kind_length = u64::try_from(self.kind.len()).unwrap_or(u64::MAX).to_be_bytes();
        let subject: [&[u8]; 4] =
            [id.as_bytes(), &kind_length, self.kind.as_bytes(), self.identifier.as_bytes()];
        let subject = subject.concat();
        let binding = CodeBinding { purpose: CodePurpose::SignUp, tenant: self.tenant, subject: &subject };
        CodeDigest::compute(pepper, &binding, code.expose().as_bytes())
    }
}

/// One sign-up attempt, as stored.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PendingSignUp {
    /// Its id, known only to the client that opened it. Never in the mail: whoever clicked there would confirm
    /// somebody else's attempt with somebody else's password.
    pub registration_id: RegistrationId,
    /// The mailed code, digested.
    pub code: CodeDigest,
    /// The pepper of the digest.
    pub pepper_id: u32,
    /// Whether the code is a long one: further guesses at the address do not matter to it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub is_long: bool,
    /// While open: the password chosen by whoever opened it. Once claimed: the password the account gets.
    /// Empty again after [`finish_sign_up`].
    pub password: Option<PasswordHash>,
    /// The display name, by the same rule.
    pub display_name: Option<String>,
    /// The username, by the same rule. Nobody has it before the account is created.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub username: Option<String>,
    /// When it was opened.
    pub created_at: UnixMillis,
    /// When its code was mailed again, and by which request.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub resent: Option<Resent>,
    /// The first moment at which its code no longer works.
    pub expires_at: UnixMillis,
    /// Wrong guesses so far.
    pub attempts: u32,
    /// Whether another attempt on the address, dead or alive, was there at any moment of this one's life.
    pub contested: bool,
    /// Its claim, once its code came back.
    pub claim: Option<SignUpClaim>,
}

/// A code that was mailed in place of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resent {
    /// The request that asked for it.
    pub operation_id: OperationId,
    /// When.
    pub at: UnixMillis,
}

/// A proven address on its way to becoming an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SignUpClaim {
    /// The account to create, drawn before the claim.
    pub account_id: AccountId,
    /// The change by which it is created and its first session opened.
    pub operation_id: OperationId,
    /// When the code came back.
    pub claimed_at: UnixMillis,
    /// Whether the account is created with a password.
    pub with_password: bool,
    /// Whether a password was given at sign-up but not trusted, so that a set-password link is mailed.
    pub send_set_password_link: bool,
    /// Whether the account exists and its first session is open.
    pub done: bool,
}

impl PendingSignUp {
    /// Whether its code can still be accepted, first or again.
    #[must_use]
    pub fn is_live(&self, now: UnixMillis, policy: &SignUpPolicy) -> bool {
        now < self.removable_at(policy)
    }

    /// The first moment at which the record says nothing more and may be deleted. Not earlier, even when dead:
    /// that it is there keeps other attempts contested.
    #[must_use]
    pub fn removable_at(&self, policy: &SignUpPolicy) -> UnixMillis {
        self.claim.map_or(self.expires_at, |claim| claim.claimed_at.plus(policy.claim_repeatable_for))
    }
}

/// Wrong comparisons on one address, so that opening many attempts does not multiply guesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GuessBudget {
    /// The first wrong comparison of the window.
    pub window_started_at: UnixMillis,
    /// How many there were: a guess without a registration id counts once for every attempt it is compared with.
    pub comparisons: u32,
}

impl GuessBudget {
    /// The budget as it stands now: started anew when its window is over, and never from the future.
    pub(super) fn at(stored: Option<Self>, now: UnixMillis, window: Seconds) -> Self {
        let fresh = Self { window_started_at: now, comparisons: 0 };
        let stored = stored.unwrap_or(fresh);
        let window_started_at = stored.window_started_at.min(now);
        if now.millis_since(window_started_at) >= window.as_millis() {
            fresh
        } else {
            Self { window_started_at, ..stored }
        }
    }

    /// What is to be stored of it after a guess that was not compared: nothing if it is stored so already. A write
    /// would take longer than the answer to a guess at an address that waits for no code, and so tell that this one
    /// does.
    pub(super) fn unless_stored(self, stored: Option<Self>) -> Option<Self> {
        let is_news = stored.map_or(self.comparisons > 0, |stored| stored != self);
        is_news.then_some(self)
    }
}

/// What has to be stored about one address, all of it or nothing.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct SignUpWrites {
    /// Attempts to insert or replace, by registration id.
    pub put: Vec<PendingSignUp>,
    /// Attempts to delete.
    pub delete: Vec<RegistrationId>,
    /// The address's budget to store, if it changed.
    pub budget: Option<GuessBudget>,
}

/// A sign-up as it comes in. Code and ids are drawn by the caller; the password is hashed already.
#[derive(Clone, Debug)]
pub struct NewSignUp<'a> {
    /// The attempt's id.
    pub registration_id: RegistrationId,
    /// The code that will be mailed, and only mailed: as long as [`GuessLimit::code_length`] says.
    pub code: &'a SecretText,
    /// The chosen password, `None` for an account without one.
    pub password: Option<PasswordHash>,
    /// The chosen display name.
    pub display_name: Option<String>,
    /// The chosen username.
    pub username: Option<String>,
}

/// What became of a sign-up. The answer outside is the same for both, and for addresses that have an account.
#[derive(Clone, Debug)]
#[must_use]
pub enum OpenSignUpOutcome {
    /// It was opened: store, then mail the code.
    Opened {
        /// To be stored.
        writes: SignUpWrites,
        /// When the code stops working.
        expires_at: UnixMillis,
    },
    /// An attempt of this id is there already: a repeated call. Nothing to store, nothing to mail again.
    AlreadyOpen {
        /// When the code stops working.
        expires_at: UnixMillis,
    },
}

/// Opens one more attempt on an address, beside those that are there.
///
/// All of them become contested. Over the cap the oldest unclaimed one goes: refusing the new one instead would
/// let anybody block an address by filling it. How fast one can open attempts is for a rate limit to say.
pub fn open_sign_up(
    existing: &[PendingSignUp],
    address: &SignUpAddress<'_>,
    new: NewSignUp<'_>,
    pepper: &Pepper,
    now: UnixMillis,
    policy: &SignUpPolicy,
) -> OpenSignUpOutcome {
    if let Some(same) = existing.iter().find(|attempt| attempt.registration_id == new.registration_id) {
        return OpenSignUpOutcome::AlreadyOpen { expires_at: same.expires_at };
    }
    let (mut kept, gone): (Vec<_>, Vec<_>) =
        existing.iter().cloned().partition(|attempt| attempt.is_live(now, policy));
    let mut delete: Vec<_> = gone.iter().map(|attempt| attempt.registration_id).collect();
    let contested = !kept.is_empty();
    delete.extend(evict(&mut kept, policy.max_open.max(1)));
    let expires_at = now.plus(policy.time_to_live);
    let mut put: Vec<_> = kept
        .into_iter()
        .filter(|attempt| !attempt.contested && attempt.claim.is_none())
        .map(|attempt| PendingSignUp { contested: true, ..attempt })
        .collect();
    put.push(PendingSignUp {
        registration_id: new.registration_id,
        code: address.code_digest(new.registration_id, new.code, pepper),
        pepper_id: pepper.id(),
        is_long: CodeLength::is_of(new.code.expose().as_bytes()) == CodeLength::Long,
        password: new.password,
        display_name: new.display_name,
        username: new.username,
        created_at: now,
        resent: None,
        expires_at,
        attempts: 0,
        contested,
        claim: None,
    });
    OpenSignUpOutcome::Opened { writes: SignUpWrites { put, delete, budget: None }, expires_at }
}

/// Takes the oldest unclaimed attempts out until one more fits.
fn evict(kept: &mut Vec<PendingSignUp>, max_open: u32) -> Vec<RegistrationId> {
    let mut open: Vec<_> = kept
        .iter()
        .filter(|attempt| attempt.claim.is_none())
        .map(|attempt| (attempt.created_at, attempt.registration_id))
        .collect();
    order::sort_by_key(&mut open, |attempt| *attempt);
    let room = usize::try_from(max_open).unwrap_or(usize::MAX).saturating_sub(1);
    let surplus = open.len().saturating_sub(room);
    let evicted: Vec<_> = open.into_iter().take(surplus).map(|(_, id)| id).collect();
    kept.retain(|attempt| !evicted.contains(&attempt.registration_id));
    evicted
}

/// Marks the claim of this operation as done: the account exists and its first session is open. `None` if there
/// is nothing to store, because it is marked already or its record is gone.
///
/// The password hash and the name leave the record: they live with the account now. The claim itself stays for
/// its window, so that a lost answer can be asked for again.
#[must_use]
pub fn finish_sign_up(existing: &[PendingSignUp], operation_id: OperationId) -> Option<PendingSignUp> {
    existing.iter().find_map(|attempt| {
        let claim = attempt.claim.filter(|claim| claim.operation_id == operation_id && !claim.done)?;
        let claim = Some(SignUpClaim { done: true, ..claim });
        Some(PendingSignUp { claim, password: None, display_name: None, username: None, ..attempt.clone() })
    })
}

/// The password of the newest attempt that waits for its code, for telling its owner at login to confirm it first.
///
/// It must be compared whether or not the address has an account, and answered alike: anybody can open an attempt on
/// anybody's address, and would learn from a difference.
#[must_use]
pub fn pending_password<'a>(
    existing: &'a [PendingSignUp],
    now: UnixMillis,
    policy: &SignUpPolicy,
) -> Option<&'a PasswordHash> {
    let waiting = existing.iter().filter(|attempt| attempt.claim.is_none() && attempt.is_live(now, policy));
    let newest =
        waiting.filter(|attempt| attempt.password.is_some()).max_by_key(|attempt| attempt.created_at);
    newest.and_then(|attempt| attempt.password.as_ref())
}
