//! Mails: written from what the outbox says, and handed to the configured sender.

use crate::environment::Environment;
use crate::outbox::letter::{self, Draft};
use crate::outbox::message::{Mail, MailTemplate, Parcel};
use crate::outbox::sender::{self, Envelope, Fate};
use crate::outbox::templates;
use crate::store::directory::{Directory, Reader};
use crate::wire::problem::Problem;
use postern_core::identifier::{EmailAddress, Identifier};
use postern_core::intake::CodePurpose;
use postern_core::mail::Letter;
use postern_core::time::UnixMillis;

/// Writes and sends one mail. An account that is restricted gets none.
pub(crate) async fn send(
    environment: &Environment,
    directory: &Directory,
    parcel: &Parcel,
    mail: &Mail,
    Reader { name, locale, .. }: Reader,
    to: &EmailAddress,
    now: UnixMillis,
) -> Result<Fate, Problem> {
    let Some((draft, owners)) = draft(environment, directory, mail, to, name, now).await? else {
        return Ok(Fate::Sent);
    };
    let wanted = [locale.or(owners), mail.language.clone()];
    let values: Vec<_> = draft.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let settings = environment.config().mail();
    let written = templates::render(settings, &wanted, draft.letter, &values);
    let (language, rendered) =
        written.ok_or_else(|| Problem::misconfigured("there are no templates in mail.language"))?;
    let envelope = Envelope { parcel, to: to.as_str(), draft: &draft, values: &values, language, rendered };
    sender::carry(environment, envelope).await
}

/// The letter, with the language that the owner of the address has chosen; or `None` if nobody is to get one: whether
/// an address has an account is looked up here, where no request can measure it.
async fn draft(
    environment: &Environment,
    directory: &Directory,
    mail: &Mail,
    to: &EmailAddress,
    name: String,
    now: UnixMillis,
) -> Result<Option<(Draft, Option<String>)>, Problem> {
    let config = environment.config();
    let owner = match &mail.template {
        MailTemplate::SignUpCode { .. }
        | MailTemplate::SetPassword { .. }
        | MailTemplate::Code { .. }
        | MailTemplate::Link { .. }
        | MailTemplate::NewDevice => {
            directory.owner(&mail.tenant, &Identifier::Email(to.clone()), now).await?
        }
        _ => None,
    };
    if owner.as_ref().is_some_and(|owner| owner.status.is_restricted()) {
        return Ok(None);
    }
    let locale = owner.as_ref().and_then(|owner| owner.locale.clone());
    let draft = match &mail.template {
        MailTemplate::SignUpCode { .. } if owner.is_some() => Some(Draft::notice(Letter::AccountExists)),
        MailTemplate::SignUpCode { code, ttl_seconds } => {
            Some(letter::code(CodePurpose::SignUp, code, *ttl_seconds))
        }
        MailTemplate::SetPassword { name, token, ttl_seconds } => {
            let link = format!("{}#{token}", config.mail().set_password_url.as_str());
            Some(letter::set_password(name, link, *ttl_seconds))
        }
        MailTemplate::Code { purpose: CodePurpose::ChangeIdentifier, .. } if owner.is_some() => {
            Some(Draft::notice(Letter::AddressTaken))
        }
        MailTemplate::Code { purpose, code, ttl_seconds } => {
            let is_open = match (purpose, &owner) {
                // Where it goes has been proven, and may be no account's address any more.
                (CodePurpose::ChangeIdentifier | CodePurpose::SecondFactor, _) => true,
                (CodePurpose::Login, None) => config.sign_in().creates_accounts,
                (CodePurpose::VerifyIdentifier, Some(owner)) => owner.verified_at.is_none(),
                (_, owner) => owner.is_some(),
            };
            is_open.then(|| letter::code(*purpose, code, *ttl_seconds))
        }
        MailTemplate::Link { purpose: CodePurpose::VerifyIdentifier, .. }
            if owner.as_ref().is_some_and(|owner| owner.verified_at.is_some()) =>
        {
            None
        }
        MailTemplate::Link { purpose, secret, ttl_seconds } => match owner {
            Some(owner) => letter::link(config.mail(), *purpose, owner.account_id, secret, *ttl_seconds),
            None => None,
        },
        MailTemplate::Welcome => Some(letter::welcome(name)),
        MailTemplate::NewDevice => {
            let is_proven = owner.is_some_and(|owner| owner.verified_at.is_some());
            is_proven.then(|| Draft::notice(Letter::NewDevice))
        }
        MailTemplate::SessionReuse => Some(Draft::notice(Letter::SessionEnded)),
        MailTemplate::CredentialChanged(change) => Some(letter::credential_changed(*change)),
        MailTemplate::FactorChanged(change) => Some(letter::factor_changed(*change)),
    };
    Ok(draft.map(|draft| (draft, locale)))
}
