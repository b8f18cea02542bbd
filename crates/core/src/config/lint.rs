//! Lint: settings that are allowed and still worth a word.

use super::{
    Config, CookieMode, Environment, FailMode, MailSender, Origin, RateLimit, RegistrationMode, SessionLimit,
    SigningAlgorithm, SmsSender, ValidationMode,
};
use crate::permission::{PermissionName, PermissionSet};
use crate::time::Seconds;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Weaker than the recommendation.
    Warn,
    /// Not to be run in production like this.
    High,
}

impl Severity {
    /// `INFO`, `WARN` or `HIGH`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::High => "HIGH",
        }
    }
}

/// One finding. It never refuses anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The stable code, such as `access_ttl_long`.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is so and what would be better, with the field's path.
    pub message: String,
}

/// What the configuration cannot know about the place where it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Development or production.
    pub environment: Environment,
    /// Whether the secret that wraps signing keys is set.
    pub root_key_present: bool,
}

/// Memory in KiB and passes that OWASP's Password Storage Cheat Sheet counts as equally strong.
const OWASP_ARGON2ID: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
const DAY: u32 = 86_400;

pub(super) fn lint(config: &Config, deployment: Deployment) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    tokens(config, &mut findings);
    keys(config, &mut findings);
    sessions(config, &mut findings);
    cookies(config, &mut findings);
    proofs(config, &mut findings);
    registration(config, &mut findings);
    limits(config, &mut findings);
    permissions(config, &mut findings);
    surroundings(config, deployment, &mut findings);
    tenants(config, deployment, &mut findings);
    findings.0
}

/// What is worth a word about a tenant alone, once, and what tenants share.
fn tenants(config: &Config, deployment: Deployment, findings: &mut Findings) {
    for tenant in config.tenants.others() {
        for finding in lint(tenant, deployment) {
            if findings.0.iter().all(|known| known.code != finding.code) {
                let message = format!("tenant {}: {}", tenant.tenant, finding.message);
                findings.add(finding.severity, finding.code, message);
            }
        }
    }
    if config.tenants.others().any(|tenant| tenant.issuer == config.issuer) {
        let message = "tenants have the deployment's issuer: only the tid claim tells their tokens apart, so verifiers must check it";
        findings.add(Severity::Info, "tenants_share_issuer", message);
    }
    let has_cookies = |config: &Config| config.cookies.mode != CookieMode::Off;
    if config.tenants.header().is_some() && (has_cookies(config) || config.tenants.others().any(has_cookies))
    {
        let message = "tenants.resolved_by is header, and cookies belong to a host: signing in to one tenant signs out of another";
        findings.add(Severity::Warn, "tenants_share_cookies", message);
    }
}

struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, code: &'static str, message: impl Into<String>) {
        self.0.push(Finding { code, severity, message: message.into() });
    }
}

fn tokens(config: &Config, findings: &mut Findings) {
    let (access_ttl, leeway) = (config.tokens.access_ttl.as_secs(), config.tokens.leeway.as_secs());
    if leeway > 60 {
        let message =
            format!("tokens.leeway_seconds is {leeway}: every token lives that much longer; use 60 or less");
        findings.add(Severity::Warn, "leeway_large", message);
    }
    if access_ttl > 600 {
        let message = format!(
            "tokens.access_ttl_seconds is {access_ttl}: a stolen token works that long; use 600 or less"
        );
        findings.add(Severity::Warn, "access_ttl_long", message);
    }
    let max_future = config.tokens.max_future_issue.as_secs();
    if max_future > 600 {
        let message = format!(
            "tokens.max_future_issue_seconds is {max_future}: a token from that far ahead passes for a wrong clock; use 600"
        );
        findings.add(Severity::Warn, "iat_future_long", message);
    }
    if let Some(max_age) = config.tokens.max_age.map(Seconds::as_secs)
        && max_age < access_ttl
    {
        let message = format!(
            "tokens.max_age_seconds is {max_age}: tokens say that they live {access_ttl} seconds and are refused before"
        );
        findings.add(Severity::Warn, "max_age_below_ttl", message);
    }
    if config.validation.mode == ValidationMode::JwtOnly {
        let message =
            format!("validation.mode is jwt_only: a ban shows only after up to {access_ttl} seconds");
        let severity = if access_ttl > 300 { Severity::Warn } else { Severity::Info };
        findings.add(severity, "jwtonly_revocation_late", message);
        if config.sessions.limit == SessionLimit::Single {
            let message =
                "sessions.over_limit is single, but with jwt_only access tokens outlive their session";
            findings.add(Severity::Warn, "jwtonly_single_session", message);
        }
        if config.device_binding.is_enabled() {
            let message =
                "device_binding is enabled, but with jwt_only no access token is compared with its device";
            findings.add(Severity::Warn, "jwtonly_device_binding", message);
        }
    }
}

fn keys(config: &Config, findings: &mut Findings) {
    if config.tokens.algorithm == SigningAlgorithm::Hs256 {
        let message =
            "tokens.algorithm is HS256: whoever can check a token can make one, and no key is published";
        findings.add(Severity::Warn, "signing_hs256", message);
    }
    let publish_before = config.keys.publish_before.as_secs();
    if publish_before < DAY {
        let message = format!(
            "keys.publish_before_seconds is {publish_before}: verifiers that cache keys for a day refuse new tokens"
        );
        findings.add(Severity::Warn, "key_published_late", message);
    }
    match config.keys.rotate_after.map(Seconds::as_secs) {
        None => {
            let message = "keys.rotate_after_seconds is 0: keys are replaced only when an operator says so";
            findings.add(Severity::Info, "keys_not_rotated", message);
        }
        Some(after) if after > 180 * DAY => {
            let message = format!("keys.rotate_after_seconds is {after}: replace keys twice a year at least");
            findings.add(Severity::Warn, "key_rotation_slow", message);
        }
        Some(_) => {}
    }
}

fn sessions(config: &Config, findings: &mut Findings) {
    let sessions = &config.sessions;
    let (idle, absolute) = (sessions.idle_ttl.as_secs(), sessions.absolute_ttl.as_secs());
    if idle > 14 * DAY {
        let message = format!(
            "sessions.idle_ttl_seconds is {idle}: an unused refresh token lives that long; use 14 days"
        );
        findings.add(Severity::Warn, "refresh_ttl_long", message);
    }
    if absolute > 30 * DAY {
        let message = format!(
            "sessions.absolute_ttl_seconds is {absolute}: nobody signs in again for that long; use 30 days"
        );
        let severity = if absolute > 90 * DAY { Severity::High } else { Severity::Warn };
        findings.add(severity, "session_lifetime_long", message);
    }
    let remembered = sessions.remember_ttl.map_or(0, Seconds::as_secs);
    if remembered > 180 * DAY {
        let message =
            format!("sessions.remember_ttl_seconds is {remembered}: a stolen session lasts that long");
        findings.add(Severity::Warn, "remember_long", message);
    }
    match sessions.refresh_grace.as_secs() {
        0 => {
            let message =
                "sessions.refresh_grace_seconds is 0: a reply lost on the network signs the user out";
            findings.add(Severity::Info, "grace_zero", message);
        }
        1..=30 => {}
        grace => {
            let message = format!(
                "sessions.refresh_grace_seconds is {grace}: a thief is noticed later; use 30 or less"
            );
            findings.add(Severity::Warn, "grace_long", message);
        }
    }
    if sessions.limit == SessionLimit::Unlimited {
        let message = "sessions.max_per_account is 0: an account may have any number of sessions";
        findings.add(Severity::Info, "sessions_unlimited", message);
    }
    if config.accounts.purge_after.is_none() {
        let message =
            "accounts.purge_after_seconds is 0: deleted accounts stay until an operator purges them";
        findings.add(Severity::Info, "deleted_kept", message);
    }
}

fn cookies(config: &Config, findings: &mut Findings) {
    let cookies = &config.cookies;
    if cookies.mode == CookieMode::Off {
        return;
    }
    let own = config.issuer.origin();
    let others: Vec<_> =
        cookies.origins.iter().filter(|origin| **origin != own).map(Origin::as_str).collect();
    if !others.is_empty() {
        let message = format!("cookies.origins: pages of {} act for whoever is signed in", others.join(", "));
        findings.add(Severity::Warn, "cookies_other_origins", message);
    }
    if cookies.mode == CookieMode::Beside {
        let message =
            "cookies.mode is beside: a page that asks for no cookies gets tokens that its scripts can read";
        findings.add(Severity::Info, "cookies_by_request", message);
    }
    let access_ttl = config.tokens.access_ttl.as_secs();
    if config.validation.mode == ValidationMode::JwtOnly {
        let message = format!(
            "cookies.mode is on with jwt_only: whoever is signed out elsewhere stays in for {access_ttl} seconds"
        );
        findings.add(Severity::Warn, "cookies_jwt_only", message);
    }
}

fn proofs(config: &Config, findings: &mut Findings) {
    if config.auto_lockout.enabled {
        let message =
            "auto_lockout.enabled: whoever knows an identifier can keep its owner from using the password";
        findings.add(Severity::Info, "auto_lockout_by_anybody", message);
        if config.auto_lockout.duration.as_secs() == 0 {
            let message =
                "auto_lockout.duration_seconds is 0: only an operator or a reset unlocks a password";
            findings.add(Severity::Warn, "auto_lockout_manual", message);
        }
    }
    let (memory, iterations) = (config.passwords.memory_kib, config.passwords.iterations);
    if !OWASP_ARGON2ID.iter().any(|(least, passes)| memory >= *least && iterations >= *passes) {
        let message =
            format!("passwords: {memory} KiB with {iterations} iterations is below OWASP's 19456 with 2");
        findings.add(Severity::High, "argon2_memory_low", message);
    }
    let floor = config.passwords.failure_floor.as_millis();
    if !config.passwords.imported.is_empty() && floor < 250 {
        let message = format!(
            "passwords.failure_floor_ms is {floor}: how long a failed login takes tells what hash is stored"
        );
        findings.add(Severity::Warn, "failure_floor_low", message);
    }
    let ttl = config.codes.ttl.as_secs();
    if ttl > 600 {
        let message =
            format!("codes.ttl_seconds is {ttl}: NIST SP 800-63B allows 600 for a code sent out of band");
        findings.add(Severity::Warn, "code_ttl_long", message);
    }
}

fn registration(config: &Config, findings: &mut Findings) {
    let registration = &config.registration;
    if registration.reveal_existing_accounts {
        let message =
            "registration.reveal_existing_accounts is true: anybody can find out who has an account";
        findings.add(Severity::Warn, "accounts_revealed", message);
    }
    if registration.mode == RegistrationMode::Immediate && !registration.require_verified_for_login {
        let message = "registration: accounts are used before their address is proven, also by somebody else";
        findings.add(Severity::Warn, "addresses_unproven", message);
    }
}

fn limits(config: &Config, findings: &mut Findings) {
    let mut off: Vec<String> = Vec::new();
    if config.sessions.refresh_limit.is_none() {
        off.push("sessions.refresh_limit".into());
    }
    let unlimited = config.limits.iter().filter(|(_, limit)| limit.is_none());
    off.extend(unlimited.map(|(name, _)| format!("limits.{name}")));
    if !off.is_empty() {
        findings.add(Severity::High, "rate_limits_disabled", format!("switched off: {}", off.join(", ")));
    }
    // What guards nothing that could be guessed.
    let harmless = ["username_check_per_source", "logout_per_source", "profile_per_account"];
    let is_open = |limit: Option<RateLimit>| limit.is_some_and(|limit| limit.fail_mode() == FailMode::Admit);
    let open = config.limits.iter().filter(|(name, limit)| is_open(*limit) && !harmless.contains(name));
    let open: Vec<_> = open.map(|(name, _)| format!("limits.{name}")).collect();
    if !open.is_empty() {
        let message = format!("let through uncounted while the limiter does not answer: {}", open.join(", "));
        findings.add(Severity::Warn, "rate_limits_fail_open", message);
    }
    if config.limits.login_per_source.is_none() || config.limits.sign_up_per_source.is_none() {
        let message = "limits.login_per_source or sign_up_per_source is off: one source may try any account";
        findings.add(Severity::Warn, "ip_throttle_disabled", message);
    }
}

fn permissions(config: &Config, findings: &mut Findings) {
    let known = &config.permissions;
    let by_roles = known.roles.iter().flat_map(PermissionSet::permissions);
    let granted: Vec<_> = by_roles.chain(known.groups.iter().flat_map(PermissionSet::permissions)).collect();
    let shared = config.organizations.permissions.iter().filter(|name| granted.contains(name));
    let shared: Vec<&str> = shared.map(PermissionName::as_str).collect();
    if !shared.is_empty() {
        let message = format!(
            "organizations.permissions: whoever owns an organization gives {} in it, and permissions.roles or permissions.groups grant it everywhere",
            shared.join(", ")
        );
        findings.add(Severity::Warn, "organization_permissions_shared", message);
    }
}

fn surroundings(config: &Config, deployment: Deployment, findings: &mut Findings) {
    let production = deployment.environment == Environment::Production;
    let severity = if production { Severity::High } else { Severity::Info };
    if !deployment.root_key_present {
        findings.add(
            severity,
            "root_key_missing",
            "POSTERN_ROOT_KEY is not set: signing keys are stored unwrapped",
        );
    }
    if config.mail.sender == MailSender::DevelopmentMailbox {
        findings.add(severity, "mail_not_sent", "mail.sender is development_mailbox: no mail is sent");
    }
    match config.sms.sender {
        SmsSender::None => {}
        SmsSender::DevelopmentMailbox => {
            findings.add(severity, "sms_not_sent", "sms.sender is development_mailbox: no SMS is sent");
        }
        SmsSender::Twilio { .. } | SmsSender::Http { .. } if config.sms.prefixes.is_empty() => {
            let message =
                "sms.prefixes is empty: whoever earns by expensive numbers may have SMS sent to them";
            findings.add(Severity::Warn, "sms_to_any_country", message);
        }
        SmsSender::Twilio { .. } | SmsSender::Http { .. } => {}
    }
    if production && config.issuer.as_url().is_loopback() {
        findings.add(
            Severity::High,
            "issuer_loopback",
            "issuer is on this machine: no other machine can reach it",
        );
    }
}
