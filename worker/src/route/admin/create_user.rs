//! `POST /api/v1/auth/admin/users {email?, username?, name, roles?, password?, send_invitation?}` → 201: the operator
//! creates an account.
//!
//! Its address is not proven by that. An invitation is a link to set the first password; whoever uses it reads the mail.
//! The same `Idempotency-Key` is the same account, however often it is asked for.

use crate::route::admin::operator::{self, Operator};
use crate::route::exchange::Exchange;
use crate::route::verify_sign_up::default_roles;
use crate::route::{password, set_password, username};
use crate::store::creation::{Creation, NewAccount, NewAddress};
use crate::store::keyring::Keyring;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId};
use postern_core::identifier::{DisplayName, EmailAddress, Username};
use postern_core::password::PasswordInput;
use postern_core::secret::SecretText;
use serde::Serialize;

const MOST_ROLES: usize = 64;

struct Input {
    email: Option<EmailAddress>,
    username: Option<Username>,
    name: DisplayName,
    roles: Vec<String>,
    password: Option<PasswordInput>,
    send_invitation: bool,
}

#[derive(Serialize)]
struct Created<'a> {
    id: AccountId,
    email: Option<&'a str>,
    username: Option<&'a str>,
    name: &'a str,
    roles: &'a [String],
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let operator = operator::authorise(exchange).await?;
    let input = read(exchange).await?;
    let keyring = exchange.keyring().await?;
    let (account, operation) = ids(&keyring, exchange, &operator);
    let hash = input.password.as_ref().map(|password| password::hashed(exchange, &keyring, password));
    let hash = hash.transpose()?;
    let (directory, tenant) = (exchange.directory()?, exchange.environment.config().tenant());
    let email = input.email.as_ref().map(EmailAddress::as_str);
    let before = directory.profile(tenant.as_str(), &account).await?;
    let is_other = |username: &Username| {
        before.as_ref().is_some_and(|before| before.username.as_deref() != Some(username.as_str()))
    };
    if before
        .as_ref()
        .is_some_and(|before| before.email.as_deref() != email || before.name != input.name.as_str())
        || input.username.as_ref().is_some_and(is_other)
    {
        return Err(Problem::idempotency_key_reused());
    }
    if before.is_none() {
        let new = NewAccount {
            account,
            tenant,
            email: email.map(|value| NewAddress { value, is_proven: false }),
            username: input.username.as_ref(),
            name: input.name.as_str(),
            password_hash: hash.as_ref().map(|hash| hash.as_str()),
            roles: &input.roles,
            awaits_proof: false,
        };
        let source = input.email.as_ref().map_or(input.name.as_str(), EmailAddress::local_part);
        match username::create(exchange, &directory, new, source).await? {
            Creation::Ours => {}
            Creation::Taken => return Err(Problem::account_exists()),
            Creation::UsernameTaken => return Err(Problem::username_taken()),
        }
    }
    if let Some(email) = input.email.as_ref().filter(|_| input.send_invitation) {
        set_password::mail_link(exchange, &keyring, account, email, input.name.as_str(), operation).await?;
    }
    let created = directory.profile(tenant.as_str(), &account).await?;
    let username = created.as_ref().and_then(|created| created.username.as_deref());
    json(201, &Created { id: account, email, username, name: input.name.as_str(), roles: &input.roles })
}

async fn read(exchange: &Exchange) -> Result<Input, Problem> {
    let mut body = Body::read(&exchange.request).await?;
    let email = body.optional_text("email")?.map(|text| EmailAddress::parse(&text)).transpose();
    let email = email.map_err(|error| Problem::invalid_field("email", error))?;
    let username = username::optional(exchange, &mut body)?;
    if email.is_none() && username.is_none() {
        return Err(Problem::invalid_field("email", "is required unless there is a username"));
    }
    let name =
        DisplayName::parse(&body.text("name")?).map_err(|error| Problem::invalid_field("name", error))?;
    let password = match body.optional_text("password")?.map(SecretText::new) {
        None => None,
        Some(text) => {
            let (email, name) = (email.as_ref().map(EmailAddress::as_str), Some(name.as_str()));
            Some(password::chosen(&exchange.environment, "password", &text, email, name)?)
        }
    };
    let roles = match body.texts("roles", MOST_ROLES)? {
        none if none.is_empty() => default_roles(exchange),
        roles => roles,
    };
    let known = &exchange.environment.config().permissions().roles;
    if roles.iter().any(|role| known.mask_of(role).is_none()) {
        return Err(Problem::invalid_field("roles", "must be names of permissions.roles"));
    }
    let send_invitation = body.optional_flag("send_invitation")?.unwrap_or(false);
    if send_invitation && (email.is_none() || password.is_some()) {
        return Err(Problem::invalid_field("send_invitation", "needs an email, and no password"));
    }
    Ok(Input { email, username, name, roles, password, send_invitation })
}

/// The account that an order creates, and the operation under which it is invited: the same for the same order.
fn ids(keyring: &Keyring, exchange: &Exchange, operator: &Operator) -> (AccountId, OperationId) {
    let tenant = exchange.environment.config().tenant().as_str().as_bytes();
    let digest = keyring.digest(&[b"created by operator", tenant, operator.operation.as_bytes()]);
    let (mut account, mut operation) = ([0; 16], [0; 16]);
    account.iter_mut().chain(&mut operation).zip(digest).for_each(|(to, byte)| *to = byte);
    (AccountId::from_bytes(account), OperationId::from_bytes(operation))
}
