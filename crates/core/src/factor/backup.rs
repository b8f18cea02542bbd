//! Backup codes: for whoever has lost the authenticator. Shown once, each works once.

use crate::codec::base64url;
use crate::entropy::Random;
use crate::id::{AccountId, TenantId};
use crate::identifier::length_prefixed;
use crate::password::{Arena, Argon2Params, HashError, Pepper, derive_key};
use crate::secret::SecretText;
use crate::time::UnixMillis;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::{Zeroize as _, Zeroizing};

/// How many codes a set has.
pub const BACKUP_CODES: usize = 10;
const SYMBOLS: usize = 10;
/// 32 symbols, so that five bits of a random byte choose one without a bias: no I, O, 0 or 1, which look alike.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/// One code in its canonical form: 10 symbols, 50 bits.
#[derive(Clone)]
pub struct BackupCode(SecretText);

impl BackupCode {
    /// Reads a code as typed: in either case, with dashes and blanks anywhere. `None` for what can be none of ours.
    #[must_use]
    pub fn parse(text: &SecretText) -> Option<Self> {
        // Far more than any code with its dashes.
        if text.expose().len() > 40 {
            return None;
        }
        let mut code: String =
            text.expose().chars().filter(|character| !matches!(character, '-' | ' ')).collect();
        code.make_ascii_uppercase();
        if code.len() == SYMBOLS && code.bytes().all(|byte| ALPHABET.contains(&byte)) {
            Some(Self(SecretText::new(code)))
        } else {
            code.zeroize();
            None
        }
    }

    /// For showing it, once: `XXXXX-XXXXX`.
    #[must_use]
    pub fn shown(&self) -> SecretText {
        let (left, right) = self.0.expose().split_at_checked(SYMBOLS / 2).unwrap_or_default();
        SecretText::new(alloc::format!("{left}-{right}"))
    }

    /// What is stored of it: Argon2id with [`Argon2Params::DEFAULT`] of the peppered code, since 50 bits alone could be
    /// guessed offline. The salt follows from tenant and account, so that one hash is compared with the whole set.
    ///
    /// # Errors
    ///
    /// [`HashError::OutOfMemory`] if the arena cannot grow to the memory of the parameters.
    pub fn digest(
        &self,
        tenant: &TenantId,
        account: &AccountId,
        pepper: &Pepper,
        params: Argon2Params,
        arena: &mut Arena,
    ) -> Result<BackupDigest, HashError> {
        let about =
            length_prefixed(&[b"postern/v1/backup code", tenant.as_str().as_bytes(), account.as_bytes()]);
        derive_key(self.0.expose().as_bytes(), &about, pepper, params, arena).map(BackupDigest)
    }
}

impl fmt::Debug for BackupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupCode([redacted])")
    }
}

/// A fresh set of codes.
#[must_use]
pub fn backup_codes(entropy: Random<{ BACKUP_CODES * SYMBOLS }>) -> Vec<BackupCode> {
    let bytes = Zeroizing::new(entropy.into_bytes());
    let symbol = |byte: &u8| ALPHABET.get(usize::from(byte & 0x1f)).copied().map_or('2', char::from);
    bytes
        .chunks_exact(SYMBOLS)
        .map(|chunk| BackupCode(SecretText::new(chunk.iter().map(symbol).collect())))
        .collect()
}

/// What is stored of a code.
#[derive(Clone, Copy)]
pub struct BackupDigest([u8; 32]);

impl BackupDigest {
    fn matches(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Debug for BackupDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackupDigest([redacted])")
    }
}

impl Serialize for BackupDigest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for BackupDigest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <alloc::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        base64url::decode_array(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// The codes of an account that have not been used, digested under one pepper.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackupCodes {
    /// The pepper of the digests.
    pub pepper_id: u32,
    /// One for each code that is left.
    pub left: Vec<BackupDigest>,
    /// When the set was made.
    pub created_at: UnixMillis,
}

impl BackupCodes {
    /// The set without the code that was presented; `None` if it is none of them. Every code is compared, so that the
    /// time says nothing of which one it was.
    #[must_use]
    pub fn without(&self, presented: &BackupDigest) -> Option<Self> {
        let (used, left): (Vec<_>, Vec<_>) =
            self.left.iter().partition(|stored| bool::from(stored.matches(presented)));
        (!used.is_empty()).then(|| Self { left, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn digest(code: &BackupCode, tenant: &str, account: u8, pepper: u8) -> BackupDigest {
        let pepper = Pepper::new(1, Secret::new([pepper; 32]));
        let (tenant, account) = (tenant.parse().unwrap(), AccountId::from_bytes([account; 16]));
        let params = Argon2Params::new(64, 1, 1).unwrap();
        code.digest(&tenant, &account, &pepper, params, &mut Arena::new()).unwrap()
    }

    fn parse(text: &str) -> Option<BackupCode> {
        BackupCode::parse(&SecretText::new(text.into()))
    }

    #[test]
    fn ten_codes_of_ten_symbols_without_a_bias() {
        let mut bytes = [0_u8; 100];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(index * 37 % 256).unwrap();
        }
        let codes = backup_codes(Random::new(bytes));
        assert_eq!(codes.len(), BACKUP_CODES);
        for code in &codes {
            assert_eq!(parse(code.shown().expose()).unwrap().0.expose(), code.0.expose());
        }
        let mut counts = [0_u32; 256];
        for byte in 0..=255_u8 {
            let code = backup_codes(Random::new([byte; 100]));
            counts[usize::from(code[0].0.expose().as_bytes()[0])] += 1;
        }
        assert!(ALPHABET.iter().all(|symbol| counts[usize::from(*symbol)] == 8));
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let shown = "ABCDE-23456";
        for typed in ["ABCDE-23456", "abcde23456", " a-b c-d-e 23456 "] {
            assert_eq!(parse(typed).unwrap().shown().expose(), shown, "{typed}");
        }
        for bad in
            ["", "ABCDE-2345", "ABCDE-234567", "ABCDE-2345O", "ABCDE-2345!", "ÄBCDE-23456", &"A".repeat(41)]
        {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_bound_to_tenant_account_and_pepper() {
        let code = parse("ABCDE-23456").unwrap();
        let ours = digest(&code, "acme", 1, 1);
        let same = |other: &BackupDigest| bool::from(ours.matches(other));
        assert!(same(&digest(&code, "acme", 1, 1)));
        for other in [digest(&code, "other", 1, 1), digest(&code, "acme", 2, 1), digest(&code, "acme", 1, 2)]
        {
            assert!(!same(&other));
        }
        assert!(!same(&digest(&parse("ABCDE-23457").unwrap(), "acme", 1, 1)));
    }

    #[test]
    fn a_code_is_used_once() {
        let codes: Vec<_> = ["ABCDE-23456", "BCDEF-34567"].iter().map(|text| parse(text).unwrap()).collect();
        let left: Vec<_> = codes.iter().map(|code| digest(code, "acme", 1, 1)).collect();
        let set = BackupCodes { pepper_id: 1, left: left.clone(), created_at: UnixMillis::new(0) };
        let rest = set.without(&left[0]).unwrap();
        assert_eq!(rest.left.len(), 1);
        assert!(rest.without(&left[0]).is_none() && rest.without(&left[1]).is_some());
        assert!(set.without(&BackupDigest([0; 32])).is_none());
    }
}
