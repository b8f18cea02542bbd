//! The revocation shards that this isolate has read.
//!
//! A copy that is used again for some seconds cannot make revocations later than promised: readers trust a shard for a time
//! after it was written, wherever it has been since.

use crate::environment::Environment;
use crate::store::edge;
use postern_core::revocation::{RevocationShard, SHARDS};
use postern_core::time::UnixMillis;
use std::cell::RefCell;
use std::rc::Rc;

struct ShardCopy {
    read_at: UnixMillis,
    shard: Rc<RevocationShard>,
}

thread_local! {
    static COPIES: RefCell<[Option<ShardCopy>; SHARDS as usize]> =
        const { RefCell::new([const { None }; SHARDS as usize]) };
}

/// The shard as some copy of it stands here or at the edge; `None` if there is none to be had.
pub(crate) async fn read(
    environment: &Environment,
    number: u8,
    now: UnixMillis,
) -> Option<Rc<RevocationShard>> {
    let place = usize::from(number);
    let usable_millis = environment.config().validation().shard_copy.as_millis();
    let known = COPIES.with_borrow(|copies| {
        let copy = copies.get(place)?.as_ref()?;
        (now.millis_since(copy.read_at) < usable_millis).then(|| copy.shard.clone())
    });
    if known.is_some() {
        return known;
    }
    let edge = environment.kv().ok()?;
    let shard = match edge::read_revocation_shard(&edge, number).await {
        Ok(shard) => Rc::new(shard?),
        Err(error) => {
            worker::console_error!("revocation shard {number}: {error}");
            return None;
        }
    };
    COPIES.with_borrow_mut(|copies| {
        if let Some(copy) = copies.get_mut(place) {
            *copy = Some(ShardCopy { read_at: now, shard: shard.clone() });
        }
    });
    Some(shard)
}
