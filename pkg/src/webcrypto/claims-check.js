// The types of the registered claims and the demands of a policy, in the order of `postern_core::jwt`.
import { check } from "../check.js";
import { TokenError } from "../errors.js";
import { decodeBase64url } from "../jws/base64url.js";
import { shortType } from "../jws/media-type.js";
import { floorOf } from "../jws/strict-json.js";

/** The latest time of a claim: 9999-12-31T23:59:59Z. */
const MAX_NUMERIC_DATE = 253_402_300_799;
const TENANT = /^[A-Za-z0-9._-]{1,64}$/;

/** @typedef {(value: any, raw: string | undefined) => boolean} Check */

/** @type {Check} */
const isText = (value) => typeof value === "string" && value !== "";
/** @type {Check} */
const areTexts = (value) => Array.isArray(value) && value.every((text) => typeof text === "string");
/** @type {Check} */
const isDate = (_, raw) => floorOf(raw, MAX_NUMERIC_DATE) !== undefined;
/** @type {Check} */
const isInteger = (_, raw) => raw !== undefined && /^\d+$/.test(raw) && Number(raw) <= Number.MAX_SAFE_INTEGER;
/** @type {Check} */
const isConfirmation = (value) => {
  if (value === null || typeof value !== "object" || Array.isArray(value)) return false;
  if (!Object.hasOwn(value, "jkt")) return true;
  return typeof value.jkt === "string" && decodeBase64url(value.jkt)?.length === 32;
};

/** The registered claims, in the order in which missing ones are named. @type {Map<string, Check>} */
const CLAIMS = new Map([
  ["iss", isText],
  ["sub", isText],
  ["aud", (value, raw) => isText(value, raw) || areTexts(value, raw)],
  ["exp", isDate],
  ["nbf", isDate],
  ["iat", isDate],
  ["jti", isText],
  ["client_id", isText],
  ["sid", isText],
  ["tid", (value) => typeof value === "string" && TENANT.test(value)],
  ["av", isInteger],
  ["pr", isInteger],
  ["pm", isText],
  ["roles", areTexts],
  ["org", isText],
  ["ent", areTexts],
  ["auth_time", isDate],
  ["acr", isText],
  ["amr", areTexts],
  ["cnf", isConfirmation],
]);

/** What a verifier demands of a token beyond its signature. */
export class Policy {
  #issuer;
  #audience;
  #tenant;
  #anyTenant;
  #leewaySeconds;
  #maxAgeSeconds;
  #maxFutureSeconds;
  #subjectClaim;
  #required;
  #tokenType;

  /** @param {ReturnType<typeof import("../options.js").readOptions>} options */
  constructor(options) {
    const { issuer, audience, tenant, anyTenant, leewaySeconds = 30, tokenType = "at+jwt", subjectClaim } = options;
    const requiredClaims = options.requiredClaims ?? ["sub", "iat", "jti", "client_id"];
    check(tenant === undefined || TENANT.test(tenant), "tenant", "must be 1 to 64 of a-z A-Z 0-9 . _ -");
    check(shortType(tokenType) !== "", "tokenType", "is empty");
    const known = requiredClaims.every((/** @type {string} */ name) => CLAIMS.has(name));
    check(known, "requiredClaims", "has a name that is not a registered claim");
    check(subjectClaim === "sub" || !CLAIMS.has(subjectClaim), "subjectClaim", "is a registered claim other than sub");
    this.#issuer = issuer;
    this.#audience = new Set(audience);
    this.#tenant = tenant;
    this.#anyTenant = anyTenant;
    this.#leewaySeconds = leewaySeconds;
    this.#maxAgeSeconds = options.maxTokenAgeSeconds;
    this.#maxFutureSeconds = Math.max(leewaySeconds, options.maxFutureIssueSeconds ?? 600);
    this.#subjectClaim = subjectClaim;
    // Without a time of issue a token has no age.
    const dated = this.#maxAgeSeconds === undefined ? [] : ["iat"];
    const required = new Set(["iss", "aud", "exp", ...requiredClaims, ...dated]);
    this.#required = [...CLAIMS.keys()].filter((name) => required.has(name));
    this.#tokenType = shortType(tokenType);
  }

  /**
   * Whether `typ` is the type wanted (RFC 7515 §4.1.9).
   *
   * @param {unknown} typ
   */
  hasType(typ) {
    return typeof typ === "string" && shortType(typ) === this.#tokenType;
  }

  /**
   * Checks authentic claims.
   *
   * @param {NonNullable<ReturnType<typeof import("../jws/strict-json.js").readObject>>} payload
   * @param {number} now
   */
  check({ members, numbers }, now) {
    for (const [name, value] of members) {
      const isGood = CLAIMS.get(name);
      if (isGood && !isGood(value, numbers.get(name))) throw new TokenError("claim_malformed", name);
    }
    const subject = members.get(this.#subjectClaim);
    if (members.has(this.#subjectClaim) && !isText(subject, undefined)) throw new TokenError("claim_malformed", "sub");
    const missing = this.#required.find((name) => !members.has(name === "sub" ? this.#subjectClaim : name));
    if (missing) throw new TokenError("claim_missing", missing);
    const refuseIf = (/** @type {boolean} */ holds, /** @type {string} */ code) => {
      if (holds) throw new TokenError(code);
    };
    const date = (/** @type {string} */ name) => floorOf(numbers.get(name), MAX_NUMERIC_DATE) ?? 0;
    const leeway = this.#leewaySeconds;
    refuseIf(members.get("iss") !== this.#issuer, "issuer_mismatch");
    const audience = /** @type {string[]} */ ([members.get("aud")].flat());
    refuseIf(!audience.some((name) => this.#audience.has(name)), "audience_mismatch");
    refuseIf(now >= date("exp") + leeway, "token_expired");
    refuseIf(date("nbf") > now + leeway, "token_not_yet_valid");
    refuseIf(date("iat") > now + this.#maxFutureSeconds, "token_issued_in_future");
    refuseIf(date("iat") > now + leeway, "token_clock_skew");
    const maxAge = this.#maxAgeSeconds;
    refuseIf(maxAge !== undefined && now >= date("iat") + maxAge + leeway, "token_too_old");
    refuseIf(!this.#anyTenant && members.get("tid") !== this.#tenant, "tenant_mismatch");
  }
}
