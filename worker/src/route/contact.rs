//! How requests say whom they are about: an e-mail address, a phone number or a username.

use crate::environment::Environment;
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::identifier::{EmailAddress, Identifier, IdentifierKind, PhoneNumber, Username};

/// What a login may be for.
const IDENTIFIERS: [&str; 4] = ["identifier", "email", "phone", "username"];

/// The address in the member `email`.
pub(crate) fn email(body: &mut Body) -> Result<EmailAddress, Problem> {
    EmailAddress::parse(&body.text("email")?).map_err(|error| Problem::invalid_field("email", error))
}

/// Where a code can be sent: the address in `email` or the number in `phone`, one of the two.
///
/// # Errors
///
/// `feature_disabled` for any number if nobody carries SMS.
pub(crate) fn contact(environment: &Environment, body: &mut Body) -> Result<Identifier, Problem> {
    if !body.has("phone") {
        return email(body).map(Identifier::Email);
    }
    if body.has("email") {
        return Err(Problem::invalid_field("phone", "must not be sent together with email"));
    }
    of_kind(environment, body, IdentifierKind::Phone)
}

/// The contact of this kind, in the member that is called like it.
///
/// # Errors
///
/// `feature_disabled` for any number if nobody carries SMS.
pub(crate) fn of_kind(
    environment: &Environment,
    body: &mut Body,
    kind: IdentifierKind,
) -> Result<Identifier, Problem> {
    if kind != IdentifierKind::Phone {
        return email(body).map(Identifier::Email);
    }
    check_enabled(environment, kind)?;
    match phone(&body.text("phone")?)? {
        Identifier::Phone(number) if !environment.config().sms().serves(&number) => {
            Err(Problem::invalid_field("phone", "is of a country that is not served"))
        }
        number => Ok(number),
    }
}

/// The number that a member `phone` has, whether or not SMS are sent to it.
pub(crate) fn phone(text: &str) -> Result<Identifier, Problem> {
    PhoneNumber::parse(text).map(Identifier::Phone).map_err(|error| Problem::invalid_field("phone", error))
}

/// Refuses what has to do with phones if nobody carries SMS.
pub(crate) fn check_enabled(environment: &Environment, kind: IdentifierKind) -> Result<(), Problem> {
    if kind == IdentifierKind::Phone && !environment.config().sms().is_enabled() {
        return Err(Problem::feature_disabled());
    }
    Ok(())
}

/// Who wants to log in with a password: one of `identifier`, whose shape says what it is, `email`, `phone` and
/// `username`. No SMS is sent, so that numbers log in whether or not anybody carries them.
pub(crate) fn identifier(body: &mut Body) -> Result<Identifier, Problem> {
    let mut given = IDENTIFIERS.into_iter().filter(|field| body.has(field));
    let field = given.next().unwrap_or("email");
    if let Some(other) = given.next() {
        return Err(Problem::invalid_field(other, "must not be sent together with another identifier"));
    }
    let text = body.text(field)?;
    match field {
        "identifier" => Identifier::parse(&text).map_err(|error| Problem::invalid_field(field, error)),
        "phone" => phone(&text),
        "username" => Username::parse(&text)
            .map(Identifier::Username)
            .map_err(|error| Problem::invalid_field(field, error)),
        _ => EmailAddress::parse(&text)
            .map(Identifier::Email)
            .map_err(|error| Problem::invalid_field("email", error)),
    }
}
