//! Signing up with `registration.mode = "immediate"`: the account exists at once, and its address or number is proven later.
//!
//! Such a deployment says openly who has an account: whoever signs up would find out by logging in afterwards.

use crate::route::exchange::Exchange;
use crate::route::mailed::new_operation;
use crate::route::sign_up::Input;
use crate::route::verify_sign_up::default_roles;
use crate::route::{password, tokens, username, verify_contact};
use crate::store::accounts::{Accounts, NewSession};
use crate::store::creation::{Creation, NewAccount, NewContact};
use crate::store::intake::Intake;
use crate::store::keyring::Keyring;
use crate::wire::answer::{Answer, json};
use crate::wire::problem::Problem;
use postern_core::account::AccountStatus;
use postern_core::id::{AccountId, SessionId};
use postern_core::identifier::IdentifierKind;
use postern_core::intake::CodePurpose;
use postern_core::permission::AuthorizationSnapshot;
use postern_core::proof::{FirstFactor, PasswordVerified};
use serde::Serialize;

#[derive(Serialize)]
struct Created {
    id: AccountId,
    status: AccountStatus,
}

/// Creates the account and sends for the proof of its address or number; answers with tokens where that is wanted.
pub(crate) async fn create(
    exchange: &Exchange,
    keyring: &Keyring,
    intake: &Intake<'_>,
    input: Input,
) -> Answer {
    let password = input.password.ok_or_else(|| Problem::invalid_field("password", "is required"))?;
    let registration = exchange.environment.config().registration();
    if registration.auto_login {
        exchange.check_device()?;
    }
    let account = AccountId::from_bytes(exchange.ambient.random()?.into_bytes());
    let session = SessionId::from_bytes(*new_operation(exchange)?.as_bytes());
    let session_key = exchange.ambient.random()?;
    intake.take_request(CodePurpose::SignUp, IdentifierKind::Email).await?;
    let hash = password::hashed(exchange, keyring, &password)?;
    let roles = default_roles(exchange);
    let new = NewAccount {
        account,
        order: None,
        tenant: exchange.environment.config().tenant(),
        contacts: &[NewContact { identifier: &input.contact, is_proven: false }],
        username: input.username.as_ref(),
        name: input.name.as_str(),
        password_hash: Some(hash.as_str()),
        roles: &roles,
        awaits_proof: registration.require_verified_for_login,
        gift: None,
    };
    let source = username::source(&input.contact, input.name.as_str());
    match username::create(exchange, &exchange.directory()?, new, source).await? {
        Creation::Ours => {}
        Creation::Taken | Creation::KeyReused => return Err(Problem::account_exists()),
        Creation::UsernameTaken => return Err(Problem::username_taken()),
    }
    match verify_contact::mail(exchange, intake, &input.contact).await {
        // The account is there, and its owner asks for another code later.
        Err(problem) if problem.code() != "rate_limited" => return Err(problem),
        _ => {}
    }
    if !registration.auto_login {
        let awaits_proof = registration.require_verified_for_login;
        let status = if awaits_proof { AccountStatus::PendingVerification } else { AccountStatus::Active };
        return json(201, &Created { id: account, status });
    }
    let (device, language) = (exchange.device(), exchange.language());
    let status = AccountStatus::Active;
    let authorization = AuthorizationSnapshot::of_roles(roles);
    let new = NewSession {
        session,
        session_key,
        authorization,
        status,
        device,
        created: true,
        language,
        trusted: None,
        remember: false,
    };
    let proof = FirstFactor::Password(PasswordVerified::of_new_account(account));
    let login = Accounts::new(&exchange.environment).open(proof, new, keyring).await?;
    tokens::of_login(exchange, keyring, login).await
}
