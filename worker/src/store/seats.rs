//! Finding a seat for a session: the shard of its account first, then the pool, and the other shards only where that is empty.

use crate::environment::Environment;
use crate::object::account::AccountCall;
use crate::object::call::{Unconfirmed, ask};
use crate::object::revocation::{self, RevocationCall};
use crate::object::seats::{POOL, SeatAnswer, SeatCall};
use postern_core::id::{AccountId, SessionId, TenantId};
use postern_core::revocation::shard_of;
use postern_core::session::{Seat, SeatLease, SeatWish, SessionView};
use worker::ObjectNamespace;

/// How often somebody asks the pool whose seat others take meanwhile.
const ROUNDS: u8 = 3;

/// The seats of a tenant of which only so many sessions may be open at once.
pub(crate) struct Seats<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) shards: ObjectNamespace,
    pub(crate) tenant: &'a TenantId,
    pub(crate) limit: u32,
}

impl Seats<'_> {
    /// Whether there is a seat for a session of `account`: it is taken then.
    pub(crate) async fn take(&self, account: AccountId, wish: &SeatWish) -> Result<Seat, Unconfirmed> {
        let mut lease = None;
        for _ in 0..ROUNDS {
            let call = SeatCall::Take {
                session: wish.session,
                account,
                idle_expires_at: wish.idle_expires_at,
                replaced: wish.replaced.clone(),
                limit: self.limit,
                lease,
            };
            lease = match self.ask(&revocation::name(shard_of(&account)), call).await? {
                SeatAnswer::Taken => return Ok(Seat::Granted),
                SeatAnswer::Full { version } => self.lease(shard_of(&account), version).await?,
                _ => return Err(Unconfirmed::because("not an answer to a seat")),
            };
            if lease.is_none() {
                break;
            }
        }
        Ok(Seat::Refused)
    }

    /// Gives the seat of a session back that was not opened.
    pub(crate) async fn leave(&self, account: AccountId, session: SessionId) -> Result<(), Unconfirmed> {
        let call = SeatCall::Settle { sessions: vec![(session, None)] };
        self.ask(&revocation::name(shard_of(&account)), call).await.map(|_| ())
    }

    /// What the pool has for a shard, if it or another shard has anything.
    async fn lease(&self, shard: u8, version: u32) -> Result<Option<SeatLease>, Unconfirmed> {
        let grant = |returned| SeatCall::Grant { shard, version, limit: self.limit, returned };
        let known = match self.ask(POOL, grant(None)).await? {
            SeatAnswer::Granted(lease) => return Ok(Some(lease)),
            SeatAnswer::Count(known) => known,
            _ => return Ok(None),
        };
        let mut returned = Vec::with_capacity(known.len());
        for (shard, known) in (0..).zip(known).filter(|(_, known)| known.seats > 0) {
            let left = self.count(shard, known).await?;
            returned.push((shard, left));
            // One that has something to spare is enough.
            if left.seats < known.seats {
                break;
            }
        }
        match self.ask(POOL, grant(Some(returned))).await? {
            SeatAnswer::Granted(lease) => Ok(Some(lease)),
            _ => Ok(None),
        }
    }

    /// What a shard needs of its lease, without the sessions that have ended unused.
    async fn count(&self, shard: u8, known: SeatLease) -> Result<SeatLease, Unconfirmed> {
        let name = revocation::name(shard);
        let (left, doubtful) = self.give_back(&name, known).await?;
        if doubtful.is_empty() || left.seats < known.seats {
            return Ok(left);
        }
        let mut sessions = Vec::with_capacity(doubtful.len());
        let accounts = self.environment.accounts().map_err(|problem| Unconfirmed::because(problem.code()))?;
        for (session, account) in doubtful {
            let call = AccountCall::List { tenant: self.tenant.clone(), current: None, ended: false };
            let live: Vec<SessionView> =
                ask(&accounts, &account.to_string(), Some(self.tenant), &call).await?;
            let lives_until = live.into_iter().find(|live| live.id == session).map(|live| live.expires_at);
            sessions.push((session, lives_until));
        }
        self.ask(&name, SeatCall::Settle { sessions }).await?;
        self.give_back(&name, known).await.map(|(left, _)| left)
    }

    async fn give_back(
        &self,
        name: &str,
        lease: SeatLease,
    ) -> Result<(SeatLease, Vec<(SessionId, AccountId)>), Unconfirmed> {
        match self.ask(name, SeatCall::GiveBack { lease }).await? {
            SeatAnswer::Left { lease, doubtful } => Ok((lease, doubtful)),
            _ => Err(Unconfirmed::because("not an answer to giving back")),
        }
    }

    async fn ask(&self, name: &str, call: SeatCall) -> Result<SeatAnswer, Unconfirmed> {
        ask(&self.shards, name, Some(self.tenant), &RevocationCall::Seat(call)).await
    }
}
