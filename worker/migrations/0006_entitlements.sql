-- What accounts have been given besides roles. A row is one grant of one source; giving it again replaces the row.
CREATE TABLE entitlements (
  account_id TEXT NOT NULL,
  name TEXT NOT NULL,
  source TEXT NOT NULL,
  granted_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER,
  metadata TEXT,
  PRIMARY KEY (account_id, name, source)
) WITHOUT ROWID;

-- The version of an account's list, raised by every change, and the one that its account object has confirmed; the
-- minute cron closes the gap.
CREATE TABLE entitlement_lists (
  account_id TEXT NOT NULL PRIMARY KEY,
  version INTEGER NOT NULL,
  confirmed INTEGER NOT NULL,
  next_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX entitlement_lists_open ON entitlement_lists (next_at) WHERE confirmed < version;
