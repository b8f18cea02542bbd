//! `POST …/admin/users/{id}/set-password`, `set-email` and `set-email-verified`: what an operator sets for somebody who
//! cannot.

use crate::object::account::FenceChange;
use crate::route::admin::operator::{self, Operator};
use crate::route::admin::users;
use crate::route::contact::email;
use crate::route::exchange::Exchange;
use crate::route::{password, verify_contact};
use crate::store::accounts::Accounts;
use crate::store::contact::ContactChange;
use crate::store::directory::{Credential, Directory};
use crate::store::fence;
use crate::store::intake::Intake;
use crate::wire::answer::{Answer, json, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::{AccountStatus, Actor, StatusOrder, StatusRequest};
use postern_core::flow::login::LoginOutcome;
use postern_core::id::{AccountId, OperationId};
use postern_core::identifier::Identifier;
use postern_core::password::PasswordInput;
use postern_core::session::CredentialChange;
use serde::Serialize;

#[derive(Serialize)]
struct EmailSet {
    success: bool,
    /// Whether a code to prove the address is on its way.
    verification_sent: bool,
}

/// An account about to be changed, with nothing of an earlier change left open.
struct Subject {
    operator: Operator,
    account: AccountId,
    directory: Directory,
    credential: Credential,
}

impl Subject {
    async fn of(exchange: &Exchange, id: &str) -> Result<Self, Problem> {
        let operator = operator::authorise(exchange).await?;
        let (account, directory) = (users::account(id)?, exchange.directory()?);
        let tenant = exchange.environment.config().tenant();
        let credential = directory.credential_of(tenant, &account).await?.ok_or_else(Problem::not_found)?;
        fence::settle(&exchange.environment, &directory, &account).await?;
        Ok(Self { operator, account, directory, credential })
    }

    fn operation(&self, order: &str) -> OperationId {
        self.operator.operation_on(&self.account, order)
    }

    /// Whether this very change was made before; what was open of it has been finished.
    fn was_made(&self, operation: OperationId) -> bool {
        self.credential.operation_id == Some(operation)
    }

    /// Has the account object end what the old credential opened.
    async fn close(&self, exchange: &Exchange, change: FenceChange) -> Result<(), Problem> {
        let version = self.credential.credential_version.saturating_add(1);
        fence::close(&exchange.environment, &self.directory, &self.account, version, Some(change)).await
    }
}

/// `{password}`, a text or null: every session ends, and the owner is told.
pub(crate) async fn set_password(exchange: &Exchange, id: &str) -> Answer {
    let subject = Subject::of(exchange, id).await?;
    let mut body = Body::read(&exchange.request).await?;
    let text = body.nullable_secret("password")?;
    let (contact, name) = (subject.credential.contact(), subject.credential.name.as_str());
    let choose =
        |text| password::chosen(&exchange.environment, "password", &text, contact.as_ref(), Some(name));
    let new = text.map(choose).transpose()?;
    let operation = subject.operation("set-password");
    if subject.was_made(operation) {
        is_the_one_that_was_set(exchange, new.as_ref(), &subject.credential).await?;
        return success();
    }
    let keyring = exchange.keyring().await?;
    let hash = new.map(|new| password::hashed(exchange, &keyring, &new)).transpose()?;
    let change = FenceChange { change: CredentialChange::PasswordSet, keep: None, notify: None };
    let (version, now) = (subject.credential.credential_version, exchange.ambient.now());
    let hash = hash.as_ref().map(|hash| hash.as_str());
    let directory = &subject.directory;
    if !directory.change_password(&subject.account, version, hash, operation, &change, now).await? {
        return Err(overtaken());
    }
    subject.close(exchange, change).await?;
    success()
}

/// `{email}`: the address is not proven, a code to prove it is mailed, every session ends, and the old address is told.
pub(crate) async fn set_email(exchange: &Exchange, id: &str) -> Answer {
    let subject = Subject::of(exchange, id).await?;
    let mut body = Body::read(&exchange.request).await?;
    let to = Identifier::Email(email(&mut body)?);
    let operation = subject.operation("set-email");
    let has_it = subject.credential.email.as_deref() == Some(to.value());
    if subject.was_made(operation) {
        let again = || json(200, &EmailSet { success: true, verification_sent: false });
        return if has_it { again() } else { Err(Problem::idempotency_key_reused()) };
    }
    if has_it {
        return Err(Problem::invalid_field("email", "is the account's address already"));
    }
    let change = FenceChange {
        change: CredentialChange::EmailSet,
        keep: None,
        notify: subject.credential.contact().map(|contact| contact.value().into()),
    };
    let (against, now) = (subject.credential.credential_version, exchange.ambient.now());
    let by = ContactChange { operation, against, is_proven: false };
    if !subject.directory.change_contact(&subject.credential, &to, by, &change, now).await? {
        let tenant = exchange.environment.config().tenant().as_str();
        let owner = subject.directory.owner(tenant, &to, now).await?;
        let taken = owner.is_some_and(|owner| owner.account_id != subject.account);
        return Err(if taken { Problem::account_exists() } else { overtaken() });
    }
    subject.close(exchange, change).await?;
    let verification_sent = mail_proof(exchange, &to).await.is_ok();
    json(200, &EmailSet { success: true, verification_sent })
}

/// `{verified}`: whether the address counts as proven.
pub(crate) async fn set_email_verified(exchange: &Exchange, id: &str) -> Answer {
    let operator = operator::authorise(exchange).await?;
    let account = users::account(id)?;
    let mut body = Body::read(&exchange.request).await?;
    let verified = body.optional_flag("verified")?;
    let verified = verified.ok_or_else(|| Problem::invalid_field("verified", "is required"))?;
    let (environment, now) = (&exchange.environment, exchange.ambient.now());
    let operation = operator.operation_on(&account, &format!("set-email-verified {verified}"));
    let tenant = environment.config().tenant();
    if !exchange.directory()?.set_email_verified(tenant, &account, verified, operation, now).await? {
        return Err(Problem::not_found());
    }
    if verified {
        let order = StatusOrder::Lift(AccountStatus::PendingVerification);
        let request = StatusRequest { order, by: Actor::Operator, reason: None };
        match Accounts::new(environment).set_status(&account, operation.to_string(), request).await {
            // It waits for no proof.
            Err(problem) if problem.code() == Problem::status_conflict().code() => {}
            other => drop(other?),
        }
    }
    success()
}

/// Mails a code to prove an address; nobody waits for its owner.
async fn mail_proof(exchange: &Exchange, to: &Identifier) -> Answer {
    let intake = Intake::of_identifier(&exchange.environment, &*exchange.keyring().await?, to);
    verify_contact::mail(exchange, &intake, to).await
}

/// Another change came first. Whether this one is still wanted is not ours to say.
fn overtaken() -> Problem {
    Problem::unavailable("credential", "another change came first")
}

/// A key that has set one password sets no other.
async fn is_the_one_that_was_set(
    exchange: &Exchange,
    new: Option<&PasswordInput>,
    credential: &Credential,
) -> Result<(), Problem> {
    let same = match new {
        None => credential.password_hash.is_none(),
        Some(new) => {
            let keyring = exchange.keyring().await?;
            match password::check(exchange, &keyring, new, Some(&credential.stored(&exchange.environment))) {
                LoginOutcome::Proven { .. } => true,
                LoginOutcome::Refused(_) => false,
                LoginOutcome::Unavailable(error) => return Err(Problem::unavailable("password hash", error)),
            }
        }
    };
    if same { Ok(()) } else { Err(Problem::idempotency_key_reused()) }
}
