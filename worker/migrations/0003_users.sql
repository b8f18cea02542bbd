-- Copies of what account objects know, for lists: the status, in the order of the account's versions, and the last login.
ALTER TABLE users ADD COLUMN status_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN status_at INTEGER;
ALTER TABLE users ADD COLUMN status_until INTEGER;
ALTER TABLE users ADD COLUMN status_returns_to TEXT;
ALTER TABLE users ADD COLUMN status_by TEXT;
ALTER TABLE users ADD COLUMN status_reason TEXT;
ALTER TABLE users ADD COLUMN last_login_at INTEGER;
CREATE INDEX users_by_creation ON users (tenant, created_at, account_id);
CREATE INDEX users_by_status ON users (status, status_at);
CREATE INDEX identifiers_by_account ON identifiers (account_id);
CREATE INDEX audit_events_by_account ON audit_events (account_id, occurred_at, event_id);
