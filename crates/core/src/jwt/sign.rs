//! Signing access tokens. Whether one may be signed is decided before: the public way here is through a grant.

use super::facts::Facts;
use super::{
    Claim, CustomClaims, MAX_TOKEN_BYTES, SigningKey, VerificationPolicy, VerifyError, VerifyingKey,
};
use crate::codec::base64url;
use crate::id::{AccountId, ClientId, SessionId, TenantId, TokenId};
use crate::json;
use crate::time::UnixSeconds;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;

/// Everything that an access token says.
///
/// Empty lists and absent options are left out of the token. Written in the order of the fields, so that equal claims
/// give equal tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenClaims {
    /// `iss`: the issuer, an URL.
    pub issuer: String,
    /// `aud`: at least one; a single one is written as a text, several as an array.
    pub audiences: Vec<String>,
    /// `sub`.
    pub subject: AccountId,
    /// `client_id`.
    pub client_id: ClientId,
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`: after `iat`.
    pub expires_at: UnixSeconds,
    /// `jti`.
    pub token_id: TokenId,
    /// `sid`.
    pub session_id: SessionId,
    /// `tid`.
    pub tenant: TenantId,
    /// `av`: the account version, at most 2⁵³−1.
    pub account_version: u64,
    /// `roles`.
    pub roles: Vec<String>,
    /// `pm`: the permission mask in base64url.
    pub permission_mask: Option<String>,
    /// `pr`: the version of the registry that the mask was made with, at most 2⁵³−1.
    pub registry_version: Option<u64>,
    /// `org`.
    pub organization: Option<String>,
    /// `ent`.
    pub entitlements: Vec<String>,
    /// `amr`: how the user authenticated (RFC 8176).
    pub authentication_methods: Vec<String>,
    /// `auth_time`: when the user last did.
    pub authenticated_at: Option<UnixSeconds>,
    /// `acr`: to which class that authentication belongs.
    pub authentication_class: Option<String>,
    /// `cnf.jkt`: the RFC 7638 thumbprint of the key the token is bound to.
    pub confirmation_thumbprint: Option<String>,
    /// What the deployment adds.
    pub custom: CustomClaims,
}

/// Why claims are not signed. Each is a fault of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignError {
    /// There is no audience.
    NoAudience,
    /// The token would expire no later than it is issued.
    NoLifetime,
    /// The token would be refused by every verifier: this claim is empty or out of range.
    ClaimMalformed(Claim),
    /// The claims cannot be written as JSON that verifiers read.
    Unencodable,
    /// The token would have more than [`MAX_TOKEN_BYTES`].
    TokenTooLarge,
    /// What a host signed does not verify with the key that the token was prepared for.
    SignatureRefused,
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAudience => f.write_str("the token would have no audience"),
            Self::NoLifetime => f.write_str("the token would expire no later than it is issued"),
            Self::ClaimMalformed(claim) => write!(f, "the claim {} is empty or out of range", claim.name()),
            Self::Unencodable => f.write_str("the claims cannot be written so that verifiers read them"),
            Self::TokenTooLarge => f.write_str("the token would be larger than verifiers accept"),
            Self::SignatureRefused => f.write_str("the signature is not one of the token's key"),
        }
    }
}

impl core::error::Error for SignError {}

/// Signs these claims as a token of type `at+jwt` (RFC 9068 §2.1).
///
/// Not public: to sign is to grant, and only a grant may.
///
/// # Errors
///
/// [`SignError`]; what is signed, [`verify`](super::verify) can read.
pub(crate) fn sign_access_token(key: &SigningKey, claims: &AccessTokenClaims) -> Result<String, SignError> {
    let input = signing_input(key.verifying_key(), claims)?;
    let signature = key.sign(input.as_bytes())?;
    join(input, &signature)
}

/// Header and payload of a token that this key will sign (RFC 7515 §5.1).
pub(crate) fn signing_input(key: &VerifyingKey, claims: &AccessTokenClaims) -> Result<String, SignError> {
    let payload = write_payload(claims)?;
    // Neither a key id nor a name has a character that JSON would escape.
    let header = format!(
        r#"{{"alg":"{}","typ":"{}","kid":"{}"}}"#,
        key.algorithm_name().as_str(),
        VerificationPolicy::DEFAULT_TOKEN_TYPE,
        key.id(),
    );
    let mut input = base64url::encode(header.as_bytes());
    input.push('.');
    input.push_str(&base64url::encode(payload.as_bytes()));
    Ok(input)
}

/// The token of a signing input and its signature.
pub(crate) fn join(mut input: String, signature: &[u8]) -> Result<String, SignError> {
    input.push('.');
    input.push_str(&base64url::encode(signature));
    if input.len() > MAX_TOKEN_BYTES { Err(SignError::TokenTooLarge) } else { Ok(input) }
}

fn write_payload(claims: &AccessTokenClaims) -> Result<String, SignError> {
    if claims.audiences.is_empty() {
        return Err(SignError::NoAudience);
    }
    if claims.expires_at <= claims.issued_at {
        return Err(SignError::NoLifetime);
    }
    let mut payload = json::write(&Wire::of(claims)).map_err(|_| SignError::Unencodable)?;
    claims.custom.append_to(&mut payload);
    // The verifier's own eyes are the last check, so that nothing is signed that it would refuse to read.
    match Facts::read(&payload, None) {
        Ok(_) => Ok(payload),
        Err(VerifyError::ClaimMalformed(claim)) => Err(SignError::ClaimMalformed(claim)),
        Err(_) => Err(SignError::Unencodable),
    }
}

/// The claims as JSON, in the order written.
#[derive(Serialize)]
struct Wire<'a> {
    iss: &'a str,
    aud: OneOrMore<'a>,
    sub: AccountId,
    client_id: &'a ClientId,
    iat: u64,
    exp: u64,
    jti: TokenId,
    sid: SessionId,
    tid: &'a TenantId,
    av: u64,
    #[serde(skip_serializing_if = "is_empty")]
    roles: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pm: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pr: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
    #[serde(skip_serializing_if = "is_empty")]
    ent: &'a [String],
    #[serde(skip_serializing_if = "is_empty")]
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum OneOrMore<'a> {
    One(&'a str),
    More(&'a [String]),
}

#[derive(Serialize)]
struct Confirmation<'a> {
    jkt: &'a str,
}

impl<'a> Wire<'a> {
    fn of(claims: &'a AccessTokenClaims) -> Self {
        Self {
            iss: &claims.issuer,
            aud: match claims.audiences.as_slice() {
                [one] => OneOrMore::One(one),
                more => OneOrMore::More(more),
            },
            sub: claims.subject,
            client_id: &claims.client_id,
            iat: claims.issued_at.as_secs(),
            exp: claims.expires_at.as_secs(),
            jti: claims.token_id,
            sid: claims.session_id,
            tid: &claims.tenant,
            av: claims.account_version,
            roles: &claims.roles,
            pm: claims.permission_mask.as_deref(),
            pr: claims.registry_version,
            org: claims.organization.as_deref(),
            ent: &claims.entitlements,
            amr: &claims.authentication_methods,
            auth_time: claims.authenticated_at.map(UnixSeconds::as_secs),
            acr: claims.authentication_class.as_deref(),
            cnf: claims.confirmation_thumbprint.as_deref().map(|jkt| Confirmation { jkt }),
        }
    }
}

const fn is_empty(list: &&[String]) -> bool {
    list.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jwt::VerifiedClaims;
    use crate::jwt::{AlgorithmName, KeySet, TenantRule, verify};
    use crate::secret::Secret;
    use proptest::prelude::*;
    use serde_json::json;
    use std::string::ToString as _;
    use std::vec;

    const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            issuer: "https://auth.example".into(),
            audiences: vec!["https://api.example".into()],
            subject: AccountId::from_bytes([1; 16]),
            client_id: "web".parse().unwrap(),
            issued_at: NOW,
            expires_at: UnixSeconds::new(1_700_000_300),
            token_id: TokenId::from_bytes([2; 16]),
            session_id: SessionId::from_bytes([3; 16]),
            tenant: "acme".parse().unwrap(),
            account_version: 7,
            roles: vec![],
            permission_mask: None,
            registry_version: None,
            organization: None,
            entitlements: vec![],
            authentication_methods: vec![],
            authenticated_at: None,
            authentication_class: None,
            confirmation_thumbprint: None,
            custom: CustomClaims::default(),
        }
    }

    fn custom(claims: &serde_json::Value) -> CustomClaims {
        CustomClaims::new(claims.as_object().unwrap()).unwrap()
    }

    fn full_claims() -> AccessTokenClaims {
        AccessTokenClaims {
            audiences: vec!["https://api.example".into(), "https://other.example".into()],
            roles: vec!["admin".into(), "a \"quoted\" role".into()],
            permission_mask: Some("AAAAAAAAAAE".into()),
            registry_version: Some(4),
            organization: Some("org-1".into()),
            entitlements: vec!["export".into()],
            authentication_methods: vec!["pwd".into(), "otp".into()],
            authenticated_at: Some(UnixSeconds::new(1_699_999_990)),
            authentication_class: Some("2".into()),
            confirmation_thumbprint: Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".into()),
            custom: custom(&json!({"email": "a@b.example", "nested": {"x": [1, null]}})),
            ..claims()
        }
    }

    fn ed25519() -> SigningKey {
        SigningKey::ed25519(&Secret::new([7; 32])).unwrap()
    }

    fn hmac() -> SigningKey {
        SigningKey::hmac_sha256("shared".parse().unwrap(), &[9; 32]).unwrap()
    }

    fn read(key: &SigningKey, token: &str) -> Result<VerifiedClaims, VerifyError> {
        let keys = KeySet::from_keys([key.verifying_key().clone()]).unwrap();
        let tenant = TenantRule::Exactly("acme".parse().unwrap());
        let policy =
            VerificationPolicy::new("https://auth.example", ["https://api.example"], tenant).unwrap();
        verify(token, &keys, &policy, NOW)
    }

    #[test]
    fn what_is_signed_is_accepted_with_every_claim() {
        let renamed = ed25519().with_algorithm_name(AlgorithmName::Ed25519).unwrap();
        for key in [ed25519(), renamed, hmac()] {
            let wanted = full_claims();
            let read = read(&key, &sign_access_token(&key, &wanted).unwrap()).unwrap();
            assert_eq!(read.issuer(), wanted.issuer);
            assert_eq!(read.audiences(), wanted.audiences);
            assert_eq!(read.subject(), Some(&*wanted.subject.to_string()));
            assert_eq!(read.client_id(), Some(wanted.client_id.as_str()));
            assert_eq!(read.issued_at(), Some(wanted.issued_at));
            assert_eq!(read.expires_at(), wanted.expires_at);
            assert_eq!(read.token_id(), Some(&*wanted.token_id.to_string()));
            assert_eq!(read.session_id(), Some(&*wanted.session_id.to_string()));
            assert_eq!(read.tenant(), Some(&wanted.tenant));
            assert_eq!(read.account_version(), Some(7));
            assert_eq!(read.roles(), wanted.roles);
            assert_eq!(read.permission_mask(), wanted.permission_mask.as_deref());
            assert_eq!(read.registry_version(), wanted.registry_version);
            assert_eq!(read.organization(), wanted.organization.as_deref());
            assert_eq!(read.entitlements(), wanted.entitlements);
            assert_eq!(read.authentication_methods(), wanted.authentication_methods);
            assert_eq!(read.authenticated_at(), wanted.authenticated_at);
            assert_eq!(read.authentication_class(), wanted.authentication_class.as_deref());
            assert_eq!(read.confirmation_thumbprint(), wanted.confirmation_thumbprint.as_deref());
            let payload: serde_json::Value = serde_json::from_str(read.payload()).unwrap();
            assert_eq!(payload["nested"], json!({"x": [1, null]}));
        }
    }

    #[test]
    fn the_written_form_is_fixed() {
        let token = sign_access_token(&ed25519(), &claims()).unwrap();
        let part = |n: usize| {
            String::from_utf8(base64url::decode(token.split('.').nth(n).unwrap().as_bytes()).unwrap())
                .unwrap()
        };
        let kid = ed25519().key_id().to_string();
        assert_eq!(part(0), format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#));
        assert_eq!(
            part(1),
            concat!(
                r#"{"iss":"https://auth.example","aud":"https://api.example","sub":"01010101010101010101010101010101","#,
                r#""client_id":"web","iat":1700000000,"exp":1700000300,"jti":"02020202020202020202020202020202","#,
                r#""sid":"03030303030303030303030303030303","tid":"acme","av":7}"#,
            )
        );
        assert_eq!(token, sign_access_token(&ed25519(), &claims()).unwrap());
    }

    #[test]
    fn what_verifiers_would_refuse_is_not_signed() {
        let refusal = |change: &dyn Fn(&mut AccessTokenClaims)| {
            let mut claims = claims();
            change(&mut claims);
            sign_access_token(&ed25519(), &claims).err()
        };
        assert_eq!(refusal(&|claims| claims.audiences.clear()), Some(SignError::NoAudience));
        assert_eq!(refusal(&|claims| claims.expires_at = NOW), Some(SignError::NoLifetime));
        assert_eq!(refusal(&|claims| claims.issuer.clear()), Some(SignError::ClaimMalformed(Claim::Issuer)));
        let too_high = 1 << 53;
        let version = Some(SignError::ClaimMalformed(Claim::AccountVersion));
        assert_eq!(refusal(&|claims| claims.account_version = too_high), version);
        let far = UnixSeconds::new(253_402_300_800);
        let expiry = Some(SignError::ClaimMalformed(Claim::ExpiresAt));
        assert_eq!(refusal(&|claims| claims.expires_at = far), expiry);
        let thumbprint = Some(SignError::ClaimMalformed(Claim::Confirmation));
        assert_eq!(refusal(&|claims| claims.confirmation_thumbprint = Some("x".into())), thumbprint);
        let long = |claims: &mut AccessTokenClaims| claims.roles = vec!["x".repeat(MAX_TOKEN_BYTES)];
        assert_eq!(refusal(&long), Some(SignError::TokenTooLarge));
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(symmetric: bool, at: proptest::sample::Index, bit in 0u8..8) {
            let key = if symmetric { hmac() } else { ed25519() };
            let mut token = sign_access_token(&key, &full_claims()).unwrap().into_bytes();
            let at = at.index(token.len());
            token[at] ^= 1 << bit;
            // What is no text any more never reaches the verifier.
            if let Ok(text) = String::from_utf8(token) {
                prop_assert!(read(&key, &text).is_err());
            }
        }

        #[test]
        fn no_text_is_accepted_or_makes_it_fail(text in "[A-Za-z0-9_.=-]{0,200}|.{0,40}") {
            prop_assert!(read(&ed25519(), &text).is_err());
        }
    }

    #[test]
    fn every_single_flipped_bit_is_noticed() {
        let key = ed25519();
        let token = sign_access_token(&key, &claims()).unwrap();
        for at in 0..token.len() {
            // The eighth bit would end the text.
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                assert!(read(&key, core::str::from_utf8(&bytes).unwrap()).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}
