//! `POST /api/v1/auth/admin/users {email?, phone?, username?, name, roles?, groups?, permissions?, password?, send_invitation?}`
//! → 201: the operator creates an account.
//!
//! Its address and number are not proven by that. An invitation is a link to set the first password; whoever uses it reads the mail.
//! The same `Idempotency-Key` is the same account, however often it is asked for.

use crate::route::admin::authorization;
use crate::route::admin::operator::{self, Operator};
use crate::route::contact::{check_enabled, phone};
use crate::route::exchange::Exchange;
use crate::route::password::Whose;
use crate::route::verify_sign_up::default_roles;
use crate::route::{password, set_password, username};
use crate::store::creation::{Creation, Gift, NewAccount, NewContact};
use crate::store::definitions;
use crate::store::keyring::Keyring;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::id::{AccountId, OperationId};
use postern_core::identifier::{DisplayName, EmailAddress, Identifier, IdentifierKind, Username};
use postern_core::password::PasswordInput;
use postern_core::permission::{AuthorizationSnapshot, OperatorPermission, amended};
use postern_core::secret::SecretText;
use serde::Serialize;

/// The digits of an account id that come from the key of the order.
const SAME_KEY_DIGITS: usize = 16;

struct Input {
    email: Option<Identifier>,
    phone: Option<Identifier>,
    username: Option<Username>,
    name: DisplayName,
    /// Roles, groups and permissions.
    given: AuthorizationSnapshot,
    password: Option<PasswordInput>,
    send_invitation: bool,
}

impl Input {
    /// Where its owner is told things: the address, or without one the number.
    fn contact(&self) -> Option<&Identifier> {
        self.email.as_ref().or(self.phone.as_ref())
    }
}

#[derive(Serialize)]
struct Created<'a> {
    id: AccountId,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    username: Option<&'a str>,
    name: &'a str,
    roles: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    permissions: &'a [String],
}

pub(crate) async fn handle(exchange: &Exchange) -> Answer {
    let operator = operator::authorise(exchange, OperatorPermission::UsersManage).await?;
    let input = read(exchange).await?;
    let keyring = exchange.keyring().await?;
    let Ids { account, invitation, gift } = ids(exchange, &keyring, &operator, &input);
    let (directory, tenant) = (exchange.directory()?, exchange.environment.config().tenant());
    let order: String = account.to_string().chars().take(SAME_KEY_DIGITS).collect();
    let before = directory.with_beginning(&order).await?;
    if before.is_some_and(|before| before != account) {
        return Err(Problem::idempotency_key_reused());
    }
    if before.is_none() {
        check_given(exchange, &input.given).await?;
        check_may_give(exchange, &operator, &input.given)?;
        operator.write_down_for_new(exchange, account).await?;
        let hash = input.password.as_ref().map(|password| password::hashed(exchange, &keyring, password));
        let hash = hash.transpose()?;
        let contacts = [&input.email, &input.phone].into_iter().flatten();
        let contacts: Vec<_> =
            contacts.map(|identifier| NewContact { identifier, is_proven: false }).collect();
        let nothing = AuthorizationSnapshot::default();
        let besides = definitions::given_besides(&exchange.environment, &nothing, &input.given)?;
        let detail = authorization::detail(&nothing, &input.given, &operator.name(), None);
        let AuthorizationSnapshot { roles, groups, permissions, .. } = &input.given;
        let gift = Gift { groups, permissions, besides: &besides, operation: gift, detail: &detail };
        let new = NewAccount {
            account,
            order: Some(&order),
            tenant,
            contacts: &contacts,
            username: input.username.as_ref(),
            name: input.name.as_str(),
            password_hash: hash.as_ref().map(|hash| hash.as_str()),
            roles,
            awaits_proof: false,
            gift: (!is_everybodys(exchange, &input.given)).then_some(gift),
        };
        let name = input.name.as_str();
        let source = input.contact().map_or(name, |contact| username::source(contact, name));
        match username::create(exchange, &directory, new, source).await? {
            Creation::Ours => {}
            Creation::KeyReused => return Err(Problem::idempotency_key_reused()),
            Creation::Taken => return Err(Problem::account_exists()),
            Creation::UsernameTaken => return Err(Problem::username_taken()),
        }
    }
    if let Some(contact) = input.contact().filter(|_| input.send_invitation) {
        set_password::mail_link(exchange, &keyring, account, contact, input.name.as_str(), invitation)
            .await?;
    }
    let created = directory.profile(tenant.as_str(), &account).await?;
    let username = created.as_ref().and_then(|created| created.username.as_deref());
    let email = input.email.as_ref().map(Identifier::value);
    let phone = input.phone.as_ref().map(Identifier::value);
    let name = input.name.as_str();
    let AuthorizationSnapshot { roles, groups, permissions, .. } = &input.given;
    json(201, &Created { id: account, email, phone, username, name, roles, groups, permissions })
}

async fn read(exchange: &Exchange) -> Result<Input, Problem> {
    let mut body = Body::read(&exchange.request).await?;
    let email = body.optional_text("email")?.map(|text| EmailAddress::parse(&text)).transpose();
    let email = email.map_err(|error| Problem::invalid_field("email", error))?.map(Identifier::Email);
    let phone = body.optional_text("phone")?.map(|text| phone(&text)).transpose()?;
    let username = username::optional(exchange, &mut body)?;
    if email.is_none() && phone.is_none() && username.is_none() {
        return Err(Problem::invalid_field("email", "is required unless there is a phone or username"));
    }
    let name =
        DisplayName::parse(&body.text("name")?).map_err(|error| Problem::invalid_field("name", error))?;
    let password = match body.optional_text("password")?.map(SecretText::new) {
        None => None,
        Some(text) => {
            let whose = Whose::default().called(Some(name.as_str())).with_username(username.as_ref());
            let whose = [&email, &phone].into_iter().flatten().fold(whose, Whose::known_by);
            Some(password::chosen(&exchange.environment, "password", &text, whose)?)
        }
    };
    let roles = match body.texts("roles", AuthorizationSnapshot::MOST_ROLES)? {
        none if none.is_empty() => default_roles(exchange),
        roles => roles,
    };
    let given = AuthorizationSnapshot {
        groups: names(&mut body, "groups", AuthorizationSnapshot::MOST_GROUPS)?,
        permissions: names(&mut body, "permissions", AuthorizationSnapshot::MOST_PERMISSIONS)?,
        ..AuthorizationSnapshot::of_roles(amended(&[], &roles, &[]))
    };
    let send_invitation = body.optional_flag("send_invitation")?.unwrap_or(false);
    if send_invitation && password.is_some() {
        return Err(Problem::invalid_field("send_invitation", "needs no password"));
    }
    match (&email, &phone) {
        (None, Some(_)) if send_invitation => check_enabled(&exchange.environment, IdentifierKind::Phone)?,
        (None, None) if send_invitation => {
            return Err(Problem::invalid_field("send_invitation", "needs an email or phone"));
        }
        _ => {}
    }
    Ok(Input { email, phone, username, name, given, password, send_invitation })
}

/// Each once.
fn names(body: &mut Body, field: &'static str, most: usize) -> Result<Vec<String>, Problem> {
    Ok(amended(&[], &body.texts(field, most)?, &[]))
}

/// Refuses what there is not, and more than an account may have.
async fn check_given(exchange: &Exchange, given: &AuthorizationSnapshot) -> Result<(), Problem> {
    definitions::know_now(&exchange.environment, exchange.ambient.now()).await?;
    let settings = exchange.environment.permissions()?;
    settings.check_known(&given.roles, &given.permissions).map_err(authorization::refused)?;
    if let Some(unknown) = given.groups.iter().find(|group| settings.groups.get(group).is_none()) {
        let rule = format_args!("must be names of permissions.groups, and {unknown:?} is none").to_string();
        return Err(Problem::invalid_field("groups", rule));
    }
    given.check_size().map_err(authorization::refused)
}

/// Whether it is what everybody has who signs up.
fn is_everybodys(exchange: &Exchange, given: &AuthorizationSnapshot) -> bool {
    *given == AuthorizationSnapshot::of_roles(default_roles(exchange))
}

/// Refuses to give more than the operator may, and to give at all who may only create. What everybody has who signs up is
/// nobody's gift.
fn check_may_give(
    exchange: &Exchange,
    operator: &Operator,
    given: &AuthorizationSnapshot,
) -> Result<(), Problem> {
    if is_everybodys(exchange, given) {
        return Ok(());
    }
    let settings = exchange.environment.permissions()?;
    operator.check_also(&settings.registry, OperatorPermission::AuthorizationManage)?;
    operator.check_covers([settings.mask_of(given)])
}

struct Ids {
    account: AccountId,
    /// The operation under which it is invited.
    invitation: OperationId,
    /// The operation under which it is given roles, groups and permissions.
    gift: OperationId,
}

/// The same order is the same account: the first half of its id comes from the order's key, and the second from what the
/// order says. What becomes of the account later makes no other order of it. A password is not told apart: ids are no
/// place for what could be guessed from them.
fn ids(exchange: &Exchange, keyring: &Keyring, operator: &Operator, input: &Input) -> Ids {
    let tenant = exchange.environment.config().tenant().as_str().as_bytes();
    let key = operator.operation.as_bytes();
    let text = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
    let said = [
        text(input.email.as_ref().map(Identifier::value)),
        text(input.username.as_ref().map(Username::as_str)),
        text(Some(input.name.as_str())),
        vec![input.password.is_some().into(), input.send_invitation.into()],
    ];
    let phone = input.phone.as_ref().map(|phone| phone.value().as_bytes());
    let AuthorizationSnapshot { roles, groups, permissions, .. } = &input.given;
    // Without them an order is what it was before there were any. The titles are the names of nothing.
    let titled = |title: &'static str, names: &[String]| (!names.is_empty()).then_some(title.as_bytes());
    let given = roles.iter().map(String::as_bytes).chain(phone);
    let given = given.chain(titled(":groups", groups)).chain(groups.iter().map(String::as_bytes));
    let given =
        given.chain(titled(":permissions", permissions)).chain(permissions.iter().map(String::as_bytes));
    let said: Vec<&[u8]> = said.iter().map(Vec::as_slice).chain(given).collect();
    let by_key = keyring.digest(&[b"created by operator", tenant, key]);
    let by_order = keyring.digest(&[&[b"created by operator, as", tenant, key], said.as_slice()].concat());
    let by_gift = keyring.digest(&[b"given by operator", tenant, key]);
    let by_invitation = keyring.digest(&[b"invited by operator", tenant, key]);
    Ids {
        account: AccountId::from_bytes(joined(&by_key, &by_order)),
        invitation: OperationId::from_bytes(joined(&by_invitation, &by_order)),
        gift: OperationId::from_bytes(joined(&by_gift, &by_order)),
    }
}

/// Eight bytes of the one, then eight of the other.
fn joined(first: &[u8; 32], second: &[u8; 32]) -> [u8; 16] {
    let mut joined = [0; 16];
    let bytes = first.iter().take(8).chain(second.iter().take(8));
    joined.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
    joined
}
