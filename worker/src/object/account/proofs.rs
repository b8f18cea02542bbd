//! The proofs of possession that requests have used: each is used once.
//!
//! They are remembered here, by whoever writes the account, so that of two requests with one proof one is carried out,
//! wherever they arrive.

use super::Account;
use crate::object::records::{self, Expiring};
use crate::object::transaction::commit;
use postern_core::dpop::{ProofRoom, ProofUse, ReplayRefusal, ShownKey, use_proof};
use postern_core::id::OperationId;
use postern_core::time::UnixMillis;
use worker::Result;

/// What is remembered: by the key and the digest of a proof, the request that has used it.
pub(super) const PROOFS: &str = "proofs";
/// How much longer: a clock that is set back by less brings no proof back.
const KEPT_LONGER_MILLIS: u64 = 60_000;

impl Account<'_> {
    /// Uses a proof up for the request that brought it: why not, if it may not be used. What it is for has been decided,
    /// so that only holders of a right token, factor or password have something remembered.
    pub(super) fn refuse_proof(&self, shown: Option<&ShownKey>) -> Result<Option<ReplayRefusal>> {
        let Some(shown) = shown else { return Ok(None) };
        let (storage, settings) = (self.state.storage(), self.environment.config().dpop());
        let (sql, kept) = (storage.sql(), self.now.as_millis().saturating_sub(KEPT_LONGER_MILLIS));
        let table = Expiring::new(&sql, PROOFS);
        // Those of one key lie side by side, so that they are counted without a look at the others.
        let of_key = format!("{}.", shown.thumbprint);
        let id = [of_key.as_str(), &shown.id].concat();
        commit(&storage, || {
            records::create_expiring(&sql, &[PROOFS])?;
            table.forget(UnixMillis::new(kept))?;
            let known: Option<OperationId> = table.get(&id)?;
            let room = if known.is_some() {
                ProofRoom::Left
            } else if table.holds_starting_with(&of_key, settings.proofs_per_key)? {
                ProofRoom::KeyFull
            } else if table.holds(settings.proofs_per_account)? {
                ProofRoom::Full
            } else {
                ProofRoom::Left
            };
            match use_proof(shown, known, room, self.now) {
                ProofUse::Remember => {
                    table.put(&id, &shown.request, shown.usable_until)?;
                    Ok(None)
                }
                ProofUse::Repeated => Ok(None),
                ProofUse::Refused(refusal) => Ok(Some(refusal)),
            }
        })
    }
}
