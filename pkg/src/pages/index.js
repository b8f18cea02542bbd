// Guards for applications that serve pages: whoever is not signed in is sent to the page where one signs in, and comes back.
import { createAuthenticator } from "../adapters/authenticate.js";
import { answer } from "../adapters/refusal.js";
import { requestLike, responseOf } from "../adapters/web-request.js";
import { check, checkFunctions } from "../check.js";
import { REFRESH, SESSION, cookie } from "./cookies.js";
import { createPageData } from "./data.js";
import { readOrigins } from "./origins.js";
import { ownPath, safeRedirect } from "./redirect.js";
import { isOfOwnPage, onBehalfOf } from "./request.js";
import { createPageSignIn } from "./sign-in.js";

export { createPageData, createPageSignIn, safeRedirect };

/**
 * @param {any} verifier
 * @param {any} [options]
 */
export function createPageGuard(verifier, options = {}) {
  const { loginPath, origins, renew, route } = readOptions(options);
  const authenticate = createAuthenticator(verifier, route);
  return async (/** @type {Request} */ request) => {
    const token = sessionOf(request);
    if (token !== undefined && !isFromOwnPage(request, origins)) {
      return { response: problem("cross_site_request", "The request comes from a page of another site") };
    }
    const headers = new Headers();
    let outcome = await authenticate(withSession(request, token));
    if (renew && isOver(outcome) && isFromOwnPage(request, origins)) {
      const renewed = await renewal(request, renew);
      for (const line of renewed?.lines ?? []) headers.append("set-cookie", line);
      if (renewed) outcome = await authenticate(withSession(request, renewed.token));
    }
    // A cookie whose time is over is none: nobody has put it there on purpose.
    if (route.optional && token !== undefined && "refusal" in outcome && outcome.refusal.status === 401) outcome = { claims: undefined, headers: {} };
    if ("refusal" in outcome) {
      return { response: isOver(outcome) && isNavigation(request) ? redirect(`${loginPath}?redirect=${encodeURIComponent(here(request))}`) : responseOf(outcome.refusal) };
    }
    for (const [name, value] of Object.entries(outcome.headers)) headers.set(name, value);
    return { claims: outcome.claims, headers };
  };
}

/**
 * @param {any} verifier
 * @param {any} [options]
 */
export function createGuestGuard(verifier, { homePath = "/", ...others } = {}) {
  check(ownPath(homePath) === homePath, "homePath", "must be a path of this origin");
  const { route } = readOptions(others);
  // Who acts in an organization is signed in, too.
  const authenticate = createAuthenticator(verifier, { organization: true, ...route });
  return async (/** @type {Request} */ request) => {
    const outcome = await authenticate(withSession(request, sessionOf(request)));
    // Whatever is wrong with what was presented: nobody is signed in by it.
    if ("refusal" in outcome) return {};
    if (!isNavigation(request)) return { response: problem("guest_only", "This is for who is not signed in") };
    const { pathname, searchParams } = new URL(request.url);
    const target = safeRedirect(searchParams.get("redirect"), homePath);
    // Not to itself, where the same would be said again.
    return { response: redirect(new URL(target, request.url).pathname === pathname ? homePath : target) };
  };
}

/** @param {any} options */
function readOptions({ loginPath = "/login", origins: given, renew, ...route }) {
  check(ownPath(loginPath) === loginPath && !/[?#]/.test(loginPath), "loginPath", "must be a path of this origin, without a query");
  const origins = readOrigins(given);
  checkFunctions({ renew }, ["renew"]);
  return { loginPath, origins, renew, route };
}

/** The access token of the page; nothing where the request has credentials of its own. @param {Request} request */
function sessionOf({ headers }) {
  return headers.has("authorization") ? undefined : cookie(headers.get("cookie"), SESSION);
}

/** @param {Request} request @param {string | undefined} token */
function withSession(request, token) {
  const like = requestLike(request);
  if (token === undefined) return like;
  return { ...like, header: (/** @type {any} */ name) => (name === "authorization" ? [`Bearer ${token}`] : like.header(name)) };
}

/**
 * Whether nobody is signed in, or not any more. Who is, but must prove it once more, gets the challenge: a new token would
 * say the same, and the page where one signs in would send them back.
 *
 * @param {any} outcome
 */
function isOver(outcome) {
  if (!("refusal" in outcome)) return outcome.claims === undefined;
  return outcome.refusal.status === 401 && outcome.refusal.code !== "reauthentication_required";
}

/**
 * Whether it is one of our own pages that asks to change something. Reading is anybody's, who cannot see the answer.
 *
 * @param {Request} request
 * @param {readonly string[]} origins
 */
function isFromOwnPage(request, origins) {
  const { method, headers } = request;
  return method === "GET" || method === "HEAD" || headers.has("authorization") || isOfOwnPage(request, origins);
}

/** Whether a browser opens a page, and shows what it gets. @param {Request} request */
function isNavigation({ method, headers }) {
  if ((method !== "GET" && method !== "HEAD") || headers.has("authorization")) return false;
  const mode = headers.get("sec-fetch-mode");
  return mode === null ? (headers.get("accept") ?? "").includes("text/html") : mode === "navigate";
}

/**
 * Another access token for a page whose minutes are over.
 *
 * @param {Request} request
 * @param {(request: Request) => Promise<Response>} renew
 */
async function renewal(request, renew) {
  const sent = request.headers.get("cookie");
  if (request.headers.has("authorization") || cookie(sent, REFRESH) === undefined) return undefined;
  const response = await renew(onBehalfOf(request, "POST", "refresh", { hasCookies: true }));
  if (response.status !== 200) return undefined;
  const lines = response.headers.getSetCookie();
  const token = cookie(lines.map((line) => line.split(";")[0]).join("; "), SESSION);
  return token === undefined ? undefined : { token, lines };
}

/** The page that was asked for, for the way back. @param {Request} request */
function here({ url }) {
  const { pathname, search } = new URL(url);
  return safeRedirect(pathname + search);
}

/** @param {string} to */
function redirect(to) {
  return new Response(null, { status: 303, headers: { location: to, "cache-control": "no-store" } });
}

/** @param {string} code @param {string} title */
function problem(code, title) {
  return responseOf(answer(code, 403, {}, title));
}
