//! Calls into every part of core, so that the compiler keeps all of it.
//!
//! `cargo xtask ci` compiles this to wasm and refuses a module that imports anything: no clock, no randomness, no
//! I/O can hide in core or in what it depends on. Every input passes through [`black_box`], and so does every result.

mod accounts;
mod passkeys;
mod tokens;

use postern_core::codec::{base32, base64url};
use postern_core::config::{Config, Deployment, Environment};
use postern_core::entropy::{Random, one_time_code};
use postern_core::id::AccountId;
use postern_core::identifier::{DisplayName, Identifier, derive_username};
use std::hint::black_box;

fn main() {
    codecs();
    identities();
    configuration();
    tokens::sign_and_verify();
    tokens::judge_revocation();
    accounts::passwords();
    accounts::throttling();
    accounts::sign_up();
    accounts::sessions();
    passkeys::register_and_sign_in();
}

fn codecs() {
    let bytes: [u8; 40] = black_box([7; 40]);
    let _ = black_box(base64url::decode(black_box(base64url::encode(&bytes).as_bytes())));
    let _ = black_box(base32::decode(black_box(base32::encode(&bytes).as_bytes())));
    let _ = black_box(postern_core::json::parse(black_box(br#"{"a":[1,"\u0061"]}"#)));
}

fn identities() {
    let _ = black_box(black_box("00000000000000000000000000000000").parse::<AccountId>());
    let _ = black_box(Identifier::parse(black_box("ann@example.com")));
    let _ = black_box(derive_username(black_box("ann")).random_candidate(black_box(Random::new([3; 8]))));
    let _ = black_box(DisplayName::parse(black_box("Ann")));
    let _ = black_box(one_time_code(black_box(Random::new([3; 32]))).expose().len());
}

fn configuration() {
    let text = r#"{"issuer":"https://auth.example.com","permissions":{"names":["docs:read"],"roles":{"user":["docs:read"]}}}"#;
    if let Ok(config) = Config::from_json(black_box(text)) {
        let deployment =
            Deployment { environment: Environment::Production, root_key_present: black_box(false) };
        black_box(config.lint(deployment).len());
        black_box(config.check_for(Environment::Production).is_ok());
    }
}
