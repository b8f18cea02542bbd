-- The phone number of an account, as its row in `identifiers` has it; NULL without one. `email` may be NULL since 0001.
ALTER TABLE users ADD COLUMN phone TEXT;

-- Numbers that accounts want to have and have not proven yet.
CREATE TABLE phone_changes (
  account_id TEXT NOT NULL PRIMARY KEY,
  phone TEXT NOT NULL,
  requested_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX phone_changes_by_expiry ON phone_changes (expires_at);
