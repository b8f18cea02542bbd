//! What the mails say.

use postern_core::codec::base64url;
use postern_core::config::MailSettings;
use postern_core::entropy::Random;
use postern_core::id::AccountId;
use postern_core::intake::{CodePurpose, LinkToken};
use postern_core::session::CredentialChange;

/// A mail without its envelope.
pub(crate) struct Letter {
    pub(crate) subject: &'static str,
    pub(crate) text: String,
    pub(crate) code: Option<String>,
    pub(crate) link: Option<String>,
}

impl Letter {
    fn notice(subject: &'static str, text: &str) -> Self {
        Self { subject, text: format!("Hello,\n\n{text}\n"), code: None, link: None }
    }
}

/// Somebody tried to sign up with an address that has an account.
pub(crate) fn account_exists() -> Letter {
    Letter::notice(
        "You already have an account",
        "somebody, perhaps you, tried to sign up with this address, which has an account already. Sign in with it \
         instead. If it was not you, there is nothing to do.",
    )
}

/// Somebody wants this address for another account.
pub(crate) fn address_taken() -> Letter {
    Letter::notice(
        "This address has an account",
        "somebody, perhaps you, tried to use this address for another account, but it has one already. Nothing was \
         changed.",
    )
}

/// A code to type.
pub(crate) fn code(purpose: CodePurpose, code: &str, ttl_seconds: u32) -> Letter {
    let (subject, unasked) = match purpose {
        CodePurpose::SignUp => ("Your sign-up code", "If you did not sign up"),
        CodePurpose::VerifyIdentifier => ("Your code to confirm this address", "If you have no account here"),
        CodePurpose::ChangeIdentifier => {
            ("Your code to use this address", "If you did not change your address")
        }
        CodePurpose::ResetPassword => {
            ("Your code to reset the password", "If you did not ask for a new password")
        }
        _ => ("Your code to sign in", "If you did not try to sign in"),
    };
    let time = match ttl_seconds.div_ceil(60) {
        minutes @ ..=120 => format!("{minutes} minutes"),
        minutes => format!("{} hours", minutes.div_ceil(60)),
    };
    let text = format!(
        "your code is {code}. It works for {time}.\n\n{unasked}, ignore this mail and do not give the code \
         to anybody."
    );
    Letter { code: Some(code.into()), ..Letter::notice(subject, &text) }
}

/// A link to set the first password.
pub(crate) fn set_password(name: &str, link: String, ttl_seconds: u32) -> Letter {
    let text = format!(
        "Hello {name},\n\nyour account has no password yet. Set one here: {link}\n\nThe link works once, for {} hours.\n",
        ttl_seconds.div_ceil(3_600)
    );
    Letter { subject: "Set your password", text, code: None, link: Some(link) }
}

/// A link for the account that the address has; `None` if its secret is not one.
pub(crate) fn link(
    pages: &MailSettings,
    purpose: CodePurpose,
    owner: AccountId,
    secret: &str,
    ttl_seconds: u32,
) -> Option<Letter> {
    let secret = Random::new(base64url::decode_array::<32>(secret.as_bytes()).ok()?);
    let token = LinkToken::new(*owner.as_bytes(), secret).to_text();
    let (page, subject, what) = match purpose {
        CodePurpose::ResetPassword => {
            (&pages.reset_password_url, "Reset your password", "Choose a new password")
        }
        CodePurpose::VerifyIdentifier => {
            (&pages.verify_email_url, "Confirm your address", "Confirm that this address is yours")
        }
        _ => (&pages.login_link_url, "Your link to sign in", "Sign in"),
    };
    let link = format!("{}#{}", page.as_str(), token.expose());
    let text = format!(
        "{what} here: {link}\n\nThe link works once, for {} minutes. If you did not ask for it, ignore this mail.",
        ttl_seconds.div_ceil(60)
    );
    Some(Letter { link: Some(link), ..Letter::notice(subject, &text) })
}

/// A refresh token was used twice.
pub(crate) fn session_reuse() -> Letter {
    Letter::notice(
        "We ended one of your sessions",
        "a session of your account was used from two places at once, as happens when somebody copies it. We ended it \
         to protect you. Sign in again, and if anything looks strange, end all your sessions and change your password.",
    )
}

/// The way into the account has changed.
pub(crate) fn credential_changed(change: CredentialChange) -> Letter {
    match change {
        CredentialChange::PasswordChanged => Letter::notice(
            "Your password was changed",
            "the password of your account was changed, and other sessions were ended. If it was not you, choose a new \
             password at once by way of \"forgotten password\".",
        ),
        CredentialChange::PasswordSet => Letter::notice(
            "Your password was changed by an administrator",
            "an administrator of the service changed or removed the password of your account, and all sessions were ended. \
             If you did not ask for it, ask the service why.",
        ),
        CredentialChange::EmailChanged | CredentialChange::EmailSet => Letter::notice(
            "Your address was changed",
            "your account has another address now, and other sessions were ended. Mails about it no longer come here. \
             If it was not you, tell the service at once.",
        ),
        CredentialChange::PasswordReset => Letter::notice(
            "Your password was reset",
            "the password of your account was reset by a mail to this address, and all sessions were ended. If it was \
             not you, somebody reads your mail: secure your mailbox, then choose a new password.",
        ),
    }
}
