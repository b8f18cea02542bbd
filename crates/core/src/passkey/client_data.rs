//! What the browser says (Web Authentication §5.8.1).

use super::refusal::PasskeyRefusal;
use crate::codec::base64url;
use crate::json::{self, Kind, Value};
use crate::relying_party::RelyingParty;
use alloc::vec::Vec;

/// Far more than any origin with its challenge.
pub(super) const MAX_CLIENT_DATA_BYTES: usize = 4096;

/// Which of both ceremonies client data are of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceremony {
    Create,
    Get,
}

impl Ceremony {
    const fn name(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// The challenge in client data that nobody has vouched for; `None` if there is none.
///
/// For looking up whether it is ours, before anything else is. What is told apart by it has to be checked again.
#[must_use]
pub fn challenge_of(client_data: &[u8]) -> Option<Vec<u8>> {
    challenge(parse(client_data)?)
}

fn parse(client_data: &[u8]) -> Option<Value<'_>> {
    let is_short = client_data.len() <= MAX_CLIENT_DATA_BYTES;
    json::parse(client_data).ok().filter(|value| is_short && value.kind() == Kind::Object)
}

fn challenge(data: Value<'_>) -> Option<Vec<u8>> {
    base64url::decode(data.member("challenge")?.as_text()?.to_cow().as_bytes()).ok()
}

/// Checks client data: of this ceremony, over this challenge, made by a page of ours that is in nobody's frame.
pub(super) fn check(
    client_data: &[u8],
    ceremony: Ceremony,
    expected: &[u8],
    party: &RelyingParty,
) -> Result<(), PasskeyRefusal> {
    let malformed = PasskeyRefusal::ClientDataMalformed;
    let data = parse(client_data).ok_or(malformed)?;
    let text = |name| data.member(name).and_then(Value::as_text).ok_or(malformed);
    if text("type")? != *ceremony.name() {
        return Err(PasskeyRefusal::TypeMismatch);
    }
    if challenge(data).ok_or(malformed)? != expected {
        return Err(PasskeyRefusal::ChallengeMismatch);
    }
    if !party.has_origin(&text("origin")?.to_cow()) {
        return Err(PasskeyRefusal::OriginNotAllowed);
    }
    // Nobody embeds us: a page in a frame does not say so, or says no.
    let is_embedded = match data.member("crossOrigin") {
        None => false,
        Some(value) => value.as_bool().ok_or(malformed)?,
    };
    if is_embedded || data.member("topOrigin").is_some() {
        return Err(PasskeyRefusal::CrossOrigin);
    }
    Ok(())
}
