-- Which permission has which bit, for ever: its place among all that were ever allocated. A deleted one keeps it.
CREATE TABLE permissions (
  slot INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  description TEXT,
  created_at INTEGER NOT NULL,
  deleted_at INTEGER
);

-- One row. Every change of permissions, roles or groups raises the revision.
CREATE TABLE permission_registry (
  only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
  revision INTEGER NOT NULL,
  width INTEGER NOT NULL,
  capacity INTEGER NOT NULL
);
INSERT INTO permission_registry VALUES (1, 0, 64, 63);

-- Roles and groups that operators define, and the places of what they grant. Those of the configuration are not here.
CREATE TABLE permission_sets (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  permissions TEXT NOT NULL,
  description TEXT,
  version INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- Changes whose holders are looked for, slice by slice: all accounts up to `reached` have been seen to.
CREATE TABLE permission_spreads (
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  removal INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  reached TEXT NOT NULL,
  PRIMARY KEY (kind, name)
) WITHOUT ROWID;
