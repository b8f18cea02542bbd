//! The hash functions of other systems.

use super::super::hash::{Arena, HashError};
use super::super::params::Argon2Params;
use super::{Pbkdf2Digest, Scheme, SignerKey};
use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use argon2::{Algorithm, Version};
use blowfish::Blowfish;
use pbkdf2::pbkdf2_hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use zeroize::{Zeroize as _, Zeroizing};

/// Fills `output` with what `password` hashes to.
pub(super) fn derive(
    scheme: &Scheme,
    salt: &[u8],
    password: &[u8],
    output: &mut [u8],
    arena: &mut Arena,
) -> Result<(), HashError> {
    match scheme {
        Scheme::Argon2 { algorithm, version, params } => {
            argon2(*algorithm, *version, *params, salt, password, output, arena)
        }
        Scheme::Bcrypt { cost, .. } => bcrypt(*cost, salt, password, output),
        Scheme::Scrypt { log_n, r, p } => scrypt(*log_n, *r, *p, salt, password, output),
        Scheme::Firebase { log_n, r, signer_key, .. } => {
            firebase(*log_n, *r, signer_key.as_ref(), salt, password, output)
        }
        Scheme::Pbkdf2 { digest, iterations } => {
            match digest {
                Pbkdf2Digest::Sha1 => pbkdf2_hmac::<Sha1>(password, salt, *iterations, output),
                Pbkdf2Digest::Sha256 => pbkdf2_hmac::<Sha256>(password, salt, *iterations, output),
                Pbkdf2Digest::Sha512 => pbkdf2_hmac::<Sha512>(password, salt, *iterations, output),
            }
            Ok(())
        }
    }
}

fn argon2(
    algorithm: Algorithm,
    version: Version,
    params: Argon2Params,
    salt: &[u8],
    password: &[u8],
    output: &mut [u8],
    arena: &mut Arena,
) -> Result<(), HashError> {
    let (memory, iterations, lanes) = (params.memory_kib(), params.iterations(), params.parallelism());
    let primitive = argon2::Params::new(memory, iterations, lanes, Some(output.len()))
        .map_err(|_| HashError::Internal)?;
    let argon2 = argon2::Argon2::new(algorithm, version, primitive);
    arena.with_blocks(params, |blocks| argon2.hash_password_into_with_memory(password, salt, output, blocks))
}

/// bcrypt reads 72 bytes of a password and no more, and so do we: that is what the other system has let in with.
const BCRYPT_READS: usize = 72;

fn bcrypt(cost: u32, salt: &[u8], password: &[u8], output: &mut [u8]) -> Result<(), HashError> {
    let mut key = Zeroizing::new([0u8; BCRYPT_READS]);
    for (byte, typed) in key.iter_mut().zip(password) {
        *byte = *typed;
    }
    // The NUL that ends a text in C belongs to it, where there is room.
    let length = password.len().saturating_add(1).min(BCRYPT_READS);
    let key = key.get(..length).ok_or(HashError::Internal)?;
    let rounds = 1u32.checked_shl(cost).ok_or(HashError::Internal)?;

    let mut state = Blowfish::bc_init_state();
    state.salted_expand_key(salt, key);
    for _ in 0..rounds {
        state.bc_expand_key(key);
        state.bc_expand_key(salt);
    }
    // "OrpheanBeholderScryDoubt", two words at a time.
    let text = [[0x4f72_7068, 0x6561_6e42], [0x6568_6f6c, 0x6465_7253], [0x6372_7944, 0x6f75_6274]];
    let mut words = text.into_iter().flat_map(|mut pair| {
        for _ in 0..64 {
            pair = state.bc_encrypt(pair);
        }
        pair
    });
    // 23 of the 24 bytes are kept, since the first implementation lost one.
    for chunk in output.chunks_mut(4) {
        let word = words.next().ok_or(HashError::Internal)?.to_be_bytes();
        for (byte, computed) in chunk.iter_mut().zip(word) {
            *byte = computed;
        }
    }
    Ok(())
}

fn scrypt(
    log_n: u8,
    r: u32,
    p: u32,
    salt: &[u8],
    password: &[u8],
    output: &mut [u8],
) -> Result<(), HashError> {
    let params = scrypt::Params::new(log_n, r, p).map_err(|_| HashError::Internal)?;
    scrypt::scrypt(password, salt, &params, output).map_err(|_| HashError::Internal)
}

/// Firebase's scrypt: its output is a key, under which the project's own key is encrypted (AES-256 in counter mode,
/// from zero).
fn firebase(
    log_n: u8,
    r: u32,
    signer_key: Option<&SignerKey>,
    salt: &[u8],
    password: &[u8],
    output: &mut [u8],
) -> Result<(), HashError> {
    let signer_key = signer_key.ok_or(HashError::Internal)?;
    let mut derived = Zeroizing::new([0u8; 32]);
    scrypt(log_n, r, 1, salt, password, derived.as_mut_slice())?;
    let cipher = Aes256::new_from_slice(derived.as_slice()).map_err(|_| HashError::Internal)?;
    let plain = signer_key.expose().chunks(16);
    for (counter, (chunk, plain)) in (0u128..).zip(output.chunks_mut(16).zip(plain)) {
        let mut block = counter.to_be_bytes().into();
        cipher.encrypt_block(&mut block);
        for ((byte, stream), plain) in chunk.iter_mut().zip(block.iter()).zip(plain) {
            *byte = stream ^ plain;
        }
        block.as_mut_slice().zeroize();
    }
    Ok(())
}
