import { ConfigurationError } from "./errors.js";
import { hasBit } from "./permissions.js";

const NO_MASK = new Uint32Array(0);

/** The claims that Postern registers; all others are custom. */
const REGISTERED = new Set(
  "iss sub aud exp nbf iat jti client_id sid tid av pr pm roles org ent auth_time acr amr cnf".split(" "),
);

/** What a token says, after it has been verified. */
export class Claims {
  /** Empty without a registry, and then never read. */
  #mask = NO_MASK;
  /** @type {import("./permissions.js").Registry | undefined} */
  #registry;
  #root = false;
  #subjectClaim;

  /**
   * @param {any} payload
   * @param {import("./permissions.js").Registry} [registry]
   * @param {string} [subjectClaim]
   */
  constructor(payload, registry, subjectClaim = "sub") {
    /** @readonly */
    this.payload = payload;
    this.#subjectClaim = subjectClaim;
    if (registry) {
      this.#registry = registry;
      this.#mask = registry.readMask(payload.pm);
      this.#root = registry.isRoot(this.#mask);
    }
  }

  get subject() {
    return Object.hasOwn(this.payload, this.#subjectClaim) ? this.payload[this.#subjectClaim] : undefined;
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
  get custom() {
    return Object.fromEntries(Object.entries(this.payload).filter(([name]) => !REGISTERED.has(name)));
  }
  get isRoot() {
    if (!this.#registry) noRegistry();
    return this.#root;
  }

  /** @param {string} role */
  hasRole(role) {
    return this.roles.includes(role);
  }

  /** @param {readonly string[]} roles */
  hasAllRoles(roles) {
    return list(roles, "roles").every((role) => this.hasRole(role));
  }

  /** @param {readonly string[]} roles */
  hasAnyRole(roles) {
    return list(roles, "roles").some((role) => this.hasRole(role));
  }

  /** @param {string} name */
  hasEntitlement(name) {
    return this.entitlements.includes(name);
  }

  /** @param {string} name */
  can(name) {
    // The one hot line of this file: fields are read one by one, because an object for them costs as much as the test.
    const bit = (this.#registry ?? noRegistry()).bitOf(name);
    return this.#root || hasBit(this.#mask, bit);
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
    return (this.#registry ?? noRegistry()).namesOf(this.#mask);
  }

  toJSON() {
    return this.payload;
  }

  // Every name is looked up before any answer, so that a misspelt one is found whatever the token grants.
  /** @param {readonly string[]} names */
  #check(names) {
    if (!this.#registry) noRegistry();
    return list(names, "permission names").map((name) => this.can(name));
  }
}

/**
 * What is asked for, one by one. An array may have holes, which its own methods pass over; here they are `undefined`, which
 * nobody has.
 *
 * @param {readonly string[]} names
 * @param {string} what
 */
function list(names, what) {
  if (!Array.isArray(names)) throw new TypeError(`expected an array of ${what}`);
  return Array.from(names);
}

/** @returns {never} */
function noRegistry() {
  throw new ConfigurationError("permissions", "is needed to check permissions: pass the issuer's registry");
}
