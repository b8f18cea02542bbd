//! Which letter a message of the outbox becomes, and with which values its template is filled.

use crate::environment::Environment;
use crate::outbox::message::{Mail, MailTemplate};
use crate::store::directory::{Directory, Owner};
use crate::wire::problem::Problem;
use postern_core::codec::base64url;
use postern_core::config::{Config, MailSettings};
use postern_core::entropy::Random;
use postern_core::factor::FactorChange;
use postern_core::id::AccountId;
use postern_core::identifier::Identifier;
use postern_core::intake::{CodePurpose, ContactOwner, LinkToken, Told, told};
use postern_core::mail::Letter;
use postern_core::session::CredentialChange;
use postern_core::time::UnixMillis;

/// A mail or SMS without its envelope and its words.
pub(crate) struct Draft {
    pub(crate) letter: Letter,
    pub(crate) values: Vec<(&'static str, String)>,
    /// The language that the owner of the address or number has chosen.
    pub(crate) locale: Option<String>,
    /// The account that has it, where that was looked up.
    pub(crate) owner: Option<AccountId>,
}

impl Draft {
    const fn new(letter: Letter, values: Vec<(&'static str, String)>) -> Self {
        Self { letter, values, locale: None, owner: None }
    }

    /// A letter that says the same to everybody.
    const fn notice(letter: Letter) -> Self {
        Self::new(letter, Vec::new())
    }
}

/// What to write to an address or number, or `None` if nobody is to get anything: whether it has an account is looked up
/// here, where no request can measure it.
pub(crate) async fn draft(
    environment: &Environment,
    directory: &Directory,
    mail: &Mail,
    to: &Identifier,
    name: String,
    now: UnixMillis,
) -> Result<Option<Draft>, Problem> {
    let owner = match &mail.template {
        MailTemplate::SignUpCode { .. }
        | MailTemplate::SetPassword { .. }
        | MailTemplate::Code { .. }
        | MailTemplate::Link { .. }
        | MailTemplate::OrganizationInvite { .. }
        | MailTemplate::NewDevice => directory.owner(&mail.tenant, to, now).await?,
        _ => None,
    };
    if owner.as_ref().is_some_and(|owner| owner.status.is_restricted()) {
        return Ok(None);
    }
    let whose = match &owner {
        Some(owner) if owner.verified_at.is_some() => ContactOwner::Proven,
        Some(_) => ContactOwner::Unproven,
        None if directory.is_elsewhere(&mail.tenant, to.kind(), to.value()).await? => ContactOwner::Elsewhere,
        None => ContactOwner::Nobody,
    };
    let draft = write(environment.config(), &mail.template, owner.as_ref(), whose, name);
    let (owner, locale) = owner.map(|owner| (owner.account_id, owner.locale)).unzip();
    Ok(draft.map(|draft| Draft { owner, locale: locale.flatten(), ..draft }))
}

fn write(
    config: &Config,
    template: &MailTemplate,
    owner: Option<&Owner>,
    whose: ContactOwner,
    name: String,
) -> Option<Draft> {
    let told = |purpose| told(purpose, whose, config.sign_in().creates_accounts);
    let or_notice = |purpose, code, ttl_seconds| match told(purpose) {
        Told::Code => Some(self::code(purpose, code, ttl_seconds)),
        Told::HasAccount => Some(Draft::notice(Letter::AccountExists)),
        Told::Taken => Some(Draft::notice(Letter::AddressTaken)),
        Told::Nothing => None,
    };
    match template {
        MailTemplate::SignUpCode { code, ttl_seconds } => or_notice(CodePurpose::SignUp, code, *ttl_seconds),
        MailTemplate::Code { purpose, code, ttl_seconds } => or_notice(*purpose, code, *ttl_seconds),
        MailTemplate::Link { purpose, secret, ttl_seconds } => match (told(*purpose), owner) {
            (Told::Code, Some(owner)) => {
                link(config.mail(), *purpose, owner.account_id, secret, *ttl_seconds)
            }
            _ => None,
        },
        MailTemplate::SetPassword { name, token, ttl_seconds } => {
            let link = format!("{}#{token}", config.mail().set_password_url.as_str());
            let values = vec![("name", name.into()), ("link", link), minutes(*ttl_seconds)];
            Some(Draft::new(Letter::SetPasswordLink, values))
        }
        MailTemplate::OrganizationInvite { organization, token, ttl_seconds } => {
            let link = format!("{}#{token}", config.mail().invite_url.as_str());
            let values = vec![("organization", organization.into()), ("link", link), minutes(*ttl_seconds)];
            Some(Draft::new(Letter::OrganizationInvite, values))
        }
        MailTemplate::Welcome => Some(Draft::new(Letter::Welcome, vec![("name", name)])),
        MailTemplate::NewDevice => (whose == ContactOwner::Proven).then(|| Draft::notice(Letter::NewDevice)),
        MailTemplate::SessionReuse => Some(Draft::notice(Letter::SessionEnded)),
        MailTemplate::PasswordLocked => Some(Draft::notice(Letter::PasswordLocked)),
        MailTemplate::CredentialChanged(change) => Some(credential_changed(*change)),
        MailTemplate::FactorChanged(change) => Some(factor_changed(*change)),
    }
}

/// A code to type.
fn code(purpose: CodePurpose, code: &str, ttl_seconds: u32) -> Draft {
    let letter = match purpose {
        CodePurpose::SignUp => Letter::SignUpCode,
        CodePurpose::VerifyIdentifier => Letter::VerifyAddressCode,
        CodePurpose::ChangeIdentifier => Letter::ChangeAddressCode,
        CodePurpose::ResetPassword => Letter::ResetPasswordCode,
        CodePurpose::SecondFactor => Letter::SecondFactorCode,
        _ => Letter::LoginCode,
    };
    Draft::new(letter, vec![("code", code.into()), minutes(ttl_seconds)])
}

/// A link for the account that the address has; `None` if its secret is not one.
fn link(
    pages: &MailSettings,
    purpose: CodePurpose,
    owner: AccountId,
    secret: &str,
    ttl_seconds: u32,
) -> Option<Draft> {
    let secret = Random::new(base64url::decode_array::<32>(secret.as_bytes()).ok()?);
    let token = LinkToken::new(*owner.as_bytes(), secret).to_text();
    let (page, letter) = match purpose {
        CodePurpose::ResetPassword => (&pages.reset_password_url, Letter::ResetPasswordLink),
        CodePurpose::VerifyIdentifier => (&pages.verify_email_url, Letter::VerifyAddressLink),
        _ => (&pages.login_link_url, Letter::LoginLink),
    };
    let link = format!("{}#{}", page.as_str(), token.expose());
    Some(Draft::new(letter, vec![("link", link), minutes(ttl_seconds)]))
}

/// The way into the account has changed.
const fn credential_changed(change: CredentialChange) -> Draft {
    Draft::notice(match change {
        CredentialChange::PasswordChanged => Letter::PasswordChanged,
        CredentialChange::PasswordSet => Letter::PasswordSet,
        CredentialChange::EmailChanged | CredentialChange::EmailSet => Letter::AddressChanged,
        CredentialChange::PhoneChanged | CredentialChange::PhoneSet => Letter::PhoneChanged,
        CredentialChange::PhoneRemoved => Letter::PhoneRemoved,
        CredentialChange::PasswordReset => Letter::PasswordReset,
    })
}

/// What is asked for besides the way in has changed.
const fn factor_changed(change: FactorChange) -> Draft {
    Draft::notice(match change {
        FactorChange::Enabled => Letter::SecondFactorEnabled,
        FactorChange::BackupCodesReplaced => Letter::BackupCodesReplaced,
        FactorChange::Disabled => Letter::SecondFactorDisabled,
        FactorChange::Removed => Letter::SecondFactorRemoved,
        FactorChange::PasskeyRegistered => Letter::PasskeyRegistered,
        FactorChange::PasskeyRemoved => Letter::PasskeyRemoved,
        FactorChange::Paused => Letter::SecondFactorPaused,
    })
}

fn minutes(ttl_seconds: u32) -> (&'static str, String) {
    ("minutes", ttl_seconds.div_ceil(60).to_string())
}
