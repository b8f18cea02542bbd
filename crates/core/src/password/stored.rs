//! What may stand in the store where a password hash belongs.

use super::PasswordInput;
use super::hash::{Arena, PasswordMatch, VerifyError, dummy_hash, verify};
#[cfg(feature = "imported")]
use super::imported::{ImportedHash, SignerKey};
use super::kind::{HashKind, HashKinds};
use super::params::Argon2Params;
use super::pepper::Peppers;
use super::phc::PasswordHash;

/// Which hashes of other systems a deployment takes for a password, and what it needs for that.
#[derive(Clone, Debug, Default)]
pub struct AcceptedHashes {
    /// The kinds. Without one, hashes of ours alone are taken.
    pub kinds: HashKinds,
    /// The key of the Firebase project whose hashes were imported.
    #[cfg(feature = "imported")]
    pub firebase_signer_key: Option<SignerKey>,
}

/// A stored password hash. `Debug` shows its kind at most.
#[derive(Clone, Debug)]
pub enum StoredHash {
    /// One that was made here.
    Own(PasswordHash),
    /// One that another system has made, of a kind that is accepted. A right password replaces it.
    #[cfg(feature = "imported")]
    Imported(ImportedHash),
    /// A text that no password can be right for.
    Unusable(UnusableHash),
}

/// Why a stored text is of no use. For the log: outside it is a wrong password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnusableHash {
    /// Not a hash in the form in which hashes are stored.
    Unreadable,
    /// Of a kind that the configuration does not accept.
    NotAccepted(HashKind),
    /// A hash of a Firebase project without that project's key.
    SignerKeyMissing,
}

impl UnusableHash {
    /// The name for the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotAccepted(HashKind::Argon2) => "argon2 is not in passwords.imported",
            Self::NotAccepted(HashKind::Bcrypt) => "bcrypt is not in passwords.imported",
            Self::NotAccepted(HashKind::Scrypt) => "scrypt is not in passwords.imported",
            Self::NotAccepted(HashKind::Pbkdf2) => "pbkdf2 is not in passwords.imported",
            Self::SignerKeyMissing => "the signer key of the Firebase project is not set",
        }
    }
}

impl StoredHash {
    /// Reads what is stored. Never fails: a login must be able to go on, and to be as vague as any other.
    #[must_use]
    pub fn read(text: &str, accepted: &AcceptedHashes) -> Self {
        if let Ok(own) = text.parse() {
            return Self::Own(own);
        }
        match HashKind::of(text) {
            None => Self::Unusable(UnusableHash::Unreadable),
            Some(kind) if !accepted.kinds.contains(kind) => Self::Unusable(UnusableHash::NotAccepted(kind)),
            Some(_) => read_imported(text, accepted),
        }
    }

    /// Checks a password: one hash is computed, whatever is stored. For an unusable one that is a dummy of the wanted
    /// parameters, and the answer a mismatch.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Mismatch`] for another password, the other variants when nothing can be said.
    pub fn verify(
        &self,
        password: &PasswordInput,
        wanted: Argon2Params,
        peppers: &Peppers,
        arena: &mut Arena,
    ) -> Result<PasswordMatch, VerifyError> {
        match self {
            Self::Own(hash) => verify(password, hash, wanted, peppers, arena),
            #[cfg(feature = "imported")]
            Self::Imported(hash) => hash.verify(password, arena),
            Self::Unusable(_) => {
                let dummy = dummy_hash(wanted, peppers);
                match verify(password, &dummy, wanted, peppers, arena) {
                    // Nobody is behind it, whatever it came to.
                    Ok(PasswordMatch { .. }) => Err(VerifyError::Mismatch),
                    Err(error) => Err(error),
                }
            }
        }
    }
}

#[cfg(feature = "imported")]
fn read_imported(text: &str, accepted: &AcceptedHashes) -> StoredHash {
    use super::imported::ImportedHashError;
    match ImportedHash::read(text, accepted.firebase_signer_key.as_ref()) {
        Ok(hash) => StoredHash::Imported(hash),
        Err(ImportedHashError::SignerKeyMissing) => StoredHash::Unusable(UnusableHash::SignerKeyMissing),
        Err(_) => StoredHash::Unusable(UnusableHash::Unreadable),
    }
}

#[cfg(not(feature = "imported"))]
fn read_imported(_text: &str, _accepted: &AcceptedHashes) -> StoredHash {
    StoredHash::Unusable(UnusableHash::Unreadable)
}
