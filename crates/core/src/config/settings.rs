//! The sections of the configuration: what each holds and what its fields may be.

use super::limits::RateLimit;
use super::section::{Section, Value};
use super::url::WebUrl;
use crate::keyring::KeyKind;
use crate::password::{HashKind, HashKinds};
use crate::permission::{MaskWidth, PermissionMask, PermissionName, PermissionRegistry, RoleName, RoleTable};
use crate::time::Seconds;
use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::fmt;
use core::num::NonZeroU32;
use core::str::FromStr;
use core::time::Duration;

/// One year, the longest that anything may live.
const YEAR: u32 = 31_536_000;
const DAY: u32 = 86_400;

/// A named set of defaults. Values that are given win over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// `default`: hybrid validation, sessions of 30 days.
    Default,
    /// `high_security`: strict validation, sessions of 7 days that end after 1 idle day, tighter limits.
    HighSecurity,
    /// `high_throughput`: access tokens of 15 minutes, wider limits.
    HighThroughput,
}

impl Preset {
    pub(super) const WORDS: [(&'static str, Self); 3] = [
        ("default", Self::Default),
        ("high_security", Self::HighSecurity),
        ("high_throughput", Self::HighThroughput),
    ];

    /// The value for this preset out of (default, high security, high throughput).
    const fn pick<T: Copy>(self, values: (T, T, T)) -> T {
        match self {
            Self::Default => values.0,
            Self::HighSecurity => values.1,
            Self::HighThroughput => values.2,
        }
    }
}

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

/// What happens when an account opens one session more than it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionLimit {
    /// There is no limit (`max_per_account = 0`).
    Unlimited,
    /// The session that was used least recently ends.
    Evict(NonZeroU32),
    /// The new session is refused.
    Reject(NonZeroU32),
    /// All other sessions end: one at a time.
    Single,
}

#[derive(Clone, Copy)]
enum OverLimit {
    Evict,
    Reject,
    Single,
}

/// `sessions`: their life and their rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionSettings {
    /// Life without a refresh, 1 second to 1 year, default 7 days.
    pub idle_ttl: Seconds,
    /// Life at all, 1 second to 1 year, default 30 days.
    pub absolute_ttl: Seconds,
    /// How long the previous refresh token is still answered, 0 to 60 seconds, default 30.
    pub refresh_grace: Seconds,
    /// How often one session may advance, default 20 a minute; `None` when the count is 0.
    pub refresh_limit: Option<RateLimit>,
    /// How many sessions an account may have, default 10, then the oldest goes.
    pub limit: SessionLimit,
    /// Whether sessions are copied to the edge for reading (cookie mode), default yes.
    pub snapshots: bool,
}

impl SessionSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let idle_ttl = preset.pick((604_800, 86_400, 1_209_600));
        let absolute_ttl = preset.pick((2_592_000, 604_800, 2_592_000));
        Self {
            idle_ttl: section.seconds("idle_ttl_seconds", idle_ttl, 1..=YEAR),
            absolute_ttl: section.seconds("absolute_ttl_seconds", absolute_ttl, 1..=YEAR),
            refresh_grace: section.seconds("refresh_grace_seconds", preset.pick((30, 10, 30)), 0..=60),
            refresh_limit: section.rate_limit("refresh_limit", preset.pick(((20, 60), (10, 120), (60, 60)))),
            limit: read_session_limit(&mut section),
            snapshots: section.flag("snapshots", true),
        }
    }
}

fn read_session_limit(section: &mut Section<'_>) -> SessionLimit {
    let words = [("evict", OverLimit::Evict), ("reject", OverLimit::Reject), ("single", OverLimit::Single)];
    let max_is_given = section.has("max_per_account");
    let max = section.number("max_per_account", 10, 0..=10_000);
    match (section.choice("over_limit", OverLimit::Evict, &words), NonZeroU32::new(max)) {
        (OverLimit::Single, _) => {
            if max_is_given && max != 1 {
                section.refuse("max_per_account", "must be 1, or absent, when over_limit is \"single\"");
            }
            SessionLimit::Single
        }
        (_, None) => SessionLimit::Unlimited,
        (OverLimit::Evict, Some(max)) => SessionLimit::Evict(max),
        (OverLimit::Reject, Some(max)) => SessionLimit::Reject(max),
    }
}

/// How much is asked before an access token is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidationMode {
    /// `jwt_only`: signature and claims; a revocation shows when the token expires.
    JwtOnly,
    /// `hybrid`: also the revocation shard at the edge; a revocation shows within `staleness`.
    Hybrid,
    /// `strict`: the account object itself; a revocation shows at once.
    Strict,
}

/// `validation`: the default for routes that do not override it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValidationSettings {
    /// The mode, default `hybrid`.
    pub mode: ValidationMode,
    /// How old a revocation shard may be in hybrid mode, 1 to 60 seconds, default 60.
    pub staleness: Seconds,
}

impl ValidationSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let words = [
            ("hybrid", ValidationMode::Hybrid),
            ("jwt_only", ValidationMode::JwtOnly),
            ("strict", ValidationMode::Strict),
        ];
        let default = preset.pick((ValidationMode::Hybrid, ValidationMode::Strict, ValidationMode::Hybrid));
        let mode = section.choice("mode", default, &words);
        if preset == Preset::HighSecurity && mode == ValidationMode::JwtOnly {
            section.refuse("mode", "must not be \"jwt_only\" with preset \"high_security\"");
        }
        Self { mode, staleness: section.seconds("staleness_seconds", 60, 1..=60) }
    }
}

/// `passwords`: Argon2id (RFC 9106) and the policy for new passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordSettings {
    /// Memory of one hash in KiB, 64 to 65,536, default 19,456 (OWASP).
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 10, default 2.
    pub iterations: u32,
    /// Lanes, 1 to 4, default 1: a Worker has one thread.
    pub parallelism: u32,
    /// The fewest characters of a new password, 8 to 64, default 10.
    pub min_length: u32,
    /// The most bytes of any password, 64 to 1,024, default 1,024.
    pub max_bytes: u32,
    /// Which characters a new password must have, default any.
    pub composition: Composition,
    /// Whether a new password is looked up among those known from breaches, default no.
    pub breach_check: BreachCheck,
    /// The hashes of other systems that a login accepts, default none.
    pub imported: HashKinds,
    /// How long after the password was looked up a failed login is answered at the earliest, 0 to 10,000 milliseconds;
    /// default 0, and with imported hashes what the slowest of their kinds takes.
    pub failure_floor: Duration,
}

/// Which characters a new password must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Composition {
    /// `none`: any, as NIST SP 800-63B-4 §3.1.1.2 demands.
    None,
    /// `mixed`: an upper-case and a lower-case letter, a digit, and a character that is neither.
    Mixed,
}

/// Whether new passwords are looked up among those known from breaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreachCheck {
    /// `off`: no.
    Off,
    /// `range`: by the range query of Pwned Passwords.
    Range {
        /// Where the query goes; a slash and the prefix follow.
        url: WebUrl,
        /// When to go on without an answer, 100 to 10,000 milliseconds, default 1,000.
        timeout: Duration,
    },
}

impl PasswordSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let composition = [("none", Composition::None), ("mixed", Composition::Mixed)];
        let imported = read_imported(&mut section);
        let floor = section.number("failure_floor_ms", slowest_ms(imported), 0..=10_000);
        Self {
            memory_kib: section.number("memory_kib", 19_456, 64..=65_536),
            iterations: section.number("iterations", 2, 1..=10),
            parallelism: section.number("parallelism", 1, 1..=4),
            // 15 where the password may be the only factor: NIST SP 800-63B-4 §3.1.1.2.
            min_length: section.number("min_length", preset.pick((10, 15, 10)), 8..=64),
            max_bytes: section.number("max_bytes", 1_024, 64..=1_024),
            composition: section.choice("composition", Composition::None, &composition),
            breach_check: read_breach_check(&mut section),
            imported,
            failure_floor: Duration::from_millis(floor.into()),
        }
    }
}

fn read_imported(section: &mut Section<'_>) -> HashKinds {
    let mut kinds = HashKinds::NONE;
    for (path, kind) in section.list::<HashKind>("imported").unwrap_or_default() {
        if kinds.contains(kind) {
            section.refuse_at(path, "is listed twice");
        }
        kinds = kinds.with(kind);
    }
    kinds
}

/// What a hash of the costliest parameters in common use takes in a Worker, in milliseconds: bcrypt of cost 12, scrypt
/// of 32 MiB, a million iterations of PBKDF2 (ARCHITECTURE.md, "Measured choices").
fn slowest_ms(kinds: HashKinds) -> u32 {
    let takes = [
        (HashKind::Argon2, 250),
        (HashKind::Bcrypt, 500),
        (HashKind::Scrypt, 500),
        (HashKind::Pbkdf2, 1_000),
    ];
    takes.iter().filter(|(kind, _)| kinds.contains(*kind)).map(|(_, takes)| *takes).max().unwrap_or(0)
}

fn read_breach_check(section: &mut Section<'_>) -> BreachCheck {
    let asks = section.choice("breach_check", false, &[("off", false), ("range", true)]);
    for field in ["breach_url", "breach_timeout_ms"] {
        if !asks && section.has(field) {
            section.refuse(field, "has no effect unless passwords.breach_check is \"range\"");
        }
    }
    let url = section.parsed_or::<WebUrl>("breach_url", "https://api.pwnedpasswords.com/range");
    if url.as_ref().is_some_and(|url| url.as_str().contains('?')) {
        section.refuse("breach_url", "must not have a query");
    }
    let timeout = Duration::from_millis(section.number("breach_timeout_ms", 1_000, 100..=10_000).into());
    match url {
        Some(url) if asks => BreachCheck::Range { url, timeout },
        _ => BreachCheck::Off,
    }
}

/// `codes`: one-time codes and links by mail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CodeSettings {
    /// Life of a code, 1 to 3,600 seconds, default 600.
    pub ttl: Seconds,
    /// Life of a code that logs in, 1 to 3,600 seconds, default 300.
    pub login_ttl: Seconds,
    /// Life of a link that logs in or resets a password, 1 second to 1 day, default 15 minutes.
    pub link_ttl: Seconds,
    /// How long after one mail the next of its kind may be asked for, 0 to 3,600 seconds, default 60.
    pub resend_after: Seconds,
    /// Whether no other mail of its kind is sent while a code or link may still be used, default no: then the next one
    /// makes it worthless.
    pub refuse_while_live: bool,
    /// How often a code may be tried, 1 to 10, default 5.
    pub max_attempts: u32,
    /// Whether a sign-up confirmed by address and code alone keeps the password that was chosen when it was opened,
    /// default yes; no with preset `high_security`. What that risks is written at `intake::claim_sign_up`.
    pub bare_claim_keeps_password: bool,
}

impl CodeSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let keeps = preset.pick((true, false, true));
        Self {
            ttl: section.seconds("ttl_seconds", 600, 1..=3_600),
            login_ttl: section.seconds("login_ttl_seconds", 300, 1..=3_600),
            link_ttl: section.seconds("link_ttl_seconds", 900, 1..=86_400),
            resend_after: section.seconds("resend_after_seconds", 60, 0..=3_600),
            refuse_while_live: section.choice(
                "resend",
                false,
                &[("replace", false), ("refuse_while_live", true)],
            ),
            max_attempts: section.number("max_attempts", 5, 1..=10),
            bare_claim_keeps_password: section.flag("bare_claim_keeps_password", keeps),
        }
    }
}

/// `sign_in`: ways in besides the password.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignInSettings {
    /// Whether a mailed code logs in, default yes.
    pub codes: bool,
    /// Whether a mailed link logs in, default yes.
    pub links: bool,
    /// Whether a code sent to an address without an account creates one, default no.
    pub creates_accounts: bool,
}

impl SignInSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let settings = Self {
            codes: section.flag("codes", true),
            links: section.flag("links", true),
            creates_accounts: section.flag("creates_accounts", false),
        };
        if settings.creates_accounts && !settings.codes {
            section.refuse("creates_accounts", "has no effect unless sign_in.codes is true");
        }
        settings
    }
}

/// The form of a secret that is mailed as proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailedForm {
    /// `link`: a link with 256 random bits, which nobody can guess.
    Link,
    /// `code`: six digits to type, for clients that open no links.
    Code,
    /// `uuid`: a UUID of 122 random bits to copy, for clients that open no links and people who need not type.
    Uuid,
}

impl MailedForm {
    const WORDS: [(&'static str, Self); 3] =
        [("link", Self::Link), ("code", Self::Code), ("uuid", Self::Uuid)];
}

/// `password_reset`: choosing a new password without the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordResetSettings {
    /// Whether it is possible, default yes.
    pub enabled: bool,
    /// By what, default a link.
    pub by: MailedForm,
}

impl PasswordResetSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            enabled: section.flag("enabled", true),
            by: section.choice("by", MailedForm::Link, &MailedForm::WORDS),
        }
    }
}

/// How accounts come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationMode {
    /// `verified_first`: an account exists once its address is proven, and nothing of it before.
    VerifiedFirst,
    /// `immediate`: an account exists at once; its address may be proven later.
    Immediate,
    /// `closed`: nobody signs up; an operator creates accounts.
    Closed,
}

/// Whether accounts have usernames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsernameRule {
    /// `off`: none has.
    Off,
    /// `optional`: those have whose owner has chosen one.
    Optional,
    /// `derived`: all have; who chooses none gets one made of the address.
    Derived,
    /// `required`: all have, and a sign-up must choose one.
    Required,
}

/// `registration`: signing up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegistrationSettings {
    /// The mode, default `verified_first`.
    pub mode: RegistrationMode,
    /// Usernames, default off.
    pub usernames: UsernameRule,
    /// Whether an immediate sign-up is answered with tokens, default no.
    pub auto_login: bool,
    /// Whether an account of an immediate sign-up waits for the proof of its address before anybody signs in, default
    /// yes.
    pub require_verified_for_login: bool,
    /// Whether a sign-up says that its address has an account, default no: then only the owner is told, by mail.
    pub reveal_existing_accounts: bool,
}

impl RegistrationSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let modes = [
            ("verified_first", RegistrationMode::VerifiedFirst),
            ("immediate", RegistrationMode::Immediate),
            ("closed", RegistrationMode::Closed),
        ];
        let rules = [
            ("off", UsernameRule::Off),
            ("optional", UsernameRule::Optional),
            ("derived", UsernameRule::Derived),
            ("required", UsernameRule::Required),
        ];
        let settings = Self {
            mode: section.choice("mode", RegistrationMode::VerifiedFirst, &modes),
            usernames: section.choice("usernames", UsernameRule::Off, &rules),
            auto_login: section.flag("auto_login", false),
            require_verified_for_login: section.flag("require_verified_for_login", true),
            reveal_existing_accounts: section.flag("reveal_existing_accounts", false),
        };
        let immediate = settings.mode == RegistrationMode::Immediate;
        // Whoever signs up tries the password afterwards, and knows whether there was an account before: silence would
        // be a pretence.
        if immediate && !settings.reveal_existing_accounts {
            section.refuse("mode", "\"immediate\" needs registration.reveal_existing_accounts = true");
        }
        if settings.auto_login && (!immediate || settings.require_verified_for_login) {
            let rule = "needs registration.mode = \"immediate\" and require_verified_for_login = false";
            section.refuse("auto_login", rule);
        }
        settings
    }
}

/// `verification`: proving an address that an account has or is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerificationSettings {
    /// By what an account's own address is proven, default a code.
    pub by: MailedForm,
    /// Life of a code for another address, 1 second to 7 days, default 24 hours.
    pub email_change_ttl: Seconds,
}

impl VerificationSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        Self {
            by: section.choice("by", MailedForm::Code, &MailedForm::WORDS),
            email_change_ttl: section.seconds("email_change_ttl_seconds", DAY, 1..=7 * DAY),
        }
    }
}

/// `accounts`: how accounts end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountSettings {
    /// How long a deleted account is kept before it is purged, 1 second to 1 year, default 30 days; `None`, which is 0,
    /// keeps it until an operator purges it.
    pub purge_after: Option<Seconds>,
    /// Whether owners may delete their accounts themselves, default yes.
    pub owner_may_delete: bool,
}

impl AccountSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let purge_after = section.seconds("purge_after_seconds", 30 * DAY, 0..=YEAR);
        Self {
            purge_after: (purge_after > Seconds::ZERO).then_some(purge_after),
            owner_may_delete: section.flag("owner_may_delete", true),
        }
    }
}

/// `lockout`: failed proofs in a row, and the pause that follows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockoutSettings {
    /// Failures of one source against one identifier, 1 to 100, default 10.
    pub per_source_failures: u32,
    /// Failures against one identifier from everywhere, 1 to 100 (NIST SP 800-63B-4 §3.2.2), default 100.
    pub per_identifier_failures: u32,
    /// The pause, 1 second to 1 day, default 15 minutes.
    pub duration: Seconds,
}

impl LockoutSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let settings = Self {
            per_source_failures: section.number("per_source_failures", preset.pick((10, 5, 10)), 1..=100),
            per_identifier_failures: section.number("per_identifier_failures", 100, 1..=100),
            duration: section.seconds("duration_seconds", preset.pick((900, 1_800, 900)), 1..=86_400),
        };
        if settings.per_source_failures > settings.per_identifier_failures {
            section.refuse("per_source_failures", "must not be more than lockout.per_identifier_failures");
        }
        settings
    }
}

/// `permissions`: the registry and the roles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PermissionSettings {
    /// Names and their bits: `names` in the order of their first declaration, those in `deleted` as
    /// tombstones.
    pub registry: PermissionRegistry,
    /// Roles and their masks.
    pub roles: RoleTable,
    /// The role of every new account, with its mask; `None` when new accounts have no role.
    pub default_role: Option<(RoleName, PermissionMask)>,
}

impl PermissionSettings {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        let refusals = section.refusals();
        let registry = read_registry(&mut section);
        // Roles are resolved against a sound registry only: one mistake in a name is one message.
        let is_sound = section.refusals() == refusals;
        let roles = read_roles(&mut section, &registry, is_sound);
        let default_role = section.parsed::<RoleName>("default_role").and_then(|role| {
            let mask = roles.mask_of(role.as_str());
            if mask.is_none() {
                section.refuse("default_role", "must be one of permissions.roles");
            }
            mask.map(|mask| (role, mask))
        });
        Self { registry, roles, default_role }
    }
}

fn read_registry(section: &mut Section<'_>) -> PermissionRegistry {
    let read_width = |value: &Value| MaskWidth::from_bits(value.as_u64()?);
    let width = section.mapped("width", MaskWidth::Bits64, read_width, "must be 64, 128, 256 or 512");
    let names = section.list::<PermissionName>("names").unwrap_or_default();
    let deleted = section.list::<PermissionName>("deleted").unwrap_or_default();
    let declared = PermissionRegistry::from_declared(names.into_iter().map(|(_, name)| name), width);
    let mut registry = declared.unwrap_or_else(|error| {
        section.refuse("names", error.to_string());
        PermissionRegistry::empty(width)
    });
    for (path, name) in deleted {
        match registry.delete(&name) {
            Ok(next) => registry = next,
            Err(error) => section.refuse_at(path, error.to_string()),
        }
    }
    registry
}

fn read_roles(section: &mut Section<'_>, registry: &PermissionRegistry, resolve: bool) -> RoleTable {
    let mut roles: Vec<(RoleName, Vec<PermissionName>)> = Vec::new();
    for (path, key, value) in section.entries("roles") {
        let names = section.parse_list::<PermissionName>(&path, value);
        let role = key.parse::<RoleName>().map_err(|error| section.refuse_at(path, error.to_string()));
        let mut granted = Vec::with_capacity(names.len());
        for (path, name) in names {
            match registry.mask_of([&name]) {
                Err(error) if resolve => section.refuse_at(path, error.to_string()),
                Err(_) => {}
                Ok(_) => granted.push(name),
            }
        }
        if let Ok(role) = role {
            roles.push((role, granted));
        }
    }
    RoleTable::new(registry, roles.iter().map(|(role, names)| (role.clone(), names))).unwrap_or_else(
        |error| {
            section.refuse("roles", error.to_string());
            RoleTable::empty(registry.width())
        },
    )
}
