//! The strict JSON reader against serde_json.

use postern_core::json::{self, JsonError, Kind};
use serde_json::Value;

/// What the strict reader accepts, serde_json accepts and reads alike. What only serde_json accepts is one of the
/// things that the strict reader is strict about.
pub(crate) fn agrees_with_serde(data: &[u8]) {
    let theirs: Result<Value, _> = serde_json::from_slice(data);
    match (json::parse(data), theirs) {
        (Ok(ours), Ok(theirs)) => assert!(is_same(ours, &theirs), "read differently"),
        (Ok(_), Err(error)) => panic!("only the strict reader accepts this: {error}"),
        (Err(error), Ok(_)) => assert!(
            matches!(error, JsonError::DuplicateMember | JsonError::TooDeep | JsonError::NumberTooLarge),
            "refused without a reason: {error}"
        ),
        (Err(_), Err(_)) => {}
    }
}

fn is_same(ours: json::Value<'_>, theirs: &Value) -> bool {
    match (ours.kind(), theirs) {
        (Kind::Null, Value::Null) => ours.is_null(),
        (Kind::Bool, Value::Bool(value)) => ours.as_bool() == Some(*value),
        (Kind::Text, Value::String(value)) => ours.as_text().is_some_and(|text| text.to_cow() == *value),
        (Kind::Number, Value::Number(value)) => is_same_number(ours, value),
        (Kind::Array, Value::Array(values)) => {
            let elements: Vec<_> = ours.elements().into_iter().flatten().collect();
            elements.len() == values.len() && elements.into_iter().zip(values).all(|(a, b)| is_same(a, b))
        }
        (Kind::Object, Value::Object(values)) => {
            let members: Vec<_> = ours.members().into_iter().flatten().collect();
            members.len() == values.len()
                && members.into_iter().all(|(name, a)| {
                    values.get(&*name.to_cow()).is_some_and(|b| is_same(a, b))
                        && ours.member(&name.to_cow()).is_some_and(|found| found.raw() == a.raw())
                })
        }
        _ => false,
    }
}

fn is_same_number(ours: json::Value<'_>, theirs: &serde_json::Number) -> bool {
    // An integer is one for both, or beyond what JavaScript reads exactly, or written with a sign or an exponent.
    let integer = theirs.as_u64().filter(|number| *number <= json::MAX_INTEGER);
    let is_same_integer = ours.as_integer().is_none() || ours.as_integer() == integer;
    let seconds = ours.as_numeric_date().map(|date| date.as_secs());
    let floor = theirs.as_f64().map(f64::floor);
    // A double cannot hold every digit that a date may be written with, so a date may differ by its rounding.
    let is_same_date =
        seconds.is_none_or(|date| floor.is_some_and(|floor| (floor - date as f64).abs() <= 1.0));
    is_same_integer && is_same_date
}
