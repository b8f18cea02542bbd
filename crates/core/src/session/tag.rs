//! The two tags of a refresh token: HMAC-SHA-256 under a key of the edge, and under a key of the session.

use super::record::Generation;
use crate::id::{AccountId, SessionId};
use crate::secret::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How many bytes are kept of each tag.
pub(super) const TAG_BYTES: usize = 16;

const EDGE_DOMAIN: &[u8] = b"postern refresh token edge tag v1";
const INNER_DOMAIN: &[u8] = b"postern refresh token inner tag v1";

/// A key that tags refresh tokens at the edge: 32 random bytes and the id that tokens name it by.
///
/// Keep it for checking as long as the longest absolute session lifetime.
#[derive(Clone, Debug)]
pub struct EdgeKey {
    id: u32,
    key: Secret<32>,
}

impl EdgeKey {
    /// The key with this id.
    #[must_use]
    pub const fn new(id: u32, key: Secret<32>) -> Self {
        Self { id, key }
    }

    /// The id that tokens name it by.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }
}

pub(super) fn edge_tag(issuer: &str, key: &EdgeKey, covered: &[u8]) -> Secret<TAG_BYTES> {
    // An issuer is a URL; one of 2⁶⁴ bytes cannot be in memory.
    let issuer_length = u64::try_from(issuer.len()).unwrap_or(u64::MAX).to_be_bytes();
    tag(&key.key, &[EDGE_DOMAIN, &issuer_length, issuer.as_bytes(), covered])
}

pub(super) fn inner_tag(
    session_key: &Secret<32>,
    account: AccountId,
    session: SessionId,
    generation: Generation,
) -> Secret<TAG_BYTES> {
    let generation = generation.as_u32().to_be_bytes();
    tag(session_key, &[INNER_DOMAIN, account.as_bytes(), session.as_bytes(), &generation])
}

/// HMAC-SHA-256 (RFC 2104) over the concatenated parts, cut to its first 16 bytes (RFC 2104 §5).
fn tag(key: &Secret<32>, parts: &[&[u8]]) -> Secret<TAG_BYTES> {
    // HMAC pads a short key with zeros to the block length; doing it here leaves no length to be refused.
    let mut block = Zeroizing::new([0u8; 64]);
    fill(block.as_mut_slice(), &[key.expose()]);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(part);
    }
    let full = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
    let mut cut = [0u8; TAG_BYTES];
    fill(&mut cut, &[full.as_slice()]);
    Secret::new(cut)
}

/// Writes the parts one after another until `target` or the parts end.
pub(super) fn fill(target: &mut [u8], parts: &[&[u8]]) {
    for (slot, byte) in target.iter_mut().zip(parts.iter().copied().flatten()) {
        *slot = *byte;
    }
}
