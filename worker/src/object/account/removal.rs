//! The operator's order to remove the second factors of somebody who has lost them.

use super::commit::{Change, Order, OrderAnswer};
use super::{Account, FactorAnswer, FactorRefusal};
use crate::object::orders::{self, Known, ORDERS};
use crate::object::records;
use postern_core::account::{AccountRecord, AccountStatus, Actor, StatusReason};
use postern_core::factor::{FactorChange, FactorRecord};
use postern_core::session::{self, RevokeReason};
use worker::Result;

impl Account<'_> {
    /// Removes all second factors by order of an operator, for whoever has lost them: authenticator, backup codes, and
    /// passkeys that were registered to stand behind another way in, or all where every login asks for one. Every session ends, and no login waits for a factor
    /// any more. What came of it is remembered in any case: a late repetition must not remove what
    /// was enrolled since.
    pub(super) fn remove_factors(
        &self,
        seed: AccountRecord,
        operation: &str,
        reason: &StatusReason,
    ) -> Result<FactorAnswer> {
        let sql = self.sql();
        let told = records::write(&("remove_second_factor", reason))?;
        if records::exist(&sql, ORDERS)? {
            match orders::look_up(&sql, operation, &told, self.now)? {
                Known::Answered(answer) => return Ok(answer),
                Known::Reused => return Ok(FactorAnswer::Refused(FactorRefusal::OperationReused)),
                Known::New => {}
            }
        }
        let tenant = seed.tenant.clone();
        let account = self.load()?.unwrap_or(seed);
        if account.tenant != tenant || account.status == AccountStatus::Purged {
            return Ok(FactorAnswer::Refused(FactorRefusal::Unknown));
        }
        let passkeys = self.passkeys()?;
        let (change, answer) = if self.is_guarded(&self.factors()?.unwrap_or_default(), &passkeys) {
            let revoke = RevokeReason::AdminRevokeAll;
            let ended = session::revoke_all(&account, &self.sessions()?, revoke, None, self.now);
            let is_demanded = self.environment.config().second_factor().required_for_login;
            let detail = format!("by {}: {}", Actor::Operator.name(), reason.as_str());
            let change = Change {
                factors: Some(FactorRecord::default()),
                passkeys: Some(passkeys.without_second_factors(is_demanded)),
                put: ended.revoked,
                notices: ended.notices,
                event: Some(FactorChange::Removed.event()),
                detail: Some(detail),
                factor_told: Some(FactorChange::Removed),
                ..Change::of(ended.account)
            };
            (change, FactorAnswer::Done { pending: false })
        } else {
            (Change::of(account), FactorAnswer::Refused(FactorRefusal::NotEnrolled))
        };
        let remembered = OrderAnswer::Factor(answer.clone());
        let order = Order { operation: operation.into(), told, answer: remembered };
        self.commit(Change { order: Some(order), ..change })?;
        Ok(answer)
    }
}
