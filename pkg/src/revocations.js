import { ConfigurationError, TokenError } from "./errors.js";

/** How long a mark is kept when it does not say so itself: longer than any access token of Postern lives. */
const DEFAULT_LIFETIME_SECONDS = 86_400;
/** How many marks are kept at once. */
const MAX_MARKS = 100_000;

/**
 * Revocations that the application has learnt of, from strict validation or from a message: tokens that they hit are
 * refused though they have not expired.
 *
 * The same two kinds of marks as in the issuer's revocation lists: a session that has ended, and an account whose
 * tokens below a version are void.
 */
export class Revocations {
  /** @type {Map<string, number>} sessions, and until when their mark is needed */
  #sessions = new Map();
  /** @type {Map<string, { version: number, until: number }>} by account */
  #versions = new Map();

  /**
   * Adds a mark. Marks are never taken back: a weaker one changes nothing.
   *
   * @param {any} mark `{ sessionId }`, or `{ subject, accountVersion }`; with `until` in either
   * @param {number} now
   */
  add(mark, now) {
    const { sessionId, subject, accountVersion, until = now + DEFAULT_LIFETIME_SECONDS } = checked(mark);
    if (this.#size >= MAX_MARKS) this.#forget(now);
    if (this.#size >= MAX_MARKS) throw new ConfigurationError("revocations", `are more than ${MAX_MARKS}`);
    if (sessionId !== undefined) {
      this.#sessions.set(sessionId, Math.max(until, this.#sessions.get(sessionId) ?? 0));
    } else {
      const known = this.#versions.get(subject);
      const version = Math.max(accountVersion, known?.version ?? 0);
      this.#versions.set(subject, { version, until: Math.max(until, known?.until ?? 0) });
    }
  }

  /**
   * Refuses a token that a mark hits. An ended session outweighs an old version; a token without `av` counts as the
   * oldest.
   *
   * @param {import("./claims.js").Claims} claims
   */
  check(claims) {
    if (this.#size === 0) return;
    if (this.#sessions.has(claims.sessionId)) throw new TokenError("token_revoked");
    const mark = this.#versions.get(claims.subject);
    if (mark && (claims.accountVersion ?? 0) < mark.version) throw new TokenError("token_stale");
  }

  get #size() {
    return this.#sessions.size + this.#versions.size;
  }

  /** Drops what can hit no token any more. @param {number} now */
  #forget(now) {
    for (const [session, until] of this.#sessions) if (until <= now) this.#sessions.delete(session);
    for (const [account, { until }] of this.#versions) if (until <= now) this.#versions.delete(account);
  }
}

/** @param {any} mark */
function checked(mark) {
  const { sessionId, subject, accountVersion, until } = mark ?? {};
  const isSession = isText(sessionId) && subject === undefined && accountVersion === undefined;
  const isVersion = isText(subject) && isWhole(accountVersion) && sessionId === undefined;
  if (!isSession && !isVersion) {
    throw new ConfigurationError("mark", "must be { sessionId } or { subject, accountVersion }");
  }
  if (until !== undefined && !isWhole(until)) throw new ConfigurationError("mark", "until must be whole seconds since 1970");
  return mark;
}

/** @param {unknown} value */
const isText = (value) => typeof value === "string" && value !== "";
/** @param {unknown} value */
const isWhole = (value) => Number.isSafeInteger(value) && Number(value) >= 0;
