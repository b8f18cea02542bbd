import { ConfigurationError } from "./errors.js";
import { checkUrl } from "./key-source.js";
import { Registry } from "./permissions.js";

const KNOWN = new Set([
  "issuer",
  "audience",
  "jwks",
  "jwksUrl",
  "jwksMaxAgeSeconds",
  "fetch",
  "hmacSecret",
  "hmacKeyId",
  "tenant",
  "anyTenant",
  "leewaySeconds",
  "tokenType",
  "requiredClaims",
  "permissions",
  "cacheSize",
  "now",
]);

/**
 * Checks the options of `createVerifier`; what is not understood is refused, never ignored.
 *
 * @param {any} options
 * @param {boolean} allowHmac whether this build may hold a shared secret
 */
export function readOptions(options, allowHmac) {
  if (options === null || typeof options !== "object") throw new ConfigurationError("options", "must be an object");
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name)) throw new ConfigurationError(name, "is not an option");
  }
  const { issuer, jwks, jwksUrl, hmacSecret, tenant, anyTenant, fetch, now } = options;
  const check = (/** @type {boolean} */ holds, /** @type {string} */ option, /** @type {string} */ reason) => {
    if (!holds) throw new ConfigurationError(option, reason);
  };
  check(isText(issuer), "issuer", "must be a non-empty string");
  const audience = [options.audience].flat();
  check(audience.length > 0 && audience.every(isText), "audience", "must be a string or an array of strings");
  check(tenant === undefined || isText(tenant), "tenant", "must be a non-empty string");
  check(anyTenant === undefined || typeof anyTenant === "boolean", "anyTenant", "must be a boolean");
  check(!(tenant !== undefined && anyTenant), "tenant", "contradicts anyTenant");
  const { leewaySeconds, tokenType, requiredClaims, jwksMaxAgeSeconds = 600, cacheSize = 0 } = options;
  check(leewaySeconds === undefined || isWhole(leewaySeconds, 120), "leewaySeconds", "must be a whole number from 0 to 120");
  check(tokenType === undefined || isText(tokenType), "tokenType", "must be a non-empty string");
  const areClaims = Array.isArray(requiredClaims) && requiredClaims.every(isText);
  check(requiredClaims === undefined || areClaims, "requiredClaims", "must be an array of names of claims");
  check(isWhole(jwksMaxAgeSeconds, 86_400), "jwksMaxAgeSeconds", "must be a whole number from 0 to 86400");
  check(isWhole(cacheSize, 100_000), "cacheSize", "must be a whole number from 0 to 100000");
  check(now === undefined || typeof now === "function", "now", "must be a function that returns seconds");
  check(fetch === undefined || typeof fetch === "function", "fetch", "must be a function");

  if (hmacSecret !== undefined) {
    check(allowHmac, "hmacSecret", "is not for browsers: whoever can verify with it can issue tokens");
    check(hmacSecret instanceof Uint8Array, "hmacSecret", "must be a Uint8Array of at least 32 bytes");
    check(hmacSecret.length >= 32, "hmacSecret", "must be a Uint8Array of at least 32 bytes");
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
    jwks: typeof jwks === "object" ? JSON.stringify(jwks) : jwks,
    jwksUrl: jwksUrl === undefined ? undefined : checkUrl(jwksUrl),
    jwksMaxAgeSeconds,
    cacheSize,
    fetch,
    hmacSecret: hmacSecret?.slice(),
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
