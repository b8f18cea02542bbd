import { ConfigurationError } from "./errors.js";
import { checkUrl } from "./key-source.js";
import { Registry } from "./permissions.js";

const KNOWN = new Set([
  "issuer",
  "audience",
  "jwks",
  "jwksUrl",
  "jwksMaxAgeSeconds",
  "jwksMaxStaleSeconds",
  "fetch",
  "waitUntil",
  "hmacSecret",
  "hmacKeyId",
  "hmacAlgorithm",
  "tenant",
  "anyTenant",
  "leewaySeconds",
  "tokenType",
  "requiredClaims",
  "maxTokenAgeSeconds",
  "maxFutureIssueSeconds",
  "subjectClaim",
  "permissions",
  "cacheSize",
  "now",
]);

/** How many bytes a secret must have: as many as its hash gives (RFC 7518 §3.2). */
const HMAC_BYTES = new Map([["HS256", 32], ["HS384", 48], ["HS512", 64]]);

/**
 * Checks the options of `createVerifier`; what is not understood is refused, never ignored.
 *
 * @param {any} options
 * @param {{ allowHmac: boolean, allowCache?: boolean }} build whether it may hold a shared secret, and remember tokens
 */
export function readOptions(options, { allowHmac, allowCache = true }) {
  if (options === null || typeof options !== "object") throw new ConfigurationError("options", "must be an object");
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw new ConfigurationError(name, "is not an option");
  }
  const { issuer, jwks, jwksUrl, hmacSecret, tenant, anyTenant, fetch, waitUntil = () => {}, now } = options;
  const check = (/** @type {boolean} */ holds, /** @type {string} */ option, /** @type {string} */ reason) => {
    if (!holds) throw new ConfigurationError(option, reason);
  };
  check(isText(issuer), "issuer", "must be a non-empty string");
  const audience = [options.audience].flat();
  check(audience.length > 0 && audience.every(isText), "audience", "must be a string or an array of strings");
  check(tenant === undefined || isText(tenant), "tenant", "must be a non-empty string");
  check(anyTenant === undefined || typeof anyTenant === "boolean", "anyTenant", "must be a boolean");
  check(!(tenant !== undefined && anyTenant), "tenant", "contradicts anyTenant");
  const { leewaySeconds, tokenType, requiredClaims, cacheSize = 0 } = options;
  const { jwksMaxAgeSeconds = 300, jwksMaxStaleSeconds = 3600 } = options;
  check(leewaySeconds === undefined || isWhole(leewaySeconds, 120), "leewaySeconds", "must be a whole number from 0 to 120");
  check(tokenType === undefined || isText(tokenType), "tokenType", "must be a non-empty string");
  const areClaims = Array.isArray(requiredClaims) && requiredClaims.every(isText);
  check(requiredClaims === undefined || areClaims, "requiredClaims", "must be an array of names of claims");
  const { maxTokenAgeSeconds, maxFutureIssueSeconds, subjectClaim } = options;
  const isAge = maxTokenAgeSeconds === undefined || (isWhole(maxTokenAgeSeconds, 31_536_000) && maxTokenAgeSeconds > 0);
  check(isAge, "maxTokenAgeSeconds", "must be a whole number from 1 to 31536000");
  const isFuture = maxFutureIssueSeconds === undefined || isWhole(maxFutureIssueSeconds, 86_400);
  check(isFuture, "maxFutureIssueSeconds", "must be a whole number from 0 to 86400");
  check(subjectClaim === undefined || isText(subjectClaim), "subjectClaim", "must be a non-empty string");
  check(isWhole(jwksMaxAgeSeconds, 86_400), "jwksMaxAgeSeconds", "must be a whole number from 0 to 86400");
  check(isWhole(jwksMaxStaleSeconds, 604_800), "jwksMaxStaleSeconds", "must be a whole number from 0 to 604800");
  check(allowCache || options.cacheSize === undefined, "cacheSize", "is not an option of this build");
  check(isWhole(cacheSize, 100_000), "cacheSize", "must be a whole number from 0 to 100000");
  check(now === undefined || typeof now === "function", "now", "must be a function that returns seconds");
  check(typeof waitUntil === "function", "waitUntil", "must be a function");
  check(fetch === undefined || typeof fetch === "function", "fetch", "must be a function");

  const { hmacAlgorithm = "HS256" } = options;
  const hmacBytes = HMAC_BYTES.get(hmacAlgorithm);
  check(hmacBytes !== undefined, "hmacAlgorithm", "must be HS256, HS384 or HS512");
  if (hmacSecret !== undefined) {
    check(allowHmac, "hmacSecret", "is not for browsers: whoever can verify with it can issue tokens");
    const isLong = hmacSecret instanceof Uint8Array && hmacSecret.length >= (hmacBytes ?? 0);
    check(isLong, "hmacSecret", `must be a Uint8Array of at least ${hmacBytes} bytes`);
  } else {
    check(jwks !== undefined || jwksUrl !== undefined, "jwks", "or jwksUrl is needed");
  }
  check(options.hmacKeyId === undefined || isText(options.hmacKeyId), "hmacKeyId", "must be a non-empty string");
  const isSet = typeof jwks === "string" || (typeof jwks === "object" && Array.isArray(jwks?.keys));
  check(jwks === undefined || isSet, "jwks", "must be a JWK Set: { keys: [...] }, or its JSON text");

  return {
    issuer,
    audience,
    tenant,
    anyTenant: anyTenant === true,
    leewaySeconds,
    tokenType,
    requiredClaims,
    maxTokenAgeSeconds,
    maxFutureIssueSeconds,
    subjectClaim: subjectClaim ?? "sub",
    jwks: typeof jwks === "object" ? JSON.stringify(jwks) : jwks,
    jwksUrl: jwksUrl === undefined ? undefined : checkUrl(jwksUrl),
    jwksMaxAgeSeconds,
    jwksMaxStaleSeconds,
    cacheSize,
    fetch,
    waitUntil,
    hmacSecret: hmacSecret?.slice(),
    hmacAlgorithm,
    hmacKeyId: options.hmacKeyId ?? "hs256",
    registry: options.permissions === undefined ? undefined : new Registry(options.permissions),
    now: now ?? (() => Date.now() / 1000),
  };
}

/** @param {unknown} value */
function isText(value) {
  return typeof value === "string" && value !== "";
}

/**
 * @param {unknown} value
 * @param {number} max
 */
function isWhole(value, max) {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;
}
