//! Permissions, identifiers and configuration against the vector files under `tests/vectors`.
#![cfg(all(feature = "verify", feature = "config"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that panics fails the test that called it"
)]

use postern_core::config::{Config, Deployment, Environment, MailSender, SessionLimit, ValidationMode};
use postern_core::id::TenantId;
use postern_core::identifier::{
    EmailAddress, Identifier, IdentifierError, PhoneNumber, Username, UsernameError, derive_username,
};
use postern_core::permission::{
    MaskError, MaskWidth, NameError, PermissionBit, PermissionMask, PermissionName, PermissionRegistry,
    RegistryError,
};
use serde_json::Value;

macro_rules! vectors {
    ($path:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../tests/vectors/", $path))).unwrap()
    };
}

fn cases<'a>(file: &'a Value, name: &str) -> &'a [Value] {
    let cases = file[name].as_array().unwrap();
    assert!(!cases.is_empty(), "{name}");
    cases
}

fn text<'a>(case: &'a Value, name: &str) -> &'a str {
    case[name].as_str().unwrap_or_else(|| panic!("{name} of {case}"))
}

fn width(case: &Value, name: &str) -> MaskWidth {
    MaskWidth::from_bits(case[name].as_u64().unwrap()).unwrap()
}

fn names(list: &Value) -> Vec<PermissionName> {
    match list.get("item").and_then(Value::as_u64) {
        Some(count) => (0..count).map(|index| format!("item{index}:use").parse().unwrap()).collect(),
        None => list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().parse().unwrap()).collect(),
    }
}

#[test]
fn masks() {
    let file = vectors!("permission/masks.json");
    for case in cases(&file, "accepted") {
        let mask = PermissionMask::from_text(text(case, "text"), width(case, "width")).unwrap();
        let bits: Vec<u64> = mask.bits().map(|bit| bit.index().into()).collect();
        assert_eq!(Value::from(bits), case["bits"], "{case}");
        assert_eq!(Value::from(mask.is_root()), case["root"], "{case}");
        assert_eq!(mask.to_text(), text(case, "text"));
        let hex: String = mask.write_bytes(&mut [0; 64]).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, text(case, "hex"));
    }
    for case in cases(&file, "rejected") {
        let expected = match text(case, "error") {
            "bad_length" => MaskError::BadLength,
            "not_canonical" => MaskError::NotCanonical,
            "reserved_bit" => MaskError::ReservedBit,
            other => panic!("{other}"),
        };
        assert_eq!(
            PermissionMask::from_text(text(case, "text"), width(case, "width")),
            Err(expected),
            "{case}"
        );
    }
}

#[test]
fn mask_algebra() {
    let file = vectors!("permission/masks.json");
    for case in cases(&file, "algebra") {
        let mask = |name: &str| PermissionMask::from_text(text(case, name), width(case, "width")).unwrap();
        let (a, b) = (mask("a"), mask("b"));
        assert_eq!(a.union(b), Ok(mask("union")), "{case}");
        assert_eq!(a.intersection(b), Ok(mask("intersection")), "{case}");
        assert_eq!(a.difference(b), Ok(mask("difference")), "{case}");
        assert_eq!(Value::from(a.contains_all(&b)), case["a_contains_all_b"], "{case}");
        assert_eq!(Value::from(a.contains_any(&b)), case["a_contains_any_b"], "{case}");
    }
    for case in cases(&file, "widening") {
        let mask = PermissionMask::from_text(text(case, "text"), width(case, "from")).unwrap();
        let widened = mask.widen(width(case, "to")).ok().map(|mask| mask.to_text());
        assert_eq!(Value::from(widened), case["widened"], "{case}");
    }
}

#[test]
fn permission_names() {
    let file = vectors!("permission/registry.json");
    for case in cases(&file, "names") {
        let verdict = match text(case, "name").parse::<PermissionName>() {
            Ok(_) => None,
            Err(NameError::BadLength) => Some("bad_length"),
            Err(NameError::BadParts) => Some("bad_parts"),
            Err(NameError::EmptyPart) => Some("empty_part"),
            Err(NameError::BadCharacter) => Some("bad_character"),
        };
        assert_eq!(Value::from(verdict), case["error"], "{case}");
    }
}

#[test]
fn registries() {
    let file = vectors!("permission/registry.json");
    for case in cases(&file, "registries") {
        let declared = PermissionRegistry::from_declared(names(&case["names"]), width(case, "width"));
        let mut deleted = names(&case["deleted"]).into_iter();
        let registry =
            declared.and_then(|first| deleted.try_fold(first, |registry, name| registry.delete(&name)));
        let registry = match (registry, case["error"].as_str()) {
            (Ok(registry), None) => registry,
            (Err(RegistryError::Full { .. }), Some("full"))
            | (Err(RegistryError::Duplicate(_)), Some("duplicate"))
            | (Err(RegistryError::Unknown(_)), Some("unknown"))
            | (Err(RegistryError::Deleted(_)), Some("deleted")) => continue,
            (registry, _) => panic!("{case}: {registry:?}"),
        };
        assert_eq!(Value::from(registry.version().as_u32()), case["version"], "{case}");
        for (name, bit) in case["bits"].as_object().unwrap() {
            let found = registry.bit_of(name).map(PermissionBit::index);
            assert_eq!(Value::from(found), *bit, "{name}");
        }
        for name in names(&case["deleted"]) {
            assert_eq!(registry.bit_of(name.as_str()), None, "{name}");
        }
        let json = serde_json::to_string(&registry).unwrap();
        assert_eq!(serde_json::from_str::<PermissionRegistry>(&json).unwrap(), registry);
    }
}

#[test]
fn e_mail_addresses() {
    let file = vectors!("identifier/email.json");
    for case in cases(&file, "cases") {
        let parsed = EmailAddress::parse(text(case, "input"));
        let verdict = parsed.as_ref().map_err(|error| match error {
            IdentifierError::Empty => "empty",
            IdentifierError::TooLong => "too_long",
            IdentifierError::InvisibleCharacter => "invisible_character",
            IdentifierError::NotOneAt => "not_one_at",
            IdentifierError::LocalPartLength => "local_part_length",
            IdentifierError::LocalPartCharacter => "local_part_character",
            IdentifierError::LocalPartDots => "local_part_dots",
            IdentifierError::DomainWithoutDot => "domain_without_dot",
            IdentifierError::DomainLabelLength => "domain_label_length",
            IdentifierError::DomainLabelCharacter => "domain_label_character",
            IdentifierError::DomainNumeric => "domain_numeric",
        });
        let expected = case["normal"].as_str().ok_or_else(|| text(case, "error"));
        assert_eq!(verdict.map(EmailAddress::as_str), expected, "{case}");
    }
}

#[test]
fn phone_numbers() {
    let file = vectors!("identifier/phone.json");
    for case in cases(&file, "cases") {
        let parsed = PhoneNumber::parse(text(case, "input"));
        let verdict = parsed.as_ref().map(PhoneNumber::as_str).map_err(|error| error.code());
        let error = case["error"].as_str().map(|name| format!("phone_number_{name}")).unwrap_or_default();
        assert_eq!(verdict, case["normal"].as_str().ok_or(error.as_str()), "{case}");
    }
}

#[test]
fn usernames() {
    let file = vectors!("identifier/username.json");
    for case in cases(&file, "cases") {
        let chosen = Username::choose(text(case, "input"));
        let verdict = chosen.as_ref().map(Username::as_str).map_err(|error| error.code());
        let error = case["error"].as_str().map(|name| format!("username_{name}")).unwrap_or_default();
        assert_eq!(verdict, case["normal"].as_str().ok_or(error.as_str()), "{case}");
        if chosen != Err(UsernameError::Reserved) {
            assert_eq!(Username::parse(text(case, "input")), chosen, "{case}");
        }
    }
    for case in cases(&file, "derived") {
        assert_eq!(derive_username(text(case, "source")).as_str(), text(case, "username"), "{case}");
    }
}

#[test]
fn object_names() {
    let file = vectors!("identifier/object_names.json");
    for case in cases(&file, "cases") {
        let tenant: TenantId = text(case, "tenant").parse().unwrap();
        let identifier = Identifier::parse(text(case, "identifier")).unwrap();
        let bytes = identifier.canonical_bytes(&tenant);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, text(case, "canonical_hex"));
        assert_eq!(text(case, "class"), "intake");
        assert_eq!(identifier.object_name("intake", &tenant).as_str(), text(case, "object_name"));
    }
}

#[test]
fn configurations_that_are_refused() {
    let file = vectors!("config/rejected.json");
    for case in cases(&file, "cases") {
        let errors = Config::from_json(&case["config"].to_string()).expect_err(text(case, "name"));
        let found: Vec<Value> = errors
            .violations()
            .iter()
            .map(|violation| Value::from(vec![violation.path.as_str(), violation.rule.as_str()]))
            .collect();
        assert_eq!(Value::from(found), case["errors"], "{case}");
        assert_eq!(errors.to_string().lines().count(), errors.violations().len());
        assert!(!errors.to_string().contains("s3cret"), "{errors}");
    }
}

#[test]
fn configurations_that_are_accepted_and_what_the_lint_says() {
    let file = vectors!("config/accepted.json");
    for case in cases(&file, "cases") {
        let config =
            Config::from_json(&case["config"].to_string()).unwrap_or_else(|error| panic!("{case}: {error}"));
        let deployment = Deployment { environment: Environment::Production, root_key_present: true };
        let found: Vec<Value> = config
            .lint(deployment)
            .iter()
            .map(|finding| Value::from(vec![finding.severity.as_str(), finding.code]))
            .collect();
        assert_eq!(Value::from(found), case["findings"], "{case}");
    }
}

#[test]
fn texts_that_are_no_configuration() {
    for (bad, rule) in [
        ("", "is not JSON, at line 1 column 0"),
        ("{\"issuer\": \"s3cret", "is not JSON, at line 1 column 18"),
        ("{} {}", "is not JSON, at line 1 column 4"),
        ("{\n  \"issuer\" 1}", "is not JSON, at line 2 column 12"),
        ("{\"a\": 1, \"a\": 2}", "has two members of one name, at line 1 column 13"),
        ("[]", "must be a table"),
        ("null", "must be a table"),
        ("\"issuer\"", "must be a table"),
    ] {
        let errors = Config::from_json(bad).unwrap_err();
        assert_eq!(errors.to_string(), format!("configuration: {rule}"), "{bad}");
    }
}

#[test]
fn too_many_roles() {
    let roles: serde_json::Map<_, _> =
        (0..1_001).map(|index| (format!("r{index}"), Value::Array(vec![]))).collect();
    let config = serde_json::json!({ "issuer": "https://a.b", "permissions": { "roles": roles } });
    let errors = Config::from_json(&config.to_string()).unwrap_err();
    assert_eq!(errors.to_string(), "permissions.roles: must have at most 1000 roles");
}

#[test]
fn defaults_follow_from_the_issuer_and_the_preset() {
    let config = Config::from_json(r#"{"issuer":"https://auth.example.com/x"}"#).unwrap();
    let audience: Vec<_> = config.audience().iter().map(|audience| audience.as_str()).collect();
    assert_eq!(
        (config.issuer().as_str(), audience),
        ("https://auth.example.com/x", vec!["https://auth.example.com/x"])
    );
    assert_eq!((config.client_id().as_str(), config.tenant().as_str()), ("postern", "default"));
    assert_eq!(config.tokens().access_ttl.as_secs(), 300);
    assert_eq!(config.tokens().algorithm_name.as_str(), "EdDSA");
    assert_eq!(config.tokens().root_ttl.as_secs(), 120);
    assert_eq!(config.tokens().max_age, None);
    assert_eq!(config.tokens().max_future_issue.as_secs(), 600);
    assert_eq!(config.sessions().refresh_grace.as_secs(), 30);
    assert!(matches!(config.sessions().limit, SessionLimit::Evict(max) if max.get() == 10));
    assert_eq!(config.validation().mode, ValidationMode::Hybrid);
    assert_eq!(config.permissions().registry, PermissionRegistry::empty(MaskWidth::Bits64));
    assert_eq!(config.permissions().default_role, None);
    assert_eq!(config.mail().set_password_url.as_str(), "https://auth.example.com/x/set-password");
    let strict = Config::from_json(r#"{"issuer":"https://a.b","preset":"high_security"}"#).unwrap();
    assert_eq!(strict.validation().mode, ValidationMode::Strict);
    assert_eq!(strict.sessions().idle_ttl.as_secs(), 86_400);
    assert_eq!(strict.limits().login_per_pair.map(|limit| limit.count()), Some(3));
    assert_eq!(strict.passwords().min_length, 15);
}

#[test]
fn the_development_mailbox_is_refused_in_production() {
    let config = Config::from_json(r#"{"issuer":"http://localhost:8787"}"#).unwrap();
    assert_eq!(config.mail().sender, MailSender::DevelopmentMailbox);
    assert_eq!(config.check_for(Environment::Development), Ok(()));
    let errors = config.check_for(Environment::Production).unwrap_err();
    assert_eq!(errors.to_string(), r#"mail.sender: must not be "development_mailbox" in production"#);
    let bare = Deployment { environment: Environment::Development, root_key_present: false };
    let found: Vec<_> =
        config.lint(bare).iter().map(|finding| (finding.severity.as_str(), finding.code)).collect();
    assert_eq!(found, [("INFO", "root_key_missing"), ("INFO", "mail_not_sent")]);
    let released = Deployment { environment: Environment::Production, ..bare };
    assert!(config.lint(released).iter().all(|finding| finding.severity.as_str() == "HIGH"));
}

#[test]
fn sms_in_the_development_mailbox_are_refused_in_production() {
    let mail = r#""mail":{"sender":"http","url":"https://mail.example.com","from":"a@example.com"}"#;
    let with = |sms: &str| {
        Config::from_json(&format!(r#"{{"issuer":"https://a.b",{mail},"sms":{{"sender":{sms:?}}}}}"#))
            .unwrap()
    };
    assert!(!with("none").sms().is_enabled() && with("development_mailbox").sms().is_enabled());
    assert_eq!(with("none").check_for(Environment::Production), Ok(()));
    let errors = with("development_mailbox").check_for(Environment::Production).unwrap_err();
    assert_eq!(errors.to_string(), r#"sms.sender: must not be "development_mailbox" in production"#);
}

#[test]
fn roles_become_masks() {
    let file = vectors!("config/accepted.json");
    let case = cases(&file, "cases").iter().find(|case| case["name"] == "permissions and roles").unwrap();
    let config = Config::from_json(&case["config"].to_string()).unwrap();
    let permissions = config.permissions();
    assert_eq!(permissions.registry.version().as_u32(), 5);
    let editor = permissions.roles.get("editor").unwrap().mask();
    assert_eq!(editor.width(), MaskWidth::Bits128);
    assert!(permissions.registry.allows(&editor, "docs:write"));
    let reader = permissions.roles.get(permissions.default_role.as_ref().unwrap().as_str()).unwrap();
    assert_eq!(reader.name().as_str(), "reader");
    let mask = reader.mask();
    assert!(
        permissions.registry.allows(&mask, "docs:read") && !permissions.registry.allows(&mask, "docs:write")
    );
    assert!(permissions.roles.get("nobody").unwrap().mask().is_empty());
}
