//! `POST …/admin/users/{id}/set-password`, `set-email`, `set-phone`, `set-email-verified` and `set-phone-verified`: what an
//! operator sets for somebody who cannot.

use crate::object::account::FenceChange;
use crate::route::admin::operator::{self, Operator};
use crate::route::admin::users;
use crate::route::contact::{check_enabled, email, phone};
use crate::route::exchange::Exchange;
use crate::route::password::Whose;
use crate::route::{password, verify_contact};
use crate::store::accounts::Accounts;
use crate::store::contact::{ContactChange, Replacement};
use crate::store::directory::{Credential, Directory};
use crate::store::fence;
use crate::store::intake::Intake;
use crate::wire::answer::{Answer, json, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::account::{AccountStatus, Actor, StatusOrder, StatusRequest};
use postern_core::flow::login::LoginOutcome;
use postern_core::id::{AccountId, OperationId};
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::password::PasswordInput;
use postern_core::permission::OperatorPermission;
use postern_core::session::CredentialChange;
use serde::Serialize;

#[derive(Serialize)]
struct ContactSet {
    success: bool,
    /// Whether a code to prove the address or number is on its way.
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
        let operator = operator::authorise(exchange, OperatorPermission::UsersManage).await?;
        let (account, directory) = (users::account(id)?, exchange.directory()?);
        let tenant = exchange.environment.config().tenant();
        let credential = directory.credential_of(tenant, &account).await?.ok_or_else(Problem::not_found)?;
        operator.reach(exchange, &[account]).await?;
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

    async fn has_username(&self, exchange: &Exchange) -> Result<bool, Problem> {
        let tenant = exchange.environment.config().tenant().as_str();
        let profile = self.directory.profile(tenant, &self.account).await?;
        Ok(profile.is_some_and(|profile| profile.username.is_some()))
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
    let whose = Whose::from(&subject.credential);
    let choose = |text| password::chosen(&exchange.environment, "password", &text, whose);
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

/// `{email}`, or `{phone}`, which may be null: what is set is not proven, a code to prove it is sent, every session ends, and
/// whoever was reached before is told.
pub(crate) async fn set_contact(exchange: &Exchange, id: &str, kind: IdentifierKind) -> Answer {
    let subject = Subject::of(exchange, id).await?;
    let mut body = Body::read(&exchange.request).await?;
    let to = match kind {
        IdentifierKind::Phone => optional_phone(&mut body)?,
        IdentifierKind::Email | IdentifierKind::Username => Some(Identifier::Email(email(&mut body)?)),
    };
    let operation = subject.operation(&format!("set-{}", kind.as_str()));
    let credential = &subject.credential;
    let (present, change) = match (kind, &to) {
        (IdentifierKind::Phone, None) => (&credential.phone, CredentialChange::PhoneRemoved),
        (IdentifierKind::Phone, Some(_)) => (&credential.phone, CredentialChange::PhoneSet),
        (IdentifierKind::Email | IdentifierKind::Username, _) => {
            (&credential.email, CredentialChange::EmailSet)
        }
    };
    let has_it = present.as_deref() == to.as_ref().map(Identifier::value);
    if subject.was_made(operation) {
        return if has_it { contact_set(false) } else { Err(Problem::idempotency_key_reused()) };
    }
    if has_it {
        return Err(Problem::invalid_field(kind.as_str(), "is the account's already"));
    }
    if to.is_none() && credential.email.is_none() && !subject.has_username(exchange).await? {
        return Err(Problem::last_way_in());
    }
    let notify = credential.contact().map(|contact| contact.value().into());
    let change = FenceChange { change, keep: None, notify };
    let (against, now) = (credential.credential_version, exchange.ambient.now());
    let by = ContactChange { operation, against, is_proven: false };
    let new = to.as_ref().map_or(Replacement::Nothing(kind), Replacement::With);
    if !subject.directory.change_contact(credential, new, by, &change, now).await? {
        let tenant = exchange.environment.config().tenant().as_str();
        let taken = match &to {
            Some(to) => match subject.directory.owner(tenant, to, now).await? {
                Some(owner) => owner.account_id != subject.account,
                None => subject.directory.is_elsewhere(tenant, to.kind(), to.value()).await?,
            },
            None => false,
        };
        return Err(if taken { Problem::account_exists() } else { overtaken() });
    }
    subject.close(exchange, change).await?;
    contact_set(match &to {
        Some(to) if check_enabled(&exchange.environment, kind).is_ok() => {
            send_proof(exchange, to).await.is_ok()
        }
        _ => false,
    })
}

/// The number in `phone`, or `None` for null. Also one that no SMS is sent to: it logs in with a password all the same.
fn optional_phone(body: &mut Body) -> Result<Option<Identifier>, Problem> {
    let text = body.replacement("phone")?;
    let text = text.ok_or_else(|| Problem::invalid_field("phone", "is required; null for none"))?;
    text.map(|text| phone(&text)).transpose()
}

fn contact_set(verification_sent: bool) -> Answer {
    json(200, &ContactSet { success: true, verification_sent })
}

/// `{verified}`: whether the address or number counts as proven.
pub(crate) async fn set_verified(exchange: &Exchange, id: &str, kind: IdentifierKind) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::UsersManage).await?;
    let account = users::account(id)?;
    operator.reach(exchange, &[account]).await?;
    let mut body = Body::read(&exchange.request).await?;
    let verified = body.optional_flag("verified")?;
    let verified = verified.ok_or_else(|| Problem::invalid_field("verified", "is required"))?;
    let (environment, now) = (&exchange.environment, exchange.ambient.now());
    let operation = operator.operation_on(&account, &format!("set-{}-verified {verified}", kind.as_str()));
    let tenant = environment.config().tenant();
    if !exchange.directory()?.set_verified(tenant, &account, kind, verified, operation, now).await? {
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

/// Sends a code to prove an address or number; nobody waits for its owner.
async fn send_proof(exchange: &Exchange, to: &Identifier) -> Answer {
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
