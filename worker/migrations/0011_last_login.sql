-- The last login is read from the trail, and no longer copied at each one: `users.last_login_at` is what the trail has
-- forgotten. So logins have an index of their own, and every line of an account is in one of the two, as before.
DROP INDEX audit_events_by_account;
CREATE INDEX audit_events_of_logins ON audit_events (account_id, occurred_at, event_id) WHERE event = 'session_opened';
CREATE INDEX audit_events_of_others ON audit_events (account_id, occurred_at, event_id) WHERE event <> 'session_opened';
