-- What accounts were given besides roles, and the version of all that, raised by every change. The account object gets
-- it with each login, and from whoever changes it.
ALTER TABLE users ADD COLUMN permissions TEXT NOT NULL DEFAULT '[]';
ALTER TABLE users ADD COLUMN has_root INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN authorization_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN authorization_operation TEXT;
CREATE INDEX users_by_authorization_operation ON users (authorization_operation)
  WHERE authorization_operation IS NOT NULL;

-- Who is in which group. What its members may is in the configuration.
CREATE TABLE group_members (
  account_id TEXT NOT NULL,
  group_name TEXT NOT NULL,
  tenant TEXT NOT NULL,
  added_at INTEGER NOT NULL,
  PRIMARY KEY (account_id, group_name)
) WITHOUT ROWID;
CREATE INDEX group_members_by_group ON group_members (tenant, group_name, account_id);

-- Changes that an account object has not confirmed yet; the minute cron goes on with them.
CREATE TABLE pending_authorizations (
  account_id TEXT NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  next_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX pending_authorizations_by_next ON pending_authorizations (next_at);
