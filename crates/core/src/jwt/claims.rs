//! The claims of a token whose signature has been checked.

use super::Claim;
use super::facts::Facts;
use crate::id::TenantId;
use crate::json::{self, Text, Value};
use crate::time::UnixSeconds;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What an accepted token says. Only [`verify`](super::verify) and its second half,
/// [`AuthenticToken::finish`](super::AuthenticToken::finish), make these.
///
/// Registered claims are typed; the others are in [`custom`](Self::custom). Texts are never empty.
///
/// ```compile_fail
/// let forged = postern_core::jwt::VerifiedClaims::default();
/// ```
#[derive(Clone)]
pub struct VerifiedClaims {
    payload: String,
    issuer: String,
    audiences: Vec<String>,
    expires_at: UnixSeconds,
    subject: Option<String>,
    client_id: Option<String>,
    token_id: Option<String>,
    issued_at: Option<UnixSeconds>,
    not_before: Option<UnixSeconds>,
    session_id: Option<String>,
    tenant: Option<TenantId>,
    account_version: Option<u64>,
    registry_version: Option<u64>,
    permission_mask: Option<String>,
    roles: Vec<String>,
    organization: Option<String>,
    entitlements: Vec<String>,
    authenticated_at: Option<UnixSeconds>,
    authentication_class: Option<String>,
    authentication_methods: Vec<String>,
    confirmation_thumbprint: Option<String>,
}

impl VerifiedClaims {
    /// The payload as signed: the text of a JSON object. Member names differ, so every reader sees the same.
    #[must_use]
    pub fn payload(&self) -> &str {
        &self.payload
    }

    /// [`payload`](Self::payload), taken out without a copy.
    #[must_use]
    pub fn into_payload(self) -> String {
        self.payload
    }

    /// `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// `aud`, one or several.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// `exp`, without leeway.
    #[must_use]
    pub const fn expires_at(&self) -> UnixSeconds {
        self.expires_at
    }

    /// `sub`, or the claim that the policy reads instead: for Postern's own tokens the text of an
    /// [`AccountId`](crate::id::AccountId).
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// `client_id`.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// `jti`: for Postern's own tokens the text of a [`TokenId`](crate::id::TokenId).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// `iat`.
    #[must_use]
    pub const fn issued_at(&self) -> Option<UnixSeconds> {
        self.issued_at
    }

    /// `nbf`.
    #[must_use]
    pub const fn not_before(&self) -> Option<UnixSeconds> {
        self.not_before
    }

    /// `sid`: for Postern's own tokens the text of a [`SessionId`](crate::id::SessionId).
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// `tid`.
    #[must_use]
    pub const fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// `av`.
    #[must_use]
    pub const fn account_version(&self) -> Option<u64> {
        self.account_version
    }

    /// `pr`: the version of the permission registry that the mask was made with.
    #[must_use]
    pub const fn registry_version(&self) -> Option<u64> {
        self.registry_version
    }

    /// `pm`: the permission mask, still in base64url and not yet checked.
    #[must_use]
    pub fn permission_mask(&self) -> Option<&str> {
        self.permission_mask.as_deref()
    }

    /// `roles`; none if the claim is missing.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// Whether `roles` has this one, spelled exactly so. Root is a permission and stands for no role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held == role)
    }

    /// Whether `roles` has every one of these. What demands none is open to everybody.
    #[must_use]
    pub fn has_all_roles(&self, roles: &[&str]) -> bool {
        roles.iter().all(|role| self.has_role(role))
    }

    /// Whether `roles` has at least one of these. Of none nobody has one.
    #[must_use]
    pub fn has_any_role(&self, roles: &[&str]) -> bool {
        roles.iter().any(|role| self.has_role(role))
    }

    /// `org`.
    #[must_use]
    pub fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    /// `ent`; none if the claim is missing.
    #[must_use]
    pub fn entitlements(&self) -> &[String] {
        &self.entitlements
    }

    /// `auth_time`: when the user last authenticated, for step-up decisions.
    #[must_use]
    pub const fn authenticated_at(&self) -> Option<UnixSeconds> {
        self.authenticated_at
    }

    /// `acr`.
    #[must_use]
    pub fn authentication_class(&self) -> Option<&str> {
        self.authentication_class.as_deref()
    }

    /// `amr`; none if the claim is missing.
    #[must_use]
    pub fn authentication_methods(&self) -> &[String] {
        &self.authentication_methods
    }

    /// `cnf.jkt`: the thumbprint of the key whose possession must be proven with the token (RFC 9449 §6.1).
    #[must_use]
    pub fn confirmation_thumbprint(&self) -> Option<&str> {
        self.confirmation_thumbprint.as_deref()
    }

    /// The custom claims: every member of the payload that Postern does not register, in the order written.
    pub fn custom(&self) -> impl Iterator<Item = (json::Text<'_>, Value<'_>)> {
        let payload = json::parse(self.payload.as_bytes()).ok().and_then(Value::members);
        payload.into_iter().flatten().filter(|(name, _)| Claim::from_name(&name.to_cow()).is_none())
    }

    /// The custom claim of this name; never a registered one.
    #[must_use]
    pub fn custom_claim(&self, name: &str) -> Option<Value<'_>> {
        self.custom().find(|(custom, _)| *custom == *name).map(|(_, value)| value)
    }

    /// The same with its payload, which the facts have borrowed.
    pub(super) fn with_payload(self, payload: String) -> Self {
        Self { payload, ..self }
    }

    /// Copies out what a payload says, all but its text.
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let text = |claim| facts.text(claim).map(own);
        let texts = |claim| facts.value(claim).and_then(Value::as_text_array).unwrap_or_default();
        let integer = |claim| facts.value(claim).and_then(Value::as_integer);
        Self {
            issuer: text(Claim::Issuer).unwrap_or_default(),
            audiences: facts.audiences().map(own).collect(),
            expires_at: facts.date(Claim::ExpiresAt).unwrap_or(UnixSeconds::new(0)),
            subject: text(Claim::Subject),
            client_id: text(Claim::ClientId),
            token_id: text(Claim::TokenId),
            issued_at: facts.date(Claim::IssuedAt),
            not_before: facts.date(Claim::NotBefore),
            session_id: text(Claim::SessionId),
            tenant: facts.text(Claim::Tenant).and_then(|tenant| tenant.to_cow().parse().ok()),
            account_version: integer(Claim::AccountVersion),
            registry_version: integer(Claim::RegistryVersion),
            permission_mask: text(Claim::PermissionMask),
            roles: texts(Claim::Roles),
            organization: text(Claim::Organization),
            entitlements: texts(Claim::Entitlements),
            authenticated_at: facts.date(Claim::AuthenticatedAt),
            authentication_class: text(Claim::AuthenticationClass),
            authentication_methods: texts(Claim::AuthenticationMethods),
            confirmation_thumbprint: facts
                .value(Claim::Confirmation)
                .and_then(|confirmation| confirmation.member("jkt")?.as_text())
                .map(own),
            payload: String::new(),
        }
    }
}

impl fmt::Debug for VerifiedClaims {
    /// Whom and what, not the whole payload: custom claims may be personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedClaims")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("token_id", &self.token_id)
            .finish_non_exhaustive()
    }
}

fn own(text: Text<'_>) -> String {
    text.to_cow().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::VerifyError;
    use std::format;

    fn read(payload: &str) -> Result<VerifiedClaims, VerifyError> {
        Ok(VerifiedClaims::of(&Facts::read(payload, None)?).with_payload(payload.into()))
    }

    #[test]
    fn roles_are_matched_whole_and_exactly() {
        let claims = read(r#"{"iss":"i","aud":"a","exp":9,"roles":["editor","reader"]}"#).unwrap();
        let without = read(r#"{"iss":"i","aud":"a","exp":9}"#).unwrap();
        assert!(claims.has_role("editor") && claims.has_all_roles(&["reader", "editor"]));
        assert!(claims.has_any_role(&["admin", "reader"]) && without.has_all_roles(&[]));
        for refused in ["", "edit", "Editor", "editor ", "editor,reader", "admin"] {
            assert!(!claims.has_role(refused) && !claims.has_any_role(&[refused]), "{refused}");
            assert!(!claims.has_all_roles(&["editor", refused]), "{refused}");
        }
        assert!(
            !claims.has_any_role(&[]) && !without.has_role("editor") && !without.has_any_role(&["editor"])
        );
        assert!(!without.has_all_roles(&["editor"]));
    }

    #[test]
    fn every_registered_claim_is_typed() {
        let jkt = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        let payload = format!(
            r#"{{"iss":"i","sub":"s","aud":["a","b"],"exp":9,"nbf":1,"iat":2.9,"jti":"j","client_id":"c","sid":"d",
            "tid":"t","av":3,"pr":4,"pm":"AQ","roles":["r"],"org":"o","ent":["e"],"auth_time":5,"acr":"1","amr":["pwd"],
            "cnf":{{"jkt":"{jkt}","x5t#S256":1}},"custom":[null]}}"#
        );
        let claims = read(&payload).unwrap();
        let facts = Facts::read(&payload, None).unwrap();
        for claim in Claim::ALL {
            assert!(facts.present().contains(*claim), "{claim:?}");
        }
        let texts = [
            (Some(claims.issuer()), "i"),
            (claims.subject(), "s"),
            (claims.token_id(), "j"),
            (claims.client_id(), "c"),
            (claims.session_id(), "d"),
            (claims.tenant().map(TenantId::as_str), "t"),
            (claims.permission_mask(), "AQ"),
            (claims.organization(), "o"),
            (claims.authentication_class(), "1"),
            (claims.confirmation_thumbprint(), jkt),
        ];
        for (actual, expected) in texts {
            assert_eq!(actual, Some(expected));
        }
        assert_eq!(claims.audiences(), ["a", "b"]);
        assert_eq!(claims.roles(), ["r"]);
        assert_eq!(claims.entitlements(), ["e"]);
        assert_eq!(claims.authentication_methods(), ["pwd"]);
        assert_eq!(claims.expires_at(), UnixSeconds::new(9));
        assert_eq!(claims.not_before(), Some(UnixSeconds::new(1)));
        assert_eq!(claims.issued_at(), Some(UnixSeconds::new(2)));
        assert_eq!(claims.authenticated_at(), Some(UnixSeconds::new(5)));
        assert_eq!((claims.account_version(), claims.registry_version()), (Some(3), Some(4)));
        assert_eq!(claims.payload(), payload);
    }

    #[test]
    fn custom_claims_are_those_without_a_registered_name() {
        let claims = read(r#"{"\u0069ss":"i","plan":"pro","\u0070m":"AQ","nested":{"iss":"j"}}"#).unwrap();
        let names: Vec<_> = claims.custom().map(|(name, _)| name.to_cow().into_owned()).collect();
        assert_eq!(names, ["plan", "nested"]);
        assert_eq!(claims.custom_claim("plan").and_then(Value::as_text).map(own).as_deref(), Some("pro"));
        assert_eq!(claims.custom_claim("nested").map(Value::raw), Some(r#"{"iss":"j"}"#));
        assert!(["iss", "pm", "none", ""].iter().all(|name| claims.custom_claim(name).is_none()));
    }

    #[test]
    fn a_claim_of_another_type_is_refused_by_name() {
        let wrong = |claim| match claim {
            Claim::Audience => &["7", "null", "[7]", r#"["a",null]"#, "{}", r#""""#][..],
            Claim::ExpiresAt | Claim::NotBefore | Claim::IssuedAt | Claim::AuthenticatedAt => {
                &[r#""1700000000""#, "null", "-1", "1e12", "253402300800", "true", "[1]"]
            }
            Claim::AccountVersion | Claim::RegistryVersion => {
                &[r#""1""#, "null", "-1", "1.0", "1e0", "9007199254740992"]
            }
            Claim::Roles | Claim::Entitlements | Claim::AuthenticationMethods => {
                &[r#""admin""#, "null", "{}", r#"["a",7]"#, r#"[["a"]]"#]
            }
            Claim::Tenant => &[r#""""#, "7", "null", r#""a b""#],
            Claim::Confirmation => &[r#""jkt""#, "null", "[]", r#"{"jkt":7}"#, r#"{"jkt":"AA"}"#],
            _ => &[r#""""#, "7", "null", "true", r#"["a"]"#, "{}"],
        };
        for claim in Claim::ALL.iter().copied() {
            for value in wrong(claim) {
                let payload = format!(r#"{{"{}":{value}}}"#, claim.name());
                assert_eq!(read(&payload).err(), Some(VerifyError::ClaimMalformed(claim)), "{payload}");
            }
        }
    }

    #[test]
    fn a_payload_that_is_no_object_is_refused() {
        for bad in ["", "[]", "7", "{", "{}{}", r#"{"a":1,"a":1}"#, r#"{"iss":"a","\u0069ss":"b"}"#] {
            assert_eq!(read(bad).err(), Some(VerifyError::PayloadMalformed), "{bad}");
        }
    }
}
