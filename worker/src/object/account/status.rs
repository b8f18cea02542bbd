//! The calls that change whether an account may be used.

use super::commit::{Change, Order, OrderAnswer};
use super::{Account, FactorAttempts, PurgeAnswer, StatusAnswer};
use crate::object::orders::{self, Known, ORDERS};
use crate::object::records;
use postern_core::account::{
    self, AccountRecord, AccountStatus, Actor, PurgeOutcome, StatusOutcome, StatusRequest,
};
use postern_core::factor::FactorRecord;
use postern_core::id::TenantId;
use postern_core::time::UnixMillis;
use worker::Result;

impl Account<'_> {
    /// Carries an order out, or answers it again. What came of it is remembered in any case: a late repetition of an
    /// order that changed nothing must change nothing either.
    pub(super) fn set_status(
        &self,
        seed: AccountRecord,
        operation: &str,
        request: StatusRequest,
    ) -> Result<StatusAnswer> {
        let sql = self.sql();
        let told = records::write(&request)?;
        if records::exist(&sql, ORDERS)? {
            match orders::look_up(&sql, operation, &told, self.now)? {
                Known::Answered(answer) => return Ok(answer),
                Known::Reused => return Ok(StatusAnswer::OperationReused),
                Known::New => {}
            }
        }
        let tenant = seed.tenant.clone();
        // Never opened: a proof may be on its way, so what was decided is stored all the same.
        let account = self.load()?.unwrap_or(seed);
        if account.tenant != tenant {
            return Ok(StatusAnswer::Unknown);
        }
        let forgives = request.order.forgives();
        let set = |changed, account: &AccountRecord| StatusAnswer::Set {
            changed,
            account: Box::new(account.clone()),
            pending: false,
        };
        let (change, answer) = match account::change_status(&account, &self.sessions()?, request, self.now) {
            StatusOutcome::Changed { account, revoked, notices } => {
                let answer = set(true, &account);
                let factors = self.settled()?;
                let factors = if forgives { factors.map(FactorRecord::forgiven) } else { factors };
                (Change { put: revoked, notices, factors, ..Change::of(account) }, answer)
            }
            StatusOutcome::Unchanged => {
                let answer = set(false, &account);
                let factors = if forgives { self.factors()?.map(FactorRecord::forgiven) } else { None };
                (Change { factors, ..Change::of(account) }, answer)
            }
            StatusOutcome::Refused(refusal) => (Change::of(account), StatusAnswer::Refused(refusal)),
        };
        let remembered = OrderAnswer::Status(answer.clone());
        let order = Order { operation: operation.into(), told, answer: remembered };
        self.commit(Change { order: Some(order), ..change })?;
        Ok(answer)
    }

    pub(super) fn status(&self, tenant: &TenantId) -> Result<Option<AccountStatus>> {
        let account = self.load_in(tenant)?;
        Ok(account.map(|account| account.status_at(account.clock.read(self.now))))
    }

    pub(super) fn factor_attempts(&self, tenant: &TenantId) -> Result<FactorAttempts> {
        let factors = if self.load_in(tenant)?.is_some() { self.factors()? } else { None };
        let guard = factors.unwrap_or_default().guard;
        let (failures, paused_until) = (guard.failures(self.now), guard.paused_until(self.now));
        Ok(FactorAttempts { failures, paused_until })
    }

    pub(super) fn purge(
        &self,
        tenant: &TenantId,
        by: Actor,
        deleted_before: Option<UnixMillis>,
    ) -> Result<PurgeAnswer> {
        let Some(account) = self.load_in(tenant)? else { return Ok(PurgeAnswer::Unknown) };
        match account::purge(&account, by, deleted_before, self.now) {
            PurgeOutcome::Purged { account, notices } => {
                self.commit(Change { notices, purged: true, ..Change::of(account) })?;
                Ok(PurgeAnswer::Purged)
            }
            PurgeOutcome::AlreadyPurged => Ok(PurgeAnswer::Purged),
            PurgeOutcome::Refused(_) => {
                // Whoever asked by the time has seen an old copy.
                if deleted_before.is_some() {
                    self.commit(Change { copy_status: true, ..Change::of(account) })?;
                }
                Ok(PurgeAnswer::Refused)
            }
        }
    }
}
