import { ConfigurationError, KeysError } from "./errors.js";
import { decodeBase64url } from "./jws/base64url.js";
import { algorithmNamed, importPublicKey, isSignedBy } from "./jws/keys.js";

/** @typedef {import("./verification.js").Judge} Judge */

/**
 * One verifier inside the wasm module: its policy and its keys. The module decides everything; WebCrypto is asked only
 * for signatures of algorithms that the module leaves to its host.
 *
 * @implements {Judge}
 */
export class WasmJudge {
  #engine;
  #options;
  #handle = { number: -1, generation: -1 };
  /** @type {string | undefined} the key set in use, as JSON text */
  #jwks;
  /** @type {{ keySet: string, imported: Map<string, HostKey> }} the keys of one key set, as WebCrypto has them */
  #hostKeys = { keySet: "", imported: new Map() };

  /**
   * @param {import("./engine.js").Engine} engine
   * @param {ReturnType<typeof import("./options.js").readOptions>} options
   */
  constructor(engine, options) {
    this.#engine = engine;
    this.#options = options;
    this.#jwks = options.jwks;
    try {
      this.#open();
    } catch (error) {
      throw error instanceof KeysError ? new ConfigurationError("jwks", error.message) : error;
    }
  }

  /** @param {string} jwks */
  readJwks(jwks) {
    return () => {
      // If the module refuses the new keys, the ones in use stay.
      this.#engine.setJwks(this.#open(), jwks);
      this.#jwks = jwks;
    };
  }

  /**
   * @param {string} token
   * @param {number} now
   */
  verify(token, now) {
    return this.#engine.verify(this.#open(), token, now);
  }

  /**
   * @param {string} token
   * @param {number} now
   */
  async verifyAsync(token, now) {
    try {
      return this.verify(token, now);
    } catch (error) {
      if (!(error instanceof KeysError) || error.code !== "algorithm_needs_async") throw error;
    }
    for (;;) {
      const candidate = this.#engine.begin(this.#open(), token);
      const { generation } = this.#handle;
      const isSigned = await this.#isSigned(token, candidate);
      // While WebCrypto was busy, the keys may have been replaced, or the module. Then the verdict is about nothing.
      if (generation !== this.#engine.generation) continue;
      const payload = this.#engine.finish(this.#open(), token, now, candidate.keySet, isSigned);
      if (payload !== undefined) return payload;
    }
  }

  /** @type {(text: string) => Uint32Array} */
  digest = (text) => this.#engine.digest(text);

  /**
   * Whether the key that the module chose has signed the token.
   *
   * @param {string} token
   * @param {import("./engine.js").Candidate} candidate
   */
  async #isSigned(token, candidate) {
    const { algorithm, key } = await this.#hostKey(candidate);
    const dot = token.lastIndexOf(".");
    const signature = decodeBase64url(token.slice(dot + 1));
    if (!signature) return false;
    return isSignedBy(algorithm, key, { signature, signed: new TextEncoder().encode(token.slice(0, dot)) });
  }

  /**
   * The key as WebCrypto has it, imported once per key set. Promises are not shared: a request of a Worker must not
   * wait for what another one started.
   *
   * @param {import("./engine.js").Candidate} candidate
   */
  async #hostKey({ keySet: number, keyId }) {
    // An instance numbers its key sets from one on.
    const keySet = `${this.#handle.generation} ${number}`;
    if (this.#hostKeys.keySet !== keySet) this.#hostKeys = { keySet, imported: new Map() };
    const { imported } = this.#hostKeys;
    const known = imported.get(keyId);
    if (known) return known;
    const { alg, kid, use, ...members } = JSON.parse(this.#engine.publicJwk(this.#open(), keyId));
    const hostKey = await importHostKey(members, alg);
    imported.set(keyId, hostKey);
    return hostKey;
  }

  /** The handle of this verifier, opened in the instance in use. */
  #open() {
    const handle = this.#handle;
    if (handle.generation === this.#engine.generation) return handle.number;
    const options = this.#options;
    const number = this.#engine.open(policyFields(options));
    closeWhenCollected(this, this.#engine, number);
    if (options.hmacSecret) this.#engine.setSecret(number, options.hmacKeyId, options.hmacSecret, options.hmacAlgorithm);
    if (this.#jwks !== undefined) this.#engine.setJwks(number, this.#jwks);
    this.#handle = { number, generation: this.#engine.generation };
    return number;
  }
}

/** @typedef {{ algorithm: import("./jws/keys.js").Algorithm, key: CryptoKey }} HostKey */

/**
 * @param {object} members
 * @param {string} alg
 * @returns {Promise<HostKey>}
 */
async function importHostKey(members, alg) {
  const algorithm = algorithmNamed(alg);
  if (!algorithm) throw new KeysError("keys_invalid", "a key has an algorithm that this version does not know");
  try {
    return { algorithm, key: await importPublicKey(members, algorithm) };
  } catch (cause) {
    throw new KeysError("keys_invalid", "WebCrypto cannot use a key of the set", { cause });
  }
}

/**
 * The fields of the policy, in the order that the module reads them; empty ones stand for its defaults.
 *
 * @param {ReturnType<typeof import("./options.js").readOptions>} options
 */
function policyFields(options) {
  const { issuer, audience, tenant, anyTenant, leewaySeconds, tokenType, requiredClaims } = options;
  // Without a word about tenants, a token that names one is refused: nobody said that it is welcome.
  const tenantRule = anyTenant ? "any" : tenant === undefined ? "none" : `only ${tenant}`;
  // `iss` is required in any case; naming it makes an empty list differ from none.
  const required = requiredClaims ? ["iss", ...requiredClaims].join(" ") : "";
  const seconds = (/** @type {number | undefined} */ span) => span?.toString() ?? "";
  const times = [seconds(options.maxTokenAgeSeconds), seconds(options.maxFutureIssueSeconds)];
  return [issuer, tenantRule, seconds(leewaySeconds), tokenType ?? "", required, ...times, options.subjectClaim, ...audience];
}

const collected =
  typeof FinalizationRegistry === "function"
    ? new FinalizationRegistry(({ engine, number, generation }) => {
        if (engine.generation === generation) engine.close(number);
      })
    : undefined;

/**
 * @param {WasmJudge} judge
 * @param {import("./engine.js").Engine} engine
 * @param {number} number
 */
function closeWhenCollected(judge, engine, number) {
  collected?.register(judge, { engine, number, generation: engine.generation });
}
