//! Which page a request comes from: cross-site request forgery, told by what browsers say of their requests.
//!
//! [Fetch Metadata](https://www.w3.org/TR/fetch-metadata/) first, then `Origin` (RFC 6454 §7): no page can write either.
//! What says neither is no browser of these years, and has to show a token instead.

/// Where the page is that made a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum RequestSite {
    /// Of our own origins, or no page at all: somebody's address bar.
    Own,
    /// Anywhere else, or nowhere that anybody could name (`Origin: null`).
    Foreign,
    /// Nothing says so.
    Unsaid,
}

impl RequestSite {
    /// Reads `Sec-Fetch-Site` and `Origin`. `is_own` knows the origins whose pages may act for whoever is signed in.
    ///
    /// A page of another origin of the same site, such as that of a neighbour under one domain, is foreign unless its
    /// origin is one of ours. A word that browsers do not say is taken for none of the good ones.
    pub fn of(fetch_site: Option<&str>, origin: Option<&str>, is_own: impl FnOnce(&str) -> bool) -> Self {
        match (fetch_site, origin) {
            (Some("same-origin" | "none"), _) => Self::Own,
            (_, Some(origin)) if is_own(origin) => Self::Own,
            (None, None) => Self::Unsaid,
            _ => Self::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RequestSite::{self, Foreign, Own, Unsaid};

    const OWN: &str = "https://app.example.com";

    #[test]
    fn every_combination_of_the_two_headers() {
        let origins = [
            None,
            Some(OWN),
            Some("https://evil.example"),
            Some("https://other.example.com"),
            Some("http://app.example.com"),
            Some("https://app.example.com:8443"),
            Some("https://app.example.com."),
            Some("https://app.example.com, https://evil.example"),
            Some("HTTPS://app.example.com"),
            Some("null"),
            Some(""),
        ];
        let fetch_sites = [
            None,
            Some("same-origin"),
            Some("none"),
            Some("same-site"),
            Some("cross-site"),
            Some("SAME-ORIGIN"),
            Some("same-origin, cross-site"),
            Some(" same-origin"),
            Some(""),
        ];
        for origin in origins {
            for fetch_site in fetch_sites {
                let expected = match (fetch_site, origin) {
                    (Some("same-origin" | "none"), _) | (_, Some(OWN)) => Own,
                    (None, None) => Unsaid,
                    _ => Foreign,
                };
                let site = RequestSite::of(fetch_site, origin, |origin| origin == OWN);
                assert_eq!(site, expected, "{fetch_site:?} {origin:?}");
            }
        }
    }
}
