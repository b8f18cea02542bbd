//! `POST /api/v1/auth/signup {email | phone, name, password?, username?}` → 202 `{registration}`, and
//! `POST /api/v1/auth/resend-signup {email | phone, registration}` → 202.
//!
//! The same limiter call, hash, intake call and answer for every address or number, whether it has an account or not;
//! the consumer of the message looks that up, where nobody can measure it. Usernames are public: one that is taken is
//! refused.

use crate::route::contact::contact;
use crate::route::exchange::Exchange;
use crate::route::mailed::{limit_requested, new_operation};
use crate::route::password::Whose;
use crate::route::turn::Turn;
use crate::route::turnstile::Token;
use crate::route::{breach, immediate_sign_up, password, username};
use crate::store::intake::{Intake, NewSignUp};
use crate::store::keyring::Keyring;
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::config::RegistrationMode;
use postern_core::entropy::one_time_code;
use postern_core::id::RegistrationId;
use postern_core::identifier::{DisplayName, Identifier, IdentifierKind, Username};
use postern_core::password::PasswordInput;
use postern_core::secret::SecretText;
use postern_core::turnstile::TurnstileAction;
use serde::Serialize;

#[derive(Serialize)]
struct Accepted {
    registration: RegistrationId,
    expires_in: u32,
}

/// What a sign-up asks for, checked.
pub(crate) struct Input {
    pub(crate) contact: Identifier,
    pub(crate) name: DisplayName,
    pub(crate) password: Option<PasswordInput>,
    pub(crate) username: Option<Username>,
    /// Who stands behind it.
    pub(crate) human: Token,
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    check_open(exchange)?;
    let input = read(exchange).await?;
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    let source = exchange.source();
    let limits = environment.config().limits();
    let sms = if input.contact.kind() == IdentifierKind::Phone { limits.sms_per_source } else { None };
    Limits::new(environment, &keyring, &source)
        .per_key("sign_up_per_source", limits.sign_up_per_source)
        .per_key("sms_per_source", sms)
        .take()
        .await?;
    input.human.check(exchange, TurnstileAction::SignUp).await?;

    let turn = input.password.is_some().then(Turn::take).transpose()?;
    if let Some(password) = &input.password {
        breach::refuse_known(exchange, "password", password).await?;
    }
    let intake = Intake::of_identifier(environment, &keyring, &input.contact);
    if let Some(wanted) = &input.username {
        username::hold(exchange, &keyring, wanted, &intake).await?;
    }
    check_may_be_told(exchange, &input.contact).await?;
    match environment.config().registration().mode {
        RegistrationMode::Immediate => immediate_sign_up::create(exchange, &keyring, &intake, input).await,
        _ => wait_for_code(exchange, &keyring, &intake, input, turn).await,
    }
}

async fn wait_for_code(
    exchange: &Exchange,
    keyring: &Keyring,
    intake: &Intake<'_>,
    Input { contact, name, password, username, .. }: Input,
    turn: Option<Turn>,
) -> Answer {
    if let Some(turn) = &turn {
        turn.come().await;
    }
    let hash = password.map(|password| password::hashed(exchange, keyring, &password)).transpose()?;
    drop(turn);
    let registration = RegistrationId::from_bytes(exchange.ambient.random()?.into_bytes());
    let new = NewSignUp {
        name: name.as_str(),
        username: username.as_ref(),
        registration,
        code: one_time_code(exchange.ambient.random()?),
        password: hash,
        language: exchange.language(),
    };
    intake.open_sign_up(&contact, new).await?;
    accepted(exchange, registration)
}

/// Another mail or SMS for a sign-up that waits. Says nothing of the address or number: sign-ups wait on any.
pub(crate) async fn resend(exchange: &Exchange) -> Answer {
    check_open(exchange)?;
    let mut body = Body::read(&exchange.request).await?;
    let contact = contact(&exchange.environment, &mut body)?;
    let registration = body.text("registration")?.parse();
    let registration = registration.map_err(|error| Problem::invalid_field("registration", error))?;
    let human = Token::read(exchange, &mut body)?;
    limit_requested(exchange, contact.kind()).await?;
    human.check(exchange, TurnstileAction::Code).await?;
    let keyring = exchange.keyring().await?;
    let code = one_time_code(exchange.ambient.random()?);
    let intake = Intake::of_identifier(&exchange.environment, &keyring, &contact);
    let (operation, language) = (new_operation(exchange)?, exchange.language());
    intake.resend_sign_up(&contact, registration, &code, operation, language).await?;
    accepted(exchange, registration)
}

fn accepted(exchange: &Exchange, registration: RegistrationId) -> Answer {
    let expires_in = exchange.environment.sign_up_policy().time_to_live.as_secs();
    json(202, &Accepted { registration, expires_in })
}

async fn read(exchange: &Exchange) -> Result<Input, Problem> {
    let mut body = Body::read(&exchange.request).await?;
    let contact = contact(&exchange.environment, &mut body)?;
    let name = DisplayName::parse(&body.text("name")?);
    let name = name.map_err(|error| Problem::invalid_field("name", error))?;
    let text = body.optional_text("password")?.map(SecretText::new);
    let username = username::at_sign_up(exchange, &mut body)?;
    let whose = Whose::default().called(Some(name.as_str())).with_username(username.as_ref());
    let whose = whose.known_by(&contact);
    let choose = |text| password::chosen(&exchange.environment, "password", &text, whose);
    let password = text.map(choose).transpose()?;
    let human = Token::read(exchange, &mut body)?;
    Ok(Input { contact, name, password, username, human })
}

/// Whether anybody signs up here.
pub(crate) fn check_open(exchange: &Exchange) -> Result<(), Problem> {
    match exchange.environment.config().registration().mode {
        RegistrationMode::Closed => Err(Problem::account_creation_disabled()),
        RegistrationMode::VerifiedFirst | RegistrationMode::Immediate => Ok(()),
    }
}

/// Where that is wanted, says of an address or number that it has an account.
async fn check_may_be_told(exchange: &Exchange, contact: &Identifier) -> Result<(), Problem> {
    let config = exchange.environment.config();
    if config.registration().reveal_existing_accounts {
        let now = exchange.ambient.now();
        let (directory, tenant) = (exchange.directory()?, config.tenant().as_str());
        let is_ours = directory.owner(tenant, contact, now).await?.is_some();
        if is_ours || directory.is_elsewhere(tenant, contact.kind(), contact.value()).await? {
            return Err(Problem::account_exists());
        }
    }
    Ok(())
}
