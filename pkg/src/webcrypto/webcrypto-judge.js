import { ConfigurationError, KeysError, TokenError } from "../errors.js";
import { decodeBase64url } from "../jws/base64url.js";
import { isSignedBy } from "../jws/keys.js";
import { readObject } from "../jws/strict-json.js";
import { Policy } from "./claims-check.js";
import { anyAlgorithmNamed, KEY_ID, KeySet, readJwks, secretKey } from "./key-set.js";

/** The longest token that is looked at, in bytes. */
const MAX_TOKEN_BYTES = 8192;

const encoder = new TextEncoder();

/** @typedef {import("../verification.js").Judge} Judge */

/**
 * The rules of `postern_core::jwt::verify` in JavaScript, with every signature checked by WebCrypto. The order of the
 * checks is the order of the refusals: a token with several faults names the first.
 *
 * @implements {Judge}
 */
export class WebCryptoJudge {
  #policy;
  #secret;
  /** @type {KeySet | undefined} */
  #keys;
  /** @type {KeySet | undefined} the same, once all its keys have ids */
  #named;

  /** @param {ReturnType<typeof import("../options.js").readOptions>} options */
  constructor(options) {
    const { hmacSecret, hmacKeyId, hmacAlgorithm, jwks } = options;
    this.#policy = new Policy(options);
    if (hmacSecret) {
      if (!KEY_ID.test(hmacKeyId)) {
        throw new ConfigurationError("hmacKeyId", "must be 1 to 128 printable ASCII characters");
      }
      this.#secret = secretKey(hmacKeyId, hmacAlgorithm, hmacSecret);
    }
    try {
      if (jwks !== undefined || this.#secret) this.#keys = this.#keySet(jwks);
    } catch (error) {
      throw error instanceof KeysError ? new ConfigurationError("jwks", error.message) : error;
    }
  }

  /** @param {string} jwks */
  async readJwks(jwks) {
    const keys = this.#keySet(jwks);
    await keys.name();
    return () => {
      this.#named = this.#keys = keys;
    };
  }

  async ready() {
    await this.#namedKeys();
  }

  /**
   * @param {string} token
   * @param {number} now
   * @returns {Promise<string>}
   */
  async verifyAsync(token, now) {
    const keys = await this.#namedKeys();
    if (token.length > MAX_TOKEN_BYTES || encoder.encode(token).length > MAX_TOKEN_BYTES) {
      throw new TokenError("token_too_large");
    }
    const parts = token.split(".");
    const [head, payload, tail] = parts;
    if (parts.length !== 3 || parts.includes("")) throw new TokenError("token_malformed");
    const header = readHeader(head);
    const signature = decodeBase64url(tail);
    if (!signature) throw new TokenError("token_malformed");
    if (!this.#policy.hasType(header.typ)) throw new TokenError("token_type_mismatch");
    const key = keys?.select(header.kid);
    if (!keys || !key) throw new TokenError("key_not_found");
    if (anyAlgorithmNamed(header.alg) !== key.algorithm) throw new TokenError("algorithm_not_allowed");
    const signed = encoder.encode(`${head}.${payload}`);
    const isSigned = await isSignedBy(key.algorithm, await keys.load(key), { signature, signed });
    // While WebCrypto was busy, the keys may have been replaced. Then the verdict is about nothing.
    if (keys !== this.#keys) return this.verifyAsync(token, now);
    if (!isSigned) throw new TokenError("signature_invalid");
    return this.#claims(payload, now);
  }

  /**
   * The text of an authentic payload, if the policy accepts it.
   *
   * @param {string} part
   * @param {number} now
   */
  #claims(part, now) {
    const bytes = decodeBase64url(part);
    const payload = bytes && readObject(bytes);
    if (!payload) throw new TokenError("payload_malformed");
    this.#policy.check(payload, now);
    return payload.text;
  }

  /** @param {string | undefined} jwks */
  #keySet(jwks) {
    const published = jwks === undefined ? [] : new KeySet(readJwks(jwks)).keys;
    return this.#secret ? new KeySet([...published, this.#secret]) : new KeySet(published);
  }

  async #namedKeys() {
    if (this.#named !== this.#keys) {
      const keys = this.#keys;
      await keys?.name();
      this.#named = keys;
      return keys;
    }
    return this.#keys;
  }
}

/**
 * The three members of a header that matter (RFC 7515 §4). `jku`, `jwk`, `x5u` and `x5c` are not even looked at.
 *
 * @param {string} part
 * @returns {{ alg: string, kid: string | undefined, typ: string | undefined }}
 */
function readHeader(part) {
  const bytes = decodeBase64url(part);
  if (!bytes) throw new TokenError("token_malformed");
  const members = readObject(bytes)?.members;
  const text = (/** @type {string} */ name) => {
    const value = members?.get(name);
    if (value !== undefined && typeof value !== "string") throw new TokenError("header_malformed");
    return value;
  };
  const [alg, kid, typ] = [text("alg"), text("kid"), text("typ")];
  if (alg === undefined) throw new TokenError("header_malformed");
  if (members?.has("crit")) throw new TokenError("critical_header_unsupported");
  return { alg, kid, typ };
}
