//! What a grant signs, and what it does not.

use super::*;
use crate::codec::base64url;
use crate::jwt::{KeySet, TenantRule, VerificationPolicy, VerifiedClaims, verify};
use crate::permission::{MaskWidth, PermissionBit};
use crate::secret::Secret;
use std::vec;

const NOW: UnixSeconds = UnixSeconds::new(1_700_000_000);

fn root() -> PermissionMask {
    PermissionMask::root(MaskWidth::Bits64)
}

fn reader() -> PermissionMask {
    PermissionMask::empty(MaskWidth::Bits64).with(PermissionBit::new(0).unwrap()).unwrap()
}

fn grant(mask: &str) -> Grant {
    Grant::assertion(Admission {
        account: AccountId::from_bytes([1; 16]),
        tenant: "acme".parse().unwrap(),
        session: SessionId::from_bytes([2; 16]),
        client_id: "web".parse().unwrap(),
        account_version: 3,
        roles: vec!["owner".into()],
        permission_mask: mask.into(),
        registry_version: 4,
        amr: vec!["pwd".into()],
        auth_time: 1_699_999_000,
        key_thumbprint: None,
        entitlements: vec![],
        remembered: false,
    })
}

fn sign(grant: Grant, access_ttl: u32, root_ttl: u32) -> Result<(IssuedToken, VerifiedClaims), SignError> {
    let key = SigningKey::ed25519(&Secret::new([7; 32])).unwrap();
    let profile = TokenProfile {
        issuer: "https://auth.example".into(),
        audience: vec!["https://api.example".into()],
        access_ttl: Seconds::new(access_ttl),
        root_ttl: Seconds::new(root_ttl),
    };
    let issued = grant.sign(&key, &profile, TokenId::from_bytes([4; 16]), NOW)?;
    let policy = VerificationPolicy::new(&*profile.issuer, ["https://api.example"], TenantRule::Any).unwrap();
    let keys = KeySet::from_keys([key.verifying_key().clone()]).unwrap();
    let claims = verify(&issued.access_token, &keys, &policy, NOW).unwrap();
    Ok((issued, claims))
}

#[test]
fn a_root_token_never_lives_longer_than_its_cap() {
    let masks = MaskWidth::ALL.into_iter().flat_map(|width| {
        let with_more = PermissionMask::root(width).with(PermissionBit::new(0).unwrap()).unwrap();
        [PermissionMask::root(width), with_more]
    });
    for mask in masks {
        for (access_ttl, root_ttl, expected) in [(900, 120, 120), (300, 1, 1), (60, 120, 60)] {
            let (issued, claims) = sign(grant(&mask.to_text()), access_ttl, root_ttl).unwrap();
            assert_eq!(issued.expires_in, expected, "{mask:?}");
            assert_eq!(claims.expires_at(), NOW.plus(Seconds::new(expected)), "{mask:?}");
        }
    }
    let everything_but_root = reader().union(root()).unwrap().without_root();
    let (issued, claims) = sign(grant(&everything_but_root.to_text()), 900, 120).unwrap();
    assert_eq!((issued.expires_in, claims.expires_at()), (900, NOW.plus(Seconds::new(900))));
}

#[test]
fn a_root_token_that_a_host_signs_is_as_short() {
    let key = SigningKey::ed25519(&Secret::new([7; 32])).unwrap();
    let profile = TokenProfile {
        issuer: "https://auth.example".into(),
        audience: vec!["https://api.example".into()],
        access_ttl: Seconds::new(900),
        root_ttl: TokenProfile::MOST_ROOT_TTL,
    };
    let lifetime = |mask: PermissionMask| {
        let id = TokenId::from_bytes([4; 16]);
        let token = grant(&mask.to_text()).prepare(key.verifying_key(), &profile, id, NOW).unwrap();
        let payload = token.signing_input().split(|byte| *byte == b'.').nth(1).unwrap();
        let payload: serde_json::Value =
            serde_json::from_slice(&base64url::decode(payload).unwrap()).unwrap();
        payload["exp"].as_u64().unwrap() - NOW.as_secs()
    };
    assert_eq!((lifetime(root()), lifetime(reader())), (120, 900));
}

#[test]
fn a_mask_that_cannot_be_read_is_not_signed() {
    for mask in ["", "A", "gAAAAAAAAAA=", "AAAAAAAAAAB", "gAAAAAAAAAAA", "gAAAAAAA\u{0}AA"] {
        let refused = sign(grant(mask), 300, 120).err();
        assert_eq!(refused, Some(SignError::ClaimMalformed(Claim::PermissionMask)), "{mask:?}");
    }
}

#[test]
fn an_organization_takes_the_place_of_global_roles_and_of_root() {
    let access = OrganizationAccess::new("acme-2", vec!["member".into()], reader(), 5).unwrap();
    let (issued, claims) = sign(grant(&root().to_text()).in_organization(access), 300, 120).unwrap();
    assert_eq!(issued.expires_in, 300);
    assert_eq!(claims.organization(), Some("acme-2"));
    assert_eq!(claims.roles(), ["member"]);
    assert_eq!(claims.permission_mask(), Some(&*reader().to_text()));
    assert_eq!(claims.registry_version(), Some(5));
    assert_eq!(sign(grant(&reader().to_text()), 300, 120).unwrap().1.organization(), None);
}

#[test]
fn entitlements_and_custom_claims_reach_the_token() {
    let custom = CustomClaims::from_json(r#"{"plan": "pro"}"#).unwrap();
    let grant =
        grant(&reader().to_text()).with_entitlements(vec!["export".into()]).with_custom_claims(custom);
    let (_, claims) = sign(grant, 300, 120).unwrap();
    assert_eq!(claims.entitlements(), ["export"]);
    assert_eq!(claims.custom().count(), 1);
    assert!(claims.custom_claim("plan").and_then(|plan| plan.as_text()).is_some_and(|plan| plan == *"pro"));
}
