import { check, checkFunctions, checkNames, clock, isText, text, texts, wholeNumber } from "./check.js";
import { checkUrl } from "./key-source.js";
import { Registry } from "./permissions.js";

const KNOWN = [
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
];

/** How many bytes a secret must have: as many as its hash gives (RFC 7518 §3.2). */
const HMAC_BYTES = new Map([["HS256", 32], ["HS384", 48], ["HS512", 64]]);

/**
 * Checks the options of `createVerifier`; what is not understood is refused, never ignored.
 *
 * @param {any} options
 * @param {{ allowHmac: boolean, allowCache?: boolean }} build whether it may hold a shared secret, and remember tokens
 */
export function readOptions(options, { allowHmac, allowCache = true }) {
  checkNames(options, KNOWN);
  const { jwks, jwksUrl, hmacSecret, anyTenant = false, requiredClaims, fetch, waitUntil = () => {}, now } = options;
  check(isText(options.issuer), "issuer", "must be a non-empty string");
  const tenant = text(options, "tenant");
  check(typeof anyTenant === "boolean", "anyTenant", "must be a boolean");
  check(tenant === undefined || !anyTenant, "tenant", "contradicts anyTenant");
  const areClaims = Array.isArray(requiredClaims) && requiredClaims.every(isText);
  check(requiredClaims === undefined || areClaims, "requiredClaims", "must be an array of names of claims");
  check(allowCache || options.cacheSize === undefined, "cacheSize", "is not an option of this build");
  checkFunctions(options, ["fetch", "waitUntil", "now"]);

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
  const isSet = typeof jwks === "string" || (typeof jwks === "object" && Array.isArray(jwks?.keys));
  check(jwks === undefined || isSet, "jwks", "must be a JWK Set: { keys: [...] }, or its JSON text");

  return {
    issuer: options.issuer,
    audience: texts(options.audience, "audience"),
    tenant,
    anyTenant,
    leewaySeconds: wholeNumber(options, "leewaySeconds", { max: 120, otherwise: undefined }),
    tokenType: text(options, "tokenType"),
    requiredClaims,
    maxTokenAgeSeconds: wholeNumber(options, "maxTokenAgeSeconds", { min: 1, max: 31_536_000, otherwise: undefined }),
    maxFutureIssueSeconds: wholeNumber(options, "maxFutureIssueSeconds", { max: 86_400, otherwise: undefined }),
    subjectClaim: text(options, "subjectClaim") ?? "sub",
    jwks: typeof jwks === "object" ? JSON.stringify(jwks) : jwks,
    jwksUrl: jwksUrl === undefined ? undefined : checkUrl(jwksUrl),
    jwksMaxAgeSeconds: wholeNumber(options, "jwksMaxAgeSeconds", { max: 86_400, otherwise: 300 }),
    jwksMaxStaleSeconds: wholeNumber(options, "jwksMaxStaleSeconds", { max: 604_800, otherwise: 3600 }),
    cacheSize: wholeNumber(options, "cacheSize", { max: 100_000, otherwise: 0 }),
    fetch,
    waitUntil,
    hmacSecret: hmacSecret?.slice(),
    hmacAlgorithm,
    hmacKeyId: text(options, "hmacKeyId") ?? "hs256",
    registry: options.permissions === undefined ? undefined : new Registry(options.permissions),
    now: clock(now),
  };
}
