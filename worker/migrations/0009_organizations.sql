-- Organizations. Their names, the present one and those of before, are in `owner_names`, beside those of people.
CREATE TABLE organizations (
  organization_id TEXT NOT NULL PRIMARY KEY,
  tenant TEXT NOT NULL,
  slug TEXT NOT NULL,
  name TEXT NOT NULL,
  personal_of TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER
) WITHOUT ROWID;
CREATE UNIQUE INDEX organizations_by_person ON organizations (tenant, personal_of) WHERE personal_of IS NOT NULL;
CREATE INDEX organizations_by_creation ON organizations (tenant, created_at, organization_id);

CREATE TABLE organization_roles (
  organization_id TEXT NOT NULL,
  role TEXT NOT NULL,
  permissions TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (organization_id, role)
) WITHOUT ROWID;

-- Who belongs to an organization; who was removed stays, with the time.
CREATE TABLE organization_members (
  organization_id TEXT NOT NULL,
  account_id TEXT NOT NULL,
  joined_at INTEGER NOT NULL,
  removed_at INTEGER,
  PRIMARY KEY (organization_id, account_id)
) WITHOUT ROWID;
CREATE INDEX organization_members_by_account ON organization_members (account_id, organization_id);

-- Only of members that were not removed.
CREATE TABLE organization_member_roles (
  organization_id TEXT NOT NULL,
  role TEXT NOT NULL,
  account_id TEXT NOT NULL,
  PRIMARY KEY (organization_id, role, account_id)
) WITHOUT ROWID;
CREATE INDEX organization_member_roles_by_account ON organization_member_roles (account_id, organization_id);

-- Raised when an account's roles in an organization change or it leaves one: its tokens of before are stale.
ALTER TABLE users ADD COLUMN memberships_version INTEGER NOT NULL DEFAULT 0;

-- Invitations: of an account, or of whoever reads what is mailed to an address. That one is over is seen by its time.
CREATE TABLE organization_invites (
  invite_id TEXT NOT NULL PRIMARY KEY,
  organization_id TEXT NOT NULL,
  tenant TEXT NOT NULL,
  account_id TEXT,
  email TEXT,
  secret_digest TEXT,
  pepper_id INTEGER,
  invited_by TEXT,
  status TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  acted_at INTEGER
) WITHOUT ROWID;
CREATE INDEX organization_invites_by_organization ON organization_invites (organization_id, created_at, invite_id);
CREATE INDEX organization_invites_by_account ON organization_invites (account_id, created_at, invite_id) WHERE account_id IS NOT NULL;
CREATE INDEX organization_invites_by_email ON organization_invites (tenant, email) WHERE email IS NOT NULL;
