// Holds a build against the published vectors. Runs wherever the build does; returns what went wrong.

/**
 * @param {any} vectors the contents of `jwt/verify.json` or `jwt/algorithms.json`
 * @param {(options: any) => any} createVerifier
 * @param {"verify" | "verifyAsync"} method
 * @returns {Promise<string[]>}
 */
export async function checkTokens({ cases, key_sets, policies }, createVerifier, method) {
  const wrong = [];
  for (const { name, token, now, policy, keys, verdict, claim, leaves_to_host } of cases) {
    const verifier = createVerifier(optionsOf(policies[policy], key_sets[keys], now, token));
    const actual = await verdictOf(async () => verifier[method](token));
    // Of a key that WebCrypto has to check, `verify` says only that.
    const needsAsync = leaves_to_host && method === "verify";
    const expected = needsAsync ? "algorithm_needs_async" : claim ? `${verdict} ${claim}` : verdict;
    if (actual !== expected) wrong.push(`${name}: ${actual} instead of ${expected}`);
  }
  return wrong;
}

/**
 * @param {any} vectors the contents of `jwt/key_sets.json`
 * @param {(options: any) => any} createVerifier
 * @returns {Promise<string[]>}
 */
export async function checkKeySets({ cases }, createVerifier) {
  const wrong = [];
  for (const { name, jwks, verdict } of cases) {
    const isGood = typeof verdict === "object";
    const expected = isGood ? "accepted" : verdict;
    const actual = await verdictOf(async () => createVerifier({ issuer: "i", audience: "a", jwks }).ready());
    if (actual !== expected) wrong.push(`${name}: ${actual} instead of ${expected}`);
  }
  return wrong;
}

function optionsOf(policy, { jwks, hmac_sha256, secrets = hmac_sha256 }, now, token) {
  // A verifier has at most one secret. Of several, the one that the token means.
  const hmac = secrets.find(({ kid }) => kid === keyIdOf(token)) ?? secrets[0];
  return {
    issuer: policy.issuer,
    audience: policy.audiences,
    leewaySeconds: policy.leeway,
    requiredClaims: policy.required_claims,
    tokenType: policy.token_type,
    maxTokenAgeSeconds: policy.max_age,
    maxFutureIssueSeconds: policy.max_future,
    subjectClaim: policy.subject_claim,
    ...(policy.tenant === null ? { anyTenant: true } : { tenant: policy.tenant }),
    ...(jwks.keys.length > 0 ? { jwks } : {}),
    ...(hmac ? { hmacKeyId: hmac.kid, hmacSecret: bytesOf(hmac.secret), hmacAlgorithm: hmac.alg ?? "HS256" } : {}),
    now: () => now,
  };
}

function keyIdOf(token) {
  try {
    return JSON.parse(new TextDecoder().decode(bytesOf(token.split(".")[0]))).kid;
  } catch {
    return undefined;
  }
}

async function verdictOf(judge) {
  try {
    await judge();
    return "accepted";
  } catch (error) {
    // The reason against a key set stands at the end of the message.
    if (error.code === "configuration_invalid" || error.code === "keys_invalid") return error.message.split(": ").at(-1);
    return error.claim ? `${error.code} ${error.claim}` : error.code;
  }
}

function bytesOf(base64url) {
  const binary = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
