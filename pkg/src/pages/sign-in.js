// Signing in and out from forms that the application serves itself: Postern is asked on behalf of the visitor, and its cookies go on.
import { check, checkFunctions, checkNames } from "../check.js";
import { ConfigurationError } from "../errors.js";
import { hasSession, isOfOwnPage, onBehalfOf } from "./request.js";
import { readOrigins } from "./origins.js";

const FOREIGN = { status: 403, code: "cross_site_request" };

/**
 * @param {any} options
 */
export function createPageSignIn(options) {
  checkNames(options, ["send", "origins"]);
  const { send } = options;
  check(send !== undefined, "send", "is required");
  checkFunctions(options, ["send"]);
  const origins = readOrigins(options.origins);

  /** @param {Request} request @param {string} path @param {any} credentials */
  const signIn = async (request, path, credentials) => {
    check(credentials !== null && typeof credentials === "object" && !Array.isArray(credentials), "credentials", "must be an object");
    // Whoever signs somebody in to an account of their own reads what they do there.
    if (!isOfOwnPage(request, origins)) return { problem: FOREIGN };
    const response = await send(onBehalfOf(request, "POST", path, { hasCookies: false, body: credentials }));
    const body = await bodyOf(response);
    if (response.status !== 200) return { problem: problemOf(response, body) };
    if (body.mfa_required === true) return { challenge: challengeOf(body) };
    const headers = cookiesOf(response);
    if (headers.getSetCookie().length === 0) throw new ConfigurationError("send", "must lead to a Postern that has cookies.mode");
    return { headers, ...saidOnce(body) };
  };

  return {
    attempt: (/** @type {Request} */ request, /** @type {any} */ credentials) => signIn(request, "login", credentials),
    answer: (/** @type {Request} */ request, /** @type {any} */ factor) => signIn(request, "2fa/verify", factor),
    async logout(/** @type {Request} */ request) {
      if (!isOfOwnPage(request, origins)) return { problem: FOREIGN };
      if (!hasSession(request)) return { headers: new Headers() };
      const response = await send(onBehalfOf(request, "POST", "logout", { hasCookies: true }));
      return response.status === 200 ? { headers: cookiesOf(response) } : { problem: problemOf(response, await bodyOf(response)) };
    },
    async user(/** @type {Request} */ request) {
      if (!hasSession(request)) return {};
      const response = await send(onBehalfOf(request, "GET", "me", { hasCookies: true }));
      const body = await bodyOf(response);
      if (response.status === 200) return { user: body };
      return response.status === 401 ? {} : { problem: problemOf(response, body) };
    },
  };
}

/** @param {any} body */
function challengeOf({ challenge, methods, expires_in: expiresInSeconds, enrolment_required: enrolmentRequired }) {
  return { challenge, methods: methods ?? [], expiresInSeconds, ...(enrolmentRequired === true && { enrolmentRequired }) };
}

/** What an answer says this once and never again. @param {any} body */
function saidOnce({ backup_codes: backupCodes, device_token: deviceToken }) {
  return { ...(backupCodes !== undefined && { backupCodes }), ...(deviceToken !== undefined && { deviceToken }) };
}

/** @param {Response} response */
function cookiesOf(response) {
  const headers = new Headers();
  for (const line of response.headers.getSetCookie()) headers.append("set-cookie", line);
  return headers;
}

/** @param {Response} response @returns {Promise<any>} */
async function bodyOf(response) {
  const body = await response.json().catch(() => undefined);
  return body !== null && typeof body === "object" ? body : {};
}

/** @param {Response} response @param {any} body */
function problemOf(response, { code, errors, retry_after_seconds: retryAfterSeconds }) {
  const problem = { status: response.status, code: typeof code === "string" ? code : "unavailable" };
  return { ...problem, ...(errors && { errors }), ...(retryAfterSeconds !== undefined && { retryAfterSeconds }) };
}
