//! Login with a password.

use crate::id::AccountId;
use crate::password::{
    Arena, Argon2Params, HashError, PasswordInput, Peppers, StoredHash, UnusableHash, VerifyError,
};
use crate::proof::PasswordVerified;

/// What the directory holds about the identifier that was presented.
#[derive(Debug)]
pub struct StoredCredential {
    /// Whose it is.
    pub account: AccountId,
    /// The password hash; `None` for an account without a password.
    pub password: Option<StoredHash>,
    /// The version of the credential, for the fence.
    pub version: u32,
}

/// What a login came to.
#[must_use]
#[derive(Debug)]
pub enum LoginOutcome {
    /// The password is right: ask the account's owner to open a session.
    Proven {
        /// The proof.
        proof: PasswordVerified,
        /// Hash the password again with today's parameters and store it, if the credential is still the same.
        needs_rehash: bool,
    },
    /// It is not; nothing to store. The attempt was counted before.
    Refused(LoginRefusal),
    /// Nothing can be said: the hash could not be computed, or its pepper is missing.
    Unavailable(VerifyError),
}

/// Why a login is refused. For the audit log: outside all are one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginRefusal {
    /// Nobody has this identifier.
    UnknownIdentifier,
    /// The account has no password.
    NoPassword,
    /// What is stored as the account's password is of no use.
    UnusableHash(UnusableHash),
    /// The account has another password.
    WrongPassword,
}

impl LoginRefusal {
    /// The name for the audit log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownIdentifier => "unknown_identifier",
            Self::NoPassword => "no_password",
            Self::UnusableHash(_) => "unusable_hash",
            Self::WrongPassword => "wrong_password",
        }
    }

    /// The code for the answer: the same for all.
    #[must_use]
    pub const fn public_code(self) -> &'static str {
        "invalid_credentials"
    }
}

/// Checks a presented password. Exactly one hash is computed, whether or not there is an account or a password
/// to check: without one, a dummy of the configured parameters is checked in its place. A hash of another system costs
/// what it costs: whoever accepts such has to release every failure at the same time ("failure floor").
pub fn decide(
    password: &PasswordInput,
    stored: Option<&StoredCredential>,
    params: Argon2Params,
    peppers: &Peppers,
    arena: &mut Arena,
) -> LoginOutcome {
    let nobody = StoredHash::Unusable(UnusableHash::Unreadable);
    let hash = stored.and_then(|stored| stored.password.as_ref()).unwrap_or(&nobody);
    let checked = hash.verify(password, params, peppers, arena);
    let refusal = match stored {
        None => LoginRefusal::UnknownIdentifier,
        Some(StoredCredential { password: None, .. }) => LoginRefusal::NoPassword,
        Some(StoredCredential { password: Some(StoredHash::Unusable(why)), .. }) => {
            LoginRefusal::UnusableHash(*why)
        }
        Some(StoredCredential { account, version, .. }) => match checked {
            Ok(found) => {
                let proof = PasswordVerified::assertion(*account, *version);
                return LoginOutcome::Proven { proof, needs_rehash: found.needs_rehash };
            }
            Err(VerifyError::Mismatch) => LoginRefusal::WrongPassword,
            Err(error) => return LoginOutcome::Unavailable(error),
        },
    };
    match checked {
        Err(error @ VerifyError::Hash(HashError::OutOfMemory)) => LoginOutcome::Unavailable(error),
        // Whatever the dummy came to, nobody is behind it.
        _ => LoginOutcome::Refused(refusal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::Random;
    use crate::password::{HashKind, hash};
    use crate::secret::SecretText;

    const ACCOUNT: AccountId = AccountId::from_bytes([3; 16]);

    fn params(memory_kib: u32) -> Argon2Params {
        Argon2Params::new(memory_kib, 1, 1).unwrap()
    }

    fn input(text: &str) -> PasswordInput {
        PasswordInput::new(SecretText::new(text.into())).unwrap()
    }

    fn stored(password: Option<&str>) -> StoredCredential {
        let password = password.map(|password| {
            let salt = Random::new([9; 16]);
            let made = hash(&input(password), salt, params(64), &Peppers::none(), &mut Arena::new()).unwrap();
            StoredHash::Own(made)
        });
        StoredCredential { account: ACCOUNT, password, version: 7 }
    }

    fn login(password: &str, stored: Option<&StoredCredential>) -> LoginOutcome {
        decide(&input(password), stored, params(64), &Peppers::none(), &mut Arena::new())
    }

    fn refused(outcome: LoginOutcome) -> LoginRefusal {
        match outcome {
            LoginOutcome::Refused(refusal) => refusal,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_right_password_proves_account_and_version() {
        let LoginOutcome::Proven { proof, needs_rehash } =
            login("correct horse", Some(&stored(Some("correct horse"))))
        else {
            panic!("refused")
        };
        assert_eq!((proof.account(), proof.credential_version(), needs_rehash), (ACCOUNT, 7, false));
    }

    #[test]
    fn every_failure_has_its_name_inside_and_one_code_outside() {
        let unusable = |why| StoredCredential { password: Some(StoredHash::Unusable(why)), ..stored(None) };
        let why = UnusableHash::NotAccepted(HashKind::Bcrypt);
        let refusals = [
            (refused(login("correct horse", Some(&unusable(why)))), LoginRefusal::UnusableHash(why)),
            (refused(login("correct horse", None)), LoginRefusal::UnknownIdentifier),
            (refused(login("correct horse", Some(&stored(None)))), LoginRefusal::NoPassword),
            (
                refused(login("wrong horse", Some(&stored(Some("correct horse"))))),
                LoginRefusal::WrongPassword,
            ),
        ];
        for (found, expected) in refusals {
            assert_eq!(found, expected);
            assert_eq!(found.public_code(), "invalid_credentials");
        }
    }

    #[test]
    fn an_unknown_account_costs_a_hash_of_the_configured_size() {
        let unreadable = StoredHash::Unusable(UnusableHash::Unreadable);
        let unusable = StoredCredential { password: Some(unreadable), ..stored(None) };
        for (credential, expected) in [(None, 128), (Some(stored(None)), 128), (Some(unusable), 128)] {
            let mut arena = Arena::new();
            let outcome = decide(&input("x"), credential.as_ref(), params(128), &Peppers::none(), &mut arena);
            assert!(matches!(outcome, LoginOutcome::Refused(_)));
            assert_eq!(arena.memory_kib(), expected);
        }
    }

    #[test]
    fn a_hash_of_other_parameters_is_to_be_replaced() {
        let outcome =
            decide(&input("pw"), Some(&stored(Some("pw"))), params(128), &Peppers::none(), &mut Arena::new());
        assert!(matches!(outcome, LoginOutcome::Proven { needs_rehash: true, .. }));
    }
}
