//! Addresses as proofs name them (RFC 9449 §4.3): compared without query and fragment, after normalization.

use alloc::string::String;

/// The longest address that is looked at.
const MAX_BYTES: usize = 2_048;

/// An address in the form in which equal ones are equal texts: scheme and host in lower case, without the port that goes
/// without saying, escapes as RFC 3986 §6.2.2 has them, without query and fragment. `None` for what is no `http` address,
/// or names a user.
///
/// Dots in the path are not resolved: whoever sends a request has done that.
#[must_use]
pub fn normal_address(address: &str) -> Option<String> {
    if address.len() > MAX_BYTES || !address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let (scheme, rest) = address.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match &*scheme {
        "https" => "443",
        "http" => "80",
        _ => return None,
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at_checked(rest.find('/').unwrap_or(rest.len()))?;
    let authority = authority.to_ascii_lowercase();
    // An IPv6 address has colons, between brackets; a host has none.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (&*authority, ""),
    };
    let is_address = host.starts_with('[') && host.ends_with(']');
    let is_host = !host.is_empty() && !host.contains('@') && (is_address || !host.contains(':'));
    if !is_host || !port.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let (colon, port) = if port.is_empty() || port == default_port { ("", "") } else { (":", port) };
    let path = if path.is_empty() { "/" } else { path };
    Some([&*scheme, "://", host, colon, port, &normal_path(path)].concat())
}

/// The path, with escapes in upper case, and none where none is needed.
fn normal_path(path: &str) -> String {
    let mut normal = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        normal.push_str(before);
        let escaped = after.split_at_checked(2);
        let byte = escaped.and_then(|(digits, _)| {
            let are_digits = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(digits, 16).ok().filter(|_| are_digits)
        });
        match (byte, escaped) {
            (Some(byte), Some((_, after))) if is_unreserved(byte) => {
                normal.push(char::from(byte));
                rest = after;
            }
            (Some(_), Some((digits, after))) => {
                normal.push('%');
                normal.push_str(&digits.to_ascii_uppercase());
                rest = after;
            }
            _ => {
                normal.push('%');
                rest = after;
            }
        }
    }
    normal.push_str(rest);
    normal
}

/// What needs no escape (RFC 3986 §2.3).
const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;

    #[test]
    fn equal_addresses_are_equal_texts() {
        let normal = "https://auth.example/api/v1/auth/login";
        for same in [
            normal,
            "HTTPS://Auth.Example/api/v1/auth/login",
            "https://auth.example:443/api/v1/auth/login",
            "https://auth.example:/api/v1/auth/login",
            "https://auth.example/api/v1/auth/login?a=b",
            "https://auth.example/api/v1/auth/login#a",
            "https://auth.example/api/v1/auth/login?#",
            "https://auth.example/api/v1/auth/%6Cogin",
            "https://auth.example/%61pi/v1/auth/login",
        ] {
            assert_eq!(normal_address(same).as_deref(), Some(normal), "{same}");
        }
        for (address, expected) in [
            ("http://localhost:80", "http://localhost/"),
            ("http://localhost:8787?x", "http://localhost:8787/"),
            ("http://[::1]:8787/a", "http://[::1]:8787/a"),
            ("http://[::1]", "http://[::1]/"),
            ("https://a.example/%2f%7e%zz%", "https://a.example/%2F~%zz%"),
        ] {
            assert_eq!(normal_address(address).as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn others_stay_others() {
        let normal = normal_address("https://auth.example/api/v1/auth/login");
        for other in [
            "http://auth.example/api/v1/auth/login",
            "https://auth.example:444/api/v1/auth/login",
            "https://auth.example:80/api/v1/auth/login",
            "https://auth.example./api/v1/auth/login",
            "https://other.example/api/v1/auth/login",
            "https://auth.example.evil.example/api/v1/auth/login",
            "https://auth.example/API/v1/auth/login",
            "https://auth.example/api/v1/auth/login/",
            "https://auth.example//api/v1/auth/login",
            "https://auth.example/api/v1/auth/x/../login",
            "https://auth.example/api/v1/auth%2Flogin",
        ] {
            let found = normal_address(other);
            assert!(found.is_some() && found != normal, "{other}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for bad in [
            "",
            "/api/v1/auth/login",
            "auth.example/api",
            "https:/auth.example",
            "https://",
            "https:///api",
            "https://:443/api",
            "https://:/",
            "https://::",
            "https://auth.example:443:443/api",
            "https://auth.example:x/api",
            "https://user@auth.example/api",
            "https://user:secret@auth.example/api",
            "ftp://auth.example/api",
            "javascript://auth.example/api",
            " https://auth.example/api",
            "https://auth.example/api ",
            "https://auth.example\\api",
            "https://aüth.example/api",
            "https://auth.example/\u{0}",
        ] {
            assert_eq!(normal_address(bad), None, "{bad:?}");
        }
        assert_eq!(normal_address(&format!("https://a.example/{}", "x".repeat(MAX_BYTES))), None);
    }

    proptest! {
        #[test]
        fn what_is_normal_stays_so(address in "(?i:https?)://[a-zA-Z0-9.:@-]{0,12}(/([a-z./~]|%[0-9a-fA-F]{2}){0,8})?([?#].{0,4})?") {
            if let Some(normal) = normal_address(&address) {
                prop_assert_eq!(normal_address(&normal), Some(normal));
            }
        }

        #[test]
        fn no_text_breaks_it(address in any::<String>()) {
            let _ = normal_address(&address);
        }
    }
}
