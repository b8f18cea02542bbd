// Signature vectors against WebCrypto, whose word the package takes for RSA and ECDSA. Runs in Node, workerd, browsers.

const HASHES = { 256: "SHA-256", 384: "SHA-384", 512: "SHA-512" };

function parametersOf(algorithm) {
  const hash = HASHES[algorithm.slice(2)];
  if (algorithm === "EdDSA") return { name: "Ed25519" };
  if (algorithm.startsWith("HS")) return { name: "HMAC", hash };
  if (algorithm.startsWith("ES")) return { name: "ECDSA", hash, namedCurve: `P-${algorithm.slice(2)}` };
  return algorithm === "PS256" ? { name: "RSA-PSS", hash, saltLength: 32 } : { name: "RSASSA-PKCS1-v1_5", hash };
}

const decode = (text) => {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
};

/**
 * Runs the groups of one file.
 *
 * @returns {Promise<{valid: number, invalid: number, wrong: string[]}>} the verdicts, and the cases judged otherwise
 */
export async function judgeSignatures(groups, subtle = crypto.subtle) {
  const result = { valid: 0, invalid: 0, wrong: [] };
  for (const { algorithm, jwk, cases, key_refused } of groups) {
    if (key_refused) continue;
    const parameters = parametersOf(algorithm);
    const key = await subtle.importKey("jwk", { ...jwk, ext: true }, parameters, false, ["verify"]);
    for (const { id, comment, message, signature, verdict } of cases) {
      // workerd throws on an Ed25519 signature of another length, where the standard has it answer false.
      const accepted = await subtle.verify(parameters, key, decode(signature), decode(message)).catch(() => false);
      if (accepted) result.valid += 1;
      else result.invalid += 1;
      if (verdict !== "acceptable" && accepted !== (verdict === "valid")) result.wrong.push(`${algorithm} ${id}: ${comment}`);
    }
  }
  return result;
}

/**
 * Runs the token vectors of a file through a verifier.
 *
 * @param {object} postern the package, from whatever entry point
 * @param {(verifier: object, token: string) => unknown} verify `verify` or `verifyAsync` of it
 * @param {boolean} leavesToHost whether `verify` answers `algorithm_needs_async` where the file says so
 * @returns {Promise<{accepted: number, refused: number, wrong: string[]}>} the verdicts, and the cases judged otherwise
 */
export async function judgeTokens(postern, { cases, key_sets, policies }, verify, leavesToHost) {
  const result = { accepted: 0, refused: 0, wrong: [] };
  for (const { name, token, now, policy, keys, verdict, leaves_to_host } of cases) {
    const { jwks, secrets } = key_sets[keys];
    const { issuer, audiences, leeway, required_claims, token_type, tenant } = policies[policy];
    // Verifiers of the package hold secrets of HS256 alone, and those in another way: native tests have the others.
    if (jwks.keys.length === 0) continue;
    if (secrets.some(({ kid }) => headerOf(token).kid === kid)) continue;
    const verifier = postern.createVerifier({
      issuer, audience: audiences, leewaySeconds: leeway, requiredClaims: required_claims, tokenType: token_type, tenant, jwks,
      now: () => now,
    });
    let actual = "accepted";
    try {
      await verify(verifier, token);
    } catch (error) {
      actual = error.code ?? String(error);
    }
    const expected = leavesToHost && leaves_to_host ? "algorithm_needs_async" : verdict;
    if (actual === "accepted") result.accepted += 1;
    else result.refused += 1;
    if (actual !== expected) result.wrong.push(`${name}: ${actual} instead of ${expected}`);
  }
  return result;
}

const headerOf = (token) => {
  try {
    return JSON.parse(atob(token.split(".")[0].replaceAll("-", "+").replaceAll("_", "/")));
  } catch {
    return {};
  }
};
