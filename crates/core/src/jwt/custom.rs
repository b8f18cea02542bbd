//! Custom claims of tokens to be signed: what a deployment adds, kept from ever meaning something else.

use super::Claim;
use crate::json::{self, JsonError};
use alloc::string::String;
use core::fmt;
use serde_json::{Map, Value};

/// Names without a meaning in Postern's tokens that some reader of a token gives authority to, or stumbles over.
///
/// The delegation, scope and confirmation claims of other profiles (RFC 8693 §4, RFC 9449 §4.2, OpenID Connect
/// Core §2); header names; what issuers without `sub` call the subject, which
/// [`with_subject_claim`](super::VerificationPolicy::with_subject_claim) reads; and the member names with which
/// JavaScript reaches prototypes.
const RESERVED: [&str; 26] = [
    "act",
    "may_act",
    "scope",
    "scp",
    "azp",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "htm",
    "htu",
    "ath",
    "events",
    "alg",
    "kid",
    "typ",
    "crit",
    "uid",
    "user_id",
    "tenant",
    "mask",
    "permissions",
    "entitlements",
    "__proto__",
    "constructor",
    "prototype",
];

/// Custom claims that may be signed: few, small, flat, and none with a name that means something already.
///
/// Kept as JSON: whoever adds none need not carry what writes any value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomClaims(String);

/// Why custom claims are refused, in the order of the checks. No value is ever quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CustomClaimError {
    /// No JSON object, or one with a number that no verifier reads.
    Unreadable,
    /// More than [`CustomClaims::MAX_CLAIMS`].
    TooMany,
    /// A name is empty, longer than [`CustomClaims::MAX_NAME_BYTES`], or has a character that is no visible ASCII.
    BadName,
    /// A claim has the name of this registered one, in whatever case.
    Registered(Claim),
    /// A claim has a name that is reserved, in whatever case.
    Reserved(&'static str),
    /// A value has more than [`CustomClaims::MAX_DEPTH`] levels of arrays and objects.
    TooDeep,
    /// All of them as one JSON object have more than [`CustomClaims::MAX_BYTES`].
    TooLarge,
}

impl fmt::Display for CustomClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany => f.write_str("more than 32 custom claims"),
            Self::BadName => f.write_str("a custom claim's name is not 1 to 64 visible ASCII characters"),
            Self::Registered(claim) => write!(f, "a custom claim may not be named {}", claim.name()),
            Self::Reserved(name) => write!(f, "a custom claim may not be named {name}"),
            Self::TooDeep => f.write_str("a custom claim has more than 4 levels"),
            Self::TooLarge => f.write_str("the custom claims have more than 2048 bytes"),
            Self::Unreadable => f.write_str("the custom claims are no JSON object that every verifier reads"),
        }
    }
}

impl core::error::Error for CustomClaimError {}

impl CustomClaims {
    /// The most claims: 32.
    pub const MAX_CLAIMS: usize = 32;

    /// The longest name: 64 bytes.
    pub const MAX_NAME_BYTES: usize = 64;

    /// The most arrays and objects around a value: 4.
    pub const MAX_DEPTH: usize = 4;

    /// The most bytes of all claims as one JSON object, 2048: a quarter of the largest token.
    pub const MAX_BYTES: usize = 2048;

    /// Checks claims that are to be signed.
    ///
    /// # Errors
    ///
    /// [`CustomClaimError`], whose variants stand in check order.
    pub fn new(claims: &Map<String, Value>) -> Result<Self, CustomClaimError> {
        Self::from_json(&serde_json::to_string(claims).map_err(|_| CustomClaimError::Unreadable)?)
    }

    /// Checks claims that are to be signed, written as one JSON object.
    ///
    /// # Errors
    ///
    /// [`CustomClaimError`], whose variants stand in check order.
    pub fn from_json(text: &str) -> Result<Self, CustomClaimError> {
        let object = json::parse(text.as_bytes()).map_err(|error| match error {
            JsonError::TooDeep => CustomClaimError::TooDeep,
            _ => CustomClaimError::Unreadable,
        })?;
        let members = object.members().ok_or(CustomClaimError::Unreadable)?;
        if members.clone().count() > Self::MAX_CLAIMS {
            return Err(CustomClaimError::TooMany);
        }
        members.into_iter().try_for_each(|(name, _)| check_name(&name.to_cow()))?;
        // The object around them is not a level of theirs.
        if !json::depth_within(text.as_bytes(), Self::MAX_DEPTH.saturating_add(1)) {
            return Err(CustomClaimError::TooDeep);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(CustomClaimError::TooLarge);
        }
        let members = object.raw().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        Ok(Self(members.unwrap_or_default().trim().into()))
    }

    /// Adds them, as the last members, to a JSON object that has others.
    pub(super) fn append_to(&self, object: &mut String) {
        if !self.0.is_empty() && object.pop().is_some() {
            object.extend([",", &self.0, "}"]);
        }
    }
}

/// Case does not tell names apart here: a reader that ignores it must not be led astray.
fn check_name(name: &str) -> Result<(), CustomClaimError> {
    let is_visible = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    if name.is_empty() || name.len() > CustomClaims::MAX_NAME_BYTES || !name.as_bytes().iter().all(is_visible)
    {
        return Err(CustomClaimError::BadName);
    }
    if let Some(claim) = Claim::ALL.iter().find(|claim| claim.name().eq_ignore_ascii_case(name)) {
        return Err(CustomClaimError::Registered(*claim));
    }
    match RESERVED.iter().find(|reserved| reserved.eq_ignore_ascii_case(name)) {
        Some(reserved) => Err(CustomClaimError::Reserved(reserved)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::format;

    fn of(claims: &Value) -> Result<CustomClaims, CustomClaimError> {
        CustomClaims::new(claims.as_object().unwrap())
    }

    #[test]
    fn no_name_with_a_meaning_can_be_taken() {
        for claim in Claim::ALL.iter().copied() {
            for name in [claim.name().into(), claim.name().to_ascii_uppercase()] {
                assert_eq!(of(&json!({name: "x"})).err(), Some(CustomClaimError::Registered(claim)));
            }
        }
        for name in RESERVED {
            for spelling in [name.into(), name.to_ascii_uppercase()] {
                assert_eq!(of(&json!({spelling: "x"})).err(), Some(CustomClaimError::Reserved(name)));
            }
        }
    }

    #[test]
    fn names_are_visible_ascii() {
        let longest = "n".repeat(64);
        let too_long = "n".repeat(65);
        for name in ["", &too_long, "a b", "a\n", "a\u{0}", "i\u{17f}s", "\u{456}ss", "a\"", "a\\"] {
            assert_eq!(of(&json!({name: 1})).err(), Some(CustomClaimError::BadName), "{name:?}");
        }
        for name in ["plan", "https://example.com/plan", "x", &longest] {
            assert!(of(&json!({name: 1})).is_ok(), "{name:?}");
        }
    }

    #[test]
    fn number_depth_and_size_are_bounded() {
        let many = |count: usize| -> Map<_, _> { (0..count).map(|n| (format!("c{n}"), json!(n))).collect() };
        assert!(CustomClaims::new(&many(32)).is_ok());
        assert_eq!(CustomClaims::new(&many(33)).err(), Some(CustomClaimError::TooMany));
        let deep = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
        assert!(of(&json!({"d": deep(4)})).is_ok());
        assert_eq!(of(&json!({"d": deep(5)})).err(), Some(CustomClaimError::TooDeep));
        assert_eq!(of(&json!({"d": {"e": deep(4)}})).err(), Some(CustomClaimError::TooDeep));
        // {"t":"…"} has 8 bytes around the text.
        assert!(of(&json!({"t": "x".repeat(2040)})).is_ok());
        assert_eq!(of(&json!({"t": "x".repeat(2041)})).err(), Some(CustomClaimError::TooLarge));
        assert_eq!(of(&json!({"t": "\u{1}".repeat(400)})).err(), Some(CustomClaimError::TooLarge));
        for text in ["", "[]", "1", "{", r#"{"a":1}x"#, r#"{"a":1e400}"#, r#"{"a":1,"a":2}"#] {
            assert_eq!(CustomClaims::from_json(text), Err(CustomClaimError::Unreadable), "{text}");
        }
        assert_eq!(CustomClaims::from_json(&"[".repeat(99)), Err(CustomClaimError::TooDeep));
        assert_eq!(CustomClaims::from_json(r#" { "a" : [1] } "#), Ok(CustomClaims(r#""a" : [1]"#.into())));
        assert_eq!(CustomClaims::from_json("{ }"), Ok(CustomClaims::default()));
        let mut object = String::from(r#"{"a":1}"#);
        CustomClaims::default().append_to(&mut object);
        assert_eq!(object, r#"{"a":1}"#);
        of(&json!({"b": [2], "c": null})).unwrap().append_to(&mut object);
        assert_eq!(object, r#"{"a":1,"b":[2],"c":null}"#);
    }
}
