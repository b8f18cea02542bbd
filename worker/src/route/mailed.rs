//! What asking for a code or link and bringing it back have in common.
//!
//! The same limiter call, intake call and answer for every address and number. Whether it has an account is looked up by
//! the consumer of the mail or SMS, and by a request only after the right code.

use crate::outbox::message::MailTemplate;
use crate::route::contact::contact;
use crate::route::exchange::Exchange;
use crate::route::turnstile::Token;
use crate::store::directory::Credential;
use crate::store::intake::{Intake, NewSecret, PresentedSecret, UsedSecret};
use crate::store::limiter::Limits;
use crate::wire::answer::{Answer, json};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::codec::base64url;
use postern_core::config::{MailedForm, RateLimit};
use postern_core::entropy::{one_time_code, uuid};
use postern_core::id::{AccountId, OperationId};
use postern_core::identifier::{Identifier, IdentifierKind};
use postern_core::intake::{CodePurpose, LinkToken};
use postern_core::secret::SecretText;
use postern_core::turnstile::TurnstileAction;
use serde::Serialize;

/// More than any code has; what is longer was not typed from a mail.
const MOST_CODE_BYTES: usize = 64;

#[derive(Serialize)]
struct Accepted {
    success: bool,
    expires_in: u32,
}

/// How a secret travels.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Digits to type.
    Code,
    /// 32 random bytes in a link.
    Link,
    /// 122 random bits to copy.
    Uuid,
}

impl Kind {
    /// The way in which a secret of this form travels.
    pub(crate) const fn of(form: MailedForm) -> Self {
        match form {
            MailedForm::Code => Self::Code,
            MailedForm::Link => Self::Link,
            MailedForm::Uuid => Self::Uuid,
        }
    }
}

/// What a client brings back from a mail or SMS.
pub(crate) enum Presented {
    /// A code, and the address or number that it was sent to.
    Code { contact: Identifier, code: SecretText },
    /// The token of a link.
    Link(LinkToken),
}

/// Sends a secret to an address or number: 202, whoever it belongs to.
pub(crate) async fn request(
    exchange: &Exchange,
    to: &Identifier,
    purpose: CodePurpose,
    kind: Kind,
    human: Token,
) -> Answer {
    if purpose == CodePurpose::ResetPassword && to.kind() != IdentifierKind::Phone {
        let limit = exchange.environment.config().limits().reset_per_source;
        limit_source(exchange, "reset_per_source", limit).await?;
    } else {
        limit_requested(exchange, to.kind()).await?;
    }
    let is_reset = purpose == CodePurpose::ResetPassword;
    let action = if is_reset { TurnstileAction::PasswordReset } else { TurnstileAction::Code };
    human.check(exchange, action).await?;
    let intake = Intake::of_identifier(&exchange.environment, &*exchange.keyring().await?, to);
    mail(exchange, &intake, purpose, kind, to.value(), to).await
}

/// Sends a secret that works for `bound_to`.
pub(crate) async fn mail(
    exchange: &Exchange,
    intake: &Intake<'_>,
    purpose: CodePurpose,
    kind: Kind,
    bound_to: &str,
    to: &Identifier,
) -> Answer {
    let environment = &exchange.environment;
    let ttl_seconds =
        environment.mailed_policy(purpose, to.kind() == IdentifierKind::Phone).time_to_live.as_secs();
    let random = exchange.ambient.random()?;
    let (secret, template) = match kind {
        Kind::Code => {
            let code = one_time_code(random).expose().to_owned();
            (code.clone(), MailTemplate::Code { purpose, code, ttl_seconds })
        }
        Kind::Link => {
            let secret = base64url::encode(&random.into_bytes());
            (secret.clone(), MailTemplate::Link { purpose, secret, ttl_seconds })
        }
        Kind::Uuid => {
            let code = uuid(exchange.ambient.random()?);
            (code.clone(), MailTemplate::Code { purpose, code, ttl_seconds })
        }
    };
    let operation = new_operation(exchange)?;
    let language = exchange.language();
    intake.mail_secret(NewSecret { purpose, bound_to, secret, operation, to, template, language }).await?;
    json(202, &Accepted { success: true, expires_in: ttl_seconds })
}

/// The code in the member `otp`.
pub(crate) fn code(body: &mut Body) -> Result<SecretText, Problem> {
    let code = body.secret("otp")?;
    if code.expose().len() > MOST_CODE_BYTES {
        return Err(Problem::invalid_field("otp", "must have at most 64 bytes"));
    }
    Ok(code)
}

impl Presented {
    /// The members `email` or `phone` and `otp`, or `token`.
    pub(crate) fn read(exchange: &Exchange, body: &mut Body, kind: Kind) -> Result<Self, Problem> {
        match kind {
            Kind::Code | Kind::Uuid => {
                Ok(Self::Code { contact: contact(&exchange.environment, body)?, code: code(body)? })
            }
            Kind::Link => {
                let token = LinkToken::parse(&body.secret("token")?);
                token.map(Self::Link).map_err(|_| Problem::code_invalid())
            }
        }
    }

    /// Has the secret accepted and used up; with the account behind it as it was before, if there is one. The same
    /// reads and calls whether there is or not.
    pub(crate) async fn used(
        self,
        exchange: &Exchange,
        purpose: CodePurpose,
    ) -> Result<(UsedSecret, Option<Identifier>, Option<Credential>), Problem> {
        let met = self.met(exchange, purpose).await?;
        let used = met.use_up(exchange).await?;
        Ok((used, met.contact, met.credential))
    }

    /// Finds whom the secret is about, for it to be compared and used up.
    pub(crate) async fn met(self, exchange: &Exchange, purpose: CodePurpose) -> Result<Met<'_>, Problem> {
        let environment = &exchange.environment;
        let (keyring, operation) = (exchange.keyring().await?, new_operation(exchange)?);
        let (directory, tenant) = (exchange.directory()?, environment.config().tenant());
        let (secret, contact, credential, intake) = match self {
            Self::Code { contact, code } => {
                let credential = directory.credential(tenant, &contact).await?;
                let intake = Intake::of_identifier(environment, &keyring, &contact);
                (code, Some(contact), credential, intake)
            }
            Self::Link(token) => {
                let account = AccountId::from_bytes(*token.selector());
                let credential = directory.credential_of(tenant, &account).await?;
                let contact = credential.as_ref().and_then(Credential::contact);
                let intake = match &contact {
                    Some(contact) => Intake::of_identifier(environment, &keyring, contact),
                    None => Intake::of_account(environment, &keyring, &account),
                };
                (SecretText::new(base64url::encode(token.secret().expose())), contact, credential, intake)
            }
        };
        Ok(Met { contact, credential, purpose, operation, secret, intake })
    }
}

/// A secret that came back, and whom it is about.
pub(crate) struct Met<'a> {
    /// Where it was sent.
    pub(crate) contact: Option<Identifier>,
    /// The account behind it, as it was before.
    pub(crate) credential: Option<Credential>,
    purpose: CodePurpose,
    operation: OperationId,
    secret: SecretText,
    intake: Intake<'a>,
}

impl Met<'_> {
    /// Has the secret accepted and used up.
    pub(crate) async fn use_up(&self, exchange: &Exchange) -> Result<UsedSecret, Problem> {
        // What was used up is never only right.
        self.present(exchange, true).await?.ok_or_else(Problem::code_invalid)
    }

    /// Has the secret accepted, and not used up; with its use, if it was used a moment ago.
    pub(crate) async fn compare(&self, exchange: &Exchange) -> Result<Option<UsedSecret>, Problem> {
        self.present(exchange, false).await
    }

    async fn present(&self, exchange: &Exchange, use_up: bool) -> Result<Option<UsedSecret>, Problem> {
        let (bound_to, sent_to) =
            self.contact.as_ref().map_or(("", IdentifierKind::Email), |to| (to.value(), to.kind()));
        let presented = PresentedSecret {
            secret: self.secret.expose(),
            operation: self.operation,
            against: self.credential.as_ref().map_or(0, |credential| credential.credential_version),
            changed_at: self.credential.as_ref().and_then(Credential::changed_at),
        };
        let source = exchange.source();
        self.intake.ask_of_secret(self.purpose, bound_to, sent_to, presented, &source, use_up).await
    }
}

/// The limit on codes and links that are asked for. An SMS costs money, so that it has a limit of its own.
pub(crate) async fn limit_requested(exchange: &Exchange, to: IdentifierKind) -> Result<(), Problem> {
    let limits = exchange.environment.config().limits();
    let (rule, limit) = match to {
        IdentifierKind::Phone => ("sms_per_source", limits.sms_per_source),
        IdentifierKind::Email | IdentifierKind::Username => ("code_per_source", limits.code_per_source),
    };
    limit_source(exchange, rule, limit).await
}

/// The limit on codes and links that are brought back.
pub(crate) async fn limit_presented(exchange: &Exchange) -> Result<(), Problem> {
    let limit = exchange.environment.config().limits().verify_per_source;
    limit_source(exchange, "verify_per_source", limit).await
}

/// A limit on where a request comes from.
pub(crate) async fn limit_source(
    exchange: &Exchange,
    rule: &'static str,
    limit: Option<RateLimit>,
) -> Result<(), Problem> {
    let (keyring, source) = (exchange.keyring().await?, exchange.source());
    Limits::new(&exchange.environment, &keyring, &source).per_key(rule, limit).take().await
}

/// Drawn for this request; nothing else has it.
pub(crate) fn new_operation(exchange: &Exchange) -> Result<OperationId, Problem> {
    exchange.ambient.random().map(|random| OperationId::from_bytes(random.into_bytes()))
}
