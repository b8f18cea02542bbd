-- The directory: who exists and how they prove it. worker/migrations/SCHEMA.md describes every table.
CREATE TABLE identifiers (
  tenant TEXT NOT NULL,
  kind TEXT NOT NULL,
  value TEXT NOT NULL,
  account_id TEXT NOT NULL,
  verified_at INTEGER,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (tenant, kind, value)
) WITHOUT ROWID;

CREATE TABLE users (
  account_id TEXT NOT NULL PRIMARY KEY,
  tenant TEXT NOT NULL,
  email TEXT,
  name TEXT NOT NULL,
  status TEXT NOT NULL,
  roles TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE credentials (
  account_id TEXT NOT NULL PRIMARY KEY,
  password_hash TEXT,
  version INTEGER NOT NULL,
  operation_id TEXT,
  updated_at INTEGER NOT NULL
) WITHOUT ROWID;

-- Credential changes whose fence the account object has not confirmed yet; the minute cron finishes them.
CREATE TABLE pending_fences (
  account_id TEXT NOT NULL PRIMARY KEY,
  credential_version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  next_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX pending_fences_by_next ON pending_fences (next_at);

-- Messages that consumers have delivered, so that a repeated one is recognised.
CREATE TABLE deliveries (
  message_id TEXT NOT NULL PRIMARY KEY,
  delivered_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX deliveries_by_time ON deliveries (delivered_at);

CREATE TABLE audit_events (
  event_id TEXT NOT NULL PRIMARY KEY,
  occurred_at INTEGER NOT NULL,
  tenant TEXT NOT NULL,
  account_id TEXT,
  session_id TEXT,
  event TEXT NOT NULL,
  detail TEXT
) WITHOUT ROWID;
CREATE INDEX audit_events_by_time ON audit_events (occurred_at);
