/**
 * Tokens that have been verified, with the text of their payloads. Bounded; the oldest goes first.
 *
 * Only what was accepted comes in, so nobody fills it with garbage. It holds text, not claims: no caller can change
 * what another one reads.
 */
export class TokenCache {
  #size;
  /** @type {Map<string, { payload: string, from: number, until: number }>} */
  #entries = new Map();

  /** @param {number} size how many tokens are kept */
  constructor(size) {
    this.#size = size;
  }

  /**
   * The payload of a token, if verifying it now would give the same answer as before.
   *
   * That is so from the time it was verified until it expires: `nbf` and `iat` have come and do not go. Within the
   * leeway on either side, the module decides.
   *
   * @param {string} token
   * @param {number} now
   */
  get(token, now) {
    const entry = this.#entries.get(token);
    return entry && entry.from <= now && now < entry.until ? entry.payload : undefined;
  }

  /**
   * @param {string} token
   * @param {string} payload
   * @param {number} now when it was verified
   * @param {number} expiresAt its `exp`
   */
  add(token, payload, now, expiresAt) {
    this.#entries.delete(token);
    if (this.#entries.size >= this.#size) this.#entries.delete(this.#entries.keys().next().value ?? "");
    this.#entries.set(token, { payload, from: now, until: Math.floor(expiresAt) });
  }

  /** Forgets everything, because the keys have changed. */
  clear() {
    this.#entries.clear();
  }
}
