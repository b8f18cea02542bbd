//! Time-based one-time passwords (RFC 6238), as authenticator apps make them.

use crate::codec::base32;
use crate::entropy::Random;
use crate::secret::SecretText;
use crate::time::UnixSeconds;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _, ConstantTimeGreater as _};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The hash of the HMAC (RFC 6238 §1.2). Most apps know [`TotpAlgorithm::Sha1`] only, and ignore what a URI says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TotpAlgorithm {
    /// HMAC-SHA-1, which is not weakened by what is known of SHA-1 (RFC 6194 §3.3).
    Sha1,
    /// HMAC-SHA-256.
    Sha256,
    /// HMAC-SHA-512.
    Sha512,
}

impl TotpAlgorithm {
    /// The name in `otpauth:` URIs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }
}

/// How codes are made and how far clocks may be apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotpParameters {
    algorithm: TotpAlgorithm,
    digits: u8,
    period_seconds: u16,
    skew_steps: u8,
}

/// Why parameters are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TotpParametersError {
    /// Fewer than 6 digits or more than 8.
    Digits,
    /// A period below 15 or above 120 seconds.
    Period,
    /// More than 2 steps of skew: each more is two more codes that are right at any moment.
    Skew,
}

impl fmt::Display for TotpParametersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digits => "codes must have 6 to 8 digits",
            Self::Period => "the period must be 15 to 120 seconds",
            Self::Skew => "the skew must be at most 2 steps",
        })
    }
}

impl core::error::Error for TotpParametersError {}

impl TotpParameters {
    /// What every app understands: HMAC-SHA-1, 6 digits, 30 seconds, one step of skew.
    pub const DEFAULT: Self =
        Self { algorithm: TotpAlgorithm::Sha1, digits: 6, period_seconds: 30, skew_steps: 1 };

    /// 6 to 8 digits, a period of 15 to 120 seconds, 0 to 2 steps of skew to either side.
    ///
    /// # Errors
    ///
    /// The first bound that is not kept.
    pub const fn new(
        algorithm: TotpAlgorithm,
        digits: u8,
        period_seconds: u16,
        skew_steps: u8,
    ) -> Result<Self, TotpParametersError> {
        if digits < 6 || digits > 8 {
            Err(TotpParametersError::Digits)
        } else if period_seconds < 15 || period_seconds > 120 {
            Err(TotpParametersError::Period)
        } else if skew_steps > 2 {
            Err(TotpParametersError::Skew)
        } else {
            Ok(Self { algorithm, digits, period_seconds, skew_steps })
        }
    }

    const fn step_at(self, now: UnixSeconds) -> u64 {
        let period = if self.period_seconds == 0 { 30 } else { self.period_seconds };
        // The period is not 0 here.
        match now.as_secs().checked_div(period as u64) {
            Some(step) => step,
            None => 0,
        }
    }

    const fn modulus(self) -> u32 {
        match self.digits {
            8 => 100_000_000,
            7 => 10_000_000,
            _ => 1_000_000,
        }
    }
}

/// The secret that an app and the account's owner share: 20 to 64 bytes.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct TotpSecret(Vec<u8>);

impl TotpSecret {
    /// Bytes of a new secret: as long as a SHA-1 digest (RFC 4226 §4, R6).
    pub const BYTES: usize = 20;

    /// A new secret.
    #[must_use]
    pub fn new(entropy: Random<{ Self::BYTES }>) -> Self {
        Self(entropy.into_bytes().into())
    }

    /// A stored one; `None` unless it has 16 to 64 bytes (RFC 4226 §4, R6: 128 bits at least).
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (16..=64).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The bytes, to be sealed and stored.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// For typing it in: base32, upper case, without padding.
    #[must_use]
    pub fn to_base32(&self) -> SecretText {
        SecretText::new(base32::encode(&self.0))
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret([redacted])")
    }
}

/// What a presented code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum TotpVerdict {
    /// Right, and newer than whatever was used before. Store the step before anything is done with it.
    Accepted {
        /// The step of the code.
        step: u64,
    },
    /// Right, and used before, or older than one that was (RFC 6238 §5.2).
    Replayed,
    /// It is no code of this moment.
    Wrong,
}

/// Compares a code with all that are right within the skew, in a time that says nothing of which it was.
///
/// `last_step` is the newest step that was ever accepted: it and all before are used up. Blanks in the code are passed
/// over, since apps show it in groups; anything else but the right number of digits is wrong.
pub fn check_totp(
    secret: &TotpSecret,
    parameters: TotpParameters,
    presented: &str,
    now: UnixSeconds,
    last_step: Option<u64>,
) -> TotpVerdict {
    let Some(presented) = typed(presented, parameters.digits) else { return TotpVerdict::Wrong };
    let middle = parameters.step_at(now);
    let skew = u64::from(parameters.skew_steps);
    // One more than the newest matching step, so that 0 is none.
    let mut newest = 0_u64;
    for step in middle.saturating_sub(skew)..=middle.saturating_add(skew) {
        let matches = code_at(secret, parameters, step).ct_eq(&presented);
        newest.conditional_assign(&step.saturating_add(1), matches & step.saturating_add(1).ct_gt(&newest));
    }
    match newest.checked_sub(1) {
        None => TotpVerdict::Wrong,
        Some(step) if last_step.is_some_and(|last| step <= last) => TotpVerdict::Replayed,
        Some(step) => TotpVerdict::Accepted { step },
    }
}

/// The number that was typed; `None` unless it has exactly `digits` digits.
fn typed(text: &str, digits: u8) -> Option<u32> {
    // Far more than any code with its blanks.
    if text.len() > 32 {
        return None;
    }
    let typed: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|character| *character != ' ').collect());
    let fits = typed.len() == usize::from(digits) && typed.bytes().all(|byte| byte.is_ascii_digit());
    if fits { typed.parse().ok() } else { None }
}

/// HOTP at a step (RFC 4226 §5.3).
fn code_at(secret: &TotpSecret, parameters: TotpParameters, step: u64) -> u32 {
    let message = step.to_be_bytes();
    let truncated = match parameters.algorithm {
        TotpAlgorithm::Sha1 => truncated(&digest::<Hmac<Sha1>>(secret, &message)),
        TotpAlgorithm::Sha256 => truncated(&digest::<Hmac<Sha256>>(secret, &message)),
        TotpAlgorithm::Sha512 => truncated(&digest::<Hmac<Sha512>>(secret, &message)),
    };
    truncated.checked_rem(parameters.modulus()).unwrap_or_default()
}

fn digest<M: Mac + KeyInit>(secret: &TotpSecret, message: &[u8]) -> Zeroizing<Vec<u8>> {
    // HMAC takes keys of any length.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(secret.expose()) else { return Zeroizing::default() };
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().to_vec())
}

/// Dynamic truncation: 31 bits at the place that the last four bits name.
fn truncated(digest: &[u8]) -> u32 {
    let place = usize::from(digest.last().copied().unwrap_or_default() & 0x0f);
    let word = digest.get(place..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
    u32::from_be_bytes(word) & 0x7fff_ffff
}

/// The URI that an app reads from a QR code (Google's *Key Uri Format*).
///
/// `issuer` is the service's name and `label` the account's, both percent-encoded here; a colon in the issuer, which
/// would end it, is left out.
#[must_use]
pub fn provisioning_uri(
    secret: &TotpSecret,
    parameters: TotpParameters,
    issuer: &str,
    label: &str,
) -> SecretText {
    let issuer: String = issuer.chars().filter(|character| *character != ':').collect();
    let issuer = percent_encoded(&issuer);
    let (label, secret) = (percent_encoded(label), secret.to_base32());
    let TotpParameters { algorithm, digits, period_seconds, .. } = parameters;
    SecretText::new(alloc::format!(
        "otpauth://totp/{issuer}:{label}?secret={}&issuer={issuer}&algorithm={}&digits={digits}&period={period_seconds}",
        secret.expose(),
        algorithm.name(),
    ))
}

/// RFC 3986 §2.1: all but unreserved characters.
fn percent_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for nibble in [byte >> 4, byte & 0x0f] {
                encoded.push(char::from(HEX.get(usize::from(nibble)).copied().unwrap_or_default()));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const RFC_6238: &str = include_str!("../../../../tests/vectors/factor/totp.json");
    const NOW: u64 = 1_800_000_015;

    fn secret() -> TotpSecret {
        TotpSecret::new(Random::new(*b"12345678901234567890"))
    }

    fn code(step: u64) -> String {
        alloc::format!("{:06}", code_at(&secret(), TotpParameters::DEFAULT, step))
    }

    fn check(presented: &str, now: u64, last_step: Option<u64>) -> TotpVerdict {
        check_totp(&secret(), TotpParameters::DEFAULT, presented, UnixSeconds::new(now), last_step)
    }

    #[test]
    fn published_vectors() {
        let file: Value = serde_json::from_str(RFC_6238).unwrap();
        let text = |value: &Value| String::from(value.as_str().unwrap());
        for vector in file["vectors"].as_array().unwrap() {
            let algorithm = serde_json::from_value(vector["algorithm"].clone()).unwrap();
            let digits = u8::try_from(vector["digits"].as_u64().unwrap()).unwrap();
            let skew = u8::try_from(vector["skew_steps"].as_u64().unwrap()).unwrap();
            let parameters = TotpParameters::new(algorithm, digits, 30, skew).unwrap();
            let secret = TotpSecret::from_bytes(text(&vector["secret"]).as_bytes()).unwrap();
            let now = UnixSeconds::new(vector["at_seconds"].as_u64().unwrap());
            let last = vector["last_step"].as_u64();
            let expected = match text(&vector["verdict"]).as_str() {
                "accepted" => TotpVerdict::Accepted { step: vector["step"].as_u64().unwrap() },
                "replayed" => TotpVerdict::Replayed,
                "wrong" => TotpVerdict::Wrong,
                other => panic!("{other}"),
            };
            assert_eq!(
                check_totp(&secret, parameters, &text(&vector["code"]), now, last),
                expected,
                "{vector}"
            );
        }
    }

    #[test]
    fn a_step_is_used_up_with_all_before_it() {
        let step = NOW / 30;
        for (offset, last, expected) in [
            (0, None, TotpVerdict::Accepted { step }),
            (0, Some(step - 1), TotpVerdict::Accepted { step }),
            (0, Some(step), TotpVerdict::Replayed),
            (0, Some(step + 1), TotpVerdict::Replayed),
            (1, Some(step), TotpVerdict::Accepted { step: step + 1 }),
        ] {
            assert_eq!(check(&code(step + offset), NOW, last), expected, "{offset} {last:?}");
        }
        assert_eq!(check(&code(step - 1), NOW, Some(step - 1)), TotpVerdict::Replayed);
        assert_eq!(check(&code(step - 2), NOW, None), TotpVerdict::Wrong);
        assert_eq!(check(&code(step + 2), NOW, None), TotpVerdict::Wrong);
        assert_eq!(check(&code(0), 0, None), TotpVerdict::Accepted { step: 0 });
    }

    #[test]
    fn only_digits_and_blanks_are_typed() {
        let right = code(NOW / 30);
        let grouped = alloc::format!("{} {}", &right[..3], &right[3..]);
        assert!(matches!(check(&grouped, NOW, None), TotpVerdict::Accepted { .. }));
        for bad in ["", "12345", "1234567", "+12345", "12345\n", "１２３４５６", "abcdef", &"1".repeat(40)]
        {
            assert_eq!(check(bad, NOW, None), TotpVerdict::Wrong, "{bad}");
        }
    }

    #[test]
    fn bounds_of_the_parameters() {
        let new = |digits, period, skew| TotpParameters::new(TotpAlgorithm::Sha1, digits, period, skew).err();
        assert_eq!(new(6, 30, 1), None);
        assert_eq!(new(8, 120, 2), None);
        for digits in [0, 5, 9] {
            assert_eq!(new(digits, 30, 1), Some(TotpParametersError::Digits));
        }
        for period in [0, 14, 121] {
            assert_eq!(new(6, period, 1), Some(TotpParametersError::Period));
        }
        assert_eq!(new(6, 30, 3), Some(TotpParametersError::Skew));
    }

    #[test]
    fn a_uri_is_what_apps_read_and_nothing_breaks_out_of_it() {
        let uri =
            provisioning_uri(&secret(), TotpParameters::DEFAULT, "Ac:me & Co", "a+b@example.com?secret=X");
        assert_eq!(
            uri.expose(),
            "otpauth://totp/Acme%20%26%20Co:a%2Bb%40example.com%3Fsecret%3DX?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Acme%20%26%20Co&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn short_and_long_secrets_are_refused() {
        for (length, fine) in [(0, false), (15, false), (16, true), (64, true), (65, false)] {
            assert_eq!(TotpSecret::from_bytes(&alloc::vec![7; length]).is_some(), fine, "{length}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in any::<String>(), now in any::<u64>(), last in any::<Option<u64>>()) {
            let _ = check(&text, now, last);
        }
    }
}
