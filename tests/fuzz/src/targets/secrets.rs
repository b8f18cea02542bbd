//! Encodings that have one canonical text: whatever is accepted is written back byte for byte.

use super::text;
use postern_core::codec;
use postern_core::intake::LinkToken;
use postern_core::password::{
    FirebaseParams, ForeignHash, HashFormat, ImportedHash, PasswordHash, SignerKey,
};
use postern_core::secret::SecretText;
use postern_core::session::RefreshToken;

/// One text for every byte string.
pub(crate) fn base64url(data: &[u8]) {
    if let Ok(bytes) = codec::base64url::decode(data) {
        assert_eq!(codec::base64url::encode(&bytes).as_bytes(), data);
    }
    assert_eq!(codec::base64url::decode(codec::base64url::encode(data).as_bytes()).as_deref(), Ok(data));
}

/// Length, prefix and alphabet are those of every refresh token.
pub(crate) fn refresh_token(data: &[u8]) {
    let Some(token) = text(data) else { return };
    if RefreshToken::parse(token).is_ok() {
        assert_eq!(token.len(), RefreshToken::CHARACTERS);
        assert!(token.starts_with(RefreshToken::PREFIX));
        // The checksum finds every change of one character.
        let mut changed = data.to_vec();
        changed[RefreshToken::PREFIX.len()] ^= 1;
        assert!(text(&changed).is_none_or(|changed| RefreshToken::parse(changed).is_err()));
    }
}

/// One text for every link.
pub(crate) fn link_token(data: &[u8]) {
    let Some(token) = text(data) else { return };
    if let Ok(link) = LinkToken::parse(&SecretText::new(token.to_owned())) {
        assert_eq!(link.to_text().expose(), token);
    }
}

/// Parameters that are accepted are within bounds, so that no stored text makes a login expensive.
pub(crate) fn password_hash(data: &[u8]) {
    let Some(hash) = text(data) else { return };
    if let Ok(parsed) = hash.parse::<PasswordHash>() {
        assert!(hash.len() <= PasswordHash::MAX_BYTES);
        assert!(hash.contains(&format!(
            "m={},t={}",
            parsed.params().memory_kib(),
            parsed.params().iterations()
        )));
        assert!(!format!("{parsed:?}").contains(hash), "Debug shows the hash");
    }
}

/// Whatever another system exports becomes a text that is read as itself, or is refused.
pub(crate) fn imported_hash(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let key = SignerKey::new([7; 64]);
    if let Ok(stored) = ImportedHash::read(text, Some(&key)) {
        assert!(text.len() <= ImportedHash::MAX_BYTES);
        assert_eq!(stored.to_text(), text);
        assert!(!format!("{stored:?}").contains(text), "Debug shows the hash");
    }
    let params = FirebaseParams { rounds: 8, mem_cost: 14, salt_separator: vec![7] };
    let formats = HashFormat::WORDS.iter().map(|(_, format)| Some(*format));
    for format in formats.chain([None]) {
        let Ok(foreign) = ForeignHash::read(text, format, Some("AAECAwQFBgc="), Some(&params)) else {
            continue;
        };
        if foreign.kind().is_some() {
            let stored = ImportedHash::read(foreign.as_str(), Some(&key)).expect("the stored form is read");
            assert_eq!(stored.to_text(), foreign.as_str());
        } else {
            assert!(foreign.as_str().parse::<PasswordHash>().is_ok());
        }
        assert!(foreign.cost().len() < foreign.as_str().len());
    }
}
