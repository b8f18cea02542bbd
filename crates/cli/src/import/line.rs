//! One line of the file: a JSON object, taken apart member by member, with every rule that it breaks.

use postern_core::config::{PermissionSettings, UsernameRule};
use postern_core::identifier::{DisplayName, EmailAddress, PhoneNumber, Username};
use postern_core::json::{self, Value};
use postern_core::password::{FirebaseParams, ForeignHash, HashFormat};
use postern_core::permission::{AuthorizationSnapshot, RoleName};
use std::fmt::Display;

/// The most bytes of one line.
pub(crate) const MAX_LINE_BYTES: usize = 64 * 1024;
/// The most roles of one account.
const MAX_ROLES: usize = AuthorizationSnapshot::MOST_ROLES;
/// Milliseconds of 1973-03-03: anything less was meant in seconds.
const EARLIEST_MS: u64 = 100_000_000_000;

/// What every line is checked against.
pub(crate) struct Rules<'a> {
    pub(crate) permissions: &'a PermissionSettings,
    /// Roles that operators have defined besides, where they may.
    pub(crate) defined_roles: &'a [String],
    pub(crate) usernames: UsernameRule,
    pub(crate) firebase: Option<&'a FirebaseParams>,
    /// When the import runs, in milliseconds: nobody was created later.
    pub(crate) now_ms: u64,
}

/// Somebody to be imported.
#[derive(Debug)]
pub(crate) struct Person {
    /// The id in the other system.
    pub(crate) source_id: Option<String>,
    /// Or a phone number, or both.
    pub(crate) email: Option<EmailAddress>,
    pub(crate) email_verified: bool,
    pub(crate) phone: Option<PhoneNumber>,
    pub(crate) phone_verified: bool,
    pub(crate) username: Option<Username>,
    pub(crate) name: DisplayName,
    pub(crate) hash: Option<ForeignHash>,
    pub(crate) roles: Vec<String>,
    /// Those of them that operators have defined, and may delete before the account is written.
    pub(crate) roles_besides: Vec<String>,
    pub(crate) created_at_ms: u64,
}

impl Person {
    /// How it signs in: kind, value, and whether that is proven, the address first.
    pub(crate) fn identifiers(&self) -> impl Iterator<Item = (&'static str, &str, bool)> {
        let email = self.email.as_ref().map(|email| ("email", email.as_str(), self.email_verified));
        let phone = self.phone.as_ref().map(|phone| ("phone", phone.as_str(), self.phone_verified));
        let username = self.username.as_ref().map(|name| ("username", name.as_str(), false));
        [email, phone, username].into_iter().flatten()
    }

    /// Reads one line, or says every rule that it breaks, as `member: rule`.
    pub(crate) fn read(line: &[u8], rules: &Rules<'_>) -> Result<Self, Vec<String>> {
        if line.len() > MAX_LINE_BYTES {
            return Err(vec![format!("has more than {MAX_LINE_BYTES} bytes")]);
        }
        let value = json::parse(line).map_err(|error| vec![error.to_string()])?;
        let mut members = Members::of(value)?;
        let person = members.person(rules);
        match person {
            Some(person) if members.broken.is_empty() => Ok(person),
            _ => Err(members.broken),
        }
    }
}

struct Members<'a> {
    object: Value<'a>,
    broken: Vec<String>,
}

impl<'a> Members<'a> {
    const KNOWN: [&'static str; 12] = [
        "id",
        "email",
        "email_verified",
        "phone",
        "phone_verified",
        "username",
        "name",
        "password_hash",
        "hash_format",
        "password_salt",
        "roles",
        "created_at",
    ];

    fn of(object: Value<'a>) -> Result<Self, Vec<String>> {
        let members = object.members().ok_or_else(|| vec!["is not a JSON object".to_owned()])?;
        let mut broken = Vec::new();
        for (name, _) in members {
            let name = name.to_cow();
            if !Self::KNOWN.contains(&name.as_ref()) {
                // A name may be anything, so it is quoted only where it looks like one.
                let plain =
                    name.len() <= 32 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                let shown = if plain { name.as_ref() } else { "a member" };
                broken.push(format!("{shown}: is not known here"));
            }
        }
        Ok(Self { object, broken })
    }

    /// Reads everything even after an error, so that a line is mended once.
    fn person(&mut self, rules: &Rules<'_>) -> Option<Person> {
        let source_id = self.text("id");
        if source_id.as_deref().is_some_and(|id| id.is_empty() || id.len() > 256) {
            self.refuse("id", "must have 1 to 256 bytes");
        }
        if self.get("email").is_none() && self.get("phone").is_none() {
            self.refuse("email", "is required unless there is a phone");
        }
        let email = self.text("email").and_then(|text| self.check("email", EmailAddress::parse(&text)));
        let phone = self.text("phone").and_then(|text| self.check("phone", PhoneNumber::parse(&text)));
        let name = match self.text("name") {
            Some(text) => self.check("name", DisplayName::parse(&text)),
            None if self.get("email").is_none() && self.get("name").is_none() => {
                // A number is nobody's name.
                self.refuse("name", "is required without an email");
                None
            }
            None => email.as_ref().and_then(|email| DisplayName::parse(email.local_part()).ok()),
        };
        let username = self.username(rules.usernames);
        let hash = self.hash(rules);
        let roles = self.roles(rules);
        let [email_verified, phone_verified] = [("email_verified", "email"), ("phone_verified", "phone")]
            .map(|(flag, of)| {
                let is_verified = self.flag(flag);
                if is_verified && self.get(of).is_none() {
                    self.refuse(flag, format_args!("has no {of} beside it"));
                }
                is_verified
            });
        let created_at_ms = self.created_at(rules);
        let name = name?;
        let is_besides = |role: &&String| rules.permissions.roles.get(role).is_none();
        let roles_besides = roles.iter().filter(is_besides).cloned().collect();
        Some(Person {
            source_id,
            email,
            email_verified,
            phone,
            phone_verified,
            username,
            name,
            hash,
            roles,
            roles_besides,
            created_at_ms,
        })
    }

    fn username(&mut self, rule: UsernameRule) -> Option<Username> {
        match (self.text("username"), rule) {
            (Some(_), UsernameRule::Off) => {
                self.refuse("username", "is not used here: registration.usernames is off");
                None
            }
            (Some(text), _) => self.check("username", Username::choose(&text)),
            (None, UsernameRule::Required | UsernameRule::Derived) => {
                if self.get("username").is_none() {
                    self.refuse("username", "is required: everybody has one here");
                }
                None
            }
            (None, UsernameRule::Off | UsernameRule::Optional) => None,
        }
    }

    fn hash(&mut self, rules: &Rules<'_>) -> Option<ForeignHash> {
        let (text, salt) = (self.text("password_hash"), self.text("password_salt"));
        let named = self.text("hash_format");
        let format = named.as_deref().and_then(HashFormat::named);
        if named.is_some() && format.is_none() {
            let words: Vec<&str> = HashFormat::WORDS.iter().map(|(word, _)| *word).collect();
            self.refuse("hash_format", format_args!("must be one of {}", words.join(", ")));
            return None;
        }
        let Some(text) = text else {
            for name in ["hash_format", "password_salt"] {
                if self.get(name).is_some() {
                    self.refuse(name, "has no password_hash beside it");
                }
            }
            return None;
        };
        self.check("password_hash", ForeignHash::read(&text, format, salt.as_deref(), rules.firebase))
    }

    /// The roles that are named, or the one of every new account.
    fn roles(&mut self, rules: &Rules<'_>) -> Vec<String> {
        let default = || rules.permissions.default_role.iter().map(|role| role.as_str().to_owned()).collect();
        let Some(value) = self.get("roles") else { return default() };
        let Some(roles) = value.as_text_array().filter(|roles| roles.len() <= MAX_ROLES) else {
            self.refuse("roles", format_args!("must be an array of at most {MAX_ROLES} strings"));
            return Vec::new();
        };
        let is_defined =
            |role: &String| rules.permissions.roles.get(role).is_some() || rules.defined_roles.contains(role);
        if !roles.iter().all(|role| role.parse::<RoleName>().is_ok() && is_defined(role)) {
            let rule = if rules.permissions.runtime {
                "must be some of permissions.roles or of those that operators have defined"
            } else {
                "must be some of permissions.roles"
            };
            self.refuse("roles", rule);
        }
        if roles
            .iter()
            .enumerate()
            .any(|(index, role)| roles.iter().skip(index.saturating_add(1)).any(|next| next == role))
        {
            self.refuse("roles", "must not name one twice");
        }
        if let Err(error) = AuthorizationSnapshot::of_roles(roles.clone()).check_size() {
            self.refuse("roles", error);
        }
        roles
    }

    fn created_at(&mut self, rules: &Rules<'_>) -> u64 {
        let Some(value) = self.get("created_at") else { return rules.now_ms };
        match value.as_integer() {
            Some(millis) if (EARLIEST_MS..=rules.now_ms).contains(&millis) => millis,
            _ => {
                self.refuse("created_at", "must be milliseconds since 1970, and not in the future");
                rules.now_ms
            }
        }
    }

    /// A member that is there, and not null.
    fn get(&self, name: &str) -> Option<Value<'a>> {
        self.object.member(name).filter(|value| !value.is_null())
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let value = self.get(name)?;
        let text = value.as_text().map(|text| text.to_cow().into_owned());
        if text.is_none() {
            self.refuse(name, "must be a string");
        }
        text
    }

    fn flag(&mut self, name: &str) -> bool {
        let Some(value) = self.get(name) else { return false };
        value.as_bool().unwrap_or_else(|| {
            self.refuse(name, "must be true or false");
            false
        })
    }

    fn check<T>(&mut self, name: &str, found: Result<T, impl Display>) -> Option<T> {
        found.map_err(|error| self.refuse(name, error)).ok()
    }

    fn refuse(&mut self, name: &str, rule: impl Display) {
        self.broken.push(format!("{name}: {rule}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use postern_core::config::Config;
    use postern_core::password::HashKind;

    const NOW_MS: u64 = 1_800_000_000_000;
    const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuu7EJV7kdjBBQxyb0HjTh9KS7.Lah/6CG";

    fn read(line: &str) -> Result<Person, Vec<String>> {
        read_with(line, UsernameRule::Optional)
    }

    fn read_with(line: &str, usernames: UsernameRule) -> Result<Person, Vec<String>> {
        let config = r#"{"issuer": "https://a.example", "permissions":
            {"names": ["docs:read"], "roles": {"user": ["docs:read"], "admin": ["docs:read"]}, "default_role": "user"}}"#;
        let config = Config::from_json(config).expect("valid");
        let rules = Rules {
            permissions: config.permissions(),
            defined_roles: &["clerk".to_owned()],
            usernames,
            firebase: None,
            now_ms: NOW_MS,
        };
        Person::read(line.as_bytes(), &rules)
    }

    #[test]
    fn a_line_may_say_everything_or_only_an_address() {
        let person = read(&format!(
            r#"{{"id": "17", "email": " Ann@Example.com", "email_verified": true, "name": "Ann", "password_hash": "{BCRYPT}",
                "hash_format": "bcrypt", "password_salt": null, "roles": ["admin"], "created_at": 1700000000000}}"#
        ))
        .expect("valid");
        assert_eq!(person.email.as_ref().map(EmailAddress::as_str), Some("ann@example.com"));
        assert_eq!((person.source_id.as_deref(), person.email_verified), (Some("17"), true));
        assert_eq!(
            (person.roles.as_slice(), person.created_at_ms),
            (["admin".to_owned()].as_slice(), 1_700_000_000_000)
        );
        assert_eq!(person.hash.and_then(|hash| hash.kind()), Some(HashKind::Bcrypt));

        let person = read(r#"{"email": "bob@example.com"}"#).expect("valid");
        assert_eq!((person.name.as_str(), person.roles), ("bob", vec!["user".to_owned()]));
        assert_eq!((person.hash, person.email_verified, person.created_at_ms), (None, false, NOW_MS));
        assert_eq!((person.phone, person.phone_verified), (None, false));
    }

    #[test]
    fn roles_are_the_configurations_or_those_that_operators_have_defined() {
        let person = read(r#"{"email": "a@b.example", "roles": ["admin", "clerk"]}"#).expect("valid");
        assert_eq!(
            (person.roles, person.roles_besides),
            (vec!["admin".into(), "clerk".into()], vec!["clerk".into()])
        );
        let broken = read(r#"{"email": "a@b.example", "roles": ["clerk", "nobody"]}"#).expect_err("unknown");
        assert_eq!(broken, ["roles: must be some of permissions.roles"]);
    }

    #[test]
    fn a_number_stands_beside_an_address_or_in_its_place() {
        let number = |person: &Person| person.phone.as_ref().map(|phone| phone.as_str().to_owned());
        let line = r#"{"phone": "+49 170 1234567", "phone_verified": true, "name": "Ann"}"#;
        let person = read(line).expect("valid");
        assert_eq!((person.email.as_ref(), number(&person)), (None, Some("+491701234567".into())));
        assert!(person.phone_verified && !person.email_verified);
        let person = read(r#"{"email": "a@b.example", "phone": "+491701234567"}"#).expect("valid");
        assert!(person.email.is_some() && person.phone.is_some() && !person.phone_verified);
    }

    #[test]
    fn usernames_are_as_the_configuration_wants_them() {
        let (with, without) =
            (r#"{"email": "a@b.example", "username": "Ann_B"}"#, r#"{"email": "a@b.example"}"#);
        let named = read_with(with, UsernameRule::Required).expect("valid").username.expect("a name");
        assert_eq!(named, Username::choose("Ann_B").expect("a name"));
        assert!(read_with(without, UsernameRule::Optional).expect("valid").username.is_none());
        for (line, rule) in
            [(with, UsernameRule::Off), (without, UsernameRule::Required), (without, UsernameRule::Derived)]
        {
            let broken = read_with(line, rule).expect_err(line);
            assert!(
                broken.len() == 1 && broken.iter().all(|rule| rule.starts_with("username: is ")),
                "{broken:?}"
            );
        }
        let broken = read(r#"{"email": "a@b.example", "username": "?"}"#).expect_err("no name");
        assert!(broken.iter().all(|rule| rule.starts_with("username: ")), "{broken:?}");
    }

    #[test]
    fn every_broken_rule_is_named_and_nothing_is_quoted() {
        let cases: &[(&str, &[&str])] = &[
            ("", &["is not JSON"]),
            ("[]", &["is not a JSON object"]),
            ("{}", &["email: is required unless there is a phone", "name: is required"]),
            (r#"{"email": null, "name": "A"}"#, &["email: is required unless there is a phone"]),
            (r#"{"phone": "+491701234567"}"#, &["name: is required without an email"]),
            (r#"{"phone": "0170 secret", "name": "A"}"#, &["phone: must begin with +"]),
            (r#"{"phone": 7, "name": "A"}"#, &["phone: must be a string"]),
            (
                r#"{"email": "a@b.example", "phone_verified": true}"#,
                &["phone_verified: has no phone beside it"],
            ),
            (
                r#"{"phone": "+491701234567", "name": "A", "email_verified": true}"#,
                &["email_verified: has no email beside it"],
            ),
            (r#"{"email": 7}"#, &["email: must be a string"]),
            (r#"{"email": "secret-address"}"#, &["email: "]),
            (r#"{"email": "a@b.example", "email": "a@b.example"}"#, &["has two members of one name"]),
            (r#"{"email": "a@b.example", "surname": "x"}"#, &["surname: is not known here"]),
            (r#"{"email": "a@b.example", "secret address": "x"}"#, &["a member: is not known here"]),
            (r#"{"email": "a@b.example", "id": ""}"#, &["id: must have 1 to 256 bytes"]),
            (r#"{"email": "a@b.example", "name": ""}"#, &["name: "]),
            (r#"{"email": "a@b.example", "roles": "user"}"#, &["roles: must be an array"]),
            (r#"{"email": "a@b.example", "roles": ["root"]}"#, &["roles: must be some of permissions.roles"]),
            (r#"{"email": "a@b.example", "roles": ["user", "user"]}"#, &["roles: must not name one twice"]),
            (
                r#"{"email": "a@b.example", "email_verified": "yes"}"#,
                &["email_verified: must be true or false"],
            ),
            (r#"{"email": "a@b.example", "created_at": 1700000000}"#, &["created_at: must be milliseconds"]),
            (
                r#"{"email": "a@b.example", "created_at": 1800000000001}"#,
                &["created_at: must be milliseconds"],
            ),
            (r#"{"email": "a@b.example", "created_at": "2024"}"#, &["created_at: must be milliseconds"]),
            (
                r#"{"email": "a@b.example", "password_hash": "secret-hash"}"#,
                &["password_hash: is of no known format"],
            ),
            (
                r#"{"email": "a@b.example", "password_hash": "$2b$31$x", "hash_format": "bcrypt"}"#,
                &["password_hash: "],
            ),
            (r#"{"email": "a@b.example", "hash_format": "bcrypt"}"#, &["hash_format: has no password_hash"]),
            (
                r#"{"email": "a@b.example", "password_hash": "x", "hash_format": "md5"}"#,
                &["hash_format: must be one of"],
            ),
            (
                r#"{"email": "a@b.example", "password_hash": "QUJD", "hash_format": "firebase_scrypt", "password_salt": "QUJD"}"#,
                &["password_hash: needs the parameters of its Firebase project"],
            ),
            (
                r#"{"email": "secret-address", "name": 1, "created_at": -1, "roles": [1]}"#,
                &["email: ", "name: must be a string", "roles: must be an array", "created_at: must be"],
            ),
        ];
        for (line, expected) in cases {
            let broken = read(line).expect_err(line);
            assert_eq!(broken.len(), expected.len(), "{broken:?}");
            for (rule, expected) in broken.iter().zip(*expected) {
                assert!(rule.starts_with(expected), "{rule} is not {expected}");
                assert!(!rule.contains("secret"), "{rule}");
            }
        }
        let long = format!(r#"{{"email": "{}"}}"#, "a".repeat(MAX_LINE_BYTES));
        assert_eq!(read(&long).expect_err("too long"), ["has more than 65536 bytes"]);
    }
}
