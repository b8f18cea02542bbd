//! The section `passwords`: how they are hashed, which are refused, and which hashes of other systems are taken.

use super::section::Section;
use super::settings::Preset;
use super::url::WebUrl;
use crate::password::{HashKind, HashKinds};
use core::time::Duration;

/// `passwords`: Argon2id (RFC 9106) and the policy for new passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PasswordSettings {
    /// Memory of one hash in KiB, 64 to 65,536, default 19,456 (OWASP).
    pub memory_kib: u32,
    /// Passes over the memory, 1 to 10, default 2.
    pub iterations: u32,
    /// Lanes, 1 to 4, default 1: a Worker has one thread.
    pub parallelism: u32,
    /// The fewest characters of a new password, 8 to 64, default 10.
    pub min_length: u32,
    /// The most bytes of any password, 64 to 1,024, default 1,024.
    pub max_bytes: u32,
    /// Which characters a new password must have, default any.
    pub composition: Composition,
    /// Whether a new password is looked up among those known from breaches, default no.
    pub breach_check: BreachCheck,
    /// The hashes of other systems that a login accepts, default none.
    pub imported: HashKinds,
    /// How long after the password was looked up a failed login is answered at the earliest, 0 to 10,000 milliseconds;
    /// default 0, and with imported hashes what the slowest of their kinds takes.
    pub failure_floor: Duration,
}

/// Which characters a new password must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Composition {
    /// `none`: any, as NIST SP 800-63B-4 §3.1.1.2 demands.
    None,
    /// `mixed`: an upper-case and a lower-case letter, a digit, and a character that is neither.
    Mixed,
}

/// Whether new passwords are looked up among those known from breaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BreachCheck {
    /// `off`: no.
    Off,
    /// `range`: by the range query of Pwned Passwords.
    Range {
        /// Where the query goes; a slash and the prefix follow.
        url: WebUrl,
        /// When to go on without an answer, 100 to 10,000 milliseconds, default 1,000.
        timeout: Duration,
    },
}

/// Why a hash takes no more memory.
const NO_ROOM: &str = ": an isolate has 128 MiB for everything";

impl PasswordSettings {
    pub(super) fn read(mut section: Section<'_>, preset: Preset) -> Self {
        let composition = [("none", Composition::None), ("mixed", Composition::Mixed)];
        let imported = read_imported(&mut section);
        let floor = section.number("failure_floor_ms", slowest_ms(imported), 0..=10_000);
        Self {
            memory_kib: section.number_up_to("memory_kib", 19_456, 64..=65_536, NO_ROOM),
            iterations: section.number("iterations", 2, 1..=10),
            parallelism: section.number("parallelism", 1, 1..=4),
            // 15 where the password may be the only factor: NIST SP 800-63B-4 §3.1.1.2.
            min_length: section.number("min_length", preset.pick((10, 15, 10)), 8..=64),
            max_bytes: section.number("max_bytes", 1_024, 64..=1_024),
            composition: section.choice("composition", Composition::None, &composition),
            breach_check: read_breach_check(&mut section),
            imported,
            failure_floor: Duration::from_millis(floor.into()),
        }
    }
}

fn read_imported(section: &mut Section<'_>) -> HashKinds {
    let mut kinds = HashKinds::NONE;
    for (path, kind) in section.list::<HashKind>("imported").unwrap_or_default() {
        if kinds.contains(kind) {
            section.refuse_at(path, "is listed twice");
        }
        kinds = kinds.with(kind);
    }
    kinds
}

/// What a hash of the costliest parameters in common use takes in a Worker, in milliseconds: bcrypt of cost 12, scrypt
/// of 32 MiB, a million iterations of PBKDF2 (ARCHITECTURE.md, "Measured choices").
fn slowest_ms(kinds: HashKinds) -> u32 {
    let takes = [
        (HashKind::Argon2, 250),
        (HashKind::Bcrypt, 500),
        (HashKind::Scrypt, 500),
        (HashKind::Pbkdf2, 1_000),
    ];
    takes.iter().filter(|(kind, _)| kinds.contains(*kind)).map(|(_, takes)| *takes).max().unwrap_or(0)
}

fn read_breach_check(section: &mut Section<'_>) -> BreachCheck {
    let asks = section.choice("breach_check", false, &[("off", false), ("range", true)]);
    for field in ["breach_url", "breach_timeout_ms"] {
        if !asks && section.has(field) {
            section.refuse(field, "has no effect unless passwords.breach_check is \"range\"");
        }
    }
    let url = section.parsed_or::<WebUrl>("breach_url", "https://api.pwnedpasswords.com/range");
    if url.as_ref().is_some_and(|url| url.as_str().contains('?')) {
        section.refuse("breach_url", "must not have a query");
    }
    let timeout = Duration::from_millis(section.number("breach_timeout_ms", 1_000, 100..=10_000).into());
    match url {
        Some(url) if asks => BreachCheck::Range { url, timeout },
        _ => BreachCheck::Off,
    }
}
