//! What lies in an object's storage unreadable for whoever has the storage alone: nonce ‖ ciphertext of
//! XChaCha20-Poly1305, bound to its place by `context`.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

/// Seals a secret under a nonce that was drawn for it; `None` for more than the cipher takes.
pub(crate) fn seal(
    cipher: &XChaCha20Poly1305,
    nonce: [u8; 24],
    context: &[u8],
    secret: &[u8],
) -> Option<Vec<u8>> {
    let ciphertext = cipher.encrypt(&XNonce::from(nonce), Payload { msg: secret, aad: context }).ok()?;
    Some([nonce.as_slice(), &ciphertext].concat())
}

/// Opens what was sealed for this place; `None` if it was not, or under another key.
pub(crate) fn open(cipher: &XChaCha20Poly1305, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, ciphertext) = sealed.split_first_chunk::<24>()?;
    let payload = Payload { msg: ciphertext, aad: context };
    cipher.decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
}
