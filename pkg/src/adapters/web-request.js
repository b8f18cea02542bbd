// `Request` and `Response` of the Fetch standard, for the authenticator.

/** @param {Request} request @returns {import("./authenticate.js").RequestLike} */
export function requestLike({ method, url, headers }) {
  const header = (/** @type {string} */ name) => {
    const value = headers.get(name);
    // `Headers` joins what came several times. A comma is part of no proof; for `authorization`, its reader decides.
    return value === null ? [] : name === "dpop" ? value.split(",").map((part) => part.trim()) : [value];
  };
  return { method, url, header };
}

/** @param {import("./refusal.js").Refusal} refusal */
export function responseOf({ status, headers, body }) {
  return new Response(JSON.stringify(body), { status, headers });
}
