//! The deployment: bindings and configuration, opened once per event and refused as a whole if anything is
//! missing. There are no defaults to fall back to.

use crate::ambient::Ambient;
use crate::object::keyring::{KeyPurpose, ROOT_KEY_BINDING};
use crate::outbox::{sender, templates};
use crate::store::definitions;
use crate::store::directory::Directory;
use crate::store::keyring;
use crate::store::kv::KvStore;
use crate::wire::possession::Possession;
use crate::wire::problem::Problem;
use crate::wire::rate_limits::{CountedLimit, MetLimit, MetLimits};
use crate::wire::request::Request;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use postern_core::codec::base16;
use postern_core::config::{
    self, Composition, Config, Deployment, DpopMode, Finding, MailSender, MailedForm, PermissionSettings,
    RateLimit, SessionLimit, Severity, SmsSender, TenantHint, TenantRefusal,
};
use postern_core::grant::TokenProfile;
use postern_core::id::TenantId;
use postern_core::intake::{CodePurpose, GuessLimit, MailedPolicy, SignUpPolicy, UsePolicy};
use postern_core::jwt::{AlgorithmName, PolicyError, TenantRule, VerificationPolicy};
use postern_core::keyring::{KeyKind, KeyPolicy};
use postern_core::password::{AcceptedHashes, Argon2Params, PasswordPolicy, SignerKey};
use postern_core::session::{
    BindingRule, DeviceBinding, NetworkPrefixes, OpenPolicy, OverCap, RefreshLimit, RotationPolicy,
};
use postern_core::throttle::{AutoLockout, LockoutPolicy, ProgressiveDelay};
use postern_core::time::Seconds;
use std::cell::RefCell;
use std::iter;
use std::rc::Rc;
use worker::js_sys::{JSON, Reflect};
use worker::wasm_bindgen::JsValue;
use worker::{D1Database, Env, ObjectNamespace, Queue};
use zeroize::Zeroizing;

const CONFIGURATION: &str = "POSTERN";
/// The secret binding of the operator's token: at least 32 bytes in base64.
const OPERATOR_TOKEN_BINDING: &str = "POSTERN_OPERATOR_TOKEN";
/// The secret binding of the signer key of a Firebase project whose hashes were imported: 64 bytes in base64.
const FIREBASE_SIGNER_KEY_BINDING: &str = "POSTERN_FIREBASE_SIGNER_KEY";
/// The secret binding of the token that Twilio's account is used with.
const TWILIO_TOKEN_BINDING: &str = "TWILIO_AUTH_TOKEN";
/// The secret binding of the secret of Turnstile's widget.
pub(crate) const TURNSTILE_SECRET_BINDING: &str = "TURNSTILE_SECRET_KEY";
/// The binding of a rate limit of the platform, which a deployment may do without.
pub(crate) const SHIELD_BINDING: &str = "SHIELD";
/// Wrong second factors in a row, and the pause in seconds that follows.
const SECOND_FACTOR_PAUSE: (u32, u32) = (5, 600);
/// Between two codes of a second factor that are sent.
const FACTOR_RESEND_SECONDS: u32 = 60;
/// Sign-ins by passkey of one account, and in how many seconds.
const PASSKEY_SIGN_INS: (u32, u32) = (32, 300);
const BINDINGS: [&str; 8] =
    ["DIRECTORY", "EDGE", "OUTBOX", "ACCOUNT", "INTAKE", "KEYRING", "LIMITER", "REVOCATION"];

/// The configuration with everything that is derived from it once.
struct Settings {
    config: Config,
    permissions: Rc<PermissionSettings>,
    rotation: RotationPolicy,
    open: OpenPolicy,
    device: DeviceBinding,
    argon2: Argon2Params,
    accepted_hashes: AcceptedHashes,
    profile: TokenProfile,
    verification: VerificationPolicy,
    keys: KeyPolicies,
}

/// How the keys of each purpose live.
struct KeyPolicies {
    signing: KeyPolicy,
    edge_tag: KeyPolicy,
    /// Peppers and the sharding key: nothing says any more that a digest of theirs exists nowhere.
    lasting: KeyPolicy,
}

/// The settings of every tenant, the deployment's own first.
struct Tenants {
    own: Rc<Settings>,
    others: Vec<Rc<Settings>>,
}

thread_local! {
    /// Parsed once per isolate: the configuration of a deployment never changes.
    static TENANTS: RefCell<Option<Rc<Tenants>>> = const { RefCell::new(None) };
}

/// What a route, an object or a consumer works with: the deployment, as one tenant has it.
#[derive(Clone)]
pub(crate) struct Environment {
    env: Env,
    tenants: Rc<Tenants>,
    settings: Rc<Settings>,
    met_limits: MetLimits,
    possession: Possession,
}

impl Environment {
    /// A session of any configuration has ended by then.
    pub(crate) const LONGEST_SESSION: Seconds = Seconds::new(31_536_000);

    /// Opens the deployment as its own tenant.
    pub(crate) fn open(env: &Env) -> Result<Self, Problem> {
        let cached = TENANTS.with_borrow(Clone::clone);
        let tenants = match cached {
            Some(tenants) => tenants,
            None => {
                let tenants = Rc::new(read(env).map_err(Problem::misconfigured)?);
                TENANTS.set(Some(tenants.clone()));
                tenants
            }
        };
        let settings = tenants.own.clone();
        let (met_limits, possession) = (MetLimits::default(), Possession::default());
        Ok(Self { env: env.clone(), tenants, settings, met_limits, possession })
    }

    /// Opens the deployment as a tenant has it, or as its own.
    pub(crate) fn open_for(env: &Env, tenant: Option<&TenantId>) -> Result<Self, Problem> {
        let own = Self::open(env)?;
        tenant.map_or_else(|| Ok(own.clone()), |tenant| own.of_tenant(tenant.as_str()))
    }

    /// The names of all tenants, the deployment's own first.
    pub(crate) fn tenants(&self) -> Vec<&str> {
        let all = iter::once(&self.tenants.own).chain(&self.tenants.others);
        all.map(|settings| settings.config.tenant().as_str()).collect()
    }

    /// Whether the tenant is the deployment's own.
    pub(crate) fn is_own_tenant(&self) -> bool {
        Rc::ptr_eq(&self.tenants.own, &self.settings)
    }

    /// Whether whoever asks has to say for which tenant.
    pub(crate) fn has_tenants(&self) -> bool {
        self.tenants.own.config.tenants().are_several()
    }

    /// The deployment as the tenant has it that a request is for: it says so in its header, or by its host.
    pub(crate) fn of_request(self, request: &Request) -> Result<Self, Problem> {
        let config = &self.tenants.own.config;
        if !config.tenants().are_several() {
            return Ok(self);
        }
        let header = config.tenants().header();
        let header = header.and_then(|name| request.headers().get(name).ok().flatten());
        let said = TenantHint { header: header.as_deref(), hostname: hostname(request.url()) };
        let tenant = config.tenant_of(said).map_err(|refusal| match refusal {
            TenantRefusal::Missing => Problem::tenant_required(),
            TenantRefusal::Unknown => Problem::tenant_unknown(),
        })?;
        self.of_tenant(tenant.as_str())
    }

    /// The deployment as a tenant has it; refused if there is none of that name.
    pub(crate) fn of_tenant(&self, tenant: &str) -> Result<Self, Problem> {
        let mut all = iter::once(&self.tenants.own).chain(&self.tenants.others);
        let settings = all.find(|settings| settings.config.tenant().as_str() == tenant);
        let settings = settings.ok_or_else(Problem::tenant_unknown)?.clone();
        Ok(Self { settings, ..self.clone() })
    }

    /// The limits that this event has met so far.
    pub(crate) const fn met_limits(&self) -> &MetLimits {
        &self.met_limits
    }

    /// What this event has shown of keys.
    pub(crate) const fn possession(&self) -> &Possession {
        &self.possession
    }

    /// The refusal by a limit that is counted where the decision is made. It is told apart from others by name only to
    /// whoever it refuses: how often others have asked about somebody is nobody's business.
    pub(crate) fn refused_by(&self, limit: CountedLimit, retry_after_seconds: u64) -> Problem {
        let (config, codes) = (self.config(), self.config().codes());
        let of = |limit: Option<RateLimit>| {
            limit.map_or((1, 1), |limit| (limit.count(), limit.period().as_secs()))
        };
        let (quota, window) = match limit {
            CountedLimit::Lockout => {
                (config.lockout().per_source_failures, config.lockout().duration.as_secs())
            }
            CountedLimit::Delay => (1, config.lockout().delay_most.as_secs()),
            CountedLimit::SignUp => of(config.limits().sign_up_per_identifier),
            CountedLimit::Code => of(config.limits().code_per_identifier),
            CountedLimit::Sms => of(config.limits().sms_per_identifier),
            CountedLimit::Resend => (1, codes.resend_after.as_secs()),
            CountedLimit::Refresh => of(config.sessions().refresh_limit),
            CountedLimit::SecondFactor => SECOND_FACTOR_PAUSE,
            CountedLimit::FactorResend => (1, FACTOR_RESEND_SECONDS),
            CountedLimit::PasskeySignIn => PASSKEY_SIGN_INS,
        };
        self.met_limits.push(MetLimit::reached(limit.name(), quota, window, retry_after_seconds));
        Problem::rate_limited(retry_after_seconds)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.settings.config
    }

    /// Permissions, roles and groups: those of the configuration, joined with what operators have defined, as far as this
    /// isolate knows it.
    pub(crate) fn permissions(&self) -> Result<Rc<PermissionSettings>, Problem> {
        if self.config().permissions().runtime { definitions::known() } else { Ok(self.configured()) }
    }

    /// Those of the configuration alone, with the bits that its own order gives.
    pub(crate) fn configured(&self) -> Rc<PermissionSettings> {
        self.settings.permissions.clone()
    }

    pub(crate) fn rotation_policy(&self) -> RotationPolicy {
        self.settings.rotation
    }

    pub(crate) fn open_policy(&self) -> OpenPolicy {
        self.settings.open
    }

    /// What is asked of the device that a session is used on.
    pub(crate) fn device_binding(&self) -> DeviceBinding {
        self.settings.device
    }

    /// How much of an address is its network.
    pub(crate) fn network_prefixes(&self) -> NetworkPrefixes {
        let settings = self.config().device_binding();
        // The configuration knows no number beyond these.
        let bits = |bits: u32| u8::try_from(bits).unwrap_or(u8::MAX);
        NetworkPrefixes {
            ipv4_bits: bits(settings.ipv4_prefix_bits),
            ipv6_bits: bits(settings.ipv6_prefix_bits),
        }
    }

    pub(crate) fn argon2(&self) -> Argon2Params {
        self.settings.argon2
    }

    /// Which hashes of other systems a password may be checked against.
    pub(crate) fn accepted_hashes(&self) -> &AcceptedHashes {
        &self.settings.accepted_hashes
    }

    pub(crate) fn token_profile(&self) -> &TokenProfile {
        &self.settings.profile
    }

    /// How the keys of a purpose live.
    pub(crate) fn key_policy(&self, purpose: KeyPurpose) -> &KeyPolicy {
        match purpose {
            KeyPurpose::Signing => &self.settings.keys.signing,
            KeyPurpose::EdgeTag => &self.settings.keys.edge_tag,
            KeyPurpose::Pepper | KeyPurpose::Sharding => &self.settings.keys.lasting,
        }
    }

    /// The secret that authorises an operator, as it is bound.
    pub(crate) fn operator_token(&self) -> Option<Zeroizing<String>> {
        self.env.secret(OPERATOR_TOKEN_BINDING).ok().map(|secret| Zeroizing::new(secret.to_string()))
    }

    /// What is bound under a name; `undefined` if nothing is.
    pub(crate) fn bound(&self, name: &str) -> JsValue {
        bound(&self.env, name)
    }

    /// A text bound as a secret or a variable; an empty one is none.
    pub(crate) fn bound_text(&self, name: &str) -> Option<Zeroizing<String>> {
        let text = self.bound(name).as_string().map(Zeroizing::new)?;
        (!text.trim().is_empty()).then_some(text)
    }

    /// The secret of the account at Twilio.
    pub(crate) fn twilio_token(&self) -> Option<Zeroizing<String>> {
        self.bound_text(TWILIO_TOKEN_BINDING)
    }

    /// The name under which the signing algorithm is written.
    pub(crate) fn algorithm_name(&self) -> AlgorithmName {
        match self.config().tokens().algorithm_name {
            config::AlgorithmName::EdDsa => AlgorithmName::EdDsa,
            config::AlgorithmName::Ed25519 => AlgorithmName::Ed25519,
        }
    }

    /// What every access token of ours is checked against.
    pub(crate) fn verification_policy(&self) -> &VerificationPolicy {
        &self.settings.verification
    }

    /// The most that a token issued before now can still live, verifiers' leeway included: how long a
    /// revocation mark matters. By what any configuration allows and not by this one's: the token may have been
    /// issued before the configuration changed.
    pub(crate) const fn longest_access_token() -> Seconds {
        const MOST_ACCESS_TTL: u32 = 900;
        const MOST_LEEWAY: u32 = 120;
        const CLOCKS: u32 = 60;
        Seconds::new(MOST_ACCESS_TTL + MOST_LEEWAY + CLOCKS)
    }

    pub(crate) fn password_policy(&self) -> PasswordPolicy {
        let passwords = self.config().passwords();
        let policy = PasswordPolicy {
            min_characters: passwords.min_length,
            max_bytes: passwords.max_bytes,
            ..PasswordPolicy::default()
        };
        match passwords.composition {
            Composition::None => policy,
            Composition::Mixed => policy.mixed(),
        }
    }

    pub(crate) fn sign_up_policy(&self) -> SignUpPolicy {
        let codes = self.config().codes();
        SignUpPolicy {
            time_to_live: codes.ttl,
            resend_after: codes.resend_after,
            max_attempts: codes.max_attempts,
            bare_claim_keeps_password: codes.bare_claim_keeps_password,
            ..SignUpPolicy::default()
        }
    }

    /// How codes and links of a purpose are sent and used. What proves something by SMS is always a code.
    pub(crate) fn mailed_policy(&self, purpose: CodePurpose, by_sms: bool) -> MailedPolicy {
        let policy = self.mailed_policy_if_replaced(purpose, by_sms);
        let waits = self.config().codes().refuse_while_live && purpose != CodePurpose::SetPassword;
        MailedPolicy { resend_after: if waits { policy.time_to_live } else { policy.resend_after }, ..policy }
    }

    fn mailed_policy_if_replaced(&self, purpose: CodePurpose, by_sms: bool) -> MailedPolicy {
        let (config, codes) = (self.config(), self.config().codes());
        let never = Seconds::ZERO;
        let code = |time_to_live, repeatable_for| MailedPolicy {
            time_to_live,
            resend_after: codes.resend_after,
            uses: UsePolicy { max_attempts: codes.max_attempts, repeatable_for },
            guesses: Some(GuessLimit::DEFAULT),
        };
        let link = |time_to_live, repeatable_for, resend_after| MailedPolicy {
            time_to_live,
            resend_after,
            uses: UsePolicy { repeatable_for, ..UsePolicy::LINK },
            guesses: None,
        };
        let repeatable = UsePolicy::LINK.repeatable_for;
        match purpose {
            // Tokens are worth more than the use of the secret was: a login is never repeated.
            CodePurpose::Login => code(codes.login_ttl, never),
            CodePurpose::LoginLink => link(codes.link_ttl, never, codes.resend_after),
            CodePurpose::ResetPassword | CodePurpose::VerifyIdentifier | CodePurpose::ChangeIdentifier
                if by_sms =>
            {
                code(codes.ttl, repeatable)
            }
            CodePurpose::ResetPassword if config.password_reset().by != MailedForm::Code => {
                link(codes.link_ttl, repeatable, codes.resend_after)
            }
            CodePurpose::VerifyIdentifier if config.verification().by != MailedForm::Code => {
                link(codes.link_ttl, repeatable, codes.resend_after)
            }
            CodePurpose::ChangeIdentifier => code(config.verification().email_change_ttl, repeatable),
            // An invitation waits for no other, and says itself how long it is open.
            CodePurpose::Invite => link(config.organizations().invite_ttl, never, never),
            // A day, since it is often opened on another device later.
            CodePurpose::SetPassword => link(Seconds::new(86_400), repeatable, never),
            _ => code(codes.ttl, repeatable),
        }
    }

    pub(crate) fn lockout_policy(&self) -> LockoutPolicy {
        let (lockout, automatic) = (self.config().lockout(), self.config().auto_lockout());
        LockoutPolicy {
            per_source_failures: lockout.per_source_failures,
            per_identifier_failures: lockout.per_identifier_failures,
            duration: lockout.duration,
            delay: ProgressiveDelay {
                after_failures: lockout.delay_after_failures,
                first: lockout.delay_first,
                most: lockout.delay_most,
            },
            automatic: if automatic.enabled {
                AutoLockout { failures: automatic.failures, duration: automatic.duration }
            } else {
                AutoLockout::OFF
            },
        }
    }

    pub(crate) fn directory(&self) -> Result<Directory, Problem> {
        let database = Self::database(&self.env).map_err(Problem::misconfigured)?;
        let has_duplicates = self.tenants.own.config.tenants().duplicate_identifiers();
        let as_one = if has_duplicates { Vec::new() } else { self.tenants() };
        Directory::new(database, &as_one)
    }

    pub(crate) fn database(env: &Env) -> worker::Result<D1Database> {
        env.d1("DIRECTORY")
    }

    pub(crate) fn accounts(&self) -> Result<ObjectNamespace, Problem> {
        self.env.durable_object("ACCOUNT").map_err(Problem::misconfigured)
    }

    pub(crate) fn intakes(&self) -> Result<ObjectNamespace, Problem> {
        self.env.durable_object("INTAKE").map_err(Problem::misconfigured)
    }

    pub(crate) fn limiters(&self) -> Result<ObjectNamespace, Problem> {
        self.env.durable_object("LIMITER").map_err(Problem::misconfigured)
    }

    pub(crate) fn keyring(&self) -> Result<ObjectNamespace, Problem> {
        self.env.durable_object("KEYRING").map_err(Problem::misconfigured)
    }

    /// The same binding with all that the `worker` crate knows of it.
    #[cfg(feature = "development")]
    pub(crate) fn mailbox(&self) -> Result<worker::kv::KvStore, Problem> {
        self.env.kv("EDGE").map_err(Problem::misconfigured)
    }

    pub(crate) fn kv(&self) -> Result<KvStore, Problem> {
        Self::edge(&self.env).map_err(Problem::misconfigured)
    }

    pub(crate) fn revocation_objects(&self) -> Result<ObjectNamespace, Problem> {
        Self::revocations(&self.env).map_err(Problem::misconfigured)
    }

    pub(crate) fn edge(env: &Env) -> worker::Result<KvStore> {
        KvStore::open(env, "EDGE")
    }

    pub(crate) fn revocations(env: &Env) -> worker::Result<ObjectNamespace> {
        env.durable_object("REVOCATION")
    }

    pub(crate) fn queue(env: &Env) -> worker::Result<Queue> {
        env.queue("OUTBOX")
    }

    /// A fresh id for an outbox row.
    pub(crate) fn draw_id(&self) -> worker::Result<String> {
        let random = Ambient::read().random::<16>();
        let bytes = random.map_err(|problem| worker::Error::RustError(problem.code().into()))?.into_bytes();
        Ok(base16::encode(&bytes))
    }
}

/// The host that a URL names, without its port.
fn hostname(url: &str) -> &str {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

fn read(env: &Env) -> Result<Tenants, String> {
    let bound = |name: &str| bound(env, name);
    if let Some(missing) = BINDINGS.into_iter().find(|name| bound(name).is_undefined()) {
        return Err(format!("the binding {missing} is missing"));
    }
    let shield = bound(SHIELD_BINDING);
    if !shield.is_undefined()
        && !Reflect::get(&shield, &"limit".into()).is_ok_and(|limit| limit.is_function())
    {
        return Err(format!("the binding {SHIELD_BINDING} must be a rate limit, of [[ratelimits]]"));
    }
    let binding = bound(CONFIGURATION);
    if binding.is_undefined() {
        return Err("[vars.POSTERN] is missing".into());
    }
    let text = match binding.as_string() {
        Some(text) => text,
        None => JSON::stringify(&binding).ok().and_then(|text| text.as_string()).unwrap_or_default(),
    };
    let config = Config::from_json(&text).map_err(|errors| errors.to_string())?;
    let here = if cfg!(feature = "development") {
        config::Environment::Development
    } else {
        config::Environment::Production
    };
    config.check_for(here).map_err(|errors| errors.to_string())?;
    for config in iter::once(&config).chain(config.tenants().others()) {
        check_senders(config, &bound)?;
    }
    let asks_turnstile =
        iter::once(&config).chain(config.tenants().others()).any(|config| config.turnstile().enabled);
    if asks_turnstile && bound(TURNSTILE_SECRET_BINDING).is_undefined() {
        return Err(format!("the secret {TURNSTILE_SECRET_BINDING} is missing"));
    }
    if here == config::Environment::Production {
        let root_key_present = !bound(ROOT_KEY_BINDING).is_undefined();
        warn_of(&config.lint(Deployment { environment: here, root_key_present }));
    }
    let derive = |config: Config| {
        let signer_key = signer_key(&bound(FIREBASE_SIGNER_KEY_BINDING))?;
        Settings::derive(config, signer_key).map(Rc::new).map_err(|error| error.to_string())
    };
    let others = config.tenants().others().cloned().map(derive).collect::<Result<_, _>>()?;
    Ok(Tenants { own: derive(config)?, others })
}

/// A key that is set must be one: a wrong one would make every hash of its project a wrong password.
fn signer_key(binding: &JsValue) -> Result<Option<SignerKey>, String> {
    let Some(text) = binding.as_string().map(Zeroizing::new) else { return Ok(None) };
    let bytes = STANDARD.decode(text.trim()).ok().map(Zeroizing::new);
    let key = bytes.and_then(|bytes| SignerKey::from_slice(&bytes));
    key.map(Some).ok_or_else(|| format!("{FIREBASE_SIGNER_KEY_BINDING} must be 64 bytes in base64"))
}

fn bound(env: &Env, name: &str) -> JsValue {
    Reflect::get(env, &name.into()).unwrap_or_default()
}

/// What mails and SMS need besides the configuration.
fn check_senders(config: &Config, bound: &dyn Fn(&str) -> JsValue) -> Result<(), String> {
    let mail = config.mail();
    let missing = match &mail.sender {
        MailSender::Service(service) if service.api.needs_key() => Some(sender::KEY_BINDING),
        MailSender::Cloudflare { .. } => Some(sender::CLOUDFLARE_BINDING),
        _ => None,
    };
    if let Some(name) = missing.filter(|name| bound(name).is_undefined()) {
        return Err(format!("mail.sender needs {name}, which is not bound"));
    }
    if templates::languages().all(|language| language != mail.language.as_str()) {
        return Err("there are no templates in mail.language".into());
    }
    if matches!(config.sms().sender, SmsSender::Twilio { .. }) && bound(TWILIO_TOKEN_BINDING).is_undefined() {
        return Err(format!("the secret {TWILIO_TOKEN_BINDING} is missing"));
    }
    Ok(())
}

/// Says in the log, once per isolate, what is allowed but dangerous.
fn warn_of(findings: &[Finding]) {
    for finding in findings.iter().filter(|finding| finding.severity == Severity::High) {
        worker::console_warn!("configuration: {}: {}", finding.code, finding.message);
    }
}

impl Settings {
    fn derive(config: Config, signer_key: Option<SignerKey>) -> Result<Self, Box<dyn std::error::Error>> {
        let sessions = config.sessions();
        let rule = |config::TraitSettings { enforce, detect }| BindingRule { enforce, detect };
        let (network, user_agent) = (config.device_binding().network, config.device_binding().user_agent);
        let device = DeviceBinding { network: rule(network), user_agent: rule(user_agent) };
        let limit = sessions.refresh_limit.map(|limit| RefreshLimit::new(limit.count(), limit.period()));
        let rotation =
            RotationPolicy::new(sessions.refresh_grace, sessions.idle_ttl, limit.transpose()?, device)?;
        let (max_sessions, over_cap) = match sessions.limit {
            SessionLimit::Unlimited => (0, OverCap::Evict),
            SessionLimit::Evict(max) => (max.get(), OverCap::Evict),
            SessionLimit::Reject(max) => (max.get(), OverCap::Reject),
            SessionLimit::Single => (1, OverCap::Single),
        };
        let open = OpenPolicy::new(sessions.idle_ttl, sessions.absolute_ttl, max_sessions, over_cap, device)?
            .with_keys_required(config.dpop().mode == DpopMode::Required)
            .with_remember(sessions.remember_ttl)
            .with_jitter(sessions.ttl_jitter);
        let passwords = config.passwords();
        let argon2 = Argon2Params::new(passwords.memory_kib, passwords.iterations, passwords.parallelism)?;
        let accepted_hashes = AcceptedHashes { kinds: passwords.imported, firebase_signer_key: signer_key };
        let profile = TokenProfile {
            issuer: config.issuer().as_str().into(),
            audience: config.audience().iter().map(|audience| audience.as_str().into()).collect(),
            access_ttl: config.tokens().access_ttl,
            root_ttl: config.tokens().root_ttl,
        };
        let verification = verification_policy(&config, &profile)?;
        let keys = KeyPolicies::of(config.keys(), config.tokens().algorithm.key_kind())?;
        let permissions = Rc::new(config.permissions().clone());
        Ok(Self {
            permissions,
            rotation,
            open,
            device,
            argon2,
            accepted_hashes,
            profile,
            verification,
            keys,
            config,
        })
    }
}

impl KeyPolicies {
    fn of(settings: &config::KeySettings, signing: KeyKind) -> Result<Self, Box<dyn std::error::Error>> {
        let copies = keyring::COPY_USABLE_FOR.as_secs();
        let after = |seconds: u32| Some(Seconds::new(seconds.saturating_add(copies)));
        // Other isolates learn of a key when they renew their copy; a minute more for their clocks.
        let lead = Seconds::new(copies.saturating_add(60));
        let signed = after(Environment::longest_access_token().as_secs());
        Ok(Self {
            signing: KeyPolicy::new(signing, settings.publish_before, settings.rotate_after, signed)?,
            edge_tag: KeyPolicy::new(
                KeyKind::Secret,
                lead,
                settings.rotate_after,
                after(Environment::LONGEST_SESSION.as_secs()),
            )?,
            lasting: KeyPolicy::new(KeyKind::Secret, lead, None, None)?,
        })
    }
}

fn verification_policy(config: &Config, profile: &TokenProfile) -> Result<VerificationPolicy, PolicyError> {
    let tokens = config.tokens();
    let tenant = TenantRule::Exactly(config.tenant().clone());
    let policy = VerificationPolicy::new(&*profile.issuer, profile.audience.iter().cloned(), tenant)?
        .with_leeway(tokens.leeway)?
        .with_max_future(tokens.max_future_issue)?;
    match tokens.max_age {
        Some(max_age) => policy.with_max_age(max_age),
        None => Ok(policy),
    }
}
