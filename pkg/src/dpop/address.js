import { check, texts } from "../check.js";

/** Escapes of characters that need none: the same address, written otherwise (RFC 3986 §6.2.2.2). */
const ESCAPE = /%[0-9a-f]{2}/gi;
const UNRESERVED = /^[A-Za-z0-9._~-]$/;

/**
 * An address in the form in which equal ones are equal texts: without query and fragment, normalised as RFC 3986
 * §6.2.2 and §6.2.3 say. Nothing for what is not an `http` address, or has credentials.
 *
 * @param {string} url
 */
export function normalAddress(url) {
  const parsed = parse(url);
  return parsed && parsed.origin + normalPath(parsed);
}

/**
 * The addresses of this server, as clients see them.
 *
 * @param {unknown} value one origin or several
 */
export function readOrigins(value) {
  const origins = texts(value, "origin");
  for (const origin of origins) {
    check(parse(origin)?.origin === origin, "origin", "must be an origin such as https://api.example.com");
  }
  return origins;
}

/**
 * All addresses under which a request to this path can have been sent.
 *
 * What the request itself says about its host is not asked: the sender wrote it.
 *
 * @param {readonly string[]} origins
 * @param {string} url absolute or from the path on
 */
export function possibleAddresses(origins, url) {
  const parsed = parse(/^https?:/i.test(url) ? url : `http://host${url.startsWith("/") ? "" : "/"}${url}`);
  return parsed ? origins.map((origin) => origin + normalPath(parsed)) : [];
}

/** @param {string} url */
function parse(url) {
  if (!URL.canParse(url)) return undefined;
  const parsed = new URL(url);
  const isWeb = parsed.protocol === "https:" || parsed.protocol === "http:";
  return isWeb && !parsed.username && !parsed.password ? parsed : undefined;
}

/** @param {URL} url */
function normalPath({ pathname }) {
  return pathname.replace(ESCAPE, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return UNRESERVED.test(character) ? character : escape.toUpperCase();
  });
}
