//! The protected header (RFC 7515 §4): the three members that matter.

use super::{AlgorithmName, KeySet, VerificationPolicy, VerifyError, VerifyingKey};
use crate::codec::base64url;
use crate::json;
use alloc::string::String;

/// What a header says; nothing in it is believed before the signature is checked.
///
/// `jku`, `x5u`, `jwk`, `x5c`, `x5t` and all other members are not even looked at: keys come from the key set alone
/// (RFC 8725 §3.10).
pub(super) struct Header {
    pub(super) algorithm: String,
    pub(super) key_id: Option<String>,
    pub(super) token_type: Option<String>,
}

impl Header {
    /// Reads the first part of a token.
    pub(super) fn read(part: &str) -> Result<Self, VerifyError> {
        let bytes = base64url::decode(part.as_bytes()).map_err(|_| VerifyError::TokenMalformed)?;
        let header = json::parse(&bytes).map_err(|_| VerifyError::HeaderMalformed)?;
        let (mut algorithm, mut key_id, mut token_type, mut critical) = (None, None, None, false);
        for (name, value) in header.members().ok_or(VerifyError::HeaderMalformed)? {
            let slot = match &*name.to_cow() {
                "alg" => &mut algorithm,
                "kid" => &mut key_id,
                "typ" => &mut token_type,
                "crit" => {
                    critical = true;
                    continue;
                }
                _ => continue,
            };
            let text = value.as_text().ok_or(VerifyError::HeaderMalformed)?;
            *slot = Some(text.to_cow().into_owned());
        }
        let algorithm = algorithm.ok_or(VerifyError::HeaderMalformed)?;
        if critical {
            return Err(VerifyError::CriticalHeaderUnsupported);
        }
        Ok(Self { algorithm, key_id, token_type })
    }

    /// The key that must have signed, with its place in the set.
    pub(super) fn choose_key<'a>(
        &self,
        keys: &'a KeySet,
        policy: &VerificationPolicy,
    ) -> Result<(usize, &'a VerifyingKey), VerifyError> {
        if !self.has_type(policy.token_type()) {
            return Err(VerifyError::TokenTypeMismatch);
        }
        let (place, key) = keys.select(self.key_id.as_deref()).ok_or(VerifyError::KeyNotFound)?;
        let named = AlgorithmName::from_text(&self.algorithm).map(AlgorithmName::algorithm);
        if named == Some(key.algorithm()) { Ok((place, key)) } else { Err(VerifyError::AlgorithmNotAllowed) }
    }

    /// Whether `typ` is this media type, in any case and with or without `application/` (RFC 7515 §4.1.9).
    fn has_type(&self, wanted: &str) -> bool {
        self.token_type.as_deref().is_some_and(|actual| short_type(actual).eq_ignore_ascii_case(wanted))
    }
}

/// A media type without its `application/`, if it has one.
pub(super) fn short_type(media_type: &str) -> &str {
    const PREFIX: &str = "application/";
    match media_type.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => media_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Header, VerifyError> {
        Header::read(&base64url::encode(json.as_bytes()))
    }

    #[test]
    fn the_type_is_compared_as_a_media_type() {
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
            let header = read(&std::format!(r#"{{"alg":"EdDSA","typ":"{typ}"}}"#)).unwrap();
            assert!(header.has_type("at+jwt"), "{typ}");
        }
        for typ in
            ["JWT", "", "at+jwt ", "text/at+jwt", "application/", "application/application/at+jwt", "\u{e9}"]
        {
            let header = read(&std::format!(r#"{{"alg":"EdDSA","typ":"{typ}"}}"#)).unwrap();
            assert!(!header.has_type("at+jwt"), "{typ}");
        }
        assert!(!read(r#"{"alg":"EdDSA"}"#).unwrap().has_type("at+jwt"));
    }

    #[test]
    fn an_escaped_member_name_is_the_same_name() {
        assert_eq!(read(r#"{"\u0061lg":"EdDSA"}"#).unwrap().algorithm, "EdDSA");
        let refusal = read(r#"{"alg":"EdDSA","\u0063rit":[]}"#).err();
        assert_eq!(refusal, Some(VerifyError::CriticalHeaderUnsupported));
    }
}
