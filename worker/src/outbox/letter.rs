//! Which letter a mail of the outbox becomes, and with which values its template is filled.

use postern_core::codec::base64url;
use postern_core::config::MailSettings;
use postern_core::entropy::Random;
use postern_core::factor::FactorChange;
use postern_core::id::AccountId;
use postern_core::intake::{CodePurpose, LinkToken};
use postern_core::mail::Letter;
use postern_core::session::CredentialChange;

/// A mail without its envelope and its words.
pub(crate) struct Draft {
    pub(crate) letter: Letter,
    pub(crate) values: Vec<(&'static str, String)>,
}

impl Draft {
    /// A letter that says the same to everybody.
    pub(crate) const fn notice(letter: Letter) -> Self {
        Self { letter, values: Vec::new() }
    }

    /// The value of a placeholder.
    #[cfg(feature = "development")]
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone())
    }
}

/// A code to type.
pub(crate) fn code(purpose: CodePurpose, code: &str, ttl_seconds: u32) -> Draft {
    let letter = match purpose {
        CodePurpose::SignUp => Letter::SignUpCode,
        CodePurpose::VerifyIdentifier => Letter::VerifyAddressCode,
        CodePurpose::ChangeIdentifier => Letter::ChangeAddressCode,
        CodePurpose::ResetPassword => Letter::ResetPasswordCode,
        CodePurpose::SecondFactor => Letter::SecondFactorCode,
        _ => Letter::LoginCode,
    };
    Draft { letter, values: vec![("code", code.into()), minutes(ttl_seconds)] }
}

/// A link to set the first password.
pub(crate) fn set_password(name: &str, link: String, ttl_seconds: u32) -> Draft {
    let values = vec![("name", name.into()), ("link", link), minutes(ttl_seconds)];
    Draft { letter: Letter::SetPasswordLink, values }
}

/// A link for the account that the address has; `None` if its secret is not one.
pub(crate) fn link(
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
    Some(Draft { letter, values: vec![("link", link), minutes(ttl_seconds)] })
}

/// The account exists now.
pub(crate) fn welcome(name: String) -> Draft {
    Draft { letter: Letter::Welcome, values: vec![("name", name)] }
}

/// The way into the account has changed.
pub(crate) const fn credential_changed(change: CredentialChange) -> Draft {
    Draft::notice(match change {
        CredentialChange::PasswordChanged => Letter::PasswordChanged,
        CredentialChange::PasswordSet => Letter::PasswordSet,
        CredentialChange::EmailChanged | CredentialChange::EmailSet => Letter::AddressChanged,
        CredentialChange::PhoneChanged => Letter::PhoneChanged,
        CredentialChange::PasswordReset => Letter::PasswordReset,
    })
}

/// What is asked for besides the way in has changed.
pub(crate) const fn factor_changed(change: FactorChange) -> Draft {
    Draft::notice(match change {
        FactorChange::Enabled => Letter::SecondFactorEnabled,
        FactorChange::BackupCodesReplaced => Letter::BackupCodesReplaced,
        FactorChange::Disabled => Letter::SecondFactorDisabled,
        FactorChange::Removed => Letter::SecondFactorRemoved,
        FactorChange::PasskeyRegistered => Letter::PasskeyRegistered,
        FactorChange::PasskeyRemoved => Letter::PasskeyRemoved,
    })
}

fn minutes(ttl_seconds: u32) -> (&'static str, String) {
    ("minutes", ttl_seconds.div_ceil(60).to_string())
}
