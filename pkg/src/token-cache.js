/**
 * @typedef {object} Entry
 * @property {string} open the beginning of the token, without what makes it a credential
 * @property {Uint32Array} digest of the rest
 * @property {import("./claims.js").Claims} claims
 * @property {number} from when it was verified
 * @property {number} until when it expires, or is too old
 */

/**
 * Tokens that have been verified, with their claims. Bounded; the oldest goes first.
 *
 * Only what was accepted comes in, so nobody fills it with garbage. The claims are frozen, so that no caller can change
 * what another one reads.
 *
 * It never holds a token, so that a dump of the heap gives away nobody's session: the beginning is kept, and compared, as it
 * is; the end, which makes it a credential, as its digest. So no other token is ever taken for a remembered one, and
 * whoever has all of this memory still has to find 43 characters, 250 bits and more, from their digest, or by the means
 * that forge signatures:
 *
 * - of a signature of 43 or 86 characters the last 43 are hidden. That is all of an HMAC-SHA-256 and half of an
 *   HMAC-SHA-512; and the S of Ed25519 or the s of ES256, which follows from the first half and the message only for
 *   somebody who can take discrete logarithms on the curve, and so could find the private key;
 * - of any other signature everything is hidden. The half of an RSA signature may tell the other half.
 */
export class TokenCache {
  #size;
  #digestOf;
  #maxAgeSeconds;
  /** @type {Map<number, Entry>} by 30 bits of the digest; tokens that share them take turns */
  #entries = new Map();

  /**
   * @param {number} size how many tokens are kept
   * @param {(text: string) => Uint32Array} digestOf 256 bits that lead nobody back; the result need not outlive the next call
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
    const split = hiddenFrom(token);
    const digest = this.#digestOf(token.slice(split));
    const entry = this.#entries.get(keyOf(digest));
    if (!entry || now < entry.from || now >= entry.until) return undefined;
    // `startsWith` goes character by character, thirty times as slow.
    if (token.slice(0, split) !== entry.open) return undefined;
    return isSame(entry.digest, digest) ? entry.claims : undefined;
  }

  /**
   * @param {string} token
   * @param {import("./claims.js").Claims} claims
   * @param {number} now when it was verified
   */
  add(token, claims, now) {
    const split = hiddenFrom(token);
    const digest = this.#digestOf(token.slice(split)).slice();
    const key = keyOf(digest);
    this.#entries.delete(key);
    if (this.#entries.size >= this.#size) {
      const [oldest] = this.#entries.keys();
      this.#entries.delete(oldest);
    }
    const open = copyOf(token.slice(0, split));
    this.#entries.set(key, { open, digest, claims, from: now, until: this.#end(claims) });
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

/** How many words a digest has. */
const WORDS = 8;

/**
 * All words, and as many as there must be: of two views without contents, all words are the same.
 *
 * @param {Uint32Array} one
 * @param {Uint32Array} other
 */
function isSame(one, other) {
  if (one.length !== WORDS || other.length !== WORDS) return false;
  for (let at = 0; at < WORDS; at++) if (one[at] !== other[at]) return false;
  return true;
}

const DOT = 46;
/** The hidden characters of a signature with 32 or 64 bytes. */
const TAIL = 43;

/**
 * Where the part of a token begins that is kept as a digest alone.
 *
 * @param {string} token
 */
function hiddenFrom(token) {
  const end = token.length;
  const isShort = token.charCodeAt(end - TAIL - 1) === DOT || token.charCodeAt(end - 2 * TAIL - 1) === DOT;
  return isShort ? end - TAIL : token.lastIndexOf(".") + 1;
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
