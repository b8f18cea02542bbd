/**
 * @typedef {object} Entry
 * @property {string} signed header and payload of the token, without its signature
 * @property {Uint32Array} digest of its signature
 * @property {import("./claims.js").Claims} claims
 * @property {number} from when it was verified
 * @property {number} until when it expires, or is too old
 */

/**
 * Tokens that have been verified, with their claims. Bounded; the oldest goes first.
 *
 * Only what was accepted comes in, so nobody fills it with garbage. It never holds a token: what it keeps of a
 * signature is a digest, and without its signature a token is no credential. So a dump of the heap gives away nobody's
 * session. The claims are frozen, so that no caller can change what another one reads.
 */
export class TokenCache {
  #size;
  #digestOf;
  #maxAgeSeconds;
  /** @type {Map<number, Entry>} by 30 bits of the digest; tokens that share them take turns */
  #entries = new Map();

  /**
   * @param {number} size how many tokens are kept
   * @param {(text: string) => Uint32Array} digestOf SHA-256; the result need not outlive the next call
   * @param {number} [maxAgeSeconds] how long after its issue a token is believed
   */
  constructor(size, digestOf, maxAgeSeconds = Infinity) {
    this.#size = size;
    this.#digestOf = digestOf;
    this.#maxAgeSeconds = maxAgeSeconds;
  }

  /**
   * The claims of a token, if verifying it now would give the same answer as before.
   *
   * That is so from the time it was verified until it expires or reaches its greatest age, whichever is first: `nbf` and
   * `iat` have come and do not go. Within the leeway on either side, the module decides.
   *
   * @param {string} token
   * @param {number} now
   */
  get(token, now) {
    if (this.#entries.size === 0) return undefined;
    const dot = token.lastIndexOf(".");
    const digest = this.#digestOf(token.slice(dot + 1));
    const entry = this.#entries.get(keyOf(digest));
    if (!entry || now < entry.from || now >= entry.until) return undefined;
    if (entry.signed.length !== dot || !token.startsWith(entry.signed)) return undefined;
    return isSame(entry.digest, digest) ? entry.claims : undefined;
  }

  /**
   * @param {string} token
   * @param {import("./claims.js").Claims} claims
   * @param {number} now when it was verified
   */
  add(token, claims, now) {
    const dot = token.lastIndexOf(".");
    const digest = this.#digestOf(token.slice(dot + 1)).slice();
    const key = keyOf(digest);
    this.#entries.delete(key);
    if (this.#entries.size >= this.#size) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest);
    }
    const signed = copyOf(token.slice(0, dot));
    this.#entries.set(key, { signed, digest, claims, from: now, until: this.#end(claims) });
  }

  /** With a greatest age, no token is without `iat`. @param {import("./claims.js").Claims} claims */
  #end({ expiresAt, issuedAt }) {
    const tooOldAt = this.#maxAgeSeconds === Infinity ? Infinity : Math.floor(Number(issuedAt)) + this.#maxAgeSeconds;
    return Math.min(Math.floor(expiresAt), tooOldAt);
  }

  /** Forgets everything, because the keys have changed. */
  clear() {
    this.#entries.clear();
  }
}

/** How many words a SHA-256 has. */
const WORDS = 8;

/**
 * All words, and as many as there must be: of two views without contents, all words are the same.
 *
 * @param {Uint32Array} one
 * @param {Uint32Array} other
 */
function isSame(one, other) {
  return one.length === WORDS && other.length === WORDS && one.every((word, at) => word === other[at]);
}

/** @param {Uint32Array} digest */
function keyOf(digest) {
  return digest[0] >>> 2;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * The same text in memory of its own: engines make a part of a string by pointing into the whole, which would stay.
 *
 * @param {string} text
 */
function copyOf(text) {
  return decoder.decode(encoder.encode(text));
}
