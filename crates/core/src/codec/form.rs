//! Queries of URLs: `application/x-www-form-urlencoded` (WHATWG URL §5.1).

use alloc::string::String;
use alloc::vec::Vec;

/// The decoded value of the first parameter of this name; empty if it has none. What is not UTF-8 becomes U+FFFD, and a
/// `%` that begins no byte stands for itself, as in every browser.
#[must_use]
pub fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key) == name).then(|| decode(value))
    })
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'+', _) => bytes.push(b' '),
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => {
                    bytes.push((high << 4) | low);
                    rest = after;
                }
                _ => bytes.push(b'%'),
            },
            (other, _) => bytes.push(*other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_by_name_and_decoded() {
        let found = |query: &str| parameter(query, "to");
        for (query, value) in [
            ("to=ada", "ada"),
            ("a=1&to=ada%40example.com&to=other", "ada@example.com"),
            ("to=a+b%20c%2B", "a b c+"),
            ("to", ""),
            ("to=", ""),
            ("to=a=b", "a=b"),
            ("t%6f=%e2%82%ac", "€"),
            ("to=%zz%4%", "%zz%4%"),
            ("to=%+f", "% f"),
            ("to=%ff", "\u{fffd}"),
        ] {
            assert_eq!(found(query).as_deref(), Some(value), "{query}");
        }
        for query in ["", "&&", "To=a", "too=a", "=to", "a=to", "%74%6f%00=a"] {
            assert_eq!(found(query), None, "{query}");
        }
    }
}
