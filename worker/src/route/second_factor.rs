//! `POST /api/v1/auth/2fa/setup`, `2fa/verify`, `2fa/backup-codes` and `2fa/disable`: an authenticator app and backup codes.

use crate::object::account::{FactorOrder, NewPasskey, Presented, cipher};
use crate::object::sealed;
use crate::route::exchange::Exchange;
use crate::route::mailed::{limit_presented, limit_source, new_operation};
use crate::route::passkeys::PasskeyClaim;
use crate::route::presence::{Bearer, Proof, current_password};
use crate::route::tokens::Extras;
use crate::route::turn::Turn;
use crate::route::{passkeys, password, sent_factor, tokens};
use crate::store::accounts::{Accounts, Admitted};
use crate::store::directory::Credential;
use crate::store::factors::{Answered, Challenge, DeviceToken};
use crate::store::keyring::Keyring;
use crate::store::passkeys::user_handle;
use crate::wire::answer::{Answer, json, success};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use crate::wire::{passkey, qr};
use postern_core::codec::base64url;
use postern_core::factor::{
    BackupCode, BackupCodes, FactorMethod, TotpParameters, TotpSecret, backup_codes, provisioning_uri,
};
use postern_core::id::AccountId;
use postern_core::identifier::Identifier;
use postern_core::passkey::Assertion;
use postern_core::password::Pepper;
use postern_core::secret::SecretText;
use serde::Serialize;
use std::rc::Rc;

#[derive(Serialize)]
struct Begun<'a> {
    secret: &'a str,
    uri: &'a str,
    /// The URI as SVG, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    qr: Option<String>,
}

#[derive(Serialize)]
struct Codes<'a> {
    backup_codes: &'a [String],
}

/// `{current_password?}` of a bearer, or `{challenge}`: a new secret, which guards nothing until it has shown a code.
pub(crate) async fn set_up(exchange: &Exchange) -> Answer {
    let mut body = Body::read_optional(&exchange.request).await?;
    if body.has("challenge") {
        return set_up_for_login(exchange, body).await;
    }
    let bearer = Bearer::of(exchange).await?;
    let draws = body.optional_flag("qr")?.unwrap_or(false);
    let (method, proof) = (sent_factor::method(&mut body)?, Proof::read(&mut body)?);
    if let Some(method) = method {
        return sent_factor::begin(exchange, &bearer, proof, method).await;
    }
    bearer.prove_wholly(exchange, proof).await?;
    begin(exchange, bearer.keyring(), &bearer.credential, None, draws).await
}

/// The same for a login that waits for it, where every account has to have one.
async fn set_up_for_login(exchange: &Exchange, mut body: Body) -> Answer {
    let challenge = body.secret("challenge")?;
    let draws = body.optional_flag("qr")?.unwrap_or(false);
    let Enrolling { keyring, challenge, credential } = Enrolling::of(exchange, &challenge).await?;
    begin(exchange, &keyring, &credential, Some(&challenge), draws).await
}

/// A login that may have to enrol a second factor: whose it is. The account decides whether it has to.
pub(crate) struct Enrolling {
    pub(crate) keyring: Rc<Keyring>,
    pub(crate) challenge: Challenge,
    pub(crate) credential: Credential,
}

impl Enrolling {
    /// # Errors
    ///
    /// `challenge_invalid`, `rate_limited`.
    pub(crate) async fn of(exchange: &Exchange, challenge: &SecretText) -> Result<Self, Problem> {
        limit_presented(exchange).await?;
        let keyring = exchange.keyring().await?;
        let challenge = Challenge::parse(&keyring, challenge).ok_or_else(Problem::challenge_invalid)?;
        let (account, tenant) = (challenge.account(), exchange.environment.config().tenant());
        let credential = exchange.directory()?.credential_of(tenant, &account).await?;
        let credential = credential.ok_or_else(Problem::challenge_invalid)?;
        Ok(Self { keyring, challenge, credential })
    }
}

async fn begin(
    exchange: &Exchange,
    keyring: &Keyring,
    credential: &Credential,
    login: Option<&Challenge>,
    draws: bool,
) -> Answer {
    let (account, pepper) = (&credential.account_id, current_pepper(keyring)?);
    let secret = TotpSecret::new(exchange.ambient.random()?);
    let nonce = exchange.ambient.random()?.into_bytes();
    let sealed = sealed::seal(&cipher(pepper), nonce, account.as_bytes(), secret.expose());
    let sealed =
        sealed.ok_or_else(|| Problem::internal("authenticator", "the secret could not be sealed"))?;
    let (sealed_secret, pepper_id) = (base64url::encode(&sealed), pepper.id());
    let order = match login {
        None => FactorOrder::Begin { sealed_secret, pepper_id },
        Some(challenge) => FactorOrder::BeginForLogin {
            sealed_secret,
            pepper_id,
            client_id: exchange.environment.config().client_id().clone(),
            device: exchange.device(),
            secret: base64url::encode(challenge.secret().expose()),
        },
    };
    Accounts::new(&exchange.environment).change_factor(account, order).await?;
    let contact = credential.contact();
    let label = contact.as_ref().map_or(credential.name.as_str(), Identifier::value);
    let issuer = exchange.environment.config().issuer().as_str();
    let issuer = issuer.split_once("://").map_or(issuer, |(_, host)| host);
    let uri = provisioning_uri(&secret, TotpParameters::DEFAULT, issuer, label);
    let qr = if draws { qr::svg(uri.expose()) } else { None };
    json(200, &Begun { secret: secret.to_base32().expose(), uri: uri.expose(), qr })
}

/// `{challenge, code | backup_code | passkey | registration}` goes on with a login; `{code}` of a bearer confirms what was set up.
pub(crate) async fn verify(exchange: &Exchange) -> Answer {
    let mut body = Body::read(&exchange.request).await?;
    if body.has("challenge") {
        return log_in(exchange, body).await;
    }
    let bearer = Bearer::of(exchange).await?;
    let (method, code) = (sent_factor::method(&mut body)?, body.text("code")?);
    if let Some(method) = method {
        return sent_factor::confirm(exchange, &bearer, code, method).await;
    }
    limit_codes(exchange).await?;
    let account = bearer.subject.account;
    let accounts = Accounts::new(&exchange.environment);
    // A guess costs no hashes.
    accounts.change_factor(&account, FactorOrder::Confirm { code: code.clone(), backup: None }).await?;
    let (shown, backup) = new_codes(exchange, bearer.keyring(), &account).await?;
    accounts.change_factor(&account, FactorOrder::Confirm { code, backup: Some(backup) }).await?;
    json(200, &Codes { backup_codes: &shown })
}

async fn log_in(exchange: &Exchange, mut body: Body) -> Answer {
    let challenge = body.secret("challenge")?;
    let factor = if body.has("registration") {
        Factor::NewPasskey(Box::new(registration(exchange, &mut body)?))
    } else {
        Factor::of_login(&mut body)?
    };
    let trusts = body.optional_flag("trust_device")?.unwrap_or(false);
    if trusts && exchange.environment.config().second_factor().trusted_device.as_secs() == 0 {
        return Err(Problem::feature_disabled());
    }
    factor.limit(exchange).await?;
    let keyring = exchange.keyring().await?;
    let challenge = Challenge::parse(&keyring, &challenge).ok_or_else(Problem::challenge_invalid)?;
    let account = challenge.account();
    let presented = factor.presented(exchange, &keyring, &account).await?;
    let trusted = trusts.then(|| DeviceToken::new(&keyring, account)).transpose()?;
    let claim = match &presented {
        Presented::NewPasskey(new) => {
            let (id, operation) = (&new.registration.id, new_operation(exchange)?);
            Some(PasskeyClaim::take(exchange, &account, id, operation).await?)
        }
        _ => None,
    };
    let answered = answer(exchange, &keyring, &challenge, presented, trusted.as_ref()).await;
    let (admitted, backup_codes) = match claim {
        Some(claim) => claim.settle(exchange, answered).await?,
        None => answered?,
    };
    let device_token = trusted.as_ref().map(DeviceToken::to_text);
    let device_token = device_token.as_ref().map(SecretText::expose);
    let extras = Extras { device_token, backup_codes: &backup_codes };
    tokens::answer(exchange, &keyring, *admitted, extras).await
}

/// Answers the challenge of a login: the session, and the backup codes that a new factor brings.
async fn answer(
    exchange: &Exchange,
    keyring: &Keyring,
    challenge: &Challenge,
    presented: Presented,
    trusted: Option<&DeviceToken>,
) -> Result<(Box<Admitted>, Vec<String>), Problem> {
    let accounts = Accounts::new(&exchange.environment);
    let answer = |presented, backup| {
        accounts.answer(challenge, presented, (backup, trusted), exchange.device(), keyring)
    };
    match answer(presented.clone(), None).await? {
        Answered::Admitted(admitted) => Ok((admitted, Vec::new())),
        Answered::BackupCodesWanted => {
            let (shown, backup) = new_codes(exchange, keyring, &challenge.account()).await?;
            match answer(presented, Some(backup)).await? {
                Answered::Admitted(admitted) => Ok((admitted, shown)),
                Answered::BackupCodesWanted => Err(Problem::challenge_invalid()),
            }
        }
    }
}

/// `{registration: {name, credential}}`: a passkey for a login that has to enrol a factor.
fn registration(exchange: &Exchange, body: &mut Body) -> Result<NewPasskey, Problem> {
    passkeys::party(exchange)?;
    let mut new = body.object("registration")?;
    let name = passkeys::name(&mut new)?;
    let (registration, transports) = passkey::registration(&mut new, "credential")?;
    Ok(NewPasskey { registration, name, transports })
}

/// Ten other backup codes, for a code of the authenticator, or within a session that has shown a factor a moment ago.
pub(crate) async fn replace_backup_codes(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read_optional(&exchange.request).await?;
    let presented = body.optional_text("code")?.map(Presented::Totp);
    limit_codes(exchange).await?;
    let (account, accounts) = (bearer.subject.account, Accounts::new(&exchange.environment));
    let recently = bearer.has_shown_second_factor(exchange);
    let order = |backup| FactorOrder::ReplaceBackup { presented: presented.clone(), recently, backup };
    // A guess costs no hashes.
    accounts.change_backup_codes(&account, order(None)).await?;
    let (shown, backup) = new_codes(exchange, bearer.keyring(), &account).await?;
    accounts.change_backup_codes(&account, order(Some(backup))).await?;
    json(200, &Codes { backup_codes: &shown })
}

/// No second factor any more, or the one of `method` not any more. Asks for the owner and for a factor.
pub(crate) async fn disable(exchange: &Exchange) -> Answer {
    let bearer = Bearer::of(exchange).await?;
    let mut body = Body::read(&exchange.request).await?;
    let current = current_password(&mut body)?;
    let (only, factor) = (removed(&mut body)?, Factor::read(&mut body)?);
    factor.limit(exchange).await?;
    bearer.prove_presence(exchange, current.as_ref()).await?;
    let account = bearer.subject.account;
    let presented = factor.presented(exchange, bearer.keyring(), &account).await?;
    let order = FactorOrder::Remove { presented, keep: bearer.subject.session, only };
    Accounts::new(&exchange.environment).change_factor(&account, order).await?;
    success()
}

/// Which factor is to go; `None` for all.
fn removed(body: &mut Body) -> Result<Option<FactorMethod>, Problem> {
    if !body.has("method") {
        return Ok(None);
    }
    Ok(sent_factor::method(body)?.or(Some(FactorMethod::Totp)))
}

/// What a request has of a second factor.
pub(crate) enum Factor {
    Totp(String),
    Sent(FactorMethod, String),
    Backup(BackupCode),
    Passkey(Box<Assertion>),
    NewPasskey(Box<NewPasskey>),
}

impl Factor {
    /// What answers a login's challenge: also a passkey.
    pub(crate) fn of_login(body: &mut Body) -> Result<Self, Problem> {
        if !body.has("passkey") {
            let method = sent_factor::method(body)?;
            return match (method, Self::read(body)?) {
                (Some(method), Self::Totp(code)) => Ok(Self::Sent(method, code)),
                (_, other) => Ok(other),
            };
        }
        if body.has("code") || body.has("backup_code") {
            return Err(Problem::invalid_field("passkey", "must be alone"));
        }
        passkey::assertion(body, "passkey").map(Box::new).map(Self::Passkey)
    }

    /// A code of either kind, if there is one.
    pub(crate) fn optional(body: &mut Body) -> Result<Option<Self>, Problem> {
        if body.has("code") || body.has("backup_code") { Self::read(body).map(Some) } else { Ok(None) }
    }

    fn read(body: &mut Body) -> Result<Self, Problem> {
        match (body.optional_text("code")?, body.optional_text("backup_code")?.map(SecretText::new)) {
            (Some(code), None) => Ok(Self::Totp(code)),
            (None, Some(code)) => {
                BackupCode::parse(&code).map(Self::Backup).ok_or_else(Problem::second_factor_invalid)
            }
            _ => Err(Problem::invalid_field("code", "must be sent, or backup_code")),
        }
    }

    /// The limit on where factors of this kind come from.
    pub(crate) async fn limit(&self, exchange: &Exchange) -> Result<(), Problem> {
        match self {
            Self::Totp(_) | Self::Sent(..) | Self::Passkey(_) | Self::NewPasskey(_) => {
                limit_codes(exchange).await
            }
            Self::Backup(_) => {
                let limit = exchange.environment.config().limits().backup_code_per_source;
                limit_source(exchange, "backup_code_per_source", limit).await
            }
        }
    }

    /// What the account compares. A backup code takes a hash for each pepper.
    pub(crate) async fn presented(
        self,
        exchange: &Exchange,
        keyring: &Keyring,
        account: &AccountId,
    ) -> Result<Presented, Problem> {
        let code = match self {
            Self::Totp(code) => return Ok(Presented::Totp(code)),
            Self::Sent(method, code) => return Ok(Presented::Sent(method, code)),
            Self::Backup(code) => code,
            Self::NewPasskey(new) => return Ok(Presented::NewPasskey(new)),
            Self::Passkey(assertion) => {
                let user_handle = user_handle(keyring, exchange.environment.config().tenant(), account);
                return Ok(Presented::Passkey { assertion, user_handle });
            }
        };
        let turn = Turn::take()?;
        turn.come().await;
        let digests = keyring
            .peppers()
            .iter()
            .map(|pepper| Ok((pepper.id(), password::backup_digest(exchange, &code, account, pepper)?)));
        digests.collect::<Result<_, Problem>>().map(Presented::BackupCode)
    }
}

/// The limit on codes of authenticator apps.
async fn limit_codes(exchange: &Exchange) -> Result<(), Problem> {
    limit_source(exchange, "totp_per_source", exchange.environment.config().limits().totp_per_source).await
}

/// Ten codes as they are shown, and as they are stored.
pub(crate) async fn new_codes(
    exchange: &Exchange,
    keyring: &Keyring,
    account: &AccountId,
) -> Result<(Vec<String>, BackupCodes), Problem> {
    let pepper = current_pepper(keyring)?;
    let codes = backup_codes(exchange.ambient.random()?);
    let mut left = Vec::new();
    for code in &codes {
        // A turn each: nobody waits for all ten.
        let turn = Turn::take()?;
        turn.come().await;
        left.push(password::backup_digest(exchange, code, account, pepper)?);
    }
    let shown = codes.iter().map(|code| code.shown().expose().to_owned()).collect();
    let created_at = exchange.ambient.now();
    Ok((shown, BackupCodes { pepper_id: pepper.id(), left, created_at }))
}

fn current_pepper(keyring: &Keyring) -> Result<&Pepper, Problem> {
    keyring.peppers().current().ok_or_else(|| Problem::internal("keyring", "there is no pepper"))
}
