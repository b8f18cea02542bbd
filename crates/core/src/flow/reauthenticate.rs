//! The owner once more: before a change that would let whoever holds a session keep the account.
//!
//! An access token proves that somebody signed in, perhaps long ago and on a machine that others use by now. A new
//! password or address would make that lasting, so the owner proves to be there again.

use crate::authentication::{AuthenticationClass, AuthenticationDemand};
use crate::flow::login::{LoginOutcome, LoginRefusal, StoredCredential, decide as check_password};
use crate::password::{Arena, Argon2Params, PasswordInput, Peppers, VerifyError};
use crate::time::{Seconds, UnixSeconds};
use alloc::string::String;

/// What the request says and the token proves.
#[derive(Clone, Copy, Debug)]
pub struct Presence<'a> {
    /// The current password as typed; not looked at for an account that has none.
    pub password: Option<&'a PasswordInput>,
    /// How the session's owner was authenticated last: the claim `amr`.
    pub methods: &'a [String],
    /// When: the claim `auth_time`.
    pub authenticated_at: Option<UnixSeconds>,
    /// How long that counts for an account without a password.
    pub recent: Seconds,
}

impl Presence<'_> {
    /// Whether the session's owner was authenticated a moment ago, in this class at least.
    #[must_use]
    pub fn is_recent(&self, class: AuthenticationClass, now: UnixSeconds) -> bool {
        let demand = AuthenticationDemand { max_age: Some(self.recent), class: Some(class) };
        demand.is_met(self.methods, self.authenticated_at, now)
    }
}

/// The owner of an account was there, as of one version of its credential.
#[derive(Debug)]
pub struct OwnerPresent {
    credential_version: u32,
}

impl OwnerPresent {
    /// The version of the credential that was checked: what the change has to be made against.
    #[must_use]
    pub const fn credential_version(&self) -> u32 {
        self.credential_version
    }
}

/// What asking for the owner came to.
#[must_use]
#[derive(Debug)]
pub enum PresenceOutcome {
    /// It is the owner.
    Proven(OwnerPresent),
    /// It is not, as far as the request shows.
    Refused(PresenceRefusal),
    /// Nothing can be said: the hash could not be computed, or its pepper is missing.
    Unavailable(VerifyError),
}

/// Why the owner is not proven, in check order. The bearer may know: it is about their own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresenceRefusal {
    /// The account has a password, and the request does not.
    PasswordMissing,
    /// The account has another password.
    WrongPassword,
    /// The account has no password, and its owner signed in longer ago than [`Presence::recent`].
    TooLongAgo,
}

impl PresenceRefusal {
    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PasswordMissing => "current_password_missing",
            Self::WrongPassword => "current_password_wrong",
            Self::TooLongAgo => "reauthentication_required",
        }
    }
}

/// Whether the bearer of a session is its owner: by the current password, or, where there is none, by having signed
/// in a moment ago. The attempt on the password was counted before.
pub fn decide(
    presence: Presence<'_>,
    stored: &StoredCredential,
    now: UnixSeconds,
    params: Argon2Params,
    peppers: &Peppers,
    arena: &mut Arena,
) -> PresenceOutcome {
    let proven = || PresenceOutcome::Proven(OwnerPresent { credential_version: stored.version });
    if stored.password.is_none() {
        let recent = presence.is_recent(AuthenticationClass::SingleFactor, now);
        return if recent { proven() } else { PresenceOutcome::Refused(PresenceRefusal::TooLongAgo) };
    }
    let Some(password) = presence.password else {
        return PresenceOutcome::Refused(PresenceRefusal::PasswordMissing);
    };
    match check_password(password, Some(stored), params, peppers, arena) {
        LoginOutcome::Proven { .. } => proven(),
        LoginOutcome::Refused(
            LoginRefusal::UnknownIdentifier
            | LoginRefusal::NoPassword
            | LoginRefusal::UnusableHash(_)
            | LoginRefusal::WrongPassword,
        ) => PresenceOutcome::Refused(PresenceRefusal::WrongPassword),
        LoginOutcome::Unavailable(error) => PresenceOutcome::Unavailable(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Random;
    use crate::id::AccountId;
    use crate::password::{StoredHash, hash};
    use crate::secret::SecretText;

    const NOW: UnixSeconds = UnixSeconds::new(10_000);
    const VERSION: u32 = 4;

    fn params() -> Argon2Params {
        Argon2Params::new(64, 1, 1).unwrap()
    }

    fn input(text: &str) -> PasswordInput {
        PasswordInput::new(SecretText::new(text.into())).unwrap()
    }

    fn present(password: Option<&str>, seconds_ago: Option<u64>, stored: Option<&str>) -> PresenceOutcome {
        let peppers = Peppers::none();
        let mut arena = Arena::new();
        let salt = || Random::new([9; 16]);
        let stored = StoredCredential {
            account: AccountId::from_bytes([3; 16]),
            password: stored.map(|text| {
                StoredHash::Own(hash(&input(text), salt(), params(), &peppers, &mut arena).unwrap())
            }),
            version: VERSION,
        };
        let password = password.map(input);
        let authenticated_at = seconds_ago.map(|ago| UnixSeconds::new(NOW.as_secs() - ago));
        let recent = Seconds::new(600);
        let presence = Presence { password: password.as_ref(), methods: &[], authenticated_at, recent };
        decide(presence, &stored, NOW, params(), &peppers, &mut arena)
    }

    fn refusal(outcome: PresenceOutcome) -> PresenceRefusal {
        match outcome {
            PresenceOutcome::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_password_is_asked_for_however_recent_the_login_was() {
        assert_eq!(refusal(present(None, Some(0), Some("right"))), PresenceRefusal::PasswordMissing);
        assert_eq!(refusal(present(Some("wrong"), Some(0), Some("right"))), PresenceRefusal::WrongPassword);
        for seconds_ago in [None, Some(0), Some(9_999)] {
            let PresenceOutcome::Proven(owner) = present(Some("right"), seconds_ago, Some("right")) else {
                panic!("refused")
            };
            assert_eq!(owner.credential_version(), VERSION);
        }
    }

    #[test]
    fn without_a_password_only_a_recent_login_counts() {
        for password in [None, Some("anything")] {
            assert!(matches!(present(password, Some(600), None), PresenceOutcome::Proven(_)));
            for seconds_ago in [None, Some(601), Some(9_999)] {
                assert_eq!(refusal(present(password, seconds_ago, None)), PresenceRefusal::TooLongAgo);
            }
        }
    }

    #[test]
    fn a_second_factor_counts_while_it_is_recent() {
        let shown = |methods: &[&str], seconds_ago: u64| {
            let methods: std::vec::Vec<String> = methods.iter().copied().map(String::from).collect();
            let authenticated_at = Some(UnixSeconds::new(NOW.as_secs() - seconds_ago));
            let recent = Seconds::new(60);
            Presence { password: None, methods: &methods, authenticated_at, recent }
                .is_recent(AuthenticationClass::MultiFactor, NOW)
        };
        assert!(shown(&["pop", "user", "mfa"], 60));
        assert!(!shown(&["pop", "user", "mfa"], 61) && !shown(&["pwd", "otp"], 0) && !shown(&[], 0));
    }

    #[test]
    fn every_refusal_has_a_code_of_its_own() {
        let codes =
            [PresenceRefusal::PasswordMissing, PresenceRefusal::WrongPassword, PresenceRefusal::TooLongAgo]
                .map(PresenceRefusal::code);
        assert_eq!(
            codes,
            ["current_password_missing", "current_password_wrong", "reauthentication_required"]
        );
    }
}
