//! The configuration: one JSON object, parsed once into types that cannot hold a bad value.
//!
//! The text is the table `[vars.POSTERN]` of `wrangler.toml`, as JSON. Unknown fields are refused, every
//! number has a range, fields that contradict each other are refused, and all broken rules are reported at
//! once, each with the full path of its field. What is allowed but unwise is a [`Finding`] of
//! [`Config::lint`].

mod accounts;
mod cookies;
mod definitions;
mod device_binding;
mod dpop;
mod limits;
mod lint;
mod mail;
mod organizations;
mod passkeys;
mod passwords;
mod permissions;
mod second_factor;
mod section;
mod settings;
mod sms;
mod tenants;
mod tokens;
mod turnstile;
mod url;

pub use accounts::{
    AccountSettings, CodeSettings, MailedForm, PasswordResetSettings, RegistrationMode, RegistrationSettings,
    SignInSettings, UsernameRule, VerificationSettings,
};
pub use cookies::{CookieMode, CookieSettings, SameSite};
pub use definitions::{DefinitionError, Undeclared};
pub use device_binding::{DeviceBindingSettings, TraitSettings};
pub use dpop::{DpopMode, DpopSettings};
pub use limits::{FailMode, Limits, RateLimit};
pub use lint::{Deployment, Finding, Severity};
pub use mail::{MailApi, MailSender, MailService, MailSettings};
pub use organizations::{OrganizationMode, OrganizationSettings};
pub use passkeys::PasskeySettings;
pub use passwords::{BreachCheck, Composition, PasswordSettings};
pub use permissions::{Ineffective, PermissionSettings};
pub use second_factor::SecondFactorSettings;
pub use settings::{
    AutoLockoutSettings, LockoutSettings, Preset, SessionLimit, SessionSettings, ValidationMode,
    ValidationSettings,
};
pub use sms::{NumberPrefix, SmsOrigin, SmsSender, SmsSettingError, SmsSettings, TwilioAccount};
pub use tenants::{TenantHint, TenantRefusal, TenantSettings, TenantSource};
pub use tokens::{
    AlgorithmName, KeySettings, ProfileClaim, ProfileClaimError, SigningAlgorithm, TokenSettings,
};
pub use turnstile::TurnstileSettings;
pub use url::{Audience, Issuer, Origin, UrlError, WebUrl};

use crate::id::{ClientId, TenantId};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use section::Section;
use tenants::Declared;

/// The configuration of one deployment. Immutable; made by [`Config::from_json`] only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    preset: Preset,
    issuer: Issuer,
    audience: Vec<Audience>,
    client_id: ClientId,
    tenant: TenantId,
    tenants: TenantSettings,
    tokens: TokenSettings,
    keys: KeySettings,
    sessions: SessionSettings,
    cookies: CookieSettings,
    validation: ValidationSettings,
    device_binding: DeviceBindingSettings,
    dpop: DpopSettings,
    passwords: PasswordSettings,
    passkeys: PasskeySettings,
    second_factor: SecondFactorSettings,
    codes: CodeSettings,
    sign_in: SignInSettings,
    registration: RegistrationSettings,
    verification: VerificationSettings,
    password_reset: PasswordResetSettings,
    accounts: AccountSettings,
    lockout: LockoutSettings,
    auto_lockout: AutoLockoutSettings,
    limits: Limits,
    permissions: PermissionSettings,
    organizations: OrganizationSettings,
    mail: MailSettings,
    sms: SmsSettings,
    turnstile: TurnstileSettings,
}

/// Where a configuration is meant to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// On a developer's machine: a build with the development surface.
    Development,
    /// Anywhere else: a release build.
    Production,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The full path of the field, such as `sessions.refresh_grace_seconds`; empty for the whole.
    pub path: String,
    /// The rule, such as `must be 0 to 60, is 90`. It quotes numbers and names, never other texts.
    pub rule: String,
}

/// Every rule that a configuration breaks: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<Violation>);

impl ConfigErrors {
    /// The broken rules.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.0
    }
}

impl From<Violation> for ConfigErrors {
    fn from(violation: Violation) -> Self {
        Self(Vec::from([violation]))
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "configuration" } else { &self.path };
        write!(f, "{path}: {}", self.rule)
    }
}

/// One line per broken rule.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{violation}")?;
        }
        Ok(())
    }
}

impl core::error::Error for ConfigErrors {}

impl Config {
    /// Parses the configuration.
    ///
    /// # Errors
    ///
    /// [`ConfigErrors`] with every broken rule: text that is not a JSON object, an unknown field, a missing
    /// required one, a value of the wrong type or outside its range, fields that contradict each other.
    pub fn from_json(text: &str) -> Result<Self, ConfigErrors> {
        let mut errors = Vec::new();
        let fields = section::parse_object(text)?;
        let config = match Self::read(Section::root(fields.clone(), &mut errors)) {
            // What is wrong for all would be said again for each tenant.
            Some((config, declared)) if errors.is_empty() => {
                let tenants = declared.resolve(&fields, &config, &mut errors);
                Some(Self { tenants, ..config })
            }
            _ => None,
        };
        match config {
            Some(config) if errors.is_empty() => Ok(config),
            _ => Err(ConfigErrors(errors)),
        }
    }

    /// Checks what only the place of deployment can forbid.
    ///
    /// # Errors
    ///
    /// In production, [`ConfigErrors`] for the development mailbox: codes would be readable to whoever
    /// reaches it and nobody would get mail or SMS; and for passkeys or cookies of pages on the reader's own machine,
    /// unless the issuer is there, too.
    pub fn check_for(&self, environment: Environment) -> Result<(), ConfigErrors> {
        let mut errors = Vec::new();
        if environment == Environment::Production && self.mail.sender == MailSender::DevelopmentMailbox {
            let rule = "must not be \"development_mailbox\" in production".into();
            errors.push(Violation { path: "mail.sender".into(), rule });
        }
        if environment == Environment::Production && self.sms.sender == SmsSender::DevelopmentMailbox {
            let rule = "must not be \"development_mailbox\" in production".into();
            errors.push(Violation { path: "sms.sender".into(), rule });
        }
        let is_elsewhere = !self.issuer.as_url().is_loopback();
        if environment == Environment::Production && is_elsewhere && self.passkeys.has_loopback() {
            let rule = "must all begin with https:// in production".into();
            errors.push(Violation { path: "passkeys.origins".into(), rule });
        }
        if environment == Environment::Production && is_elsewhere && self.cookies.has_plain_origin() {
            let rule = "must all begin with https:// in production".into();
            errors.push(Violation { path: "cookies.origins".into(), rule });
        }
        for tenant in self.tenants.others() {
            // What is wrong for all is said once.
            let own = tenant.check_for(environment).err().into_iter().flat_map(|errors| errors.0);
            let new: Vec<_> = own.filter(|error| !errors.contains(error)).collect();
            errors.extend(new);
        }
        if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
    }

    /// Settings that are allowed but unwise, in a fixed order.
    #[must_use]
    pub fn lint(&self, deployment: Deployment) -> Vec<Finding> {
        lint::lint(self, deployment)
    }

    /// The preset whose defaults apply.
    #[must_use]
    pub const fn preset(&self) -> Preset {
        self.preset
    }

    /// The `iss` claim. Required.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The `aud` claim: 1 to 16 audiences, the issuer when none is given.
    #[must_use]
    pub fn audience(&self) -> &[Audience] {
        &self.audience
    }

    /// The client of the sessions that this deployment opens itself, `postern` when none is given.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The tenant, `default` when none is given.
    #[must_use]
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The tenants besides the deployment's own.
    #[must_use]
    pub const fn tenants(&self) -> &TenantSettings {
        &self.tenants
    }

    /// Access tokens.
    #[must_use]
    pub const fn tokens(&self) -> &TokenSettings {
        &self.tokens
    }

    /// The rotation of keys.
    #[must_use]
    pub const fn keys(&self) -> &KeySettings {
        &self.keys
    }

    /// Sessions and their rotation.
    #[must_use]
    pub const fn sessions(&self) -> &SessionSettings {
        &self.sessions
    }

    /// Sessions in cookies.
    #[must_use]
    pub const fn cookies(&self) -> &CookieSettings {
        &self.cookies
    }

    /// How access tokens are checked.
    #[must_use]
    pub const fn validation(&self) -> &ValidationSettings {
        &self.validation
    }

    /// Whether sessions stay on their device.
    #[must_use]
    pub const fn device_binding(&self) -> &DeviceBindingSettings {
        &self.device_binding
    }

    /// Whether sessions are bound to keys.
    #[must_use]
    pub const fn dpop(&self) -> &DpopSettings {
        &self.dpop
    }

    /// Password hashes and policy.
    #[must_use]
    pub const fn passwords(&self) -> &PasswordSettings {
        &self.passwords
    }

    /// Passkeys.
    #[must_use]
    pub const fn passkeys(&self) -> &PasskeySettings {
        &self.passkeys
    }

    /// Second factors, and what is asked of owners before what is sensitive.
    #[must_use]
    pub const fn second_factor(&self) -> &SecondFactorSettings {
        &self.second_factor
    }

    /// One-time codes.
    #[must_use]
    pub const fn codes(&self) -> &CodeSettings {
        &self.codes
    }

    /// Ways in besides the password.
    #[must_use]
    pub const fn sign_in(&self) -> &SignInSettings {
        &self.sign_in
    }

    /// Signing up.
    #[must_use]
    pub const fn registration(&self) -> &RegistrationSettings {
        &self.registration
    }

    /// Proving addresses.
    #[must_use]
    pub const fn verification(&self) -> &VerificationSettings {
        &self.verification
    }

    /// Choosing a new password without the old one.
    #[must_use]
    pub const fn password_reset(&self) -> &PasswordResetSettings {
        &self.password_reset
    }

    /// How accounts end.
    #[must_use]
    pub const fn accounts(&self) -> &AccountSettings {
        &self.accounts
    }

    /// Failed attempts.
    #[must_use]
    pub const fn lockout(&self) -> &LockoutSettings {
        &self.lockout
    }

    /// The lock that outlasts the pauses.
    #[must_use]
    pub const fn auto_lockout(&self) -> &AutoLockoutSettings {
        &self.auto_lockout
    }

    /// Where a page has to show that somebody uses it.
    #[must_use]
    pub const fn turnstile(&self) -> &TurnstileSettings {
        &self.turnstile
    }

    /// Rate limits.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Permission registry and roles.
    #[must_use]
    pub const fn permissions(&self) -> &PermissionSettings {
        &self.permissions
    }

    /// Organizations.
    #[must_use]
    pub const fn organizations(&self) -> &OrganizationSettings {
        &self.organizations
    }

    /// Mail.
    #[must_use]
    pub const fn mail(&self) -> &MailSettings {
        &self.mail
    }

    /// SMS.
    #[must_use]
    pub const fn sms(&self) -> &SmsSettings {
        &self.sms
    }

    /// Reads everything even after an error; `None` only when there is no issuer to stand in.
    fn read(mut root: Section<'_>) -> Option<(Self, Declared)> {
        let preset = root.choice("preset", Preset::Default, &Preset::WORDS);
        if !root.has("issuer") {
            root.refuse("issuer", "is required");
        }
        let issuer = root.parsed::<Issuer>("issuer");
        // A stand-in lets the rest be read and reported; it never leaves this function.
        let stand_in = issuer.clone().or_else(|| "https://issuer.invalid".parse().ok())?;
        let config = Self {
            preset,
            audience: read_audience(&mut root, &stand_in),
            client_id: root.parsed_or("client_id", "postern")?,
            tenant: root.parsed_or("tenant", "default")?,
            tenants: TenantSettings::none(),
            tokens: TokenSettings::read(root.section("tokens"), preset),
            keys: KeySettings::read(root.section("keys")),
            sessions: SessionSettings::read(root.section("sessions"), preset),
            cookies: CookieSettings::read(root.section("cookies"), &stand_in),
            validation: ValidationSettings::read(root.section("validation"), preset),
            device_binding: DeviceBindingSettings::read(root.section("device_binding")),
            dpop: DpopSettings::read(root.section("dpop"), &stand_in),
            passwords: PasswordSettings::read(root.section("passwords"), preset),
            passkeys: PasskeySettings::read(root.section("passkeys"), &stand_in),
            second_factor: SecondFactorSettings::read(root.section("second_factor")),
            codes: CodeSettings::read(root.section("codes"), preset),
            sign_in: SignInSettings::read(root.section("sign_in")),
            registration: RegistrationSettings::read(root.section("registration")),
            verification: VerificationSettings::read(root.section("verification")),
            password_reset: PasswordResetSettings::read(root.section("password_reset")),
            accounts: AccountSettings::read(root.section("accounts")),
            lockout: LockoutSettings::read(root.section("lockout"), preset),
            auto_lockout: AutoLockoutSettings::read(root.section("auto_lockout")),
            limits: Limits::read(root.section("limits"), preset),
            permissions: PermissionSettings::read(root.section("permissions")),
            organizations: OrganizationSettings::read(root.section("organizations")),
            mail: MailSettings::read(root.section("mail"), &stand_in),
            sms: SmsSettings::read(root.section("sms")),
            turnstile: TurnstileSettings::read(root.section("turnstile"), &stand_in),
            issuer: stand_in,
        };
        let declared = Declared::read(root.section("tenants"));
        check_lifetimes(&mut root, &config);
        check_devices(&mut root, &config);
        check_organizations(&mut root, &config);
        if config.dpop.mode == DpopMode::Required && config.cookies.mode != CookieMode::Off {
            root.refuse("dpop.mode", "must not be \"required\" unless cookies.mode is \"off\"");
        }
        if config.registration.mode == RegistrationMode::Closed && config.sign_in.creates_accounts {
            root.refuse("sign_in.creates_accounts", "must be false when registration.mode is \"closed\"");
        }
        let has_other_way_in = config.password_reset.enabled || config.sign_in.codes || config.sign_in.links;
        if config.auto_lockout.enabled && !has_other_way_in {
            root.refuse(
                "auto_lockout.enabled",
                "must be false without password_reset.enabled, sign_in.codes and sign_in.links",
            );
        }
        issuer.map(|_| (config, declared))
    }
}

fn read_audience(root: &mut Section<'_>, issuer: &Issuer) -> Vec<Audience> {
    let Some(listed) = root.list::<Audience>("audience") else {
        return Vec::from([Audience::from(issuer)]);
    };
    let mut audience: Vec<Audience> = Vec::with_capacity(listed.len());
    for (path, value) in listed {
        if audience.contains(&value) {
            root.refuse_at(path, "is listed twice");
        } else {
            audience.push(value);
        }
    }
    if audience.is_empty() || audience.len() > 16 {
        root.refuse("audience", "must list 1 to 16 audiences");
    }
    audience
}

/// What is enforced is enforced wherever a token is checked strictly, so that it must be checked so somewhere.
fn check_devices(root: &mut Section<'_>, config: &Config) {
    let devices = &config.device_binding;
    let enforced = [
        ("device_binding.enforce_network", devices.network),
        ("device_binding.enforce_user_agent", devices.user_agent),
    ];
    let in_vain = config.validation.mode == ValidationMode::JwtOnly;
    for (path, _) in enforced.into_iter().filter(|(_, asked)| in_vain && asked.enforce) {
        root.refuse(path, "must be false when validation.mode is \"jwt_only\"");
    }
}

/// What organizations give is in the registry.
fn check_organizations(root: &mut Section<'_>, config: &Config) {
    for (index, name) in config.organizations.permissions.iter().enumerate() {
        if config.permissions.registry.bit_of(name.as_str()).is_none() {
            let rule = "must be one of permissions.names, and not of permissions.deleted";
            root.refuse(&alloc::format!("organizations.permissions[{index}]"), rule);
        }
    }
}

/// An access token ends before its session may, and idling ends before the session does.
fn check_lifetimes(root: &mut Section<'_>, config: &Config) {
    if config.tokens.access_ttl >= config.sessions.idle_ttl {
        root.refuse("tokens.access_ttl_seconds", "must be less than sessions.idle_ttl_seconds");
    }
    if config.sessions.refresh_grace >= config.sessions.idle_ttl {
        root.refuse("sessions.refresh_grace_seconds", "must be less than sessions.idle_ttl_seconds");
    }
    if config.sessions.remember_ttl.is_some_and(|ttl| ttl <= config.sessions.absolute_ttl) {
        root.refuse("sessions.remember_ttl_seconds", "must be 0, or more than sessions.absolute_ttl_seconds");
    }
    if config.sessions.idle_ttl > config.sessions.absolute_ttl {
        root.refuse("sessions.idle_ttl_seconds", "must not be more than sessions.absolute_ttl_seconds");
    }
}
