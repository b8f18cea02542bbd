// What every runtime is asked to do: the same checks, wherever `postern` came from. Runs in Node, workerd, browsers.

/** @returns {string} "ok", or what went wrong */
export function check(postern, { options, tokens, hmac }) {
  const verifier = postern.createVerifier({ ...options, now: () => options.now });
  const verdict = (token) => {
    try {
      return verifier.verify(token).can("docs:write") ? "may write" : "may not write";
    } catch (error) {
      return error instanceof postern.TokenError ? error.code : String(error);
    }
  };
  for (const [token, expected] of tokens) {
    const actual = verdict(token);
    if (actual !== expected) return `${actual} instead of ${expected}`;
  }
  let secret = "accepted";
  try {
    postern.createVerifier({ issuer: "i", audience: "a", hmacSecret: new Uint8Array(32) });
  } catch (error) {
    secret = error.option;
  }
  return secret === hmac ? "ok" : `a shared secret is ${secret}`;
}
