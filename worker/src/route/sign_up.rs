//! `POST /api/v1/auth/signup {email, name, password?}` → 202 `{registration}`.
//!
//! The same limiter call, hash, intake call and answer for every address, whether it has an account or not; the
//! consumer of the mail looks that up, where nobody can measure it.

use crate::route::exchange::Exchange;
use crate::route::password;
use crate::store::intake::Intake;
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::entropy::one_time_code;
use postern_core::id::RegistrationId;
use postern_core::identifier::{DisplayName, EmailAddress};
use postern_core::secret::SecretText;
use serde::Serialize;

#[derive(Serialize)]
struct Accepted {
    registration: RegistrationId,
    expires_in: u32,
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    let email = email(&mut body)?;
    let name = DisplayName::parse(&body.text("name")?);
    let name = name.map_err(|error| Problem::invalid_field("name", error))?;
    let environment = &exchange.environment;
    let password = match body.optional_text("password")?.map(SecretText::new) {
        None => None,
        Some(text) => {
            let (email, name) = (Some(email.as_str()), Some(name.as_str()));
            Some(password::chosen(environment, "password", &text, email, name)?)
        }
    };

    let keyring = exchange.keyring().await?;
    let source = exchange.source();
    let limits = environment.config().limits();
    Limits::new(environment, &keyring, &source)
        .per_key("sign_up_per_source", limits.sign_up_per_source)
        .take()
        .await?;

    let hash = password.map(|password| password::hashed(exchange, &keyring, &password)).transpose()?;
    let registration = RegistrationId::from_bytes(exchange.ambient.random()?.into_bytes());
    let code = one_time_code(exchange.ambient.random()?);
    let intake = Intake::of_email(environment, &keyring, &email);
    intake.open_sign_up(&email, name.as_str(), registration, &code, hash).await?;

    let expires_in = environment.sign_up_policy().time_to_live.as_secs();
    json(202, &Accepted { registration, expires_in })
}

/// The address in the member `email`.
pub(crate) fn email(body: &mut Body) -> Result<EmailAddress, Problem> {
    EmailAddress::parse(&body.text("email")?).map_err(|error| Problem::invalid_field("email", error))
}
