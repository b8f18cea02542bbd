//! The `Cookie` header (RFC 6265bis §4.2): pairs of name and value, separated by semicolons.

/// The value of the cookie of exactly this name, as it was sent; `None` if there is none, or more than one.
///
/// A browser has one cookie of a name that begins with `__Host-`. Two mean that one of them was put there by somebody
/// else, such as a nameless cookie whose value looks like this one, and nothing says which.
#[must_use]
pub fn value<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let pairs = header.split(';').filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(key, _)| key.trim_matches(BLANKS) == name);
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Some(value.trim_matches(BLANKS)),
        _ => None,
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn one_cookie_is_found_by_its_exact_name() {
        for (header, expected) in [
            ("__Host-a=1", "1"),
            ("b=2; __Host-a=1; c=3", "1"),
            ("b=2;__Host-a=1;c=3", "1"),
            ("b=2;\t__Host-a = 1 ;", "1"),
            ("__Host-a=", ""),
            ("__Host-a=x=y", "x=y"),
            ("b; __Host-a=1", "1"),
            // Names are told apart by their letters' case; prefixes are not, so that only a browser's rules let this in.
            ("__host-a=2; __Host-a=1", "1"),
        ] {
            assert_eq!(value(header, "__Host-a"), Some(expected), "{header}");
        }
    }

    #[test]
    fn what_is_missing_or_ambiguous_is_not_there() {
        for header in [
            "",
            ";",
            "=",
            "__Host-a",
            "__Host-ab=1",
            "a=1",
            "x__Host-a=1",
            "b=__Host-a=1",
            "=__Host-a=1",
            "__Host-a=1; __Host-a=1",
            "__Host-a=1; b=2; __Host-a=3",
            "__host-a=1",
            "\"__Host-a\"=1",
            "__Host-a%3d1",
            "__Host-a\u{a0}=1",
        ] {
            assert_eq!(value(header, "__Host-a"), None, "{header}");
        }
    }
}
