import { Claims } from "./claims.js";
import { ConfigurationError, KeysError, TokenError } from "./errors.js";
import { KeySource } from "./key-source.js";
import { readOptions } from "./options.js";
import { TokenCache } from "./token-cache.js";

/** Verifies the access tokens of one issuer. Made by `createVerifier`. */
export class Verifier {
  #engine;
  #options;
  #handle = { number: -1, generation: -1 };
  /** @type {KeySource | undefined} */
  #source;
  /** @type {TokenCache | undefined} */
  #cache;
  /** @type {string | undefined} the key set in use, as JSON text */
  #jwks;

  /**
   * @param {import("./engine.js").Engine} engine
   * @param {ReturnType<typeof readOptions>} options
   * @param {boolean} shareFetch
   */
  constructor(engine, options, shareFetch) {
    this.#engine = engine;
    this.#options = options;
    this.#jwks = options.jwks;
    if (options.cacheSize > 0) this.#cache = new TokenCache(options.cacheSize);
    try {
      this.#open();
    } catch (error) {
      throw error instanceof KeysError ? new ConfigurationError("jwks", error.message) : error;
    }
    if (options.jwksUrl) {
      this.#source = new KeySource({
        url: options.jwksUrl,
        fetch: options.fetch,
        maxAgeSeconds: options.jwksMaxAgeSeconds,
        accept: (jwks) => this.#replaceKeys(jwks),
        share: shareFetch,
      });
    }
  }

  /** @param {string} token */
  verify(token) {
    if (typeof token !== "string") throw new TokenError("token_malformed");
    const now = this.#now();
    if (!this.#hasKeys) throw new KeysError("keys_not_loaded", "no keys yet: await verifier.ready() first");
    if (this.#source?.isStale(now)) this.#source.refreshInBackground(now);
    const known = this.#cache?.get(token, now);
    if (known !== undefined) return new Claims(JSON.parse(known), this.#options.registry);
    const text = this.#verifyAnew(token, now);
    const claims = new Claims(JSON.parse(text), this.#options.registry);
    this.#cache?.add(token, text, now, claims.expiresAt);
    return claims;
  }

  /** Resolves when there are keys to verify with; fetches them if there are none. */
  async ready() {
    if (!this.#hasKeys) await this.#source?.refresh(this.#now());
  }

  /** Fetches the keys now. */
  async refresh() {
    if (!this.#source) throw new ConfigurationError("jwksUrl", "is needed to refresh keys");
    await this.#source.refresh(this.#now());
  }

  /**
   * @param {string} token
   * @param {number} now
   */
  #verifyAnew(token, now) {
    try {
      return this.#engine.verify(this.#open(), token, now);
    } catch (error) {
      if (error instanceof TokenError && error.code === "key_not_found") this.#source?.refreshInBackground(now);
      throw error;
    }
  }

  get #hasKeys() {
    return this.#jwks !== undefined || this.#options.hmacSecret !== undefined;
  }

  #now() {
    const now = Math.floor(this.#options.now());
    if (!Number.isSafeInteger(now) || now < 0) throw new ConfigurationError("now", "must return seconds since 1970");
    return now;
  }

  /** @param {string} jwks */
  #replaceKeys(jwks) {
    // If the module refuses the new keys, the ones in use stay.
    this.#engine.setJwks(this.#open(), jwks);
    this.#jwks = jwks;
    this.#cache?.clear();
  }

  /** The handle of this verifier, opened in the instance in use. */
  #open() {
    const handle = this.#handle;
    if (handle.generation === this.#engine.generation) return handle.number;
    const options = this.#options;
    const number = this.#engine.open(policyFields(options));
    closeWhenCollected(this, this.#engine, number);
    if (options.hmacSecret) this.#engine.setSecret(number, options.hmacKeyId, options.hmacSecret);
    if (this.#jwks !== undefined) this.#engine.setJwks(number, this.#jwks);
    this.#handle = { number, generation: this.#engine.generation };
    return number;
  }
}

/**
 * The `createVerifier` of one build.
 *
 * @param {import("./engine.js").Engine} engine
 * @param {{ allowHmac: boolean, shareFetch?: boolean }} build
 */
export function createVerifierFactory(engine, { allowHmac, shareFetch = true }) {
  return (/** @type {any} */ options) => new Verifier(engine, readOptions(options, allowHmac), shareFetch);
}

/**
 * The fields of the policy, in the order that the module reads them; empty ones stand for its defaults.
 *
 * @param {ReturnType<typeof readOptions>} options
 */
function policyFields({ issuer, audience, tenant, anyTenant, leewaySeconds, tokenType, requiredClaims }) {
  // Without a word about tenants, a token that names one is refused: nobody said that it is welcome.
  const tenantRule = anyTenant ? "any" : tenant === undefined ? "none" : `only ${tenant}`;
  // `iss` is required in any case; naming it makes an empty list differ from none.
  const required = requiredClaims ? ["iss", ...requiredClaims].join(" ") : "";
  return [issuer, tenantRule, leewaySeconds?.toString() ?? "", tokenType ?? "", required, ...audience];
}

const collected =
  typeof FinalizationRegistry === "function"
    ? new FinalizationRegistry(({ engine, number, generation }) => {
        if (engine.generation === generation) engine.close(number);
      })
    : undefined;

/**
 * @param {Verifier} verifier
 * @param {import("./engine.js").Engine} engine
 * @param {number} number
 */
function closeWhenCollected(verifier, engine, number) {
  collected?.register(verifier, { engine, number, generation: engine.generation });
}
