// The cookies that Postern sets for pages.

export const SESSION = "__Host-postern_session";
export const REFRESH = "__Host-postern_refresh";
export const CSRF = "__Host-postern_csrf";

/**
 * The value of a cookie of exactly this name; nothing if there is none, or more than one: a browser has one of a name with
 * this prefix, and nothing says which of two it is.
 *
 * @param {string | null} header
 * @param {string} name
 * @returns {string | undefined}
 */
export function cookie(header, name) {
  const found = (header ?? "").split(";").map((pair) => pair.trim()).filter((pair) => pair.startsWith(`${name}=`));
  return found.length === 1 ? found[0].slice(name.length + 1) || undefined : undefined;
}
