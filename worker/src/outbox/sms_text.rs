//! What the SMS say: short, because they are paid for by length, and the code first, because a locked phone shows the
//! beginning only.

use crate::outbox::message::MailTemplate;
use postern_core::config::Config;
use postern_core::factor::FactorChange;
use postern_core::intake::CodePurpose;
use postern_core::session::CredentialChange;

/// An SMS without its number.
pub(crate) struct SmsText {
    pub(crate) text: String,
    pub(crate) code: Option<String>,
    pub(crate) link: Option<String>,
}

impl SmsText {
    fn notice(config: &Config, text: &str) -> Self {
        Self { text: format!("{}: {text}", service(config)), code: None, link: None }
    }
}

/// A code to type.
pub(crate) fn code(config: &Config, purpose: CodePurpose, code: &str, ttl_seconds: u32) -> SmsText {
    let what = match purpose {
        CodePurpose::SignUp => "to sign up",
        CodePurpose::VerifyIdentifier => "to confirm this number",
        CodePurpose::ChangeIdentifier => "to use this number",
        CodePurpose::ResetPassword => "to reset the password",
        CodePurpose::SecondFactor => "to confirm that it is you",
        _ => "to sign in",
    };
    let (service, minutes) = (service(config), ttl_seconds.div_ceil(60));
    let text = format!("{code} is your code {what} at {service}, for {minutes} min. Give it to nobody.");
    SmsText { text, code: Some(code.into()), link: None }
}

/// Somebody tried to sign up with a number that has an account.
pub(crate) fn account_exists(config: &Config) -> SmsText {
    SmsText::notice(
        config,
        "somebody, perhaps you, tried to sign up with this number, which has an account already.",
    )
}

/// Somebody wants this number for another account.
pub(crate) fn number_taken(config: &Config) -> SmsText {
    SmsText::notice(
        config,
        "somebody, perhaps you, tried to use this number for another account. Nothing was changed.",
    )
}

/// What is no code; `None` for what is never sent by SMS.
pub(crate) fn other(config: &Config, template: &MailTemplate) -> Option<SmsText> {
    let text = match template {
        MailTemplate::SetPassword { token, .. } => {
            let link = format!("{}#{token}", config.mail().set_password_url.as_str());
            let text = format!("Your account has no password yet. Set one: {link}");
            return Some(SmsText { text, code: None, link: Some(link) });
        }
        MailTemplate::SessionReuse => {
            "we ended one of your sessions, because it was used from two places. If anything looks strange, change your \
             password."
        }
        MailTemplate::CredentialChanged(CredentialChange::PasswordChanged) => {
            "your password was changed. If it was not you, reset it at once."
        }
        MailTemplate::CredentialChanged(CredentialChange::PasswordReset) => {
            "your password was reset by an SMS to this number. If it was not you, tell the service at once."
        }
        MailTemplate::CredentialChanged(CredentialChange::EmailChanged) => {
            "your account has another address now. If it was not you, tell the service at once."
        }
        MailTemplate::CredentialChanged(CredentialChange::PasswordSet) => {
            "the password of your account was changed by an administrator."
        }
        MailTemplate::CredentialChanged(CredentialChange::EmailSet) => {
            "the address of your account was changed by an administrator."
        }
        MailTemplate::CredentialChanged(CredentialChange::PhoneChanged) => {
            "your account has another phone number now. If it was not you, tell the service at once."
        }
        MailTemplate::FactorChanged(FactorChange::Enabled) => {
            "your account asks for a second factor from now on. If it was not you, tell the service at once."
        }
        MailTemplate::FactorChanged(FactorChange::BackupCodesReplaced) => {
            "your account has other backup codes now. If it was not you, change your password at once."
        }
        MailTemplate::FactorChanged(FactorChange::Disabled) => {
            "the authenticator app of your account was removed. If it was not you, change your password at once."
        }
        MailTemplate::FactorChanged(FactorChange::Removed) => {
            "the second factor of your account was removed by an administrator."
        }
        MailTemplate::FactorChanged(FactorChange::PasskeyRegistered) => {
            "your account has another passkey now. If it was not you, remove it at once."
        }
        MailTemplate::FactorChanged(FactorChange::PasskeyRemoved) => {
            "a passkey was removed from your account. If it was not you, tell the service at once."
        }
        _ => return None,
    };
    Some(SmsText::notice(config, text))
}

/// How the service is called: its issuer, without what every one begins with.
fn service(config: &Config) -> &str {
    let issuer = config.issuer().as_str();
    issuer.split_once("://").map_or(issuer, |(_, rest)| rest)
}
