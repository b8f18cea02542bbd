import { TokenError } from "../errors.js";

/** What a token of a third party says, after it has been verified. Its claims mean what its issuer says they mean. */
export class IssuerClaims {
  /** @param {any} payload */
  constructor(payload) {
    /** @readonly */
    this.payload = payload;
  }

  get issuer() {
    return this.payload.iss;
  }
  get subject() {
    return this.payload.sub;
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
 * @param {{ issuer: string, audiences: readonly string[], requiredClaims: readonly string[], leewaySeconds: number }} rule
 * @param {number} now
 * @throws {TokenError}
 */
export function checkClaims(payload, { issuer, audiences, requiredClaims, leewaySeconds }, now) {
  const { iss, aud, exp, nbf, iat, sub } = payload;
  const refuseIf = (/** @type {boolean} */ holds, /** @type {string} */ code, /** @type {string} */ claim = "") => {
    if (holds) throw claim ? new TokenError(code, claim) : new TokenError(code);
  };
  const isDate = (/** @type {unknown} */ value) => typeof value === "number" && Number.isFinite(value) && value >= 0;
  for (const [name, value] of Object.entries({ exp, nbf, iat })) {
    refuseIf(value !== undefined && !isDate(value), "claim_malformed", name);
  }
  refuseIf(sub !== undefined && (typeof sub !== "string" || sub === ""), "claim_malformed", "sub");
  const audience = [aud].flat();
  refuseIf(aud !== undefined && !audience.every((name) => typeof name === "string"), "claim_malformed", "aud");
  for (const name of ["iss", "aud", "exp", ...requiredClaims]) {
    refuseIf(!Object.hasOwn(payload, name) || payload[name] === null, "claim_missing", name);
  }
  refuseIf(iss !== issuer, "issuer_mismatch");
  refuseIf(!audience.some((name) => audiences.includes(/** @type {string} */ (name))), "audience_mismatch");
  refuseIf(now >= Math.floor(Number(exp)) + leewaySeconds, "token_expired");
  refuseIf(Number(nbf ?? 0) > now + leewaySeconds, "token_not_yet_valid");
  refuseIf(Number(iat ?? 0) > now + leewaySeconds, "token_issued_in_future");
}
