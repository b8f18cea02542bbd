// Data of a page's visitor between requests, sealed in a cookie: AES-256-GCM, so that nobody reads or changes it.
import { check, checkNames, clock, isText, wholeNumber } from "../check.js";
import { decodeBase64url, encodeBase64url } from "../jws/base64url.js";
import { cookie } from "./cookies.js";

const NAME = "__Host-postern_data";
/** What browsers take of one cookie, name and value together (RFC 6265bis §5.6). */
const MOST_BYTES = 4_096;
const VERSION = 1;
const IV_BYTES = 12;
const CIPHER = "AES-GCM";

/**
 * @param {any} options
 */
export function createPageData(options) {
  checkNames(options, ["secrets", "maxAgeSeconds", "now"]);
  const { secrets } = options;
  const isSecret = (/** @type {unknown} */ secret) => secret instanceof Uint8Array && secret.length === 32;
  check(Array.isArray(secrets) && secrets.length > 0 && secrets.length <= 4 && secrets.every(isSecret), "secrets", "must be 1 to 4 Uint8Arrays of 32 bytes");
  const maxAge = wholeNumber(options, "maxAgeSeconds", { min: 1, max: 31_536_000, otherwise: 7_200 });
  const now = clock(options.now);
  const kept = /** @type {Uint8Array<ArrayBuffer>[]} */ (secrets).map((secret) => secret.slice());
  /** @type {CryptoKey[] | undefined} kept, not the promise of it: a request must not wait for another one's */
  let imported;
  const keys = async () => (imported ??= await Promise.all(kept.map((secret) => crypto.subtle.importKey("raw", secret, CIPHER, false, ["encrypt", "decrypt"]))));

  return {
    /** @param {Request} request @param {string} [boundTo] */
    async open(request, boundTo = "") {
      check(typeof boundTo === "string", "boundTo", "must be a string");
      const sealed = cookie(request.headers.get("cookie"), NAME);
      const content = sealed === undefined ? undefined : await unseal(await keys(), sealed, boundTo);
      const isLive = content !== undefined && content.until > now();
      return new PageData(isLive ? content : undefined, sealed !== undefined, async (values, flashes) => {
        const [key] = await keys();
        return seal(/** @type {CryptoKey} */ (key), { values, flashes, until: now() + maxAge }, boundTo);
      }, maxAge);
    },
  };
}

/** The data of one visitor during one request. */
class PageData {
  /** @type {Map<string, unknown>} */
  #values;
  /** @type {Map<string, unknown>} of the request before */
  #arrived;
  /** @type {Map<string, unknown>} for the next request */
  #flashes = new Map();
  /** @type {boolean} */
  #had;
  #isChanged = false;
  /** @type {(values: object, flashes: object) => Promise<string>} */
  #seal;
  /** @type {number} */
  #maxAge;

  /**
   * @param {{ values: object, flashes: object } | undefined} content
   * @param {boolean} had whether there was a cookie
   * @param {(values: object, flashes: object) => Promise<string>} seal
   * @param {number} maxAge
   */
  constructor(content, had, seal, maxAge) {
    this.#values = new Map(Object.entries(content?.values ?? {}));
    this.#arrived = new Map(Object.entries(content?.flashes ?? {}));
    this.#had = had;
    this.#seal = seal;
    this.#maxAge = maxAge;
  }

  /** @param {string} name */
  get(name) {
    return this.#values.get(name);
  }

  /** @param {string} name */
  has(name) {
    return this.#values.has(name);
  }

  /** @param {string} name @param {unknown} value */
  put(name, value) {
    this.#values.set(checkName(name), copy(name, value));
    this.#isChanged = true;
  }

  /** @param {string} name */
  remove(name) {
    this.#isChanged = this.#values.delete(name) || this.#isChanged;
  }

  clear() {
    for (const map of [this.#values, this.#arrived, this.#flashes]) map.clear();
    this.#isChanged = true;
  }

  /** @param {string} name @param {unknown} value */
  flash(name, value) {
    this.#flashes.set(checkName(name), copy(name, value));
  }

  /** @param {string} name */
  getFlash(name) {
    return this.#arrived.get(name);
  }

  /** @param {Headers} headers */
  async save(headers) {
    const isEmpty = this.#values.size === 0 && this.#flashes.size === 0;
    const wasShown = this.#arrived.size > 0;
    if (isEmpty) {
      if (this.#had) headers.append("set-cookie", line("", 0));
    } else if (this.#isChanged || wasShown || this.#flashes.size > 0) {
      const sealed = await this.#seal(Object.fromEntries(this.#values), Object.fromEntries(this.#flashes));
      check(NAME.length + sealed.length <= MOST_BYTES, "data", "must be smaller: a cookie has 4096 bytes at most");
      headers.append("set-cookie", line(sealed, this.#maxAge));
    }
  }
}

/** @param {unknown} name */
function checkName(name) {
  // What would be a property of every object is the name of nothing.
  check(isText(name) && name !== "__proto__", "name", "must be a non-empty string");
  return /** @type {string} */ (name);
}

/** As it will be read again. @param {string} name @param {unknown} value */
function copy(name, value) {
  const text = JSON.stringify(value);
  check(text !== undefined, name, "must be a value of JSON");
  return JSON.parse(text);
}

/** @param {string} value @param {number} maxAge */
const line = (value, maxAge) => `${NAME}=${value}; Path=/; Max-Age=${maxAge}; Secure; HttpOnly; SameSite=Lax`;

/** What is sealed is good for this cookie of this visitor, and nothing else. @param {Uint8Array<ArrayBuffer>} iv @param {string} boundTo */
function algorithm(iv, boundTo) {
  return { name: CIPHER, iv, additionalData: new TextEncoder().encode(JSON.stringify([NAME, boundTo])) };
}

/** @param {CryptoKey} key @param {object} content @param {string} boundTo */
async function seal(key, content, boundTo) {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const sealed = await crypto.subtle.encrypt(algorithm(iv, boundTo), key, new TextEncoder().encode(JSON.stringify(content)));
  return encodeBase64url(new Uint8Array([VERSION, ...iv, ...new Uint8Array(sealed)]));
}

/**
 * What was sealed under any of the keys; nothing if it was not.
 *
 * @param {CryptoKey[]} keys
 * @param {string} text
 * @param {string} boundTo
 * @returns {Promise<{ values: object, flashes: object, until: number } | undefined>}
 */
async function unseal(keys, text, boundTo) {
  const bytes = text.length <= MOST_BYTES ? decodeBase64url(text) : undefined;
  if (bytes?.[0] !== VERSION) return undefined;
  const [iv, sealed] = [bytes.slice(1, 1 + IV_BYTES), bytes.slice(1 + IV_BYTES)];
  for (const key of keys) {
    try {
      const opened = await crypto.subtle.decrypt(algorithm(iv, boundTo), key, sealed);
      return JSON.parse(new TextDecoder().decode(opened));
    } catch {
      // Another key's, or nobody's.
    }
  }
  return undefined;
}
