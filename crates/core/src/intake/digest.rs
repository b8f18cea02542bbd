//! Codes and link secrets as they are stored.

use crate::codec::base64url;
use crate::id::TenantId;
use crate::password::Pepper;
use core::fmt;
use hmac::Mac;
use subtle::ConstantTimeEq;

/// What a secret may be used for, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum CodePurpose {
    /// Proving the identifier of a sign-up.
    SignUp,
    /// Logging in with a code instead of a password.
    Login,
    /// Logging in with a link instead of a password.
    LoginLink,
    /// Choosing a new password without the old one.
    ResetPassword,
    /// Choosing the first password of an account that was created without one.
    SetPassword,
    /// Proving an identifier that an account has added.
    VerifyIdentifier,
    /// Proving the new identifier of a change.
    ChangeIdentifier,
    /// A second factor sent to the user.
    SecondFactor,
    /// Confirming a sensitive action within a session.
    StepUp,
    /// Accepting an invitation.
    Invite,
    /// A backup code of the second factor.
    BackupCode,
}

impl CodePurpose {
    /// The stable name, part of every digest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignUp => "sign_up",
            Self::Login => "login",
            Self::LoginLink => "login_link",
            Self::ResetPassword => "reset_password",
            Self::SetPassword => "set_password",
            Self::VerifyIdentifier => "verify_identifier",
            Self::ChangeIdentifier => "change_identifier",
            Self::SecondFactor => "second_factor",
            Self::StepUp => "step_up",
            Self::Invite => "invite",
            Self::BackupCode => "backup_code",
        }
    }
}

/// What a digest is bound to: a secret is worth nothing for another purpose, tenant or subject.
#[derive(Clone, Copy, Debug)]
pub struct CodeBinding<'a> {
    /// What it may be used for.
    pub purpose: CodePurpose,
    /// Whose tenant it is.
    pub tenant: &'a TenantId,
    /// Whom or what it is about, in one unambiguous form: an account id's bytes, a normalised identifier.
    pub subject: &'a [u8],
}

/// HMAC-SHA-256 under a [`Pepper`] over `"postern/v1/code"` ‖ NUL, then purpose, tenant, subject and secret, each
/// with its length in bytes as u64 big-endian before it.
///
/// A code has 20 bits, so its plain hash would be no secret; without the pepper this is.
#[derive(Clone, Copy)]
pub struct CodeDigest([u8; 32]);

impl CodeDigest {
    /// The digest of a code or link secret.
    #[must_use]
    pub fn compute(pepper: &Pepper, binding: &CodeBinding<'_>, secret: &[u8]) -> Self {
        let mut mac = pepper.start("postern/v1/code");
        let tenant = binding.tenant.as_str().as_bytes();
        for part in [binding.purpose.as_str().as_bytes(), tenant, binding.subject, secret] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            mac.update(&length.to_be_bytes());
            mac.update(part);
        }
        Self(mac.finalize().into_bytes().into())
    }

    /// As read from storage.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As written to storage.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both are equal, in time that does not depend on where they differ.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for CodeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeDigest([redacted])")
    }
}

/// base64url of the 32 bytes.
#[cfg(feature = "serde")]
impl serde::Serialize for CodeDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url::encode(&self.0))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for CodeDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        base64url::decode_array(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}
