import { ConfigurationError, PermissionError, TokenError } from "./errors.js";

const WIDTHS = [64, 128, 256, 512];
/** The top bits of all widths. Each is root at its own width and never set at a wider one. */
const RESERVED_BITS = [63, 127, 255, 511];
const NAME = /^[a-z0-9_-]+(:[a-z0-9_-]+){1,3}$/;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** The value of each base64url character by its code; 255 for what is none. */
const VALUES = new Uint8Array(128).fill(255);
for (let value = 0; value < 64; value++) VALUES[ALPHABET.charCodeAt(value)] = value;

/** How many names a registry keeps at hand. */
const RECENT = 4;

/** Which permission has which bit: the snapshot that the issuer publishes, checked once. */
export class Registry {
  /** @type {Map<string, number>} living names and their bits, in the order of the bits */
  #bits = new Map();
  /** @type {{ name: string, bit: number }[]} of `#bits`, those that were asked for last */
  #recent = [];
  #asked = 0;
  /** @type {number} */
  version;
  /** @type {number} */
  width;

  /** @param {any} snapshot `{ version, width, permissions: [{ name, bit, deleted? }] }` */
  constructor(snapshot) {
    const refuse = (/** @type {string} */ reason) => new ConfigurationError("permissions", reason);
    const { version, width, permissions } = snapshot ?? {};
    if (!Number.isSafeInteger(version) || version < 0) throw refuse("version must be a whole number");
    if (!WIDTHS.includes(width)) throw refuse("width must be 64, 128, 256 or 512");
    if (!Array.isArray(permissions)) throw refuse("permissions must be an array of { name, bit }");
    const names = new Set();
    let expected = 0;
    let deletions = 0;
    for (const entry of permissions) {
      const { name, bit, deleted } = entry ?? {};
      if (typeof name !== "string" || name.length > 64 || !NAME.test(name)) throw refuse("a name is not canonical");
      if (names.has(name)) throw refuse(`${name} is declared twice`);
      if (RESERVED_BITS.includes(expected)) expected += 1;
      // Bits are given in order and never change; any other bit means that the snapshot has been edited.
      if (bit !== expected || bit >= width) throw refuse(`${name} does not have the bit ${expected}`);
      names.add(name);
      if (deleted) deletions += 1;
      else this.#bits.set(name, bit);
      expected += 1;
    }
    if (version !== names.size + deletions + WIDTHS.indexOf(width)) {
      throw refuse("version does not follow from the contents");
    }
    this.version = version;
    this.width = width;
  }

  /**
   * The bit of a living name.
   *
   * @param {string} name
   */
  bitOf(name) {
    // A program asks for few names, and by literals, which the engine compares by their address. Looking one up hashes it,
    // and compares characters.
    const recent = this.#recent;
    for (let at = 0; at < recent.length; at++) if (recent[at].name === name) return recent[at].bit;
    const bit = this.#bits.get(name) ?? unknown(name);
    recent[this.#asked++ % RECENT] = { name, bit };
    return bit;
  }

  /**
   * Reads the mask of a token: 32 bits to the word, bit 0 lowest in word 0.
   *
   * @param {unknown} text the `pm` claim: base64url of exactly `width / 8` bytes, big-endian
   * @throws {TokenError} `claim_malformed`
   */
  readMask(text) {
    if (text === undefined) return new Uint32Array(this.width / 32);
    const words = typeof text === "string" ? decodeMask(text, this.width) : undefined;
    if (!words) throw new TokenError("claim_malformed", "pm");
    return words;
  }

  /**
   * Whether the top bit of the width is set.
   *
   * @param {Uint32Array} words
   */
  isRoot(words) {
    return hasBit(words, this.width - 1);
  }

  /**
   * The living names that the mask grants, lowest bit first; all of them for root.
   *
   * @param {Uint32Array} words
   */
  namesOf(words) {
    const root = this.isRoot(words);
    return [...this.#bits].filter(([, bit]) => root || hasBit(words, bit)).map(([name]) => name);
  }
}

/**
 * @param {string} name
 * @returns {never}
 */
function unknown(name) {
  throw new PermissionError("permission_unknown", `the registry has no permission ${JSON.stringify(name)}`);
}

/**
 * @param {Uint32Array} words
 * @param {number} bit
 */
export function hasBit(words, bit) {
  return ((words[bit >>> 5] >>> (bit & 31)) & 1) === 1;
}

/**
 * The words of a mask, or nothing when the text is not canonical base64url of a mask of this width.
 *
 * @param {string} text
 * @param {number} width
 */
function decodeMask(text, width) {
  if (text.length !== Math.ceil(width / 6)) return undefined;
  const words = new Uint32Array(width / 32);
  // From the right, so that bit numbers count up. The last character carries 2 or 4 bits beyond the mask.
  let bit = width - 6 * text.length;
  for (let at = text.length - 1; at >= 0; at--, bit += 6) {
    const value = VALUES[text.charCodeAt(at)];
    if (value === undefined || value === 255) return undefined;
    if (bit < 0) {
      if (value & ((1 << -bit) - 1)) return undefined;
      words[0] |= value >>> -bit;
    } else {
      words[bit >>> 5] |= value << (bit & 31);
      if ((bit & 31) > 26) words[(bit >>> 5) + 1] |= value >>> (32 - (bit & 31));
    }
  }
  const reserved = RESERVED_BITS.some((top) => top < width - 1 && hasBit(words, top));
  return reserved ? undefined : words;
}
