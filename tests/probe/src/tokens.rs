//! Access tokens, permissions and revocation.

use postern_core::flow::validate::{TokenSubject, by_shard};
use postern_core::grant::{Admission, Grant, TokenProfile};
use postern_core::id::{AccountId, SessionId, TokenId};
use postern_core::jwt::{KeySet, SigningKey, TenantRule, VerificationPolicy, verify};
use postern_core::permission::{MaskWidth, PermissionName, PermissionRegistry};
use postern_core::revocation::RevocationShard;
use postern_core::secret::Secret;
use postern_core::time::{Seconds, UnixMillis, UnixSeconds};
use std::error::Error;
use std::hint::black_box;

const ISSUER: &str = "https://auth.example.com";

pub(crate) fn sign_and_verify() {
    let _ = black_box(try_sign_and_verify());
}

fn try_sign_and_verify() -> Result<bool, Box<dyn Error>> {
    let name: PermissionName = black_box("docs:read").parse()?;
    let registry = PermissionRegistry::from_declared([name.clone()], MaskWidth::Bits64)?;
    let mask = registry.mask_of([&name])?.to_text();
    let key = SigningKey::ed25519(&Secret::new(black_box([9; 32])))?;
    let grant = Grant::assertion(Admission {
        account: AccountId::from_bytes([1; 16]),
        tenant: "default".parse()?,
        session: SessionId::from_bytes([2; 16]),
        client_id: "web".parse()?,
        account_version: 1,
        roles: vec!["user".into()],
        permission_mask: mask.clone(),
        registry_version: registry.version().as_u32(),
        amr: vec!["pwd".into()],
        auth_time: 1_700_000_000,
        key_thumbprint: None,
        entitlements: vec![],
        remembered: false,
    });
    let profile = TokenProfile {
        issuer: ISSUER.into(),
        audience: vec![ISSUER.into()],
        access_ttl: Seconds::new(300),
        root_ttl: TokenProfile::MOST_ROOT_TTL,
    };
    let now = UnixSeconds::new(black_box(1_700_000_000));
    let issued = grant.sign(&key, &profile, TokenId::from_bytes([4; 16]), now)?;
    let keys = KeySet::from_jwks(KeySet::from_keys([key.verifying_key().clone()])?.public_jwks().as_bytes())?;
    let policy = VerificationPolicy::new(ISSUER, [ISSUER], TenantRule::Any)?;
    let claims = verify(&issued.access_token, &keys, &policy, now)?;
    let subject = TokenSubject::of(&claims)?;
    let held = registry.read_mask(&mask)?;
    Ok(registry.allows(&held, "docs:read") && subject.account_version == 1)
}

pub(crate) fn judge_revocation() {
    let (Ok(tenant), now) = ("default".parse(), UnixMillis::new(black_box(5))) else { return };
    let subject = TokenSubject {
        account: AccountId::from_bytes(black_box([1; 16])),
        session: SessionId::from_bytes([2; 16]),
        tenant,
        account_version: 1,
    };
    let shard = RevocationShard { written_at: now, marks: Vec::new() };
    let _ = black_box(by_shard(&subject, Some(&shard), now, Seconds::new(60)));
}
