//! Turnstile at the doors that ask for it: `turnstile_token` of a request's body, checked with Cloudflare before anything is
//! looked up. What is refused here says nothing of the address, number or username.

use crate::environment::{Environment, TURNSTILE_SECRET_BINDING};
use crate::route::exchange::Exchange;
use crate::wire::body::{Body, read_up_to};
use crate::wire::outgoing;
use crate::wire::problem::Problem;
use postern_core::config::{FailMode, TurnstileSettings};
use postern_core::json;
use postern_core::secret::SecretText;
use postern_core::turnstile::{
    MAX_ANSWER_BYTES, MAX_TOKEN_BYTES, TurnstileAction, TurnstileQuestion, TurnstileVerdict, is_token, judge,
};
use worker::{Error, Headers, ResponseBody, Result};

/// What a page says of who uses it.
pub(crate) struct Token(Option<SecretText>);

impl Token {
    /// The member `turnstile_token`.
    pub(crate) fn read(exchange: &Exchange, body: &mut Body) -> std::result::Result<Self, Problem> {
        if !settings(&exchange.environment).enabled {
            return Ok(Self(None));
        }
        let token = body.optional_text("turnstile_token")?.map(SecretText::new);
        if token.as_ref().is_some_and(|token| token.expose().len() > MAX_TOKEN_BYTES) {
            return Err(Problem::invalid_field("turnstile_token", "must have at most 2048 bytes"));
        }
        Ok(Self(token.filter(|token| !token.expose().is_empty())))
    }

    /// Refuses a request that nobody stands behind, at a door that asks for somebody.
    ///
    /// # Errors
    ///
    /// `turnstile_required`, `turnstile_invalid`; `unavailable` if nobody can say, unless it is to be let through then.
    pub(crate) async fn check(
        &self,
        exchange: &Exchange,
        action: TurnstileAction,
    ) -> std::result::Result<(), Problem> {
        let settings = settings(&exchange.environment);
        if !asks(settings, action) {
            return Ok(());
        }
        let token = self.0.as_ref().ok_or_else(Problem::turnstile_required)?;
        if !is_token(token.expose()) {
            return Err(Problem::turnstile_invalid());
        }
        let verdict = match ask(exchange, settings, token).await {
            Ok((status, body)) => judge(status, &body, action, &settings.hostnames),
            Err(error) => {
                worker::console_error!("turnstile: {error}");
                TurnstileVerdict::Unavailable("it could not be asked")
            }
        };
        match (verdict, settings.when_unavailable) {
            (TurnstileVerdict::Passed, _) => Ok(()),
            (TurnstileVerdict::Failed, _) => Err(Problem::turnstile_invalid()),
            (TurnstileVerdict::Unavailable(why), FailMode::Refuse) | (TurnstileVerdict::Rejected(why), _) => {
                Err(Problem::unavailable("turnstile", why))
            }
            (TurnstileVerdict::Unavailable(why), FailMode::Admit) => {
                worker::console_error!("turnstile: let through unchecked: {why}");
                Ok(())
            }
        }
    }
}

/// After how many failures on an identifier a login asks for somebody; `None` for never.
pub(crate) fn login_failures(environment: &Environment) -> Option<u32> {
    let settings = settings(environment);
    asks(settings, TurnstileAction::Login).then_some(settings.login_after_failures)
}

const fn asks(settings: &TurnstileSettings, action: TurnstileAction) -> bool {
    settings.enabled
        && match action {
            TurnstileAction::SignUp => settings.sign_up,
            TurnstileAction::Login => settings.login,
            TurnstileAction::PasswordReset => settings.password_reset,
            TurnstileAction::Code => settings.codes,
        }
}

fn settings(environment: &Environment) -> &TurnstileSettings {
    environment.config().turnstile()
}

/// The status and the beginning of the service's answer.
async fn ask(
    exchange: &Exchange,
    settings: &TurnstileSettings,
    token: &SecretText,
) -> Result<(u16, Vec<u8>)> {
    let missing = |what: &str| Error::RustError(format!("{what} is missing"));
    let secret = exchange.environment.bound_text(TURNSTILE_SECRET_BINDING);
    let secret = secret.ok_or_else(|| missing(TURNSTILE_SECRET_BINDING))?;
    let url = settings.url.as_ref().ok_or_else(|| missing("turnstile.url"))?;
    let from = exchange.header("cf-connecting-ip");
    let question =
        TurnstileQuestion { secret: secret.trim(), response: token.expose(), remoteip: from.as_deref() };
    let question = json::write(&question).map_err(|error| Error::RustError(error.to_string()))?;
    let question = SecretText::new(question);
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    let response = outgoing::send(url.as_str(), &headers, question.expose(), settings.timeout).await?;
    let body = match response.body() {
        ResponseBody::Stream(stream) => read_up_to(stream.clone(), MAX_ANSWER_BYTES).await?,
        ResponseBody::Body(bytes) => Some(bytes.clone()),
        ResponseBody::Empty => None,
    };
    Ok((response.status_code(), body.unwrap_or_default()))
}
