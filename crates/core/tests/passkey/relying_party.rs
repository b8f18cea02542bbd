//! Who may ask for passkeys.

use postern_core::relying_party::{RelyingParty, RelyingPartyError};

fn new(id: &str, origins: &[&str]) -> Option<RelyingPartyError> {
    RelyingParty::new(id, origins).err()
}

#[test]
fn an_id_is_the_host_of_its_origins_or_above_it() {
    let key_hash = "android:apk-key-hash:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (id, origins) in [
        ("example.com", &["https://example.com"][..]),
        ("example.com", &["https://app.example.com", "https://a.b.example.com:8443", key_hash]),
        ("localhost", &["http://localhost", "http://localhost:8787", "https://localhost:1"]),
        ("xn--bcher-kva.example", &["https://xn--bcher-kva.example"]),
    ] {
        let party = RelyingParty::new(id, origins).unwrap();
        assert_eq!(party.id(), id);
        assert!(party.origins().iter().eq(origins));
    }
}

#[test]
fn others_are_refused() {
    use RelyingPartyError::*;
    for id in [
        "",
        "com",
        "example.com.",
        ".example.com",
        "Example.com",
        "127.0.0.1",
        "[::1]",
        "a..b",
        "-a.b",
        "a-.b",
        "ä.example",
        "https://example.com",
        "example.com:443",
        "a_b.example",
        &"a.".repeat(130),
        "1.2.3.4",
        "example.1",
    ] {
        assert_eq!(new(id, &["https://example.com"]), Some(Id), "{id}");
    }
    for origin in [
        "",
        "example.com",
        "http://example.com",
        "http://127.0.0.1",
        "https://example.com/",
        "https://example.com:443",
        "http://localhost:80",
        "https://example.com:0",
        "https://example.com:080",
        "https://example.com:65536",
        "https://example.com:",
        "https://example.com:+1",
        "https://user@example.com",
        "https://Example.com",
        "https://example.com#x",
        "https://example.com?x",
        "ftp://example.com",
        "null",
        "https://*.example.com",
        "android:apk-key-hash:",
        "android:apk-key-hash:AAAA",
        "https://[::1]",
    ] {
        assert_eq!(new("example.com", &[origin]), Some(Origin), "{origin}");
    }
    for origin in [
        "https://evil.example",
        "https://notexample.com",
        "https://com",
        "https://example.com.evil.example",
        "http://localhost:8787",
    ] {
        assert_eq!(new("example.com", &[origin]), Some(OriginElsewhere), "{origin}");
    }
    assert_eq!(new("app.example.com", &["https://example.com"]), Some(OriginElsewhere));
    assert_eq!(new("example.com", &[]), Some(Origins));
    assert_eq!(new("example.com", &["https://example.com", "https://example.com"]), Some(Origins));
    let many: Vec<String> = (1..=17).map(|port| format!("https://example.com:{port}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(new("example.com", &many), Some(Origins));
    assert_eq!(new("example.com", &many[..16]), None);
}
