//! `POST /api/v1/auth/verify-signup {email | phone, otp, registration? | password?, name?, username?}` → 200 with tokens.
//!
//! Claim, create, open, finish: each step can be repeated, and a client that lost the answer repeats the whole
//! with the same code for ten minutes.

use crate::object::intake::{Claimed, Selector};
use crate::route::contact::contact;
use crate::route::exchange::Exchange;
use crate::route::mailed::code;
use crate::route::password::Whose;
use crate::route::sign_up::check_open;
use crate::route::{breach, login, password, set_password, tokens, username};
use crate::store::accounts::{Accounts, NewSession};
use crate::store::creation::{Creation, NewAccount, NewContact};
use crate::store::intake::Intake;
use crate::store::keyring::Keyring;
use crate::store::limiter::Limits;
use crate::wire::answer::Answer;
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::AccountStatus;
use postern_core::id::{AccountId, OperationId, SessionId};
use postern_core::identifier::{DisplayName, Identifier, Username};
use postern_core::permission::AuthorizationSnapshot;
use postern_core::proof::FirstFactor;
use postern_core::secret::SecretText;
use std::rc::Rc;

struct Input {
    contact: Identifier,
    code: SecretText,
    registration: Option<String>,
    password: Option<SecretText>,
    name: Option<DisplayName>,
    username: Option<Username>,
    remember: bool,
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    check_open(exchange)?;
    let input = read(exchange).await?;
    let environment = &exchange.environment;
    let keyring = exchange.keyring().await?;
    let source = exchange.source();
    let limits = environment.config().limits();
    Limits::new(environment, &keyring, &source)
        .per_key("verify_per_source", limits.verify_per_source)
        .take()
        .await?;

    let selector = selector(exchange, &keyring, &input).await?;
    let account = AccountId::from_bytes(exchange.ambient.random()?.into_bytes());
    let operation = OperationId::from_bytes(exchange.ambient.random()?.into_bytes());
    let session_key = exchange.ambient.random()?;
    let intake = Intake::of_identifier(environment, &keyring, &input.contact);
    let claimed = intake.claim_sign_up(&input.contact, &input.code, selector, account, operation).await?;
    let (claimed, proof) = claimed.ok_or_else(Problem::code_invalid)?;

    let roles = default_roles(exchange);
    if !claimed.done {
        create(exchange, &keyring, &input, &claimed, &roles).await?;
    }
    let new = NewSession {
        // The claim's own operation names its session, so that a repeated claim opens no second one.
        session: SessionId::from_bytes(*claimed.operation.as_bytes()),
        session_key,
        authorization: AuthorizationSnapshot::of_roles(roles),
        status: AccountStatus::Active,
        device: exchange.device(),
        created: true,
        language: exchange.language(),
        trusted: None,
        remember: input.remember,
    };
    let login = Accounts::new(environment).open(FirstFactor::Address(proof), new, &keyring).await?;
    let answer = tokens::of_login(exchange, &keyring, login).await?;
    finish_afterwards(exchange, keyring, input.contact, claimed.operation);
    Ok(answer)
}

async fn read(exchange: &Exchange) -> Result<Input, Problem> {
    let mut body = Body::read(&exchange.request).await?;
    let contact = contact(&exchange.environment, &mut body)?;
    let code = code(&mut body)?;
    let registration = body.optional_text("registration")?;
    let password = body.optional_text("password")?.map(SecretText::new);
    if registration.is_some() && password.is_some() {
        return Err(Problem::invalid_field("password", "must not be sent together with registration"));
    }
    let name = body.optional_text("name")?.map(|name| DisplayName::parse(&name)).transpose();
    let name = name.map_err(|error| Problem::invalid_field("name", error))?;
    let username = username::optional(exchange, &mut body)?;
    let remember = login::remember(&mut body)?;
    Ok(Input { contact, code, registration, password, name, username, remember })
}

async fn selector(exchange: &Exchange, keyring: &Keyring, input: &Input) -> Result<Selector, Problem> {
    if let Some(registration) = &input.registration {
        let id = registration.parse().map_err(|error| Problem::invalid_field("registration", error))?;
        return Ok(Selector::Registration(id));
    }
    let Some(text) = &input.password else { return Ok(Selector::Bare) };
    let name = input.name.as_ref().map(DisplayName::as_str);
    let whose = Whose::default().called(name).with_username(input.username.as_ref());
    let whose = whose.known_by(&input.contact);
    let password = password::chosen(&exchange.environment, "password", text, whose)?;
    breach::refuse_known(exchange, "password", &password).await?;
    password::hashed(exchange, keyring, &password).map(Selector::Password)
}

/// Creates the account of a claim in the directory, and sends the link that a claim without a password needs.
async fn create(
    exchange: &Exchange,
    keyring: &Keyring,
    input: &Input,
    claimed: &Claimed,
    roles: &[String],
) -> Result<(), Problem> {
    let environment = &exchange.environment;
    let name = input.name.as_ref().map(DisplayName::as_str);
    let given = name.or(claimed.name.as_deref());
    let placeholder = input.contact.placeholder_name();
    let name = given.unwrap_or(&placeholder);
    // One that is presented now is a second choice, for a sign-up whose name somebody else has got meanwhile.
    let chosen = claimed.username.as_deref().and_then(|name| Username::parse(name).ok());
    let new = NewAccount {
        account: claimed.account,
        order: None,
        tenant: environment.config().tenant(),
        contacts: &[NewContact { identifier: &input.contact, is_proven: true }],
        username: input.username.as_ref().or(chosen.as_ref()),
        name,
        password_hash: claimed.password.as_ref().map(|hash| hash.as_str()),
        roles,
        awaits_proof: false,
        gift: None,
    };
    let source = username::source(&input.contact, given.unwrap_or_default());
    match username::create(exchange, &exchange.directory()?, new, source).await? {
        Creation::Ours => {}
        // The claim goes on: whoever made it presents the code again, with another name.
        Creation::UsernameTaken => return Err(Problem::username_taken()),
        // Somebody confirmed this address or number before. To whoever asks, the code is simply not valid.
        Creation::Taken | Creation::KeyReused => return Err(Problem::code_invalid()),
    }
    if !claimed.send_set_password_link {
        return Ok(());
    }
    set_password::mail_link(exchange, keyring, claimed.account, &input.contact, name, claimed.operation).await
}

/// The names of the roles of a new account.
pub(crate) fn default_roles(exchange: &Exchange) -> Vec<String> {
    let role = &exchange.environment.config().permissions().default_role;
    role.iter().map(|role| role.as_str().into()).collect()
}

/// Takes the password hash out of the pending record. If this is lost, the record goes when it expires.
fn finish_afterwards(exchange: &Exchange, keyring: Rc<Keyring>, contact: Identifier, operation: OperationId) {
    let environment = exchange.environment.clone();
    exchange.afterwards(async move {
        Intake::of_identifier(&environment, &keyring, &contact).finish_sign_up(operation).await
    });
}
