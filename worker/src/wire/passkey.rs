//! The JSON of Web Authentication Level 3: what `PublicKeyCredential.parseCreationOptionsFromJSON` and
//! `parseRequestOptionsFromJSON` take (§5.1.8, §5.1.9), and what `toJSON` of a credential gives (§5.1.7).

use crate::wire::body::Body;
use crate::wire::problem::Problem;
use postern_core::codec::base16;
use postern_core::passkey::{ALGORITHMS, Assertion, Octets, Passkey, PasskeyUse, Registration};
use serde::Serialize;

/// The most bytes of a credential id (§7.1 step 25).
const MAX_ID_BYTES: usize = 1023;
/// More than any part of a response that is looked at; the body has a limit of its own.
const MAX_PART_BYTES: usize = 32 * 1024;
/// §5.8.2 and §5.1.1: five minutes, as long as our challenges live.
const TIMEOUT_MILLISECONDS: u32 = 300_000;
/// §5.8.4. What a browser says besides is not kept.
const TRANSPORTS: [&str; 6] = ["usb", "nfc", "ble", "smart-card", "hybrid", "internal"];

/// `PublicKeyCredentialCreationOptionsJSON`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreationOptions<'a> {
    rp: Entity<'a>,
    user: User<'a>,
    challenge: &'a str,
    pub_key_cred_params: Vec<Parameters>,
    timeout: u32,
    exclude_credentials: Vec<Descriptor<'a>>,
    authenticator_selection: Selection,
    attestation: &'static str,
}

#[derive(Serialize)]
struct Entity<'a> {
    id: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User<'a> {
    id: &'a str,
    name: &'a str,
    display_name: &'a str,
}

#[derive(Serialize)]
struct Parameters {
    r#type: &'static str,
    alg: i64,
}

#[derive(Serialize)]
struct Descriptor<'a> {
    r#type: &'static str,
    id: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    transports: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    resident_key: &'static str,
    require_resident_key: bool,
    user_verification: &'static str,
}

/// Who is asked for a new passkey, and for what.
pub(crate) struct NewPasskey<'a> {
    pub(crate) relying_party: (&'a str, &'a str),
    pub(crate) user_handle: &'a str,
    /// What tells the account apart for its owner, and what its owner is called.
    pub(crate) names: (&'a str, &'a str),
    pub(crate) challenge: &'a str,
    pub(crate) registered_for: PasskeyUse,
}

impl<'a> CreationOptions<'a> {
    pub(crate) fn new(new: &NewPasskey<'a>, existing: &'a [Passkey]) -> Self {
        // One that signs in is found without a name, and verifies its user; one that stands behind another way in need
        // not take up the room for it.
        let (resident_key, user_verification) = match new.registered_for {
            PasskeyUse::SignIn => ("required", "required"),
            PasskeyUse::SecondFactor => ("discouraged", "discouraged"),
        };
        let ((id, name), (user_name, display_name)) = (new.relying_party, new.names);
        Self {
            rp: Entity { id, name },
            user: User { id: new.user_handle, name: user_name, display_name },
            challenge: new.challenge,
            pub_key_cred_params: ALGORITHMS
                .into_iter()
                .map(|alg| Parameters { r#type: "public-key", alg })
                .collect(),
            timeout: TIMEOUT_MILLISECONDS,
            exclude_credentials: descriptors(existing),
            authenticator_selection: Selection {
                resident_key,
                require_resident_key: resident_key == "required",
                user_verification,
            },
            attestation: "none",
        }
    }
}

/// `PublicKeyCredentialRequestOptionsJSON`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestOptions<'a> {
    challenge: &'a str,
    timeout: u32,
    rp_id: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allow_credentials: Vec<Descriptor<'a>>,
    user_verification: &'static str,
}

impl<'a> RequestOptions<'a> {
    /// For whoever it may be.
    pub(crate) fn alone(rp_id: &'a str, challenge: &'a str) -> Self {
        let (timeout, allow_credentials) = (TIMEOUT_MILLISECONDS, Vec::new());
        Self { challenge, timeout, rp_id, allow_credentials, user_verification: "required" }
    }

    /// For the owner of these within a session. One that can verify its user should: it may have to be two factors.
    pub(crate) fn again(rp_id: &'a str, challenge: &'a str, passkeys: &'a [Passkey]) -> Self {
        Self { user_verification: "preferred", ..Self::behind(rp_id, challenge, passkeys) }
    }

    /// For the owner of these, who has shown another factor.
    pub(crate) fn behind(rp_id: &'a str, challenge: &'a str, passkeys: &'a [Passkey]) -> Self {
        let (timeout, allow_credentials) = (TIMEOUT_MILLISECONDS, descriptors(passkeys));
        Self { challenge, timeout, rp_id, allow_credentials, user_verification: "discouraged" }
    }
}

fn descriptors(passkeys: &[Passkey]) -> Vec<Descriptor<'_>> {
    let described = passkeys.iter().map(|passkey| Descriptor {
        r#type: "public-key",
        id: passkey.id.to_text(),
        transports: &passkey.transports,
    });
    described.collect()
}

/// A passkey as its owner sees it.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    id: String,
    name: &'a str,
    registered_for: PasskeyUse,
    /// As a UUID; zeros if the authenticator does not say what it is.
    aaguid: String,
    can_sign_in: bool,
    is_backup_eligible: bool,
    is_backed_up: bool,
    transports: &'a [String],
    created_at: u64,
    last_used_at: Option<u64>,
}

impl<'a> Shown<'a> {
    pub(crate) fn of(passkey: &'a Passkey) -> Self {
        let digits = base16::encode(passkey.aaguid.as_bytes());
        let groups = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
        let aaguid = groups.map(|(from, to)| digits.get(from..to).unwrap_or_default()).join("-");
        Self {
            id: passkey.id.to_text(),
            name: &passkey.name,
            registered_for: passkey.registered_for,
            aaguid,
            can_sign_in: passkey.is_user_verified,
            is_backup_eligible: passkey.is_backup_eligible,
            is_backed_up: passkey.is_backed_up,
            transports: &passkey.transports,
            created_at: passkey.created_at.as_millis(),
            last_used_at: passkey.last_used_at.map(|at| at.as_millis()),
        }
    }
}

/// Reads a passkey's id, as it stands in a path.
pub(crate) fn id(text: &str) -> Option<Octets> {
    Octets::parse(text, MAX_ID_BYTES).ok()
}

/// Reads a `RegistrationResponseJSON`, and how browsers reach the passkey.
pub(crate) fn registration(
    body: &mut Body,
    field: &'static str,
) -> Result<(Registration, Vec<String>), Problem> {
    let (id, mut response) = credential(body, field)?;
    let client_data = part(&mut response, "clientDataJSON")?;
    let attestation = part(&mut response, "attestationObject")?;
    let mut transports = response.texts("transports", 16)?;
    transports.retain(|transport| TRANSPORTS.contains(&transport.as_str()));
    transports.dedup();
    Ok((Registration { id, client_data, attestation }, transports))
}

/// Reads an `AuthenticationResponseJSON`.
pub(crate) fn assertion(body: &mut Body, field: &'static str) -> Result<Assertion, Problem> {
    let (id, mut response) = credential(body, field)?;
    Ok(Assertion {
        id,
        client_data: part(&mut response, "clientDataJSON")?,
        authenticator_data: part(&mut response, "authenticatorData")?,
        signature: part(&mut response, "signature")?,
        user_handle: if response.has("userHandle") { Some(part(&mut response, "userHandle")?) } else { None },
    })
}

/// The id of a credential, and its response.
fn credential(body: &mut Body, field: &'static str) -> Result<(Octets, Body), Problem> {
    let mut credential = body.object(field)?;
    if credential.text("type")? != "public-key" {
        return Err(Problem::invalid_field("type", "must be public-key"));
    }
    let id = octets(&mut credential, "id", MAX_ID_BYTES)?;
    Ok((id, credential.object("response")?))
}

fn part(body: &mut Body, field: &'static str) -> Result<Octets, Problem> {
    octets(body, field, MAX_PART_BYTES)
}

fn octets(body: &mut Body, field: &'static str, most: usize) -> Result<Octets, Problem> {
    Octets::parse(&body.text(field)?, most).map_err(|error| Problem::invalid_field(field, error))
}
