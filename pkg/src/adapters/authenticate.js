// The one place where a request is judged; every framework's adapter only carries its answer.
import { checkDemand, isAuthenticatedAs } from "../authentication.js";
import { check, checkNames, texts } from "../check.js";
import { ConfigurationError, KeysError } from "../errors.js";
import { readCredentials } from "./credentials.js";
import { refusal, refusalOf } from "./refusal.js";

const OPTIONS = ["optional", "requires", "entitlements", "maxAuthAgeSeconds", "acr", "organization", "authorize", "dpop", "requireDpop", "realm"];

/** What an entitlement can be called: another name is misspelt. */
const ENTITLEMENT = /^[a-z0-9][a-z0-9_.:-]{0,63}$/;

/**
 * The claims that act in an organization, and that a route was made for.
 *
 * @type {WeakSet<object>}
 */
const admitted = new WeakSet();

/**
 * A request, as much of it as is looked at.
 *
 * @typedef {object} RequestLike
 * @property {string} method
 * @property {string} url absolute, or from the path on
 * @property {(name: "authorization" | "dpop") => readonly string[]} header all values of a header
 */

/**
 * An answer, or what the handler of the route is to know.
 *
 * @typedef {{ claims: any, headers: Record<string, string> } | { refusal: import("./refusal.js").Refusal }} Outcome
 */

/**
 * The judge of one route.
 *
 * @param {any} verifier has `verifyAsync`, or `verify` and perhaps `ready`
 * @param {any} [options]
 * @returns {(request: RequestLike) => Promise<Outcome>} claims are undefined where no token was presented and none is
 *   needed; the headers belong into the answer in any case
 */
export function createAuthenticator(verifier, options = {}) {
  const canVerify = ["verify", "verifyAsync"].some((method) => typeof verifier?.[method] === "function");
  check(canVerify, "verifier", "must be one of createVerifier or createIssuers");
  const route = readRoute(options);
  return async (request) => {
    const credentials = readCredentials(request.header("authorization"));
    if ("refusal" in credentials) return { refusal: refusal(credentials.refusal, route.challenge) };
    if (credentials.scheme === "none") {
      return route.optional ? { claims: undefined, headers: {} } : { refusal: refusal("missing_token", route.challenge) };
    }
    const { scheme, token } = credentials;
    if (scheme === "bearer" && route.requireDpop) return { refusal: refusal("dpop_required", route.challenge) };
    if (scheme === "dpop" && !route.dpop) return { refusal: refusal("scheme_unsupported", route.challenge) };
    try {
      const claims = await verifyToken(verifier, token);
      const headers = await checkPossession(route.dpop, request, { scheme, token, claims });
      if (!isAuthenticatedAs(route.demand, claims.payload, Date.now() / 1_000)) {
        return { refusal: refusal("reauthentication_required", route.challenge, { scheme, demand: route.demand }) };
      }
      const isGranted = (await isInPlace(route, claims, request)) && (await isAuthorized(route, claims));
      if (!isGranted) return { refusal: refusal("permission_denied", route.challenge, { scheme, scope: route.requires }) };
      if (!isEntitled(claims, route.entitlements)) return { refusal: refusal("entitlement_required", route.challenge, { scheme }) };
      return { claims, headers };
    } catch (error) {
      const answer = error instanceof Refused ? refusal(error.code, route.challenge, { scheme }) : refusalOf(error, route.challenge, scheme);
      if (!answer) throw error;
      return { refusal: answer };
    }
  };
}

/**
 * The judge of claims that are there already: of a route behind one that authenticates.
 *
 * @param {any} permissions
 */
export function createPermissionCheck(permissions) {
  const scope = texts(permissions, "requires");
  return createClaimsCheck(scope, (claims) => (isGranted(claims, scope) ? undefined : "permission_denied"));
}

/** The same for what the owner has bought or been given. @param {any} names */
export function createEntitlementCheck(names) {
  const entitlements = readEntitlements(names);
  return createClaimsCheck([], (claims) => (isEntitled(claims, entitlements) ? undefined : "entitlement_required"));
}

/**
 * @param {readonly string[]} scope
 * @param {(claims: any) => string | undefined} reasonAgainst
 * @returns {(claims: any) => import("./refusal.js").Refusal | undefined}
 */
function createClaimsCheck(scope, reasonAgainst) {
  const challenge = { schemes: /** @type {const} */ (["Bearer"]), realm: undefined, algorithms: [] };
  return (claims) => {
    if (!claims) return refusal("missing_token", challenge);
    const isInPlace = claims.payload?.org === undefined || admitted.has(claims);
    const reason = isInPlace ? reasonAgainst(claims) : "permission_denied";
    return reason === undefined ? undefined : refusal(reason, challenge, { scope });
  };
}

/** A refusal that has its place in the table of refusals, and no error of its own. */
class Refused extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** @param {any} options */
function readRoute(options) {
  checkNames(options, OPTIONS);
  const { optional = false, requireDpop = false, organization = false, authorize, dpop, realm, maxAuthAgeSeconds, acr } = options;
  checkDemand(options);
  check(typeof optional === "boolean", "optional", "must be a boolean");
  check(typeof requireDpop === "boolean", "requireDpop", "must be a boolean");
  check(dpop === undefined || typeof dpop?.check === "function", "dpop", "must be one of createDpopChecker");
  check(!requireDpop || dpop !== undefined, "requireDpop", "needs dpop");
  check(["boolean", "function"].includes(typeof organization), "organization", "must be a boolean or a function");
  check(authorize === undefined || typeof authorize === "function", "authorize", "must be a function");
  const isQuotable = typeof realm === "string" && /^[\x20-\x7e]+$/.test(realm) && !/["\\]/.test(realm);
  check(realm === undefined || isQuotable, "realm", "must be printable ASCII without quotes and backslashes");
  const requires = options.requires === undefined ? [] : texts(options.requires, "requires");
  const entitlements = options.entitlements === undefined ? [] : readEntitlements(options.entitlements);
  // Who comes without a token would pass what was meant to be demanded of everybody.
  check(!optional || (requires.length === 0 && authorize === undefined), "optional", "contradicts requires and authorize");
  check(!optional || entitlements.length === 0, "optional", "contradicts entitlements");
  check(!optional || typeof organization === "boolean", "optional", "contradicts an organization");
  check(!optional || (maxAuthAgeSeconds === undefined && acr === undefined), "optional", "contradicts maxAuthAgeSeconds and acr");
  /** @type {import("./refusal.js").Challenge["schemes"]} */
  const schemes = requireDpop ? ["DPoP"] : dpop ? ["Bearer", "DPoP"] : ["Bearer"];
  return { optional, requireDpop, organization, authorize, dpop, requires, entitlements, demand: { maxAuthAgeSeconds, acr }, challenge: { schemes, realm, algorithms: dpop?.algorithms ?? [] } };
}

/** @param {unknown} value */
function readEntitlements(value) {
  const names = texts(value, "entitlements");
  check(names.every((name) => ENTITLEMENT.test(name)), "entitlements", "must be 1 to 64 of a-z 0-9 _ - . : and begin with a letter or digit");
  return names;
}

/** @param {any} verifier @param {string} token */
async function verifyToken(verifier, token) {
  if (verifier.verifyAsync) return verifier.verifyAsync(token);
  try {
    return verifier.verify(token);
  } catch (error) {
    if (!verifier.ready || !(error instanceof KeysError) || error.code !== "keys_not_loaded") throw error;
    await verifier.ready();
    return verifier.verify(token);
  }
}

/**
 * Whoever holds a bound token has to prove to hold its key as well; a proof without a bound token proves nothing.
 *
 * @param {any} dpop
 * @param {RequestLike} request
 * @param {{ scheme: string, token: string, claims: any }} presented
 * @returns {Promise<Record<string, string>>} headers for the answer
 */
async function checkPossession(dpop, { method, url, header }, { scheme, token, claims }) {
  const { cnf } = claims.payload;
  // Any confirmation, also one that is not understood: the issuer did not mean the token to be used without it.
  if (scheme === "bearer") return cnf === undefined ? {} : refuse("token_bound");
  const thumbprint = cnf?.jkt;
  if (typeof thumbprint !== "string" || thumbprint === "") return refuse("token_not_bound");
  const [proof, ...others] = header("dpop");
  if (!proof) return refuse("dpop_proof_missing");
  if (others.length > 0) return refuse("dpop_proof_malformed");
  const { nextNonce } = await dpop.check({ proof, method, url, token, thumbprint });
  return nextNonce === undefined ? {} : { "dpop-nonce": nextNonce };
}

/**
 * Whether the token acts where the route is. Roles and permissions of an organization are what its owners say, and mean
 * nothing outside of it: they count where the route asks for them.
 *
 * @param {ReturnType<typeof readRoute>} route
 * @param {any} claims
 * @param {RequestLike} request
 */
async function isInPlace({ organization }, claims, request) {
  const { org } = claims.payload;
  if (typeof organization !== "function") {
    if (org !== undefined && organization) admitted.add(claims);
    return org === undefined || organization;
  }
  const expected = await organization(claims, request);
  // Never where neither has one: a name that was forgotten is no permission.
  if (typeof org !== "string" || ![expected].flat().includes(org)) return false;
  admitted.add(claims);
  return true;
}

/** @param {ReturnType<typeof readRoute>} route @param {any} claims */
async function isAuthorized({ requires, authorize }, claims) {
  // Only `true` will do: a promise that was forgotten, or a count, is no permission.
  return isGranted(claims, requires) && (authorize === undefined || (await authorize(claims)) === true);
}

/** @param {any} claims @param {readonly string[]} requires */
function isGranted(claims, requires) {
  if (requires.length === 0) return true;
  if (typeof claims.canAll === "function") return claims.canAll(requires) === true;
  throw new ConfigurationError("requires", "needs claims with permissions: for tokens of other issuers, use authorize");
}

/** @param {any} claims @param {readonly string[]} entitlements */
function isEntitled(claims, entitlements) {
  if (entitlements.length === 0) return true;
  if (typeof claims.hasEntitlement === "function") return entitlements.every((name) => claims.hasEntitlement(name) === true);
  throw new ConfigurationError("entitlements", "needs claims with entitlements: for tokens of other issuers, use authorize");
}

/** @param {string} code @returns {never} */
function refuse(code) {
  throw new Refused(code);
}
