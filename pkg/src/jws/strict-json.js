// A strict JSON reader, with the rules of `postern_core::json`: what two readers could read differently is refused.

/** How many arrays and objects may enclose a value. */
const MAX_DEPTH = 16;
/** A number with more digits than this before its point fits no double. */
const MAX_DIGITS = 308;

const SPACE = /[ \t\n\r]*/y;
const STRING = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[\da-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /true|false|null/y;
/** With the `u` flag, halves of a pair match only where the other half is missing. */
const LONE_SURROGATE = /\p{Surrogate}/u;

// A byte order mark stays, and is then no JSON.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads a JSON object that fills the bytes.
 *
 * Refused, besides what every reader refuses: a member name used twice in one object however it is escaped, half a
 * surrogate pair, more than 16 levels, a number of 10^308 or more.
 *
 * @param {Uint8Array} bytes
 * @returns {{ text: string, members: Map<string, unknown>, numbers: Map<string, string> } | undefined} the members,
 *   and those of them that are numbers as they are written; nothing when the bytes are not such an object
 */
export function readObject(bytes) {
  try {
    const text = decoder.decode(bytes);
    const numbers = new Scanner(text).check();
    const value = JSON.parse(text);
    if (value === null || typeof value !== "object" || Array.isArray(value)) return undefined;
    return { text, members: new Map(Object.entries(value)), numbers };
  } catch {
    return undefined;
  }
}

/** One pass over a text. Every method throws when the text is refused. */
class Scanner {
  #text;
  #at = 0;
  /** @type {Map<string, string>} */
  #numbers = new Map();

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  /** Checks the whole text, and returns the numbers among the members of the outermost object. */
  check() {
    this.#value(0);
    this.#take(SPACE);
    if (this.#at < this.#text.length) throw new SyntaxError();
    return this.#numbers;
  }

  /**
   * @param {number} depth how many containers are open
   * @param {string} [name] the name of the value, if it is a member of the outermost object
   */
  #value(depth, name) {
    this.#take(SPACE);
    const first = this.#text[this.#at];
    if (first === "{" || first === "[") {
      if (depth >= MAX_DEPTH) throw new RangeError();
      this.#at += 1;
      if (first === "{") this.#members(depth);
      else this.#elements(depth);
    } else if (first === '"') {
      this.#string();
    } else if (first === "-" || (first >= "0" && first <= "9")) {
      const raw = this.#take(NUMBER);
      if (isTooLarge(raw)) throw new RangeError();
      if (name !== undefined) this.#numbers.set(name, raw);
    } else {
      this.#take(WORD);
    }
  }

  /** @param {number} depth */
  #members(depth) {
    const names = new Set();
    if (this.#ends("}")) return;
    do {
      this.#take(SPACE);
      const name = this.#string();
      if (names.has(name)) throw new SyntaxError();
      names.add(name);
      this.#take(SPACE);
      this.#expect(":");
      this.#value(depth + 1, depth === 0 ? name : undefined);
    } while (!this.#ends("}", ","));
  }

  /** @param {number} depth */
  #elements(depth) {
    if (this.#ends("]")) return;
    do this.#value(depth + 1);
    while (!this.#ends("]", ","));
  }

  /**
   * Whether the container ends here. If it does not, the separator must stand here, where one is given.
   *
   * @param {string} bracket
   * @param {string} [separator]
   */
  #ends(bracket, separator) {
    this.#take(SPACE);
    const ends = this.#text[this.#at] === bracket;
    if (ends) this.#at += 1;
    else if (separator) this.#expect(separator);
    return ends;
  }

  #string() {
    const text = JSON.parse(this.#take(STRING));
    if (LONE_SURROGATE.test(text)) throw new SyntaxError();
    return text;
  }

  /** @param {string} character */
  #expect(character) {
    if (this.#text[this.#at] !== character) throw new SyntaxError();
    this.#at += 1;
  }

  /** @param {RegExp} pattern a sticky one */
  #take(pattern) {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found === undefined) throw new SyntaxError();
    this.#at += found.length;
    return found;
  }
}

/**
 * The largest integer not above a number, or nothing when the number is negative or that integer above `max`. Computed
 * on the digits, because a double would round.
 *
 * @param {string | undefined} raw a checked number, as it is written
 * @param {number} max
 */
export function floorOf(raw, max) {
  if (raw === undefined || raw.startsWith("-")) return undefined;
  const { digits, point } = decimal(raw);
  if (digits === "") return 0;
  const whole = point <= 0 ? "" : digits.slice(0, point).padEnd(point, "0");
  return whole.length <= 16 && Number(whole) <= max ? Number(whole) : undefined;
}

/** @param {string} raw */
function isTooLarge(raw) {
  const { digits, point } = decimal(raw);
  return digits !== "" && point > MAX_DIGITS;
}

/**
 * The digits of a number without leading zeros, empty for zero, and where its point stands among them.
 *
 * @param {string} raw
 */
function decimal(raw) {
  const [mantissa, exponent = "0"] = raw.replace(/^-/, "").split(/e/i);
  const [whole, fraction = ""] = mantissa.split(".");
  const all = whole + fraction;
  const digits = all.replace(/^0+/, "");
  return { digits, point: whole.length + Number(exponent) - (all.length - digits.length) };
}
