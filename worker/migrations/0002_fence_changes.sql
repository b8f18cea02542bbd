-- What a pending fence is about, as JSON: which session goes on and what the owner is told. NULL: all end, nothing.
ALTER TABLE pending_fences ADD COLUMN change TEXT;
