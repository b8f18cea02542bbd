import { check, checkFunctions, checkNames, clock, texts, wholeNumber } from "../check.js";
import { ALGORITHM_NAMES } from "../jws/keys.js";
import { shortType } from "../jws/media-type.js";
import { readAddress } from "./address.js";

const OPTIONS = ["issuers", "leewaySeconds", "timeoutSeconds", "allowLoopback", "fetch", "waitUntil", "now"];
const ISSUER_OPTIONS = [
  "issuer",
  "audience",
  "jwksUrl",
  "discover",
  "algorithms",
  "pinnedKeys",
  "tokenType",
  "requiredClaims",
  "subjectClaim",
  "cacheTtlSeconds",
  "maxStaleSeconds",
];

/** Checks the options of `createIssuers`. @param {any} options */
export function readOptions(options) {
  checkNames(options, OPTIONS);
  const { issuers, allowLoopback = false } = options;
  check(Array.isArray(issuers) && issuers.length > 0, "issuers", "must be an array of issuers");
  check(typeof allowLoopback === "boolean", "allowLoopback", "must be a boolean");
  checkFunctions(options, ["fetch", "waitUntil", "now"]);
  const leewaySeconds = wholeNumber(options, "leewaySeconds", { max: 120, otherwise: 60 });
  const timeoutSeconds = wholeNumber(options, "timeoutSeconds", { min: 1, max: 5, otherwise: 5 });
  const read = issuers.map((/** @type {any} */ entry) => readIssuer(entry, allowLoopback));
  check(new Set(read.map((/** @type {{ issuer: string }} */ { issuer }) => issuer)).size === read.length, "issuers", "has one issuer twice");
  const { fetch, waitUntil = () => {}, now } = options;
  return { issuers: read, leewaySeconds, timeoutSeconds, allowLoopback, fetch, waitUntil, now: clock(now) };
}

/** @param {any} entry @param {boolean} allowLoopback */
function readIssuer(entry, allowLoopback) {
  checkNames(entry, ISSUER_OPTIONS, "issuers");
  const { discover = false, jwksUrl, pinnedKeys, subjectClaim = "sub" } = entry;
  const [issuer = ""] = texts(entry.issuer, "issuer");
  check(typeof entry.issuer === "string", "issuer", "must be a string");
  check(typeof subjectClaim === "string" && subjectClaim !== "", "subjectClaim", "must be a non-empty string");
  check(typeof discover === "boolean", "discover", "must be a boolean");
  check(!discover || jwksUrl === undefined, "jwksUrl", "contradicts discover");
  const algorithms = texts(entry.algorithms ?? ALGORITHM_NAMES, "algorithms");
  check(algorithms.every((name) => ALGORITHM_NAMES.includes(name)), "algorithms", `must be of ${ALGORITHM_NAMES.join(", ")}`);
  const below = `${issuer.replace(/\/$/, "")}/.well-known`;
  const address = (/** @type {string} */ option, /** @type {string | URL} */ value) => readAddress(value, { option, allowLoopback });
  return {
    issuer,
    audiences: texts(entry.audience, "audience"),
    jwksUrl: discover ? undefined : address(jwksUrl ? "jwksUrl" : "issuer", jwksUrl ?? `${below}/jwks.json`),
    discoveryUrl: discover ? address("issuer", `${below}/openid-configuration`) : undefined,
    algorithms,
    pinnedKeys,
    tokenTypes: texts(entry.tokenType ?? "at+jwt", "tokenType").map(shortType),
    requiredClaims: entry.requiredClaims === undefined ? [subjectClaim, "iat"] : [...names(entry.requiredClaims)],
    subjectClaim,
    cacheTtlSeconds: wholeNumber(entry, "cacheTtlSeconds", { max: 86_400, otherwise: 300 }),
    maxStaleSeconds: wholeNumber(entry, "maxStaleSeconds", { max: 86_400, otherwise: 3600 }),
  };
}

/** @param {any} value @returns {string[]} */
function names(value) {
  const areTexts = Array.isArray(value) && value.every((name) => typeof name === "string" && name !== "");
  check(areTexts, "requiredClaims", "must be an array of names of claims");
  return value;
}
