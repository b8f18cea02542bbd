//! As much of CBOR (RFC 8949) as authenticators write: maps of a length that is said beforehand, with nothing twice.

use minicbor::data::Type;
use minicbor::decode::Decoder;

/// The members of an attestation object (Web Authentication §6.5), as far as they matter: the authenticator data.
///
/// Exactly the three members that there are, in any order; the statement of format `none` is empty, and any other is
/// passed over. Nothing follows.
pub(super) fn authenticator_data(object: &[u8]) -> Option<&[u8]> {
    let mut decoder = Decoder::new(object);
    let (mut format, mut statement, mut data) = (None, None, None);
    for _ in 0..decoder.map().ok()?.filter(|members| *members == 3)? {
        match decoder.str().ok()? {
            "fmt" if format.is_none() => format = Some(decoder.str().ok()?),
            "attStmt" if statement.is_none() => statement = Some(skip_map(&mut decoder)?),
            "authData" if data.is_none() => data = Some(decoder.bytes().ok()?),
            _ => return None,
        }
    }
    let none_is_empty = format? != "none" || statement? == 0;
    (none_is_empty && decoder.position() == object.len()).then_some(data).flatten()
}

/// Passes a map over, whatever is in it, and says how many members it has.
pub(super) fn skip_map(decoder: &mut Decoder<'_>) -> Option<u64> {
    if decoder.datatype().ok()? != Type::Map {
        return None;
    }
    let members = decoder.probe().map().ok()??;
    decoder.skip().ok()?;
    Some(members)
}
