//! The stored form of an imported hash, written from its parts.

use super::{BCRYPT_BASE64, ImportedHash, Pbkdf2Digest, Scheme};
use alloc::format;
use alloc::string::String;
use argon2::Version;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

impl ImportedHash {
    /// The text that [`ImportedHash::read`] reads. Never for a log or an answer.
    #[must_use]
    pub fn to_text(&self) -> String {
        let salt_and_hash = || {
            let (salt, hash) = (STANDARD_NO_PAD.encode(&self.salt), STANDARD_NO_PAD.encode(&self.hash));
            format!("{salt}${hash}")
        };
        match &self.scheme {
            Scheme::Argon2 { algorithm, version, params } => {
                let (memory, iterations, lanes) =
                    (params.memory_kib(), params.iterations(), params.parallelism());
                let version = if *version == Version::V0x10 { 16 } else { 19 };
                let rest = salt_and_hash();
                format!("${algorithm}$v={version}$m={memory},t={iterations},p={lanes}${rest}")
            }
            Scheme::Bcrypt { variant, cost } => {
                let (salt, hash) = (BCRYPT_BASE64.encode(&self.salt), BCRYPT_BASE64.encode(&self.hash));
                format!("$2{}${cost:02}${salt}{hash}", char::from(*variant))
            }
            Scheme::Scrypt { log_n, r, p } => format!("$scrypt$ln={log_n},r={r},p={p}${}", salt_and_hash()),
            Scheme::Firebase { log_n, r, separator, .. } => {
                let (salt, separator) = self
                    .salt
                    .split_at_checked(self.salt.len().saturating_sub(*separator))
                    .unwrap_or_default();
                let (salt, separator) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(separator));
                let hash = STANDARD_NO_PAD.encode(&self.hash);
                format!("$firebase-scrypt$ln={log_n},r={r}${salt}${separator}${hash}")
            }
            Scheme::Pbkdf2 { digest, iterations } => {
                let digest = match digest {
                    Pbkdf2Digest::Sha1 => "sha1",
                    Pbkdf2Digest::Sha256 => "sha256",
                    Pbkdf2Digest::Sha512 => "sha512",
                };
                format!("$pbkdf2-{digest}$i={iterations}${}", salt_and_hash())
            }
        }
    }
}
