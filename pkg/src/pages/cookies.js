// The cookies that Postern sets for pages.

export const SESSION = "__Host-postern_session";
export const REFRESH = "__Host-postern_refresh";
export const CSRF = "__Host-postern_csrf";

/**
 * What RFC 6265 lets stand around a pair. Other white space belongs to the name, to browsers too: without its prefix anybody under the
 * same domain may set such a cookie.
 */
const AROUND = /^[ \t]+|[ \t]+$/g;

/**
 * The value of a cookie of exactly this name; nothing if there is none, or more than one: a browser has one of a name with
 * this prefix, and nothing says which of two it is.
 *
 * @param {string | null} header
 * @param {string} name
 * @returns {string | undefined}
 */
export function cookie(header, name) {
  const found = (header ?? "").split(";").map((pair) => pair.replace(AROUND, "")).filter((pair) => pair.startsWith(`${name}=`));
  return found.length === 1 ? found[0].slice(name.length + 1) || undefined : undefined;
}
