import { ConfigurationError } from "./errors.js";
import { hasBit } from "./permissions.js";

/** What a token says, after it has been verified. */
export class Claims {
  /** @type {Uint32Array | undefined} */
  #mask;
  /** @type {import("./permissions.js").Registry | undefined} */
  #registry;
  #root = false;

  /**
   * @param {any} payload
   * @param {import("./permissions.js").Registry} [registry]
   */
  constructor(payload, registry) {
    /** @readonly */
    this.payload = payload;
    if (registry) {
      this.#registry = registry;
      this.#mask = registry.readMask(payload.pm);
      this.#root = registry.isRoot(this.#mask);
    }
  }

  get subject() {
    return this.payload.sub;
  }
  get sessionId() {
    return this.payload.sid;
  }
  get tokenId() {
    return this.payload.jti;
  }
  get clientId() {
    return this.payload.client_id;
  }
  get tenant() {
    return this.payload.tid;
  }
  get issuer() {
    return this.payload.iss;
  }
  get audience() {
    const { aud } = this.payload;
    return aud === undefined ? [] : [aud].flat();
  }
  get issuedAt() {
    return this.payload.iat;
  }
  get expiresAt() {
    return this.payload.exp;
  }
  get accountVersion() {
    return this.payload.av;
  }
  get roles() {
    return this.payload.roles ?? [];
  }
  get organization() {
    return this.payload.org;
  }
  get entitlements() {
    return this.payload.ent ?? [];
  }
  get authenticationMethods() {
    return this.payload.amr ?? [];
  }
  get authenticatedAt() {
    return this.payload.auth_time;
  }
  get registryVersion() {
    return this.payload.pr;
  }
  get isRoot() {
    this.#permissions();
    return this.#root;
  }

  /** @param {string} role */
  hasRole(role) {
    return this.roles.includes(role);
  }

  /** @param {string} name */
  can(name) {
    const { registry, mask } = this.#permissions();
    const bit = registry.bitOf(name);
    return this.#root || hasBit(mask, bit);
  }

  /** @param {readonly string[]} names */
  canAll(names) {
    return this.#check(names).every(Boolean);
  }

  /** @param {readonly string[]} names */
  canAny(names) {
    return this.#check(names).some(Boolean);
  }

  permissions() {
    const { registry, mask } = this.#permissions();
    return registry.namesOf(mask);
  }

  toJSON() {
    return this.payload;
  }

  // Every name is looked up before any answer, so that a misspelt one is found whatever the token grants.
  /** @param {readonly string[]} names */
  #check(names) {
    if (!Array.isArray(names)) throw new TypeError("expected an array of permission names");
    return names.map((name) => this.can(name));
  }

  #permissions() {
    const registry = this.#registry;
    const mask = this.#mask;
    if (!registry || !mask) {
      throw new ConfigurationError("permissions", "is needed to check permissions: pass the issuer's registry");
    }
    return { registry, mask };
  }
}
