//! Peppers: keys outside the database, without which a stolen digest cannot be guessed offline.

use crate::secret::Secret;
use alloc::vec::Vec;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// One pepper: 32 secret bytes, and the id by which records remember which one they used.
#[derive(Clone, Debug)]
pub struct Pepper {
    id: u32,
    key: Secret<32>,
}

impl Pepper {
    /// The pepper with this id. An id is never used for other bytes again.
    #[must_use]
    pub const fn new(id: u32, key: Secret<32>) -> Self {
        Self { id, key }
    }

    /// The id that records keep.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// A key of its own for `domain`, which no digest of another purpose comes to.
    #[must_use]
    pub fn derive_key(&self, domain: &str) -> Secret<32> {
        Secret::new(self.start(domain).finalize().into_bytes().into())
    }

    /// HMAC-SHA-256 (RFC 2104) under this key, started with a domain and a NUL that ends it, so that no digest
    /// of one purpose is a digest of another.
    pub(crate) fn start(&self, domain: &str) -> Hmac<Sha256> {
        // RFC 2104 §2 pads a shorter key with zeros to the block; doing it here leaves nothing that can fail.
        let mut block = [0u8; 64];
        if let Some(head) = block.first_chunk_mut::<32>() {
            *head = *self.key.expose();
        }
        let mut mac = Hmac::<Sha256>::new(&block.into());
        zeroize::Zeroize::zeroize(&mut block);
        mac.update(domain.as_bytes());
        mac.update(&[0]);
        mac
    }
}

/// The pepper that new digests use, and older ones that stored digests may still need.
#[derive(Clone, Debug, Default)]
pub struct Peppers {
    current: Option<Pepper>,
    previous: Vec<Pepper>,
}

impl Peppers {
    /// No pepper at all.
    #[must_use]
    pub const fn none() -> Self {
        Self { current: None, previous: Vec::new() }
    }

    /// `current` for what is made from now on (`None`: without), `previous` for what is already stored.
    #[must_use]
    pub const fn new(current: Option<Pepper>, previous: Vec<Pepper>) -> Self {
        Self { current, previous }
    }

    /// The pepper for what is made from now on.
    #[must_use]
    pub const fn current(&self) -> Option<&Pepper> {
        self.current.as_ref()
    }

    /// All of them, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &Pepper> {
        self.current.iter().chain(&self.previous)
    }

    /// The pepper with this id, current or previous.
    #[must_use]
    pub fn find(&self, id: u32) -> Option<&Pepper> {
        self.iter().find(|pepper| pepper.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn a_padded_key_is_the_same_hmac() {
        let key = [0x0bu8; 32];
        let mut plain = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        plain.update(b"domain\0message");
        let mut ours = Pepper::new(1, Secret::new(key)).start("domain");
        ours.update(b"message");
        assert_eq!(ours.finalize().into_bytes(), plain.finalize().into_bytes());
    }

    #[test]
    fn peppers_are_found_by_id() {
        let pepper = |id| Pepper::new(id, Secret::new([0; 32]));
        let peppers = Peppers::new(Some(pepper(2)), vec![pepper(1)]);
        assert_eq!(peppers.find(2).map(Pepper::id), Some(2));
        assert_eq!(peppers.find(1).map(Pepper::id), Some(1));
        assert!(peppers.find(0).is_none());
        assert!(Peppers::none().find(1).is_none());
        assert_eq!(peppers.iter().map(Pepper::id).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_key_is_of_one_pepper_and_one_domain() {
        let key = |byte, domain| Pepper::new(1, Secret::new([byte; 32])).derive_key(domain);
        assert!(key(1, "a").ct_eq(&key(1, "a")));
        assert!(!key(1, "a").ct_eq(&key(1, "b")) && !key(1, "a").ct_eq(&key(2, "a")));
    }
}
