// What of a page's request counts, and what goes along when Postern is asked for it.
import { SESSION, REFRESH, CSRF, cookie } from "./cookies.js";

/** What of the request a session may be bound to, and limits count by. */
const PASSED_ON = ["user-agent", "cf-connecting-ip", "accept-language"];

/**
 * Whether it is one of our own pages that asks, by what browsers say and no page can write: Fetch Metadata, else `Origin`.
 *
 * @param {Request} request
 * @param {readonly string[]} origins
 */
export function isOfOwnPage({ headers, url }, origins) {
  const [site, origin] = [headers.get("sec-fetch-site"), headers.get("origin")];
  return site === "same-origin" || site === "none" || (origin !== null && (origins.includes(origin) || (site === null && origin === new URL(url).origin)));
}

/**
 * A request to Postern on behalf of a visitor: with their cookies, if it is about their session. Where it comes from was checked
 * before; Postern is shown the token against forgery.
 *
 * @param {Request} request
 * @param {string} method
 * @param {string} path
 * @param {{ hasCookies: boolean, body?: object }} more
 */
export function onBehalfOf(request, method, path, { hasCookies, body }) {
  const headers = new Headers({ "x-postern-cookies": "1" });
  const sent = request.headers.get("cookie");
  if (hasCookies) {
    headers.set("cookie", sent ?? "");
    headers.set("x-csrf-token", cookie(sent, CSRF) ?? "");
  }
  for (const name of PASSED_ON) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  if (body !== undefined) headers.set("content-type", "application/json");
  return new Request(new URL(`/api/v1/auth/${path}`, request.url), { method, headers, body: body && JSON.stringify(body) });
}

/** Whether a browser brings a session along. @param {Request} request */
export function hasSession({ headers }) {
  const sent = headers.get("cookie");
  return cookie(sent, SESSION) !== undefined || cookie(sent, REFRESH) !== undefined;
}
