//! The registered claims of a payload where they stand in it: checked, and nothing copied.

use super::claim::ClaimSet;
use super::{Claim, VerifyError};
use crate::codec::base64url;
use crate::id::TenantId;
use crate::json::{self, Text, Value};
use crate::time::UnixSeconds;

/// What a payload says, each registered claim being of its type.
pub(super) struct Facts<'a> {
    present: ClaimSet,
    /// In the order of [`Claim::ALL`]; those that are present.
    values: [Option<Value<'a>>; Claim::ALL.len()],
}

impl<'a> Facts<'a> {
    /// Reads a payload. To be called after its signature has been checked, never before.
    ///
    /// The subject is `sub`, or a custom claim that stands in for it.
    pub(super) fn read(payload: &'a str, subject_claim: Option<&str>) -> Result<Self, VerifyError> {
        let mut facts = Self { present: ClaimSet::none(), values: [None; _] };
        let members = json::parse_members(payload).ok().flatten().ok_or(VerifyError::PayloadMalformed)?;
        let mut stand_in = None;
        for json::Member { name, value, .. } in &members {
            let name = name.to_cow();
            match Claim::from_name(&name) {
                Some(claim) => facts.take(claim, *value)?,
                None if subject_claim.is_some_and(|wanted| *wanted == *name) => stand_in = Some(*value),
                None => {}
            }
        }
        if subject_claim.is_some() {
            facts.present.remove(Claim::Subject);
            if let Some(value) = stand_in {
                facts.take(Claim::Subject, value)?;
            }
        }
        Ok(facts)
    }

    /// Takes one claim in, if its value is of its type.
    fn take(&mut self, claim: Claim, value: Value<'a>) -> Result<(), VerifyError> {
        let slot = self.values.get_mut(claim as usize).filter(|_| is_of_type(claim, value));
        *slot.ok_or(VerifyError::ClaimMalformed(claim))? = Some(value);
        self.present.insert(claim);
        Ok(())
    }

    /// Which claims the token has.
    pub(super) const fn present(&self) -> ClaimSet {
        self.present
    }

    /// The value of a claim, of the claim's type.
    pub(super) fn value(&self, claim: Claim) -> Option<Value<'a>> {
        if self.present.contains(claim) { *self.values.get(claim as usize)? } else { None }
    }

    /// The value of a claim that is a text.
    pub(super) fn text(&self, claim: Claim) -> Option<Text<'a>> {
        self.value(claim)?.as_text()
    }

    /// The value of a claim that is a time.
    pub(super) fn date(&self, claim: Claim) -> Option<UnixSeconds> {
        self.value(claim)?.as_numeric_date()
    }

    /// For whom the token is meant.
    pub(super) fn audiences(&self) -> impl Iterator<Item = Text<'a>> {
        let value = self.value(Claim::Audience);
        let elements = value.and_then(Value::elements).into_iter().flatten().filter_map(Value::as_text);
        value.and_then(Value::as_text).into_iter().chain(elements)
    }
}

/// Whether a value is of the type that a claim has.
fn is_of_type(claim: Claim, value: Value<'_>) -> bool {
    match claim {
        Claim::Issuer
        | Claim::Subject
        | Claim::TokenId
        | Claim::ClientId
        | Claim::SessionId
        | Claim::PermissionMask
        | Claim::Organization
        | Claim::AuthenticationClass => is_text(value),
        Claim::Audience => is_text(value) || are_texts(value),
        Claim::ExpiresAt | Claim::NotBefore | Claim::IssuedAt | Claim::AuthenticatedAt => {
            value.as_numeric_date().is_some()
        }
        Claim::AccountVersion | Claim::RegistryVersion => value.as_integer().is_some(),
        Claim::Roles | Claim::Entitlements | Claim::AuthenticationMethods => are_texts(value),
        Claim::Tenant => value.as_text().is_some_and(|text| TenantId::check(&text.to_cow()).is_ok()),
        Claim::Confirmation => is_confirmation(value),
    }
}

/// No registered text is empty. As every escape stands for a character, that shows without unescaping.
fn is_text(value: Value<'_>) -> bool {
    value.as_text().is_some_and(|text| !text.raw().is_empty())
}

fn are_texts(value: Value<'_>) -> bool {
    value.elements().is_some_and(|mut all| all.all(|element| element.as_text().is_some()))
}

/// Members other than `jkt` mean nothing here and are ignored, as RFC 7800 §3.1 asks.
fn is_confirmation(value: Value<'_>) -> bool {
    value.members().is_some()
        && value.member("jkt").is_none_or(|thumbprint| {
            let text = thumbprint.as_text().map(Text::to_cow);
            text.is_some_and(|text| base64url::decode_array::<32>(text.as_bytes()).is_ok())
        })
}
