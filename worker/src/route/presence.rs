//! The owner once more, before a change that would let whoever holds a session keep the account.

use crate::object::account::{FenceChange, Presented};
use crate::outbox::message::FAILED;
use crate::route::authenticate::bearer_in;
use crate::route::exchange::Exchange;
use crate::route::second_factor::Factor;
use crate::route::{login, password};
use crate::store::accounts::Accounts;
use crate::store::directory::Credential;
use crate::store::fence;
use crate::store::intake::{Attempt, Intake};
use crate::store::keyring::Keyring;
use crate::store::limiter::{Limits, Taken};
use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::authentication::{AuthenticationClass, AuthenticationDemand};
use postern_core::flow::reauthenticate::{Presence, PresenceOutcome, PresenceRefusal};
use postern_core::flow::validate::{Mode, RouteMode, TokenSubject};
use postern_core::identifier::Identifier;
use postern_core::password::PasswordInput;
use postern_core::secret::SecretText;
use postern_core::session::CredentialChange;
use postern_core::time::UnixSeconds;
use std::rc::Rc;

/// Who asks for a change, and what is stored about the account.
pub(crate) struct Bearer {
    pub(crate) subject: TokenSubject,
    pub(crate) credential: Credential,
    authenticated_at: Option<UnixSeconds>,
    methods: Vec<String>,
    acts_in_organization: bool,
    keyring: Rc<Keyring>,
}

impl Bearer {
    /// The bearer of a session that is live now: a change of credentials waits for no copy at the edge. Nor does it
    /// overtake an earlier one: what that has left open is finished first, which may end this session.
    pub(crate) async fn of(exchange: &Exchange) -> Result<Self, Problem> {
        let strict = RouteMode::Exactly(Mode::Strict);
        let mut caller = bearer_in(exchange, strict).await?;
        let (tenant, directory) = (exchange.environment.config().tenant(), exchange.directory()?);
        if fence::settle(&exchange.environment, &directory, &caller.subject.account).await? {
            caller = bearer_in(exchange, strict).await?;
        }
        let found = directory.credential_of(tenant, &caller.subject.account).await?;
        Ok(Self {
            authenticated_at: caller.claims.authenticated_at(),
            methods: caller.claims.authentication_methods().to_vec(),
            acts_in_organization: caller.claims.organization().is_some(),
            subject: caller.subject,
            credential: found.ok_or_else(|| Problem::token("session_revoked"))?,
            keyring: exchange.keyring().await?,
        })
    }

    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Whether the token is for the servers of an organization.
    pub(crate) const fn acts_in_organization(&self) -> bool {
        self.acts_in_organization
    }

    /// Whether a second factor was shown in the session a moment ago.
    pub(crate) fn has_shown_second_factor(&self, exchange: &Exchange) -> bool {
        self.is_recent(exchange, AuthenticationClass::MultiFactor)
    }

    fn is_recent(&self, exchange: &Exchange, class: AuthenticationClass) -> bool {
        self.presence(exchange, None).is_recent(class, exchange.ambient.now().to_seconds())
    }

    fn presence<'a>(&'a self, exchange: &Exchange, password: Option<&'a PasswordInput>) -> Presence<'a> {
        let recent = exchange.environment.config().second_factor().recent;
        Presence { password, methods: &self.methods, authenticated_at: self.authenticated_at, recent }
    }

    /// A change that this session makes and survives.
    pub(crate) fn keeping(&self, change: CredentialChange) -> FenceChange {
        FenceChange { change, keep: Some(self.subject.session), notify: None }
    }

    /// The owner, and the second factor of an account that has one: before what is sensitive. The version of the
    /// credential that was checked.
    ///
    /// # Errors
    ///
    /// `reauthentication_required` where the session's own proof would have to be newer or stronger.
    pub(crate) async fn prove_owner(&self, exchange: &Exchange, proof: Proof) -> Result<u32, Problem> {
        let version = self.prove_presence(exchange, proof.password.as_ref()).await?;
        self.prove_factor(exchange, proof.factor).await?;
        Ok(version)
    }

    /// The same for a request that brings no proof along: the session has to have shown all of it a moment ago.
    pub(crate) async fn prove_recently(&self, exchange: &Exchange) -> Result<(), Problem> {
        if !self.is_recent(exchange, AuthenticationClass::SingleFactor) {
            return Err(reauthentication(exchange));
        }
        self.prove_factor(exchange, None).await
    }

    /// The same wherever there is a second factor: before another is set up beside it.
    pub(crate) async fn prove_wholly(&self, exchange: &Exchange, proof: Proof) -> Result<(), Problem> {
        self.prove_presence(exchange, proof.password.as_ref()).await?;
        self.show_factor(exchange, proof.factor).await
    }

    /// The factor as the account compares it; `None` if the request has none. Not asked for within a session that has shown one
    /// lately: `true`.
    pub(crate) async fn presented_factor(
        &self,
        exchange: &Exchange,
        factor: Option<Factor>,
    ) -> Result<(bool, Option<Presented>), Problem> {
        if self.has_shown_second_factor(exchange) {
            return Ok((true, None));
        }
        let Some(factor) = factor else { return Ok((false, None)) };
        factor.limit(exchange).await?;
        let presented = factor.presented(exchange, &self.keyring, &self.subject.account).await?;
        Ok((false, Some(presented)))
    }

    async fn prove_factor(&self, exchange: &Exchange, factor: Option<Factor>) -> Result<(), Problem> {
        if !exchange.environment.config().second_factor().required_for_sensitive {
            return Ok(());
        }
        self.show_factor(exchange, factor).await
    }

    async fn show_factor(&self, exchange: &Exchange, factor: Option<Factor>) -> Result<(), Problem> {
        let (recently, presented) = self.presented_factor(exchange, factor).await?;
        if recently {
            return Ok(());
        }
        Accounts::new(&exchange.environment).prove_factor(&self.subject.account, presented).await
    }

    /// Checks that the bearer is the owner. A password is limited, counted and locked exactly as at login, so that a
    /// copied session is no better place to guess it.
    pub(crate) async fn prove_presence(
        &self,
        exchange: &Exchange,
        presented: Option<&PasswordInput>,
    ) -> Result<u32, Problem> {
        let presence = self.presence(exchange, presented);
        let stored = self.credential.stored(&exchange.environment);
        let identifier = self.credential.counted_by();
        let source = exchange.source();
        let counted = if presented.is_some() && stored.password.is_some() {
            Some(self.count(exchange, identifier.as_ref(), &source).await?)
        } else {
            None
        };
        match password::present(exchange, &self.keyring, presence, &stored) {
            PresenceOutcome::Proven(owner) => {
                if let (Some(identifier), Some((_, taken))) = (identifier, counted) {
                    login::clear_afterwards(exchange, self.keyring.clone(), identifier, source, taken);
                }
                Ok(owner.credential_version())
            }
            PresenceOutcome::Refused(PresenceRefusal::PasswordMissing) => {
                Err(Problem::invalid_field("current_password", "is required"))
            }
            PresenceOutcome::Refused(PresenceRefusal::TooLongAgo) => Err(reauthentication(exchange)),
            PresenceOutcome::Refused(refusal) => {
                if let (Some(identifier), Some((attempt, _))) = (identifier, counted) {
                    let (keyring, locks) = (self.keyring.clone(), attempt.locks_on_failure);
                    login::report_afterwards(exchange, keyring, identifier, FAILED, locks)?;
                }
                Err(Problem::presence(refusal.code()))
            }
            PresenceOutcome::Unavailable(error) => Err(Problem::unavailable("password hash", error)),
        }
    }

    /// Counts an attempt on the password, as a login does.
    async fn count(
        &self,
        exchange: &Exchange,
        identifier: Option<&Identifier>,
        source: &str,
    ) -> Result<(Attempt, Taken), Problem> {
        let environment = &exchange.environment;
        let limits = environment.config().limits();
        let account = self.subject.account.to_string();
        let taken = Limits::new(environment, &self.keyring, source)
            .per_key("login_per_source", limits.login_per_source)
            .per_pair(
                "login_per_pair",
                limits.login_per_pair,
                identifier.map_or(&*account, Identifier::value),
            )
            .take_forgivably()
            .await?;
        let intake = match identifier {
            Some(identifier) => Intake::of_identifier(environment, &self.keyring, identifier),
            None => Intake::of_account(environment, &self.keyring, &self.subject.account),
        };
        Ok((intake.begin_attempt(source).await?, taken))
    }
}

/// The session's own proof is too old.
fn reauthentication(exchange: &Exchange) -> Problem {
    let max_age = Some(exchange.environment.config().second_factor().recent);
    Problem::reauthentication(AuthenticationDemand { max_age, class: None })
}

/// What a request has to show who its bearer is.
pub(crate) struct Proof {
    pub(crate) password: Option<PasswordInput>,
    pub(crate) factor: Option<Factor>,
}

impl Proof {
    /// `{current_password?, code? | backup_code?}`.
    pub(crate) fn read(body: &mut Body) -> Result<Self, Problem> {
        Ok(Self { password: current_password(body)?, factor: Factor::optional(body)? })
    }

    /// `{current_password?, code? | backup_code? | passkey?, method?}`.
    pub(crate) fn read_with_passkey(body: &mut Body) -> Result<Self, Problem> {
        if !body.has("passkey") && !body.has("method") {
            return Self::read(body);
        }
        Ok(Self { password: current_password(body)?, factor: Some(Factor::of_login(body)?) })
    }
}

/// The current password, if the request has one.
pub(crate) fn current_password(body: &mut Body) -> Result<Option<PasswordInput>, Problem> {
    let text = body.optional_text("current_password")?.map(SecretText::new);
    text.map(|text| password::input("current_password", &text)).transpose()
}
