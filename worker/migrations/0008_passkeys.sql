-- Whose a passkey is: its id is one account's alone. All else about it is the account object's.
CREATE TABLE passkeys (
  credential_id TEXT NOT NULL PRIMARY KEY,
  tenant TEXT NOT NULL,
  account_id TEXT NOT NULL,
  operation_id TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX passkeys_by_account ON passkeys (account_id);
