//! Against a second reader, `serde_json`: what we accept it accepts with the same value, and what we refuse beyond
//! it is what the module says.

use super::*;
use proptest::prelude::*;
use serde_json::Value as Other;
use std::collections::HashSet;
use std::string::{String, ToString as _};
use std::vec::Vec;
use std::{format, vec};

fn to_other(value: Value<'_>) -> Other {
    match value.kind() {
        Kind::Null => Other::Null,
        Kind::Bool => Other::Bool(value.as_bool().unwrap()),
        Kind::Number => serde_json::from_str(value.raw()).unwrap(),
        Kind::Text => Other::String(value.as_text().unwrap().to_cow().into_owned()),
        Kind::Array => value.elements().unwrap().map(to_other).collect(),
        Kind::Object => value
            .members()
            .unwrap()
            .map(|(name, value)| (name.to_cow().into_owned(), to_other(value)))
            .collect(),
    }
}

/// Reads with `serde_json`, but notices two members of one name.
struct NoticesDuplicates;

impl<'de> serde::de::DeserializeSeed<'de> for NoticesDuplicates {
    type Value = bool;
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for NoticesDuplicates {
    type Value = bool;
    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut elements: A) -> Result<bool, A::Error> {
        let mut found = false;
        while let Some(inner) = elements.next_element_seed(NoticesDuplicates)? {
            found |= inner;
        }
        Ok(found)
    }
    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let mut names = HashSet::new();
        let mut found = false;
        while let Some(name) = members.next_key::<String>()? {
            found |= !names.insert(name);
            found |= members.next_value_seed(NoticesDuplicates)?;
        }
        Ok(found)
    }
}

fn has_duplicates(bytes: &[u8]) -> bool {
    use serde::de::DeserializeSeed as _;
    NoticesDuplicates.deserialize(&mut serde_json::Deserializer::from_slice(bytes)).unwrap()
}

fn agrees(bytes: &[u8]) {
    let shown = String::from_utf8_lossy(bytes).into_owned();
    match (parse(bytes), serde_json::from_slice::<Other>(bytes)) {
        (Ok(ours), Ok(theirs)) => {
            assert_eq!(to_other(ours), theirs, "{shown}");
            assert!(!has_duplicates(bytes), "{shown}");
            assert!(depth_within(bytes, MAX_DEPTH), "{shown}");
        }
        (Ok(_), Err(theirs)) => panic!("we accept what serde_json refuses: {shown}: {theirs}"),
        (Err(JsonError::DuplicateMember), Ok(_)) => assert!(has_duplicates(bytes), "{shown}"),
        (Err(JsonError::TooDeep), Ok(_)) => assert!(!depth_within(bytes, MAX_DEPTH), "{shown}"),
        // The module refuses the last decade of doubles with what lies beyond them.
        (Err(JsonError::NumberTooLarge), _) | (Err(_), Err(_)) => {}
        (Err(ours), Ok(_)) => panic!("we refuse what serde_json accepts: {shown}: {ours}"),
    }
}

#[test]
fn the_grammar_is_that_of_rfc_8259() {
    for text in [
        r#"{"a":[1,-2.5e3,0.1E-2,true,false,null,"x",{},[]],"b":{"c":"d"}}"#,
        " \t\r\n[ 1 , 2 ]\n",
        r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é 😀""#,
        "0",
        "-0",
        r#"{"":0}"#,
        r#"[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]"#,
        "\"\u{7f}\u{2028}\"",
    ] {
        parse(text.as_bytes()).unwrap();
        agrees(text.as_bytes());
    }
}

#[test]
fn everything_else_is_refused_by_name() {
    let cases: &[(&[u8], JsonError)] = &[
        (b"", JsonError::Syntax),
        (b" ", JsonError::Syntax),
        (b"{", JsonError::Syntax),
        (b"[1,]", JsonError::Syntax),
        (b"[,1]", JsonError::Syntax),
        (b"[1 2]", JsonError::Syntax),
        (b"[1}", JsonError::Syntax),
        (b"{\"a\":1]", JsonError::Syntax),
        (b"{\"a\":1,}", JsonError::Syntax),
        (b"{,}", JsonError::Syntax),
        (b"{\"a\"}", JsonError::Syntax),
        (b"{\"a\":}", JsonError::Syntax),
        (b"{a:1}", JsonError::Syntax),
        (b"{1:1}", JsonError::Syntax),
        (b"{'a':1}", JsonError::Syntax),
        (b"{\"a\" 1}", JsonError::Syntax),
        (b"// x\n1", JsonError::Syntax),
        (b"\xef\xbb\xbf{}", JsonError::Syntax),
        (b"\x0b1", JsonError::Syntax),
        (b"tru", JsonError::Syntax),
        (b"True", JsonError::Syntax),
        (b"NaN", JsonError::Syntax),
        (b"-Infinity", JsonError::Syntax),
        (b"+1", JsonError::Syntax),
        (b".5", JsonError::Syntax),
        (b"1.", JsonError::Syntax),
        (b"1e", JsonError::Syntax),
        (b"1e+", JsonError::Syntax),
        (b"-", JsonError::Syntax),
        (b"\"", JsonError::Syntax),
        (b"\"\\\"", JsonError::Syntax),
        (b"\"a\nb\"", JsonError::Syntax),
        (b"\"a\0b\"", JsonError::Syntax),
        (b"\"\\x41\"", JsonError::Syntax),
        (b"\"\\u12\"", JsonError::Syntax),
        (b"\"\\u12g4\"", JsonError::Syntax),
        (b"\"\\U0041\"", JsonError::Syntax),
        (b"01", JsonError::TrailingBytes),
        (b"-01", JsonError::TrailingBytes),
        (b"0x10", JsonError::TrailingBytes),
        (b"{} {}", JsonError::TrailingBytes),
        (b"{}\0", JsonError::TrailingBytes),
        (b"truer", JsonError::TrailingBytes),
        (b"\"\xff\"", JsonError::NotUtf8),
        (b"\"\xc0\xaf\"", JsonError::NotUtf8),
        (b"\"\xed\xa0\x80\"", JsonError::NotUtf8),
        (b"\"\\ud800\"", JsonError::LoneSurrogate),
        (b"\"\\udc00\"", JsonError::LoneSurrogate),
        (b"\"\\ud800\\n\"", JsonError::LoneSurrogate),
        (b"\"\\ud800x\"", JsonError::LoneSurrogate),
        (b"\"\\ud800\\u0041\"", JsonError::LoneSurrogate),
        (b"\"\\ud800\\ud800\"", JsonError::LoneSurrogate),
        (b"1e308", JsonError::NumberTooLarge),
        (b"[-1e9999999999]", JsonError::NumberTooLarge),
        (b"{\"a\":1,\"a\":1}", JsonError::DuplicateMember),
        (b"{\"a\":1,\"b\":2,\"\\u0061\":1}", JsonError::DuplicateMember),
        (b"{\"\":1,\"\":1}", JsonError::DuplicateMember),
        (b"[{\"x\":{\"a\":{\"a\":{}},\"b\":0,\"a\":1}}]", JsonError::DuplicateMember),
        (b"[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", JsonError::TooDeep),
    ];
    for (bytes, error) in cases {
        assert_eq!(parse(bytes).map(Value::raw), Err(*error), "{:?}", String::from_utf8_lossy(bytes));
        agrees(bytes);
    }
}

#[test]
fn one_name_may_stand_in_different_objects() {
    for text in
        [r#"{"a":{"a":{"a":1},"b":1},"b":{"a":1}}"#, r#"[{"a":1},{"a":2}]"#, r#"{"a":1,"A":2,"a ":3}"#]
    {
        parse(text.as_bytes()).unwrap();
        agrees(text.as_bytes());
    }
}

#[test]
fn values_are_typed_when_asked_for() {
    let text =
        br#" {"n":1700000000.75,"i":42,"s":"a\u0062c","l":["x","\n"],"m":["x",1],"o":{"p":[]},"b":true} "#;
    let value = parse(text).unwrap();
    let member = |name| value.member(name).unwrap();
    assert_eq!(member("n").as_numeric_date(), Some(crate::time::UnixSeconds::new(1_700_000_000)));
    assert_eq!(member("n").as_integer(), None);
    assert_eq!(member("i").as_integer(), Some(42));
    assert_eq!(member("s").as_integer(), None);
    assert_eq!(member("s").as_text().unwrap().to_cow(), "abc");
    assert!(member("s").as_text().unwrap() == *"abc");
    assert_eq!(member("s").as_text().unwrap().raw(), r"a\u0062c");
    assert_eq!(member("l").as_text_array(), Some(vec!["x".into(), "\n".into()]));
    assert_eq!(member("m").as_text_array(), None);
    assert_eq!(member("b").as_bool(), Some(true));
    assert_eq!(member("o").raw(), r#"{"p":[]}"#);
    assert_eq!(member("o").member("p").unwrap().kind(), Kind::Array);
    assert!(value.member("p").is_none());
    assert_eq!(value.members().unwrap().count(), 7);
    assert!(value.elements().is_none());
}

#[test]
fn integers_are_exact_or_none() {
    let integer = |text: &str| parse(text.as_bytes()).unwrap().as_integer();
    assert_eq!(integer("0"), Some(0));
    assert_eq!(integer("9007199254740991"), Some(MAX_INTEGER));
    for bad in [
        "9007199254740992",
        "18446744073709551616",
        "99999999999999999999999999",
        "-1",
        "-0",
        "1.0",
        "1e0",
        "10e-1",
        "\"1\"",
        "true",
        "null",
        "[1]",
    ] {
        assert_eq!(integer(bad), None, "{bad}");
    }
}

#[test]
fn many_levels_cost_no_stack() {
    let deep = vec![b'['; 1_000_000];
    assert_eq!(parse(&deep).map(Value::raw), Err(JsonError::TooDeep));
    assert!(!depth_within(&deep, MAX_DEPTH));
}

#[test]
fn depth_is_counted_outside_strings_only() {
    assert!(depth_within(br#"{"a":"[[[[\"[[[["}"#, 1));
    assert!(!depth_within(br#"{"a":"[","b":[]}"#, 1));
    assert!(depth_within(b"[[]]", 2));
    assert!(!depth_within(b"[[]]", 1));
    assert!(depth_within(b"[[],[],[]]", 2));
    assert!(depth_within(b"]]]][", 1));
    assert!(!depth_within(b"[", 0));
}

/// Texts that are JSON, or nearly so: every kind of value, freely spaced and escaped, names drawn from few.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?[0-9]{1,4}(\\.[0-9]{0,3})?([eE][+-]?[0-9]{1,3})?",
        "0\\.0{0,3}[0-9]{1,3}e[0-9]{1,2}",
        "[0-9]{15,25}",
        any::<f64>().prop_map(|number| format!("{number:e}")),
        any::<String>().prop_map(|text| Other::String(text).to_string()),
        "\"(\\\\u[0-9a-fA-F]{4}|\\\\u[dD][89abcdefAB][0-9]{2}|\\\\[\"\\\\/bfnrtx]|[ -~]|é|😀){0,6}\"",
        Just("true".into()),
        Just("false".into()),
        Just("null".into()),
    ];
    leaf.prop_recursive(20, 60, 4, |inner| {
        let name = prop_oneof!["\"[ab]?\"", "\"\\\\u006[12]\""];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|all| format!("[{}]", all.join(" ,\n"))),
            proptest::collection::vec((name, inner), 0..4).prop_map(|all| {
                let members: Vec<_> =
                    all.into_iter().map(|(name, value)| format!("{name} :\t{value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn agrees_with_serde_json_on_what_is_nearly_json(text in nearly_json()) {
        agrees(text.as_bytes());
    }

    #[test]
    fn agrees_with_serde_json_around_the_depth_limit(text in nearly_json(), levels in 12usize..20, object: bool) {
        let (open, close) = if object { (r#"{"a":"#, "}") } else { ("[", "]") };
        agrees(format!("{}{text}{}", open.repeat(levels), close.repeat(levels)).as_bytes());
    }

    #[test]
    fn agrees_with_serde_json_on_damaged_json(
        text in nearly_json(),
        at in any::<proptest::sample::Index>(),
        byte in prop_oneof![any::<u8>(), proptest::sample::select(b"\"\\{}[],:0 -.eu".to_vec())],
    ) {
        let mut bytes = text.into_bytes();
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        agrees(&bytes);
    }

    #[test]
    fn agrees_with_serde_json_on_noise(text in "[\\[\\]{}\",:0-9.eE+\\-truefalsn\\\\ ]{0,24}") {
        agrees(text.as_bytes());
    }

    #[test]
    fn a_text_within_the_depth_never_nests_deeper(text in nearly_json(), max in 0usize..20) {
        fn depth(value: &Other) -> usize {
            match value {
                Other::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or(0),
                Other::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
                _ => 0,
            }
        }
        if let Ok(value) = serde_json::from_str::<Other>(&text)
            && !has_duplicates(text.as_bytes())
        {
            prop_assert_eq!(depth_within(text.as_bytes(), max), depth(&value) <= max);
        }
    }
}
