//! The proofs of possession that requests have used: each is used once.
//!
//! They are remembered here, by whoever writes the account, so that of two requests with one proof one is carried out,
//! wherever they arrive.

use super::Account;
use crate::object::records::{self, Expiring};
use crate::object::transaction::commit;
use postern_core::dpop::{ProofUse, ReplayRefusal, ShownKey, use_proof};
use postern_core::id::OperationId;
use postern_core::time::UnixMillis;
use worker::Result;

/// What is remembered: by the digest of a proof, the request that has used it.
pub(super) const PROOFS: &str = "proofs";
/// How much longer: a clock that is set back by less brings no proof back.
const KEPT_LONGER_MILLIS: u64 = 60_000;

impl Account<'_> {
    /// Uses a proof up for the request that brought it: why not, if it may not be used. What it is for has been decided,
    /// so that only holders of a right token, factor or password have something remembered.
    pub(super) fn refuse_proof(&self, shown: Option<&ShownKey>) -> Result<Option<ReplayRefusal>> {
        let Some(shown) = shown else { return Ok(None) };
        let (storage, most) = (self.state.storage(), self.environment.config().dpop().proofs_per_account);
        let (sql, kept) = (storage.sql(), self.now.as_millis().saturating_sub(KEPT_LONGER_MILLIS));
        let table = Expiring::new(&sql, PROOFS);
        commit(&storage, || {
            records::create_expiring(&sql, &[PROOFS])?;
            table.forget(UnixMillis::new(kept))?;
            let known: Option<OperationId> = table.get(&shown.id)?;
            let is_full = known.is_none() && table.holds(most)?;
            match use_proof(shown, known, is_full, self.now) {
                ProofUse::Remember => {
                    table.put(&shown.id, &shown.request, shown.usable_until)?;
                    Ok(None)
                }
                ProofUse::Repeated => Ok(None),
                ProofUse::Refused(refusal) => Ok(Some(refusal)),
            }
        })
    }
}
