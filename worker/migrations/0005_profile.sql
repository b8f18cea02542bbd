-- What people say about themselves, the names that they are known by, and the address that they want to have.
ALTER TABLE users ADD COLUMN username TEXT;
ALTER TABLE users ADD COLUMN biography TEXT;
ALTER TABLE users ADD COLUMN locale TEXT;
ALTER TABLE users ADD COLUMN updated_at INTEGER;

-- Every name that somebody is or was known by, once per tenant. A name that was given up stays its owner's.
CREATE TABLE owner_names (
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  owner_kind TEXT NOT NULL,
  owner_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE INDEX owner_names_by_owner ON owner_names (owner_id);

-- Addresses that accounts want to have and have not proven yet.
CREATE TABLE email_changes (
  account_id TEXT NOT NULL PRIMARY KEY,
  email TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX email_changes_by_expiry ON email_changes (expires_at);
