//! The refresh token: its bytes, its two tags, and the order in which they are checked.
//!
//! `prt_` + base64url(version ‖ edge key id ‖ account ‖ session ‖ generation ‖ inner tag ‖ edge tag) + six
//! base62 characters of CRC-32. Opaque to clients (RFC 6749 §1.5).
//!
//! The *edge tag* is checked first, with a key that every edge location has: garbage reaches no storage. The
//! *inner tag* is checked by the session's owner with a key that only the session's record holds. To forge a
//! token takes both keys, and neither store holds anything that could be replayed.

use super::record::Generation;
use super::stored;
use super::tag::{EdgeKey, TAG_BYTES, edge_tag, fill, inner_tag};
use crate::codec::base64url;
use crate::id::{AccountId, SessionId};
use crate::secret::{Secret, SecretText};
use alloc::string::String;
use core::fmt;
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

const PREFIX: &str = "prt_";
const VERSION: u8 = 1;
/// Version, edge key id, account, session, generation, inner tag: all that the edge tag covers.
const COVERED_BYTES: usize = 1 + 4 + 16 + 16 + 4 + TAG_BYTES;
const TOKEN_BYTES: usize = COVERED_BYTES + TAG_BYTES;
const BODY_CHARACTERS: usize = (TOKEN_BYTES * 4).div_ceil(3);
/// Prefix and body: all that the checksum covers.
const SUMMED_CHARACTERS: usize = PREFIX.len() + BODY_CHARACTERS;
const CHECKSUM_CHARACTERS: usize = 6;

/// The text form of refresh tokens.
///
/// ```
/// use postern_core::session::RefreshToken;
///
/// assert!(RefreshToken::parse("prt_nonsense").is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RefreshToken;

impl RefreshToken {
    /// How every refresh token starts, so that secret scanners can find leaked ones.
    pub const PREFIX: &'static str = PREFIX;
    /// How many characters every refresh token has.
    pub const CHARACTERS: usize = SUMMED_CHARACTERS + CHECKSUM_CHARACTERS;

    /// Reads the one canonical text of a token. Nothing about it is believed yet.
    ///
    /// # Errors
    ///
    /// [`MalformedRefreshToken`] for any other text: a wrong length, prefix, alphabet, version or checksum.
    /// The answer is `refresh_invalid` (row 1 of the rotation rule).
    pub fn parse(text: &str) -> Result<UncheckedRefreshToken, MalformedRefreshToken> {
        let (summed, checksum) = text.split_at_checked(SUMMED_CHARACTERS).ok_or(MalformedRefreshToken)?;
        if checksum.as_bytes() != base62_checksum(summed.as_bytes()) {
            return Err(MalformedRefreshToken);
        }
        let body = summed.strip_prefix(PREFIX).ok_or(MalformedRefreshToken)?;
        let bytes =
            base64url::decode_array::<TOKEN_BYTES>(body.as_bytes()).map_err(|_| MalformedRefreshToken)?;
        UncheckedRefreshToken::from_bytes(Zeroizing::new(bytes)).ok_or(MalformedRefreshToken)
    }
}

/// The text is not a refresh token in its canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedRefreshToken;

impl MalformedRefreshToken {
    /// The stable public code: `refresh_invalid`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        "refresh_invalid"
    }
}

impl fmt::Display for MalformedRefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not a refresh token")
    }
}

impl core::error::Error for MalformedRefreshToken {}

/// A well-formed token that anyone may have made up. All it tells is which key would show otherwise.
#[derive(Debug)]
pub struct UncheckedRefreshToken {
    claim: RefreshTokenClaim,
    covered: Zeroizing<[u8; COVERED_BYTES]>,
    edge_tag: Secret<TAG_BYTES>,
}

impl UncheckedRefreshToken {
    /// The id of the edge key that the token says it was tagged with.
    #[must_use]
    pub const fn edge_key_id(&self) -> u32 {
        self.claim.edge_key_id
    }

    /// Checks the edge tag, in constant time, before any storage is read.
    ///
    /// # Errors
    ///
    /// [`EdgeTagError::OtherKey`] when `key` is not the one that the token names, [`EdgeTagError::Mismatch`]
    /// when the tag is not of this issuer, key and token. Both answer `refresh_invalid` (row 1).
    pub fn check_edge_tag(self, issuer: &str, key: &EdgeKey) -> Result<PresentedRefreshToken, EdgeTagError> {
        if key.id() != self.claim.edge_key_id {
            return Err(EdgeTagError::OtherKey);
        }
        if !edge_tag(issuer, key, self.covered.as_slice()).ct_eq(&self.edge_tag) {
            return Err(EdgeTagError::Mismatch);
        }
        Ok(PresentedRefreshToken { claim: self.claim })
    }

    fn from_bytes(bytes: Zeroizing<[u8; TOKEN_BYTES]>) -> Option<Self> {
        let (covered, edge_tag) = bytes.split_first_chunk::<COVERED_BYTES>()?;
        let (version, rest) = covered.split_first()?;
        let (edge_key_id, rest) = rest.split_first_chunk::<4>()?;
        let (account, rest) = rest.split_first_chunk::<16>()?;
        let (session, rest) = rest.split_first_chunk::<16>()?;
        let (generation, inner_tag) = rest.split_first_chunk::<4>()?;
        if *version != VERSION {
            return None;
        }
        Some(Self {
            claim: RefreshTokenClaim {
                account: AccountId::from_bytes(*account),
                session: SessionId::from_bytes(*session),
                generation: Generation::new(u32::from_be_bytes(*generation)),
                edge_key_id: u32::from_be_bytes(*edge_key_id),
                inner_tag: Secret::from_slice(inner_tag)?,
            },
            covered: Zeroizing::new(*covered),
            edge_tag: Secret::from_slice(edge_tag)?,
        })
    }
}

/// Why a well-formed token is not one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EdgeTagError {
    /// The token names another edge key.
    OtherKey,
    /// The tag is wrong for this issuer, key and token.
    Mismatch,
}

impl EdgeTagError {
    /// The stable public code: `refresh_invalid`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        "refresh_invalid"
    }
}

impl fmt::Display for EdgeTagError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OtherKey => "the refresh token names another edge key",
            Self::Mismatch => "the edge tag of the refresh token is wrong",
        })
    }
}

impl core::error::Error for EdgeTagError {}

/// A token whose edge tag was found right: the only kind that rotation and logout accept.
///
/// Its inner tag is still unchecked; the session's owner does that.
///
/// ```compile_fail
/// // It cannot be made from an unchecked token's claim by hand.
/// use postern_core::session::PresentedRefreshToken;
/// let token = PresentedRefreshToken { claim: todo!() };
/// ```
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct PresentedRefreshToken {
    claim: RefreshTokenClaim,
}

impl PresentedRefreshToken {
    /// Re-asserts, on the owner's side of a message, that the sender has checked the edge tag.
    ///
    /// A proof cannot cross a process boundary. Call this in one place only: where the owner reads a message
    /// that no one but the edge can send.
    #[must_use]
    pub const fn assertion(claim: RefreshTokenClaim) -> Self {
        Self { claim }
    }

    /// The account that the token belongs to, which names the owner to ask.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.claim.account
    }

    /// The session that the token belongs to.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.claim.session
    }

    /// The generation that the token is of.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.claim.generation
    }

    /// The edge key that the token was tagged with.
    #[must_use]
    pub const fn edge_key_id(&self) -> u32 {
        self.claim.edge_key_id
    }

    /// The tag that only the holder of the session key can make; not checked yet.
    #[must_use]
    pub const fn inner_tag(&self) -> &Secret<16> {
        &self.claim.inner_tag
    }

    /// Whether the inner tag was made with this session key, compared in constant time.
    #[must_use]
    pub fn has_inner_tag_of(&self, session_key: &Secret<32>) -> bool {
        let expected = inner_tag(session_key, self.claim.account, self.claim.session, self.claim.generation);
        expected.ct_eq(&self.claim.inner_tag)
    }
}

/// What a refresh token says, as a message from the edge to the session's owner. Anyone can write one down;
/// [`PresentedRefreshToken::assertion`] is where it is believed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshTokenClaim {
    /// The account that the token belongs to.
    pub account: AccountId,
    /// The session that the token belongs to.
    pub session: SessionId,
    /// The generation that the token is of.
    pub generation: Generation,
    /// The edge key that the token was tagged with.
    pub edge_key_id: u32,
    /// The inner tag, base64url in JSON.
    #[serde(with = "stored::secret")]
    pub inner_tag: Secret<16>,
}

/// All of a token but its edge tag: what the session's owner answers, and the edge completes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenParts {
    claim: RefreshTokenClaim,
}

impl TokenParts {
    /// The token of this generation, with the inner tag that the session key gives it.
    #[must_use]
    pub fn new(
        account: AccountId,
        session: SessionId,
        generation: Generation,
        edge_key_id: u32,
        session_key: &Secret<32>,
    ) -> Self {
        let inner_tag = inner_tag(session_key, account, session, generation);
        Self { claim: RefreshTokenClaim { account, session, generation, edge_key_id, inner_tag } }
    }

    /// The session that the token will be of.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.claim.session
    }

    /// The generation that the token will be of.
    #[must_use]
    pub const fn generation(&self) -> Generation {
        self.claim.generation
    }

    /// The edge key that must complete the token.
    #[must_use]
    pub const fn edge_key_id(&self) -> u32 {
        self.claim.edge_key_id
    }

    /// Completes the token. The same parts, issuer and key always give the same text.
    ///
    /// # Errors
    ///
    /// [`WrongEdgeKey`] when `key` is not the one that [`edge_key_id`](Self::edge_key_id) names.
    pub fn compose(&self, issuer: &str, key: &EdgeKey) -> Result<SecretText, WrongEdgeKey> {
        if key.id() != self.claim.edge_key_id {
            return Err(WrongEdgeKey);
        }
        let mut covered = Zeroizing::new([0u8; COVERED_BYTES]);
        let fields: [&[u8]; 6] = [
            &[VERSION],
            &key.id().to_be_bytes(),
            self.claim.account.as_bytes(),
            self.claim.session.as_bytes(),
            &self.claim.generation.as_u32().to_be_bytes(),
            self.claim.inner_tag.expose(),
        ];
        fill(covered.as_mut_slice(), &fields);
        let mut token = Zeroizing::new([0u8; TOKEN_BYTES]);
        fill(token.as_mut_slice(), &[covered.as_slice(), edge_tag(issuer, key, covered.as_slice()).expose()]);

        let mut body = base64url::encode(token.as_slice());
        let mut text = String::with_capacity(RefreshToken::CHARACTERS);
        text.push_str(PREFIX);
        text.push_str(&body);
        body.zeroize();
        let checksum = base62_checksum(text.as_bytes());
        text.extend(checksum.map(char::from));
        Ok(SecretText::new(text))
    }
}

/// The edge key is not the one that the token's parts name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongEdgeKey;

impl fmt::Display for WrongEdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the refresh token belongs to another edge key")
    }
}

impl core::error::Error for WrongEdgeKey {}

/// Bit by bit: a token has some hundred bytes, and a table for more speed would be 16 KiB of the Worker.
const CHECKSUM: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// CRC-32 (ISO-HDLC) in base62 (`0-9A-Za-z`), most significant digit first, zero-padded to six.
fn base62_checksum(bytes: &[u8]) -> [u8; CHECKSUM_CHARACTERS] {
    let mut rest = CHECKSUM.checksum(bytes);
    let mut digits = [b'0'; CHECKSUM_CHARACTERS];
    for digit in digits.iter_mut().rev() {
        let value = u8::try_from(rest % 62).unwrap_or(0);
        *digit = match value {
            0..=9 => b'0'.saturating_add(value),
            10..=35 => b'A'.saturating_add(value.saturating_sub(10)),
            _ => b'a'.saturating_add(value.saturating_sub(36)),
        };
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::ToString;

    const ISSUER: &str = "https://auth.example";

    fn edge_key(id: u32) -> EdgeKey {
        EdgeKey::new(id, Secret::new([9; 32]))
    }

    fn session_key() -> Secret<32> {
        Secret::new([5; 32])
    }

    fn parts(generation: u32) -> TokenParts {
        TokenParts::new(
            AccountId::from_bytes([1; 16]),
            SessionId::from_bytes([2; 16]),
            Generation::new(generation),
            7,
            &session_key(),
        )
    }

    fn text(generation: u32) -> String {
        parts(generation).compose(ISSUER, &edge_key(7)).unwrap().expose().to_string()
    }

    /// A text with a right checksum around any body.
    fn with_checksum(signed: &str) -> String {
        format!("{signed}{}", core::str::from_utf8(&base62_checksum(signed.as_bytes())).unwrap())
    }

    #[test]
    fn the_bytes_are_fixed_for_all_time() {
        assert_eq!(RefreshToken::CHARACTERS, 108);
        assert_eq!(text(3).len(), 108);
        assert_eq!(
            text(3),
            "prt_AQAAAAcBAQEBAQEBAQEBAQEBAQEBAgICAgICAgICAgICAgICAgAAAAPTklkOTLobKRySAVStGGHbNAnG44EabBSIuRvu6CZB9g0ciaHj"
        );
        assert_eq!(text(3), text(3), "same inputs, same bytes");
    }

    #[test]
    fn what_was_composed_is_presented_again() {
        let token = RefreshToken::parse(&text(3)).unwrap();
        assert_eq!(token.edge_key_id(), 7);
        let token = token.check_edge_tag(ISSUER, &edge_key(7)).unwrap();
        assert_eq!(token.account(), AccountId::from_bytes([1; 16]));
        assert_eq!(token.session(), SessionId::from_bytes([2; 16]));
        assert_eq!((token.generation(), token.edge_key_id()), (Generation::new(3), 7));
        assert!(token.has_inner_tag_of(&session_key()));
        assert!(!token.has_inner_tag_of(&Secret::new([6; 32])));

        let message = serde_json::to_string(&token).unwrap();
        let again = PresentedRefreshToken::assertion(serde_json::from_str(&message).unwrap());
        assert!(again.has_inner_tag_of(&session_key()));
        assert!(again.inner_tag().ct_eq(token.inner_tag()));
    }

    #[test]
    fn another_text_is_malformed() {
        let good = text(3);
        let body = &good[..102];
        let long = format!("{good}0");
        let upper = good.replacen("prt_", "PRT_", 1);
        let other_prefix = with_checksum(&body.replacen("prt_", "pst_", 1));
        let other_version = with_checksum(&body.replacen("prt_A", "prt_B", 1));
        let unused_bits = with_checksum(&format!("{}{}", &body[..101], "B"));
        let padded = format!(" {}", &good[..107]);
        let not_ascii = format!("{}é", &good[..106]);
        for bad in [
            "",
            "prt_",
            &good[..107],
            &long,
            &upper,
            &other_prefix,
            &other_version,
            &unused_bits,
            &padded,
            &not_ascii,
        ] {
            assert_eq!(RefreshToken::parse(bad).unwrap_err(), MalformedRefreshToken, "{bad}");
        }
        assert_eq!(MalformedRefreshToken.code(), "refresh_invalid");
    }

    #[test]
    fn the_edge_tag_covers_issuer_key_and_every_byte() {
        let check = |text: &str, issuer: &str, key: &EdgeKey| {
            RefreshToken::parse(text).unwrap().check_edge_tag(issuer, key).map(|_| ())
        };
        assert_eq!(check(&text(3), ISSUER, &edge_key(7)), Ok(()));
        assert_eq!(check(&text(3), "https://auth.example/", &edge_key(7)), Err(EdgeTagError::Mismatch));
        assert_eq!(check(&text(3), ISSUER, &edge_key(8)), Err(EdgeTagError::OtherKey));
        let other = EdgeKey::new(7, Secret::new([8; 32]));
        assert_eq!(check(&text(3), ISSUER, &other), Err(EdgeTagError::Mismatch));

        let bytes = base64url::decode(&text(3).as_bytes()[4..102]).unwrap();
        for index in 5..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            let forged = with_checksum(&format!("prt_{}", base64url::encode(&changed)));
            assert_eq!(check(&forged, ISSUER, &edge_key(7)), Err(EdgeTagError::Mismatch), "byte {index}");
        }
    }

    #[test]
    fn the_inner_tag_is_of_one_generation_session_and_account() {
        let claim = |generation: u32, session: u8, account: u8| {
            let mut claim = parts(3).claim;
            claim.generation = Generation::new(generation);
            claim.session = SessionId::from_bytes([session; 16]);
            claim.account = AccountId::from_bytes([account; 16]);
            PresentedRefreshToken::assertion(claim).has_inner_tag_of(&session_key())
        };
        assert!(claim(3, 2, 1));
        assert!(!claim(4, 2, 1) && !claim(3, 3, 1) && !claim(3, 2, 2));
    }

    #[test]
    fn an_edge_key_tags_only_what_names_it() {
        assert_eq!(parts(0).compose(ISSUER, &edge_key(8)).unwrap_err(), WrongEdgeKey);
    }

    #[test]
    fn nothing_of_a_token_is_printed() {
        let token = RefreshToken::parse(&text(3)).unwrap();
        let shown = format!("{:?} {:?} {:?}", token.claim, parts(3), edge_key(7));
        assert!(shown.matches("[redacted]").count() == 3, "{shown}");
    }

    proptest! {
        #[test]
        fn one_changed_character_is_always_refused(index in 0usize..108, other in "[A-Za-z0-9_-]") {
            let good = text(3);
            let mut changed = good.clone();
            changed.replace_range(index..=index, &other);
            prop_assume!(changed != good);
            prop_assert!(RefreshToken::parse(&changed).is_err());
        }

        #[test]
        fn no_text_breaks_the_parser(noise in ".{0,130}") {
            prop_assert!(RefreshToken::parse(&noise).is_err());
        }
    }
}
