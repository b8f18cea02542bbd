//! Mails: written from what the outbox says, and handed to the configured sender.

use crate::environment::Environment;
use crate::outbox::letter::{self, Draft};
use crate::outbox::message::{Mail, Parcel};
use crate::outbox::sender::{self, Envelope, Fate};
use crate::outbox::templates;
use crate::store::directory::{Directory, Reader};
use crate::wire::problem::Problem;
use postern_core::identifier::{EmailAddress, Identifier};
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
    let contact = Identifier::Email(to.clone());
    let Some(Draft { letter, values, locale: owners, .. }) =
        letter::draft(environment, directory, mail, &contact, name, now).await?
    else {
        return Ok(Fate::Sent);
    };
    let wanted = [locale.or(owners), mail.language.clone()];
    let values: Vec<_> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let settings = environment.config().mail();
    let pack = templates::pack(settings, &wanted)?;
    let rendered = pack.render(templates::LAYOUT, letter, &values, &templates::brand(settings));
    let rendered = rendered.ok_or_else(|| Problem::internal("template", letter.name()))?;
    let (to, language) = (to.as_str(), pack.language);
    let envelope = Envelope { parcel, to, letter, values: &values, language, rendered };
    sender::carry(environment, envelope).await
}
