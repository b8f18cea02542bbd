//! `POST /api/v1/auth/verify-signup {email, otp, registration? | password?, name?}` → 200 with tokens.
//!
//! Claim, create, open, finish: each step can be repeated, and a client that lost the answer repeats the whole
//! with the same code for ten minutes.

use crate::object::intake::{Claimed, Selector};
use crate::outbox::message::MailTemplate;
use crate::route::exchange::Exchange;
use crate::route::mailed::code;
use crate::route::sign_up::email;
use crate::route::{password, tokens};
use crate::store::accounts::{Accounts, NewSession};
use crate::store::directory::{Creation, NewAccount};
use crate::store::intake::{Intake, NewSecret};
use crate::store::keyring::Keyring;
use crate::store::limiter::Limits;
use crate::wire::answer::Answer;
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::codec::base64url;
use postern_core::id::{AccountId, OperationId, SessionId};
use postern_core::identifier::{DisplayName, EmailAddress};
use postern_core::intake::{CodePurpose, LinkToken};
use postern_core::proof::FirstFactor;
use postern_core::secret::SecretText;
use std::rc::Rc;

struct Input {
    email: EmailAddress,
    code: SecretText,
    registration: Option<String>,
    password: Option<SecretText>,
    name: Option<DisplayName>,
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let input = read(exchange).await?;
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    let source = exchange.source();
    let limits = environment.config().limits();
    Limits::new(environment, &keyring, &source)
        .per_key("verify_per_source", limits.verify_per_source)
        .take()
        .await?;

    let selector = selector(exchange, &keyring, &input)?;
    let account = AccountId::from_bytes(exchange.ambient.random()?.into_bytes());
    let operation = OperationId::from_bytes(exchange.ambient.random()?.into_bytes());
    let session_key = exchange.ambient.random()?;
    let intake = Intake::of_email(environment, &keyring, &input.email);
    let claimed = intake.claim_sign_up(&input.email, &input.code, selector, account, operation).await?;
    let (claimed, proof) = claimed.ok_or_else(Problem::code_invalid)?;

    let roles = default_roles(exchange);
    if !claimed.done {
        create(exchange, &keyring, &input, &claimed, &roles).await?;
    }
    let new = NewSession {
        // The claim's own operation names its session, so that a repeated claim opens no second one.
        session: SessionId::from_bytes(*claimed.operation.as_bytes()),
        session_key,
        roles,
        device: exchange.device(),
    };
    let admitted = Accounts::new(environment).open(FirstFactor::Address(proof), new, &keyring).await?;
    let answer = tokens::answer(exchange, &keyring, admitted).await?;
    finish_afterwards(exchange, keyring, input.email, claimed.operation);
    Ok(answer)
}

async fn read(exchange: &Exchange) -> Result<Input, Problem> {
    let mut body = Body::read(&exchange.request).await?;
    let email = email(&mut body)?;
    let code = code(&mut body)?;
    let registration = body.optional_text("registration")?;
    let password = body.optional_text("password")?.map(SecretText::new);
    if registration.is_some() && password.is_some() {
        return Err(Problem::invalid_field("password", "must not be sent together with registration"));
    }
    let name = body.optional_text("name")?.map(|name| DisplayName::parse(&name)).transpose();
    let name = name.map_err(|error| Problem::invalid_field("name", error))?;
    Ok(Input { email, code, registration, password, name })
}

fn selector(exchange: &Exchange, keyring: &Keyring, input: &Input) -> Result<Selector, Problem> {
    if let Some(registration) = &input.registration {
        let id = registration.parse().map_err(|error| Problem::invalid_field("registration", error))?;
        return Ok(Selector::Registration(id));
    }
    let Some(text) = &input.password else { return Ok(Selector::Bare) };
    let (email, name) = (Some(input.email.as_str()), input.name.as_ref().map(DisplayName::as_str));
    let password = password::chosen(&exchange.environment, "password", text, email, name)?;
    password::hashed(exchange, keyring, &password).map(Selector::Password)
}

/// Creates the account of a claim in the directory, and mails the link that a claim without a password needs.
async fn create(
    exchange: &Exchange,
    keyring: &Keyring,
    input: &Input,
    claimed: &Claimed,
    roles: &[String],
) -> Result<(), Problem> {
    let environment = &exchange.environment;
    let name = input.name.as_ref().map(DisplayName::as_str);
    let name = name.or(claimed.name.as_deref()).unwrap_or_else(|| input.email.local_part());
    let new = NewAccount {
        account: claimed.account,
        tenant: environment.config().tenant(),
        email: &input.email,
        name,
        password_hash: claimed.password.as_ref().map(|hash| hash.as_str()),
        roles,
    };
    match exchange.directory()?.create(&new, exchange.ambient.now()).await? {
        Creation::Ours => {}
        // Somebody confirmed this address before. To whoever asks, the code is simply not valid.
        Creation::Taken => return Err(Problem::code_invalid()),
    }
    if !claimed.send_set_password_link {
        return Ok(());
    }
    let token = LinkToken::new(*claimed.account.as_bytes(), exchange.ambient.random()?);
    let purpose = CodePurpose::SetPassword;
    let link = NewSecret {
        purpose,
        bound_to: input.email.as_str(),
        secret: base64url::encode(token.secret().expose()),
        operation: claimed.operation,
        to: &input.email,
        template: MailTemplate::SetPassword {
            name: name.into(),
            token: token.to_text().expose().into(),
            ttl_seconds: environment.mailed_policy(purpose).time_to_live.as_secs(),
        },
    };
    Intake::of_email(environment, keyring, &input.email).mail_secret(link).await
}

/// The names of the roles of a new account.
pub(crate) fn default_roles(exchange: &Exchange) -> Vec<String> {
    let role = &exchange.environment.config().permissions().default_role;
    role.iter().map(|(name, _)| name.as_str().into()).collect()
}

/// Takes the password hash out of the pending record. If this is lost, the record goes when it expires.
fn finish_afterwards(exchange: &Exchange, keyring: Rc<Keyring>, email: EmailAddress, operation: OperationId) {
    let environment = exchange.environment.clone();
    exchange.afterwards(async move {
        Intake::of_email(&environment, &keyring, &email).finish_sign_up(operation).await
    });
}
