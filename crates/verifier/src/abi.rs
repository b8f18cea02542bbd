//! The exports of the module.
//!
//! This is the only file that may say `unsafe`: to name its exports, and to put state into a static, which is safe
//! because this module has one thread. The buffer is shared with JavaScript by its address, and JavaScript touches it
//! only between two calls.
//!
//! Why not `wasm-bindgen`: a string argument costs 600 ns there and 30 ns here, and a package without generated glue
//! has one file less to trust.
#![allow(
    unsafe_code,
    reason = "exports need `#[unsafe(no_mangle)]`, a static needs `Sync`; nothing else does"
)]

use crate::verifiers::{BUFFER_BYTES, PAYLOAD_AT, Verifiers};
use core::cell::RefCell;
use dlmalloc::GlobalDlmalloc;
use postern_core::jwt::SignatureVerdict;
use postern_core::time::UnixSeconds;

#[global_allocator]
static ALLOCATOR: GlobalDlmalloc = GlobalDlmalloc;

/// A panic traps, and JavaScript discards the instance. No message is formatted: it would be most of the module.
#[panic_handler]
fn trap(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(target_feature = "atomics")]
compile_error!("with threads, `OneThread` would be unsound");

struct OneThread<T>(T);

// SAFETY: without the atomics target feature, refused above, wasm32 has one thread. Nothing is ever shared.
unsafe impl<T> Sync for OneThread<T> {}

static VERIFIERS: OneThread<RefCell<Option<Verifiers>>> = OneThread(RefCell::new(None));

fn with<R>(call: impl FnOnce(&mut Verifiers) -> R) -> R {
    // Not `borrow_mut`: it would word its panic, by the formatting of `core`. No export calls another one.
    let Ok(mut verifiers) = VERIFIERS.0.try_borrow_mut() else { core::arch::wasm32::unreachable() };
    call(verifiers.get_or_insert_with(Verifiers::new))
}

/// The address of the buffer that takes arguments and gives answers.
#[unsafe(no_mangle)]
extern "C" fn postern_buffer() -> usize {
    with(|verifiers| verifiers.buffer().as_ptr().addr())
}

/// The size of the buffer in bytes.
#[unsafe(no_mangle)]
extern "C" fn postern_buffer_size() -> usize {
    BUFFER_BYTES
}

/// Where in the buffer payloads lie.
#[unsafe(no_mangle)]
extern "C" fn postern_payload_at() -> usize {
    PAYLOAD_AT
}

/// Opens a verifier with the policy in the buffer. Returns its handle, or minus the length of a reason.
#[unsafe(no_mangle)]
extern "C" fn postern_open(length: usize) -> i32 {
    with(|verifiers| verifiers.open(length))
}

/// Gives a verifier the key set in the buffer. Returns 0, or minus the length of a reason.
#[unsafe(no_mangle)]
extern "C" fn postern_set_jwks(handle: u32, length: usize) -> i32 {
    with(|verifiers| verifiers.set_jwks(handle, length))
}

/// Gives a verifier the key id, the algorithm and the secret in the buffer. Returns 0, or minus the length of a reason.
#[unsafe(no_mangle)]
extern "C" fn postern_set_secret(handle: u32, length: usize) -> i32 {
    with(|verifiers| verifiers.set_secret(handle, length))
}

/// Verifies the token in the buffer. Returns the length of its payload, or minus the length of a refusal.
///
/// The time is in seconds since 1970, in two halves because a 64-bit argument would be a `BigInt` in JavaScript.
#[unsafe(no_mangle)]
extern "C" fn postern_verify(handle: u32, length: usize, now_high: u32, now_low: u32) -> i32 {
    with(|verifiers| verifiers.verify(handle, length, time(now_high, now_low)))
}

/// The number of the verifier's key set, which `postern_finish` wants again.
#[unsafe(no_mangle)]
extern "C" fn postern_key_set(handle: u32) -> u32 {
    with(|verifiers| verifiers.key_set(handle))
}

/// Checks of the token in the buffer what comes before its signature. Returns the length of the id of the key that
/// must have signed, or minus the length of a refusal.
#[unsafe(no_mangle)]
extern "C" fn postern_begin(handle: u32, length: usize) -> i32 {
    with(|verifiers| verifiers.begin(handle, length))
}

/// Looks up the public key whose id is in the buffer. Returns the length of its JWK, or minus the length of a refusal.
#[unsafe(no_mangle)]
extern "C" fn postern_public_jwk(handle: u32, length: usize) -> i32 {
    with(|verifiers| verifiers.public_jwk(handle, length))
}

/// Verifies the token in the buffer. JavaScript says with 1 that WebCrypto has found the signature good. Returns as
/// `postern_verify`, or `i32::MAX` when the keys are not those of the candidate any more.
#[unsafe(no_mangle)]
extern "C" fn postern_finish(
    handle: u32,
    length: usize,
    now_high: u32,
    now_low: u32,
    key_set: u32,
    is_signed: u32,
) -> i32 {
    let verdict = if is_signed == 1 { SignatureVerdict::Valid } else { SignatureVerdict::Invalid };
    with(|verifiers| verifiers.finish(handle, length, time(now_high, now_low), key_set, verdict))
}

/// Replaces the text in the buffer by its digest. Always 32.
#[unsafe(no_mangle)]
extern "C" fn postern_digest(length: usize) -> i32 {
    with(|verifiers| verifiers.digest(length))
}

/// Forgets a verifier. Always 0.
#[unsafe(no_mangle)]
extern "C" fn postern_close(handle: u32) -> i32 {
    with(|verifiers| verifiers.close(handle))
}

const fn time(high: u32, low: u32) -> UnixSeconds {
    UnixSeconds::new((high as u64) << 32 | low as u64)
}
