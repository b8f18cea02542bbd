//! Refusals as `application/problem+json` (RFC 9457): one stable `code` each, and never a hint whether an
//! account exists.

use postern_core::authentication::{AuthenticationClass, AuthenticationDemand};
use postern_core::config::DefinitionError;
use postern_core::dpop::ReplayRefusal;
use postern_core::json;
use postern_core::organization::Refusal as OrganizationRefusal;
use postern_core::permission::{OperatorPermission, RegistryError};
use postern_core::time::Seconds;
use serde::Serialize;
use std::fmt::Display;
use worker::{Headers, Response};

/// Those of a proof's key (RFC 9449 §5.1).
const PROOF_ALGORITHMS: &str = "EdDSA Ed25519 ES256 ES384 RS256 RS384 RS512 PS256";

/// One input that broke a rule.
#[derive(Debug, Serialize)]
pub(crate) struct FieldError {
    /// The member of the request body, as the client wrote it; `body` for the whole.
    pub(crate) field: &'static str,
    /// The rule that it broke, in words.
    pub(crate) rule: String,
}

/// A refusal on its way to the client. Boxed: it is moved through every step that can fail, and made once.
#[derive(Debug)]
pub(crate) struct Problem(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    status: u16,
    code: &'static str,
    title: &'static str,
    errors: Vec<FieldError>,
    retry_after_seconds: Option<u64>,
    /// The methods that the resource does know, for `Allow` (RFC 9110 §15.5.6).
    allow: Option<String>,
    /// How a bearer token would have helped, for `WWW-Authenticate` (RFC 6750 §3).
    authenticate: Option<String>,
    /// What another authentication has to be (RFC 9470).
    demand: AuthenticationDemand,
}

impl Problem {
    pub(crate) fn new(status: u16, code: &'static str, title: &'static str) -> Self {
        Self(Box::new(Refusal {
            status,
            code,
            title,
            errors: Vec::new(),
            retry_after_seconds: None,
            allow: None,
            authenticate: None,
            demand: AuthenticationDemand::default(),
        }))
    }

    /// The request body broke a rule.
    pub(crate) fn invalid_field(field: &'static str, rule: impl Display) -> Self {
        let mut problem = Self::new(400, "invalid_request", "The request is not valid");
        problem.0.errors.push(FieldError { field, rule: rule.to_string() });
        problem
    }

    /// One member broke several rules.
    pub(crate) fn invalid_fields(field: &'static str, rules: &[impl Display]) -> Self {
        let mut problem = Self::new(400, "invalid_request", "The request is not valid");
        problem.0.errors.extend(rules.iter().map(|rule| FieldError { field, rule: rule.to_string() }));
        problem
    }

    pub(crate) fn body_too_large() -> Self {
        Self::new(413, "body_too_large", "The request body is larger than 64 KiB")
    }

    pub(crate) fn unsupported_media_type() -> Self {
        Self::new(415, "unsupported_media_type", "The request body must be application/json")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "not_found", "There is nothing here")
    }

    /// The deployment has several tenants, and the request does not say for which it is.
    pub(crate) fn tenant_required() -> Self {
        Self::new(400, "tenant_required", "The request has to name its tenant")
    }

    /// There is no tenant of that name, or at that host.
    pub(crate) fn tenant_unknown() -> Self {
        Self::new(404, "tenant_unknown", "There is no such tenant")
    }

    pub(crate) fn method_not_allowed(allow: String) -> Self {
        let mut problem = Self::new(405, "method_not_allowed", "This resource does not know that method");
        problem.0.allow = Some(allow);
        problem
    }

    /// Wrong password, unknown account, wrong identifier: one answer for all.
    pub(crate) fn invalid_credentials() -> Self {
        Self::new(401, "invalid_credentials", "The credentials are not valid")
    }

    /// This door asks for somebody, and nobody has shown to be there.
    pub(crate) fn turnstile_required() -> Self {
        Self::new(403, "turnstile_required", "A Turnstile token is asked for")
    }

    /// The token is none, was used, is too old, or was made for another door or page: one answer for all.
    pub(crate) fn turnstile_invalid() -> Self {
        Self::new(403, "turnstile_invalid", "The Turnstile token is not valid or no longer valid")
    }

    /// Wrong, expired, used up or unknown one-time code or link: one answer for all.
    pub(crate) fn code_invalid() -> Self {
        Self::new(400, "code_invalid", "The code is not valid or no longer valid")
    }

    /// None of the account's second factors of this moment: to be typed again.
    pub(crate) fn second_factor_invalid() -> Self {
        Self::new(400, "second_factor_invalid", "The second factor is not valid")
    }

    /// Unknown, expired or used challenge, or one of another device: one answer for all. To be logged in again.
    pub(crate) fn challenge_invalid() -> Self {
        Self::new(400, "challenge_invalid", "The challenge is not valid or no longer valid")
    }

    /// The account has a second factor, and none was presented.
    pub(crate) fn second_factor_required() -> Self {
        Self::new(403, "second_factor_required", "A second factor is asked for")
    }

    /// The account has a second factor, or has none, and the request is for the other case.
    pub(crate) fn second_factor_conflict() -> Self {
        Self::new(409, "second_factor_conflict", "The account's second factor does not allow that")
    }

    /// The passkey's id is known: this account has it, or another.
    pub(crate) fn passkey_exists() -> Self {
        Self::new(409, "passkey_exists", "The passkey is registered already")
    }

    pub(crate) fn too_many_passkeys() -> Self {
        Self::new(409, "too_many_passkeys", "The account has as many passkeys as it may")
    }

    /// A page of somebody else has made a browser ask, with the cookies of whoever sits there.
    pub(crate) fn cross_site_request() -> Self {
        Self::new(403, "cross_site_request", "The request comes from a page of another site")
    }

    /// A change by cookie that says nothing of its origin, without the token of its session.
    pub(crate) fn csrf_token_invalid() -> Self {
        Self::new(403, "csrf_token_invalid", "The token against forgery is missing or of another session")
    }

    /// Without it nobody would get into the account any more.
    pub(crate) fn last_way_in() -> Self {
        Self::new(409, "last_way_in", "The account has no other way to sign in")
    }

    /// A step of the registration of a passkey failed, which the owner may know by name.
    pub(crate) fn passkey_invalid(step: &str) -> Self {
        let mut problem = Self::new(400, "passkey_invalid", "The passkey could not be registered");
        problem.0.errors.push(FieldError { field: "credential", rule: step.into() });
        problem
    }

    /// Nobody signs up here.
    pub(crate) fn account_creation_disabled() -> Self {
        Self::new(403, "account_creation_disabled", "This deployment creates no accounts for whoever asks")
    }

    /// An address that has an account, where that may be said.
    pub(crate) fn account_exists() -> Self {
        Self::new(409, "account_exists", "There is an account already")
    }

    /// A username that is somebody else's, was once, or is held for a sign-up.
    pub(crate) fn username_taken() -> Self {
        Self::new(409, "username_taken", "The username is taken")
    }

    /// The account has had as many usernames as may be.
    pub(crate) fn too_many_usernames() -> Self {
        Self::new(409, "too_many_usernames", "The account has had too many usernames")
    }

    /// No address waits to become the account's.
    pub(crate) fn no_pending_change() -> Self {
        Self::new(409, "no_pending_change", "There is no change to confirm")
    }

    /// The configuration does not have it.
    pub(crate) fn feature_disabled() -> Self {
        Self::new(403, "feature_disabled", "This deployment does not offer that")
    }

    /// Every reason for which a refresh token may be refused: one answer for all.
    pub(crate) fn refresh_invalid() -> Self {
        Self::new(401, "refresh_invalid", "The refresh token is not valid")
    }

    /// An authentic token, presented from another device than the one that its session is bound to.
    pub(crate) fn device_binding_rejected() -> Self {
        Self::new(401, "device_binding_rejected", "The session is bound to another device")
    }

    /// An access token that is missing, or refused for the reason the code names.
    pub(crate) fn token(code: &'static str) -> Self {
        let mut problem = Self::new(401, code, "The access token is not valid");
        problem.0.authenticate = Some("Bearer".into());
        problem
    }

    /// What is wrong with the proof of a key, or with a token's having one or none: at a route that takes an access token,
    /// or at one that gives some (RFC 9449 §5, §7.1).
    pub(crate) fn proof(code: &'static str, at_resource: bool) -> Self {
        let status = if at_resource { 401 } else { 400 };
        let mut problem = Self::new(status, code, "The proof of possession is not valid");
        if at_resource {
            let error = match code {
                "dpop_nonce_required" => "use_dpop_nonce",
                "token_bound" | "token_not_bound" | "dpop_key_mismatch" => "invalid_token",
                _ => "invalid_dpop_proof",
            };
            problem.0.authenticate =
                Some(["DPoP error=\"", error, "\", algs=\"", PROOF_ALGORITHMS, "\""].concat());
        }
        problem
    }

    /// The same for a request that has presented a token which is bound to a key: it is challenged by the scheme of such
    /// tokens (RFC 9449 §7.1), since a bearer token would not help.
    pub(crate) fn for_bound_token(mut self) -> Self {
        let challenge = self.0.authenticate.as_deref().and_then(|text| text.strip_prefix("Bearer"));
        // The operator's own token is never bound.
        let challenge = challenge.filter(|_| self.0.code != "operator_token_invalid");
        let Some(challenge) = challenge else { return self };
        let challenge = if challenge.is_empty() { " error=\"invalid_token\"" } else { challenge };
        self.0.authenticate = Some(["DPoP", challenge, ", algs=\"", PROOF_ALGORITHMS, "\""].concat());
        self
    }

    /// The same where every session is bound to a key, for a request that has presented no token: without an error, since
    /// nothing was wrong (RFC 6750 §3.1).
    pub(crate) fn where_all_are_bound(mut self) -> Self {
        if self.0.code == "token_missing" {
            self.0.authenticate = Some(["DPoP algs=\"", PROOF_ALGORITHMS, "\""].concat());
        }
        self
    }

    /// A proof that is right, and may not be used.
    pub(crate) fn replayed(refusal: ReplayRefusal, at_resource: bool) -> Self {
        // One client's own excess is its own to mend; that of all together is not.
        let status = match refusal {
            ReplayRefusal::KeyFull => 429,
            ReplayRefusal::MemoryFull => 503,
            _ => return Self::proof(refusal.code(), at_resource),
        };
        let mut problem = Self::new(status, refusal.code(), "Too many proofs at this moment");
        problem.0.retry_after_seconds = Some(5);
        problem
    }

    /// Browsers send cookies without any proof.
    pub(crate) fn dpop_not_for_cookies() -> Self {
        Self::new(400, "dpop_not_for_cookies", "A session in cookies cannot be bound to a key")
    }

    /// An operator's route without the operator's token, or with another.
    pub(crate) fn operator_token_invalid() -> Self {
        let mut problem = Self::new(401, "operator_token_invalid", "The operator's token is not valid");
        problem.0.authenticate = Some("Bearer".into());
        problem
    }

    /// An account that gives orders in the operator's place lacks the permission for this one.
    pub(crate) fn operator_permission_missing(needed: OperatorPermission) -> Self {
        let mut problem = Self::new(403, "operator_permission_missing", "The account may not do that");
        let rule = format!("must be that of an account with {}", needed.name());
        problem.0.errors.push(FieldError { field: "authorization", rule });
        problem
    }

    /// An account gives an operator's order about itself.
    pub(crate) fn own_account() -> Self {
        Self::new(403, "own_account", "That is done by the account's own routes")
    }

    /// The order is about somebody who may do as much as whoever gives it, or would give more.
    pub(crate) fn beyond_own_permissions() -> Self {
        Self::new(403, "beyond_own_permissions", "That goes beyond what the account may do itself")
    }

    /// The id of an operation came with another request before.
    pub(crate) fn idempotency_key_reused() -> Self {
        Self::new(409, "idempotency_key_reused", "The idempotency key was used for another request")
    }

    /// The account's status is one over which the order does not go.
    pub(crate) fn status_conflict() -> Self {
        Self::new(409, "status_conflict", "The account's status does not allow that")
    }

    /// What the account was given is not what the change was made of.
    pub(crate) fn authorization_conflict() -> Self {
        Self::new(409, "authorization_conflict", "The account's authorization was changed by somebody else")
    }

    /// The account is no member of the organization that a token is to act in, or there is none.
    pub(crate) fn not_organization_member() -> Self {
        Self::new(403, "not_organization_member", "The account is no member of that organization")
    }

    /// What concerns other organizations is not for a token that acts in one.
    pub(crate) fn acts_in_organization() -> Self {
        Self::new(403, "acts_in_organization", "The access token acts in an organization")
    }

    /// The account has no personal organization yet.
    pub(crate) fn personal_organization_not_found() -> Self {
        Self::new(404, "personal_organization_not_found", "There is no personal organization yet")
    }

    /// What an organization does not do, by its reason.
    pub(crate) fn organization(refusal: OrganizationRefusal) -> Self {
        match refusal {
            OrganizationRefusal::Unknown | OrganizationRefusal::InviteUnknown => Self::not_found(),
            OrganizationRefusal::OwnerRequired => {
                Self::new(403, "organization_owner_required", "Only owners of the organization may do that")
            }
            OrganizationRefusal::SlugTaken => Self::new(409, "slug_taken", "The name is taken"),
            OrganizationRefusal::TooManySlugs => {
                Self::new(409, "too_many_slugs", "The organization has had too many names")
            }
            OrganizationRefusal::PersonalLocked => {
                Self::new(409, "personal_organization_locked", "A personal organization keeps its name")
            }
            OrganizationRefusal::PersonalOwner => Self::new(
                409,
                "personal_organization_owner",
                "A person stays owner of their own organization",
            ),
            OrganizationRefusal::NotMember => Self::new(404, "member_not_found", "The account is no member"),
            OrganizationRefusal::TooManyMembers => {
                Self::new(409, "too_many_members", "The organization has as many members as it may")
            }
            OrganizationRefusal::TooManyMemberships => {
                Self::new(409, "too_many_memberships", "The account is in as many organizations as it may be")
            }
            OrganizationRefusal::LastOwner => {
                Self::new(409, "last_owner", "The organization would have no owner any more")
            }
            OrganizationRefusal::RoleUndefined => {
                Self::new(404, "role_not_found", "The organization does not define that role")
            }
            OrganizationRefusal::RoleProtected => {
                Self::new(409, "role_protected", "The role is not the organization's to change")
            }
            OrganizationRefusal::TooManyRoles => {
                Self::new(409, "too_many_roles", "There are as many roles as there may be")
            }
            OrganizationRefusal::InviteNotPending => {
                Self::new(409, "invite_not_pending", "The invitation was answered or revoked")
            }
            OrganizationRefusal::InviteExpired => {
                Self::new(409, "invite_expired", "The invitation's time is over")
            }
            OrganizationRefusal::AlreadyMember => {
                Self::new(409, "already_member", "The account is a member already")
            }
            OrganizationRefusal::InvitePending => {
                Self::new(409, "invite_pending", "There is an open invitation already")
            }
            OrganizationRefusal::TooManyInvites => {
                Self::new(409, "too_many_invites", "There are as many open invitations as there may be")
            }
            OrganizationRefusal::Conflict => {
                Self::new(409, "organization_conflict", "The organization was changed by somebody else")
            }
        }
    }

    /// What is not defined, changed or deleted, by its reason. Names of what it would grant are the request's mistakes.
    pub(crate) fn definition(field: &'static str, error: DefinitionError) -> Self {
        let mut problem = match &error {
            DefinitionError::Configured => return Self::defined_in_configuration(),
            DefinitionError::Registry(RegistryError::Unknown(_)) if field == "id" => {
                return Self::not_found();
            }
            DefinitionError::Registry(RegistryError::Deleted(_)) if field == "name" => {
                Self::new(409, "permission_deleted", "A permission of that name was deleted")
            }
            DefinitionError::Registry(RegistryError::Full { .. }) => {
                Self::new(409, "registry_full", "There is no bit left for another permission")
            }
            DefinitionError::TooMany(_) | DefinitionError::TooManyGrants => {
                Self::new(409, "too_many_definitions", "As much is defined as may be")
            }
            _ => return Self::invalid_field(field, error),
        };
        problem.0.errors.push(FieldError { field, rule: error.to_string() });
        problem
    }

    pub(crate) fn defined_in_configuration() -> Self {
        Self::new(409, "defined_in_configuration", "The configuration has it, and it is changed only there")
    }

    /// `permissions.runtime` is false.
    pub(crate) fn definitions_fixed() -> Self {
        Self::new(409, "definitions_fixed", "Everything is defined in the configuration here")
    }

    /// It was changed by somebody else meanwhile, or is not at the version that was named.
    pub(crate) fn definition_conflict() -> Self {
        Self::new(409, "definition_conflict", "The definitions were changed by somebody else")
    }

    /// One of that name was deleted, and some accounts still have it.
    pub(crate) fn definition_ending() -> Self {
        Self::new(409, "definition_ending", "What had that name is still being taken off accounts")
    }

    /// There are as many keys as may be: the oldest must go first.
    pub(crate) fn too_many_keys() -> Self {
        Self::new(409, "too_many_keys", "There are too many keys")
    }

    pub(crate) fn too_many_entitlements() -> Self {
        Self::new(409, "too_many_entitlements", "The account has as many entitlements as it may")
    }

    /// The account behind proven credentials may not sign in, for the reason the code names.
    pub(crate) fn account(code: &'static str) -> Self {
        Self::new(403, code, "The account may not sign in")
    }

    /// The session's authentication is too old or too weak for what is asked of it (RFC 9470 §3).
    pub(crate) fn reauthentication(demand: AuthenticationDemand) -> Self {
        let mut problem =
            Self::new(401, "reauthentication_required", "The account's owner is asked for once more");
        let mut challenge = String::from("Bearer error=\"insufficient_user_authentication\"");
        if let Some(max_age) = demand.max_age {
            challenge = challenge + ", max_age=\"" + &max_age.as_secs().to_string() + "\"";
        }
        if let Some(class) = demand.class {
            challenge = challenge + ", acr_values=\"" + class.as_str() + "\"";
        }
        problem.0.authenticate = Some(challenge);
        problem.0.demand = demand;
        problem
    }

    /// Whoever holds the session has not shown to be its owner, for the reason the code names.
    pub(crate) fn presence(code: &'static str) -> Self {
        Self::new(403, code, "The account's owner is asked for")
    }

    pub(crate) fn permission_denied() -> Self {
        Self::new(403, "permission_denied", "A required permission is missing")
    }

    pub(crate) fn rate_limited(retry_after_seconds: u64) -> Self {
        let mut problem = Self::new(429, "rate_limited", "Too many requests");
        problem.0.retry_after_seconds = Some(retry_after_seconds);
        problem
    }

    /// Too many wait for a hash already.
    pub(crate) fn busy(retry_after_seconds: u64) -> Self {
        let mut problem = Self::new(503, "busy", "Too many requests at this moment");
        problem.0.retry_after_seconds = Some(retry_after_seconds);
        problem
    }

    /// A change was stored, but not every place that must know has confirmed yet; the minute cron finishes it.
    pub(crate) fn invalidation_pending() -> Self {
        Self::new(503, "invalidation_pending", "The change is stored and still being enforced")
    }

    pub(crate) fn strict_backend_unavailable() -> Self {
        Self::new(503, "strict_backend_unavailable", "The session could not be checked")
    }

    /// The configuration or a binding is missing or wrong. What exactly goes to the log only.
    pub(crate) fn misconfigured(what: impl Display) -> Self {
        worker::console_error!("misconfigured: {what}");
        Self::new(503, "misconfigured", "The service is not configured")
    }

    /// Something outside the request failed. What exactly goes to the log only.
    pub(crate) fn internal(what: &str, error: impl Display) -> Self {
        worker::console_error!("internal: {what}: {error}");
        Self::new(500, "internal", "Internal error")
    }

    /// A store or object did not answer. The change may or may not have happened; the request can be repeated.
    pub(crate) fn unavailable(what: &str, error: impl Display) -> Self {
        worker::console_error!("unavailable: {what}: {error}");
        Self::new(503, "unavailable", "The service is not available at the moment")
    }

    /// The stable code, for audit records and tests of equality.
    pub(crate) const fn code(&self) -> &'static str {
        self.0.code
    }

    /// The document that says it to whoever asked.
    pub(crate) fn document(&self, request_id: &str) -> String {
        let document = Document {
            r#type: format!("urn:postern:problem:{}", self.0.code),
            title: self.0.title,
            status: self.0.status,
            code: self.0.code,
            request_id,
            errors: &self.0.errors,
            retry_after_seconds: self.0.retry_after_seconds,
            max_age: self.0.demand.max_age.map(Seconds::as_secs),
            acr_values: self.0.demand.class.map(AuthenticationClass::as_str),
        };
        // Texts and numbers only: there is nothing in it that could not be written.
        json::write(&document).unwrap_or_default()
    }

    /// The response to an HTTP request.
    pub(crate) fn into_response(self, request_id: &str) -> worker::Result<Response> {
        let headers = Headers::new();
        headers.set("content-type", "application/problem+json")?;
        if let Some(seconds) = self.0.retry_after_seconds {
            headers.set("retry-after", &seconds.to_string())?;
        }
        if let Some(allow) = &self.0.allow {
            headers.set("allow", allow)?;
        }
        if let Some(challenge) = &self.0.authenticate {
            headers.set("www-authenticate", challenge)?;
        }
        let bytes = self.document(request_id).into_bytes();
        Ok(Response::from_bytes(bytes)?.with_status(self.0.status).with_headers(headers))
    }
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr_values: Option<&'static str>,
}
