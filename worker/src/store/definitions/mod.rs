//! What operators define while the deployment runs: permissions and their bits, roles, groups. The directory owns it.
//!
//! An isolate has a copy, joined with the configuration. After a minute it asks the directory which revision there is, and
//! where that is another reads the copy in KV, or the directory where KV does not have it yet: how old the copy in KV is
//! never counts. Only while the directory does not answer, the copy in KV is taken as it is, and without one an isolate's
//! own is used for ten minutes. Nothing of this is read unless the configuration says `permissions.runtime`.

mod permissions;
mod sets;
mod spread;

pub(crate) use permissions::{NewPermission, StoredPermission};
pub(crate) use sets::{SetChange, StoredSet};
pub(crate) use spread::{spread, spread_on};

use crate::environment::Environment;
use crate::store::directory::{Directory, millis, unavailable};
use crate::store::{audited, edge};
use crate::wire::problem::Problem;
use postern_core::config::{PermissionSettings, Undeclared};
use postern_core::id::{OperationId, TenantId};
use postern_core::json::{self, record};
use postern_core::permission::{AuthorizationSnapshot, Definitions};
use postern_core::time::{Seconds, UnixMillis};
use serde::Serialize;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

const RENEW_AFTER: Seconds = Seconds::new(60);
/// How long a copy is used when nobody answers.
const COPY_USABLE_FOR: Seconds = Seconds::new(600);
/// While one request renews the copy, the others of this isolate go on with the old one.
const RENEWAL_TAKES_AT_MOST: Seconds = Seconds::new(5);

/// Whether operators still have defined all of a JSON array of pairs of kind and name, as [`given_besides`] makes it.
macro_rules! all_defined {
    ($names:literal) => {
        concat!(
            "NOT EXISTS (SELECT 1 FROM json_each(",
            $names,
            ") g WHERE NOT EXISTS (SELECT 1 FROM permission_sets s WHERE s.kind = g.value ->> 0 AND s.name = g.value ->> 1) \
             AND NOT EXISTS (SELECT 1 FROM permissions p WHERE g.value ->> 0 = 'permission' \
             AND p.name = g.value ->> 1 AND p.deleted_at IS NULL))"
        )
    };
}
pub(super) use all_defined;

thread_local! {
    static COPY: RefCell<Option<(UnixMillis, Rc<PermissionSettings>)>> = const { RefCell::new(None) };
    static RENEWED_SINCE: Cell<Option<UnixMillis>> = const { Cell::new(None) };
}

/// One change of what is defined.
pub(crate) struct DefinitionChange<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) operation: OperationId,
    pub(crate) event: &'static str,
    pub(crate) detail: String,
    pub(crate) now: UnixMillis,
}

impl DefinitionChange<'_> {
    fn line(&self) -> audited::Line<'_> {
        audited::Line {
            operation: self.operation,
            tenant: self.tenant,
            account: None,
            event: self.event,
            detail: &self.detail,
            now: self.now,
        }
    }
}

/// What this isolate knows; nothing before [`know`] has succeeded once.
pub(crate) fn known() -> Result<Rc<PermissionSettings>, Problem> {
    let copy = COPY.with_borrow(|copy| copy.as_ref().map(|(_, permissions)| permissions.clone()));
    copy.ok_or_else(|| Problem::unavailable("definitions", "none have been read yet"))
}

/// Sees to it that this isolate knows this revision or a newer one, and what is not older than a minute while the stores
/// answer.
pub(crate) async fn know(environment: &Environment, now: UnixMillis, revision: u32) -> Result<(), Problem> {
    if !environment.config().permissions().runtime {
        return Ok(());
    }
    let copy = COPY.with_borrow(Clone::clone).filter(|(_, permissions)| permissions.revision >= revision);
    let read_at = copy.map(|(read_at, _)| read_at);
    let is_younger =
        |at: Option<UnixMillis>, than: Seconds| at.is_some_and(|at| now.millis_since(at) < than.as_millis());
    let others_renew = is_younger(RENEWED_SINCE.get(), RENEWAL_TAKES_AT_MOST);
    if is_younger(read_at, RENEW_AFTER) || others_renew && is_younger(read_at, COPY_USABLE_FOR) {
        return Ok(());
    }
    RENEWED_SINCE.set(Some(now));
    match Box::pin(renew(environment, now, revision)).await {
        Err(problem) if !is_younger(read_at, COPY_USABLE_FOR) => Err(problem),
        _ => Ok(()),
    }
}

/// The same at once, for whoever has met something that this isolate does not know: at most once in five seconds.
pub(crate) async fn catch_up(environment: &Environment, now: UnixMillis) -> Result<(), Problem> {
    let is_recent =
        RENEWED_SINCE.get().is_some_and(|at| now.millis_since(at) < RENEWAL_TAKES_AT_MOST.as_millis());
    if is_recent || !environment.config().permissions().runtime {
        return Ok(());
    }
    RENEWED_SINCE.set(Some(now));
    Box::pin(renew(environment, now, 0)).await
}

/// What an account is given beyond what the configuration has, as the statement that gives it asks for it. A deletion and
/// a grant of the same name are two transactions: the later one sees the earlier, so that nobody is left with a name that
/// somebody may define anew.
pub(crate) fn given_besides(
    environment: &Environment,
    before: &AuthorizationSnapshot,
    after: &AuthorizationSnapshot,
) -> Result<String, Problem> {
    written(&environment.config().permissions().given_besides(before, after))
}

/// What the directory has now, and from then on this isolate: for whoever is about to change it.
pub(crate) async fn renew_from_directory(
    environment: &Environment,
    now: UnixMillis,
) -> Result<Definitions, Problem> {
    let (directory, copy_before) = (environment.directory()?, known_revision());
    let mut definitions = directory.definitions().await?;
    let configured = environment.config().permissions();
    let lacking = configured.undeclared(&definitions).map_err(unreadable)?;
    if !lacking.is_empty() {
        directory.declare(&lacking, now).await?;
        definitions = directory.definitions().await?;
    }
    keep(environment, now, &definitions, copy_before)?;
    Ok(definitions)
}

/// For operators, who may just have defined what they use now, elsewhere.
pub(crate) async fn know_now(environment: &Environment, now: UnixMillis) -> Result<(), Problem> {
    if environment.config().permissions().runtime {
        Box::pin(renew_from_directory(environment, now)).await?;
    }
    Ok(())
}

/// The same after a change, or once a minute: others will read it from KV.
pub(crate) async fn publish(environment: &Environment, now: UnixMillis) -> Result<Definitions, Problem> {
    let definitions = renew_from_directory(environment, now).await?;
    let edge = environment.kv()?;
    let unwritten = |error| Problem::unavailable("edge", error);
    let stands = edge::read_definitions(&edge).await.map_err(unwritten)?;
    if stands.is_none_or(|text| !is_of(&text, definitions.revision)) {
        let text = json::write(&definitions).map_err(|error| Problem::internal("definitions", error))?;
        edge::write_definitions(&edge, &text).await.map_err(unwritten)?;
    }
    Ok(definitions)
}

/// Sees what revision there is, and reads it if it is another: from KV if that has it, or from the directory.
async fn renew(environment: &Environment, now: UnixMillis, revision: u32) -> Result<(), Problem> {
    let copy_before = known_revision();
    let stands = environment.directory()?.definitions_revision().await;
    let at_least = revision.max(match &stands {
        Ok(stands) => *stands,
        Err(_) => copy_before.unwrap_or_default(),
    });
    if stands.is_ok()
        && let Some(known) = known().ok().filter(|known| known.revision == at_least)
    {
        COPY.set(Some((now, known)));
        return Ok(());
    }
    if let Ok(Some(text)) = edge::read_definitions(&environment.kv()?).await {
        let found = record::read::<Definitions>(text.as_bytes()).ok();
        let has_all = |found: &Definitions| {
            let lacking = environment.config().permissions().undeclared(found);
            found.revision >= at_least && lacking.is_ok_and(|lacking| lacking.is_empty())
        };
        if let Some(found) = found.filter(has_all) {
            return keep(environment, now, &found, copy_before);
        }
    }
    stands?;
    renew_from_directory(environment, now).await.map(drop)
}

/// Whether a document is of this revision: it begins with that.
fn is_of(document: &str, revision: u32) -> bool {
    document.starts_with(&format!("{{\"revision\":{revision},"))
}

fn known_revision() -> Option<u32> {
    known().ok().map(|known| known.revision)
}

fn keep(
    environment: &Environment,
    now: UnixMillis,
    definitions: &Definitions,
    copy_before: Option<u32>,
) -> Result<(), Problem> {
    if Definitions::replaces(definitions.revision, known_revision(), copy_before) {
        let joined = environment.config().permissions().with_definitions(definitions).map_err(unreadable)?;
        COPY.set(Some((now, Rc::new(joined))));
    }
    Ok(())
}

fn unreadable(error: impl std::fmt::Display) -> Problem {
    Problem::internal("definitions", error)
}

impl Directory {
    /// Raised by every change of anything that is defined.
    async fn definitions_revision(&self) -> Result<u32, Problem> {
        let statement = self.prepare("SELECT revision FROM permission_registry", &[])?;
        let found: Option<u32> = statement.first(Some("revision")).await.map_err(unavailable)?;
        found.ok_or_else(|| unreadable("the registry has no row"))
    }

    /// All that is defined, at one moment.
    async fn definitions(&self) -> Result<Definitions, Problem> {
        let query = "SELECT json_object('revision', revision, 'width', width, \
                     'permissions', json((SELECT json_group_array(name ORDER BY slot) FROM permissions)), \
                     'deleted', json((SELECT json_group_array(slot ORDER BY slot) FROM permissions WHERE deleted_at IS NOT NULL)), \
                     'roles', json((SELECT json_group_array(json_object('name', name, 'permissions', json(permissions))) \
                     FROM permission_sets WHERE kind = 'role')), \
                     'groups', json((SELECT json_group_array(json_object('name', name, 'permissions', json(permissions))) \
                     FROM permission_sets WHERE kind = 'group'))) AS document FROM permission_registry";
        let found = self.prepare(query, &[])?.first(Some("document")).await.map_err(unavailable)?;
        let text: String = found.ok_or_else(|| unreadable("the registry has no row"))?;
        record::read(text.as_bytes()).map_err(unreadable)
    }

    /// Allocates what the configuration declares, in its order and behind all that is there.
    async fn declare(&self, lacking: &Undeclared<'_>, now: UnixMillis) -> Result<(), Problem> {
        let (names, deleted) = (written(&lacking.names)?, written(&lacking.deleted)?);
        let mut statements = Vec::new();
        if let Some(width) = lacking.width {
            let query = "UPDATE permission_registry SET width = ?1, capacity = ?2 WHERE width < ?1";
            let capacity = u32::try_from(width.capacity()).unwrap_or(u32::MAX);
            statements.push(self.prepare(query, &[width.bits().into(), capacity.into()])?);
        }
        let query = "INSERT INTO permissions (slot, name, created_at) SELECT slot, name, ?2 FROM (SELECT value AS name, \
                     (SELECT COALESCE(MAX(slot) + 1, 0) FROM permissions) + row_number() OVER (ORDER BY key) - 1 AS slot \
                     FROM json_each(?1) WHERE value NOT IN (SELECT name FROM permissions)) \
                     WHERE slot < (SELECT capacity FROM permission_registry)";
        statements.push(self.prepare(query, &[names.into(), millis(now)])?);
        let query = "UPDATE permissions SET deleted_at = ?2 \
                     WHERE deleted_at IS NULL AND name IN (SELECT value FROM json_each(?1))";
        statements.push(self.prepare(query, &[deleted.into(), millis(now)])?);
        statements.push(self.prepare("UPDATE permission_registry SET revision = revision + 1", &[])?);
        self.batch(statements).await
    }
}

/// Values for `json_each`.
fn written<T: Serialize>(values: &T) -> Result<String, Problem> {
    json::write(values).map_err(unreadable)
}
