//! The sections `tokens` and `keys`: what access tokens say, what signs them, and how long keys live.

use super::section::Section;
use super::settings::{DAY, Preset, YEAR};
use crate::keyring::KeyKind;
use crate::time::Seconds;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// What the keyring's own keys sign access tokens with. Keys that a deployment brings along have their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningAlgorithm {
    /// Ed25519 (RFC 8032).
    EdDsa,
    /// ECDSA on P-256 (RFC 7518 §3.4), computed by the host.
    Es256,
    /// RSA of 2048 bits (RFC 7518 §3.3), computed by the host.
    Rs256,
    /// HMAC (RFC 7518 §3.2): whoever can check a token can make one.
    Hs256,
}

impl SigningAlgorithm {
    /// The kind of key that it takes.
    #[must_use]
    pub const fn key_kind(self) -> KeyKind {
        match self {
            Self::EdDsa => KeyKind::Ed25519,
            Self::Es256 => KeyKind::P256,
            Self::Rs256 => KeyKind::Rsa,
            Self::Hs256 => KeyKind::Secret,
        }
    }
}

/// The name that access tokens give their algorithm. Both mean Ed25519; verifiers accept both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlgorithmName {
    /// `EdDSA` (RFC 8037), which every library knows.
    EdDsa,
    /// `Ed25519` (RFC 9864), which replaces it.
    Ed25519,
}

impl AlgorithmName {
    /// The value of the `alg` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }
}

/// What an access token may say about its subject besides what it allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileClaim {
    /// `email`.
    Email,
    /// `email_verified`.
    EmailVerified,
    /// `preferred_username`: the username.
    PreferredUsername,
    /// `name`.
    Name,
    /// `locale`.
    Locale,
}

impl ProfileClaim {
    const ALL: [Self; 5] =
        [Self::Email, Self::EmailVerified, Self::PreferredUsername, Self::Name, Self::Locale];

    /// The claim's name (OpenID Connect Core §5.1).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
            Self::PreferredUsername => "preferred_username",
            Self::Name => "name",
            Self::Locale => "locale",
        }
    }
}

/// The text names no claim of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProfileClaimError;

impl fmt::Display for ProfileClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be one of email, email_verified, preferred_username, name, locale")
    }
}

impl FromStr for ProfileClaim {
    type Err = ProfileClaimError;

    fn from_str(text: &str) -> Result<Self, ProfileClaimError> {
        Self::ALL.into_iter().find(|claim| claim.name() == text).ok_or(ProfileClaimError)
    }
}

/// `tokens`: access tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenSettings {
    /// Life of an access token, 1 to 900 seconds, default 300.
    pub access_ttl: Seconds,
    /// What the keyring's own keys sign with, default `EdDSA`. To change it is to begin a rotation.
    pub algorithm: SigningAlgorithm,
    /// The name of Ed25519 in the header, default `EdDSA`.
    pub algorithm_name: AlgorithmName,
    /// How far two clocks may differ, 0 to 120 seconds, default 30.
    pub leeway: Seconds,
    /// The longest life of an access token with a root mask, 1 to 120 seconds, default 120.
    pub root_ttl: Seconds,
    /// How long after its issue a token is still believed, whenever it expires: 1 to 900 seconds; `None`, the default,
    /// when it is 0.
    pub max_age: Option<Seconds>,
    /// How far ahead a token's time of issue still counts as a wrong clock, from the leeway to 24 hours, default 10
    /// minutes.
    pub max_future_issue: Seconds,
    /// What tokens say about their subject, default nothing. With any, every login and refresh reads the directory.
    pub profile_claims: Vec<ProfileClaim>,
}

impl TokenSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let names = [("EdDSA", AlgorithmName::EdDsa), ("Ed25519", AlgorithmName::Ed25519)];
        let algorithms = [
            ("EdDSA", SigningAlgorithm::EdDsa),
            ("ES256", SigningAlgorithm::Es256),
            ("RS256", SigningAlgorithm::Rs256),
            ("HS256", SigningAlgorithm::Hs256),
        ];
        let max_age = section.seconds("max_age_seconds", 0, 0..=900);
        let profile_claims = section.list::<ProfileClaim>("profile_claims").unwrap_or_default();
        let settings = Self {
            access_ttl: section.seconds("access_ttl_seconds", preset.pick((300, 300, 900)), 1..=900),
            algorithm: section.choice("algorithm", SigningAlgorithm::EdDsa, &algorithms),
            algorithm_name: section.choice("algorithm_name", AlgorithmName::EdDsa, &names),
            leeway: section.seconds("leeway_seconds", 30, 0..=120),
            root_ttl: section.seconds("root_ttl_seconds", 120, 1..=120),
            max_age: (max_age > Seconds::ZERO).then_some(max_age),
            max_future_issue: section.seconds("max_future_issue_seconds", 600, 0..=86_400),
            profile_claims: profile_claims.into_iter().map(|(_, claim)| claim).collect(),
        };
        if settings.max_future_issue < settings.leeway {
            section.refuse("max_future_issue_seconds", "must not be less than tokens.leeway_seconds");
        }
        settings
    }
}

/// `keys`: how long signing and edge-tag keys are known, used and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeySettings {
    /// How long a key is used, 1 hour to 1 year, default 90 days; `None`, which is 0, replaces it by order only.
    pub rotate_after: Option<Seconds>,
    /// How long a signing key is published before it is used, 1 second to 30 days, default 1 day.
    pub publish_before: Seconds,
}

impl KeySettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let rotate_after = section.seconds("rotate_after_seconds", 90 * DAY, 0..=YEAR);
        let publish_before = section.seconds("publish_before_seconds", DAY, 1..=30 * DAY);
        let rotates = rotate_after != Seconds::ZERO;
        if rotates && rotate_after < Seconds::new(3_600) {
            section.refuse("rotate_after_seconds", "must be 0, or 3600 at least");
        } else if rotates && rotate_after <= publish_before {
            section.refuse("rotate_after_seconds", "must be 0, or more than keys.publish_before_seconds");
        }
        Self { rotate_after: rotates.then_some(rotate_after), publish_before }
    }
}
