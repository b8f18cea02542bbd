import { TokenError } from "../errors.js";

/** A time of issue further ahead than this is no wrong clock: the same 10 minutes as for Postern's own tokens. */
const MAX_FUTURE_SECONDS = 600;

/** What a token of a third party says, after it has been verified. Its claims mean what its issuer says they mean. */
export class IssuerClaims {
  #subjectClaim;

  /** @param {any} payload @param {string} [subjectClaim] */
  constructor(payload, subjectClaim = "sub") {
    /** @readonly */
    this.payload = payload;
    this.#subjectClaim = subjectClaim;
  }

  get issuer() {
    return this.payload.iss;
  }
  get subject() {
    return Object.hasOwn(this.payload, this.#subjectClaim) ? this.payload[this.#subjectClaim] : undefined;
  }
  get audience() {
    return [this.payload.aud].flat();
  }
  get clientId() {
    return this.payload.client_id ?? this.payload.azp;
  }
  get expiresAt() {
    return this.payload.exp;
  }
  get issuedAt() {
    return this.payload.iat;
  }

  /** The names in `scope` (RFC 8693 §4.2), or in `scp`. */
  get scopes() {
    const { scope, scp } = this.payload;
    const named = scope ?? scp ?? [];
    return typeof named === "string" ? named.split(" ").filter(Boolean) : [named].flat().filter((name) => typeof name === "string");
  }

  /** @param {string} scope */
  hasScope(scope) {
    return this.scopes.includes(scope);
  }

  toJSON() {
    return this.payload;
  }
}

/**
 * Checks authentic claims, in the order of the verifier's refusals.
 *
 * @param {Record<string, unknown>} payload
 * @param {{ issuer: string, audiences: readonly string[], requiredClaims: readonly string[], subjectClaim: string,
 *   leewaySeconds: number }} rule
 * @param {number} now
 * @throws {TokenError}
 */
export function checkClaims(payload, { issuer, audiences, requiredClaims, subjectClaim, leewaySeconds }, now) {
  const { iss, aud, exp, nbf, iat } = payload;
  const subject = Object.hasOwn(payload, subjectClaim) ? payload[subjectClaim] : undefined;
  const refuseIf = (/** @type {boolean} */ holds, /** @type {string} */ code, /** @type {string} */ claim = "") => {
    if (holds) throw claim ? new TokenError(code, claim) : new TokenError(code);
  };
  const isDate = (/** @type {unknown} */ value) => typeof value === "number" && Number.isFinite(value) && value >= 0;
  for (const [name, value] of Object.entries({ exp, nbf, iat })) {
    refuseIf(value !== undefined && !isDate(value), "claim_malformed", name);
  }
  refuseIf(subject !== undefined && (typeof subject !== "string" || subject === ""), "claim_malformed", subjectClaim);
  const audience = [aud].flat();
  refuseIf(aud !== undefined && !audience.every((name) => typeof name === "string"), "claim_malformed", "aud");
  for (const name of ["iss", "aud", "exp", ...requiredClaims]) {
    refuseIf(!Object.hasOwn(payload, name) || payload[name] === null, "claim_missing", name);
  }
  refuseIf(iss !== issuer, "issuer_mismatch");
  refuseIf(!audience.some((name) => audiences.includes(/** @type {string} */ (name))), "audience_mismatch");
  refuseIf(now >= Math.floor(Number(exp)) + leewaySeconds, "token_expired");
  refuseIf(Number(nbf ?? 0) > now + leewaySeconds, "token_not_yet_valid");
  refuseIf(Number(iat ?? 0) > now + Math.max(leewaySeconds, MAX_FUTURE_SECONDS), "token_issued_in_future");
  refuseIf(Number(iat ?? 0) > now + leewaySeconds, "token_clock_skew");
}
