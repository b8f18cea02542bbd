// Writes proofs.json: proofs of possession (RFC 9449), made by peers, and what attackers make of them.
//
// Keys and most signatures are random, so every run writes another file of the same meaning. The verdicts are stated
// here, by hand. Run: node tests/vectors/dpop/proofs.generate.mjs
import { constants, createHash, createHmac, generateKeyPairSync, randomBytes, sign as signWith } from "node:crypto";
import { writeFileSync } from "node:fs";
import { SignJWT, calculateJwkThumbprint } from "jose";
import { generateKeyPair, generateProof } from "dpop";

const NOW = 1_700_000_000;
const URL = "https://auth.example/api/v1/auth/login";
const TOKEN = "an.access.token";
const ATH = createHash("sha256").update(TOKEN).digest("base64url");
const encode = (data) => Buffer.from(data).toString("base64url");
const json = (value) => encode(JSON.stringify(value));

const pair = (type, options) => generateKeyPairSync(type, options);
const KEYS = {
  EdDSA: pair("ed25519"), ES256: pair("ec", { namedCurve: "P-256" }), ES384: pair("ec", { namedCurve: "P-384" }),
  RS256: pair("rsa", { modulusLength: 2048 }), PS256: pair("rsa", { modulusLength: 2048 }),
};
const publicOf = (alg) => KEYS[alg].publicKey.export({ format: "jwk" });
const privateOf = (alg) => KEYS[alg].privateKey.export({ format: "jwk" });
const CLAIMS = { jti: "one", htm: "POST", htu: URL, iat: NOW };

function signature(alg, message, key = KEYS[alg].privateKey) {
  if (alg === "EdDSA") return signWith(null, message, key);
  const hash = { 256: "sha256", 384: "sha384" }[alg.slice(2)];
  if (alg.startsWith("ES")) return signWith(hash, message, { key, dsaEncoding: "ieee-p1363" });
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return signWith(hash, message, alg === "PS256" ? { key, ...pss } : key);
}
const header = (alg = "EdDSA", more = {}) => ({ typ: "dpop+jwt", alg, jwk: publicOf(alg), ...more });
/** A proof with this header and payload, signed by the key of `alg`, whatever they say. */
function proof(head, payload, alg = "EdDSA", key = undefined) {
  const input = `${typeof head === "string" ? encode(head) : json(head)}.${typeof payload === "string" ? encode(payload) : json(payload)}`;
  return `${input}.${encode(signature(alg, Buffer.from(input), key))}`;
}
const said = (more) => proof(header(), { ...CLAIMS, ...more });
const without = (name) => { const { [name]: _, ...rest } = CLAIMS; return proof(header(), rest); };

const cases = [];
/** `demand` is what the request was; a case without one is a login by POST at NOW. */
const add = (name, verdict, text, demand = {}) => cases.push({ name, verdict, proof: text, now: NOW, method: "POST", address: URL, ...demand });

// What peers make.
for (const alg of Object.keys(KEYS)) {
  const thumbprint = await calculateJwkThumbprint(publicOf(alg));
  const made = await new SignJWT({ jti: "a", htm: "POST", htu: URL }).setProtectedHeader(header(alg)).setIssuedAt(NOW).sign(KEYS[alg].privateKey);
  add(`${alg}, made by jose`, "accepted", made, { thumbprint, shows: thumbprint });
  const other = await calculateJwkThumbprint(publicOf(alg === "ES256" ? "EdDSA" : "ES256"));
  add(`${alg}, of another key than the token's`, "dpop_key_mismatch", made, { thumbprint: other });
  const [head, payload, tail] = made.split(".");
  const flipped = Buffer.from(tail, "base64url");
  flipped[5] ^= 1;
  add(`${alg}, a bit of its signature flipped`, "dpop_signature_invalid", `${head}.${payload}.${encode(flipped)}`);
  add(`${alg}, without its last byte`, "dpop_signature_invalid", `${head}.${payload}.${encode(flipped.subarray(0, -1))}`);
  add(`${alg}, without signature`, "dpop_signature_invalid", `${head}.${payload}.`);
  add(`${alg}, its payload exchanged`, "dpop_signature_invalid", `${head}.${json({ ...CLAIMS, htm: "GET" })}.${tail}`);
  add(`${alg}, with its private key`, "dpop_key_invalid", proof(header(alg, { jwk: privateOf(alg) }), CLAIMS, alg));
}
for (const alg of ["ES256", "Ed25519"]) {
  const keys = await generateKeyPair(alg, { extractable: true });
  const made = await generateProof(keys, URL, "GET", "a nonce", TOKEN);
  const [, payload] = made.split(".");
  const { iat } = JSON.parse(Buffer.from(payload, "base64url"));
  add(`${alg}, made by dpop`, "accepted", made, { now: iat + 1, method: "GET", token: TOKEN, nonces: ["a nonce"] });
}
add("RFC 9449, figure 2", "accepted", "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg", {
  now: 1562262616, address: "https://server.example.com/token", shows: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
});

// Form.
add("the name of RFC 9864", "accepted", proof(header("EdDSA", { alg: "Ed25519" }), CLAIMS));
add("an `ath` where no token came", "accepted", said({ ath: ATH }));
add("an unknown header and an unknown claim", "accepted", proof(header("EdDSA", { x: 1 }), { ...CLAIMS, x: { y: [] } }));
add("a fraction of a second", "accepted", said({ iat: NOW + 0.5 }));
for (const [name, text] of Object.entries({
  "empty": "", "two parts": "e30.e30", "four parts": `${said()}.e30`, "padding": `${said()}==`, "a space before": ` ${said()}`,
  "two proofs": `${said()}, ${said({ jti: "two" })}`, "4,097 bytes": "e".repeat(4097), "a long claim": said({ x: "x".repeat(4096) }),
  "a header that is a list": proof("[]", CLAIMS), "a header twice": proof(`{"typ":"dpop+jwt","typ":"dpop+jwt","alg":"EdDSA","jwk":{}}`, CLAIMS),
  "critical extensions": proof(header("EdDSA", { crit: ["x"], x: 1 }), CLAIMS),
  "a payload that is a text": proof(header(), `"a"`), "a payload that is a list": proof(header(), "[]"), "no JSON": proof(header(), "{"),
  "a claim twice": proof(header(), `{"jti":"a","jti":"b","htm":"POST","htu":"${URL}","iat":${NOW}}`),
  "no jti": without("jti"), "no htm": without("htm"), "no htu": without("htu"), "no iat": without("iat"),
  "an empty jti": said({ jti: "" }), "a jti of 257 bytes": said({ jti: "x".repeat(257) }), "a jti that is a number": said({ jti: 1 }), "an htu that is a list": said({ htu: [URL] }),
  "an iat that is a text": said({ iat: String(NOW) }), "a negative iat": said({ iat: -NOW }), "an ath that is a number": said({ ath: 1 }), "an empty nonce": said({ nonce: "" }),
})) add(name, "dpop_proof_malformed", text);
for (const typ of [undefined, "JWT", "at+jwt", "DPOP+JWT", "dpop+jwt ", "application/dpop+jwt", 1]) {
  add(`typ ${JSON.stringify(typ)}`, "dpop_type_mismatch", proof(header("EdDSA", { typ }), CLAIMS));
}

// Algorithms and keys.
const secret = randomBytes(32);
const mac = (head) => { const input = `${json(head)}.${json(CLAIMS)}`; return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`; };
add("HS256 with its secret in the header", "dpop_algorithm_not_allowed", mac({ typ: "dpop+jwt", alg: "HS256", jwk: { kty: "oct", k: encode(secret) } }));
add("HS256, the public key taken for a secret", "dpop_algorithm_not_allowed", mac(header("EdDSA", { alg: "HS256" })));
for (const alg of ["none", "None", "", "ES256K", "RS1", "eddsa", undefined, null, 1]) {
  const head = header("EdDSA", { alg });
  add(`alg ${JSON.stringify(alg)}`, "dpop_algorithm_not_allowed", alg === "none" ? `${json(head)}.${json(CLAIMS)}.` : proof(head, CLAIMS));
}
const keyless = (jwk, alg = "EdDSA") => proof(header(alg, { jwk }), CLAIMS, alg);
for (const [name, text] of Object.entries({
  "no key": keyless(undefined), "a key that is a text": keyless("key"), "a key that is null": keyless(null), "an empty key": keyless({}),
  "a shared secret under EdDSA": keyless({ kty: "oct", k: encode(secret) }),
  "a public key with a member k": keyless({ ...publicOf("EdDSA"), k: encode(secret) }),
  "the key of another algorithm": proof(header("EdDSA", { jwk: publicOf("ES256") }), CLAIMS),
  "a key of another curve": proof(header("ES256", { jwk: publicOf("ES384") }), CLAIMS, "ES256"),
  "a key that says another algorithm": keyless({ ...publicOf("EdDSA"), alg: "ES256" }),
  "X25519": keyless({ ...publicOf("EdDSA"), crv: "X25519" }),
  "a coordinate too short": keyless({ ...publicOf("EdDSA"), x: encode(randomBytes(31)) }),
  "a point of small order": keyless({ kty: "OKP", crv: "Ed25519", x: encode(Buffer.alloc(32)) }),
  "a point off its curve": keyless({ ...publicOf("ES256"), y: publicOf("ES256").x }, "ES256"),
  "padding in a coordinate": keyless({ ...publicOf("EdDSA"), x: `${publicOf("EdDSA").x}=` }),
  "RSA of 1,024 bits": (() => { const small = pair("rsa", { modulusLength: 1024 }); return proof(header("RS256", { jwk: small.publicKey.export({ format: "jwk" }) }), CLAIMS, "RS256", small.privateKey); })(),
  "an address to fetch a key from": proof({ typ: "dpop+jwt", alg: "EdDSA", jku: "https://evil.example/keys" }, CLAIMS),
})) add(name, "dpop_key_invalid", text);
add("the key of somebody else", "dpop_signature_invalid", proof(header(), CLAIMS, "EdDSA", pair("ed25519").privateKey));

// The request.
add("another method", "dpop_method_mismatch", said({ htm: "GET" }));
add("a method in lower case", "dpop_method_mismatch", said({ htm: "post" }));
for (const htu of [URL.toUpperCase().replace("/API/V1/AUTH/LOGIN", "/api/v1/auth/login"), `${URL}?a=b#c`, "https://auth.example:443/api/v1/auth/login", "https://auth.example/api/v1/%61uth/login"]) {
  add(`htu ${htu}`, "accepted", said({ htu }));
}
for (const htu of ["", "/api/v1/auth/login", "http://auth.example/api/v1/auth/login", "https://auth.example/api/v1/auth/refresh", "https://auth.example/api/v1/auth/login/", "https://evil.example/api/v1/auth/login", "https://auth.example@evil.example/api/v1/auth/login", "https://auth.example:8443/api/v1/auth/login", "https://auth.example"]) {
  add(`htu ${htu}`, "dpop_address_mismatch", said({ htu }));
}
for (const [age, verdict] of [[0, "accepted"], [60, "accepted"], [61, "dpop_proof_expired"], [86_400, "dpop_proof_expired"], [-5, "accepted"], [-6, "dpop_proof_issued_in_future"], [-86_400, "dpop_proof_issued_in_future"]]) {
  add(`issued ${age} seconds ago`, verdict, said({ iat: NOW - age }));
}
add("its token", "accepted", said({ ath: ATH }), { token: TOKEN });
add("no token where one came", "dpop_token_mismatch", said(), { token: TOKEN });
add("another token", "dpop_token_mismatch", said({ ath: ATH }), { token: `${TOKEN}x` });
add("a token's hash with padding", "dpop_token_mismatch", said({ ath: `${ATH}=` }), { token: TOKEN });
add("the token itself in place of its hash", "dpop_token_mismatch", said({ ath: TOKEN }), { token: TOKEN });
add("the last nonce", "accepted", said({ nonce: "b" }), { nonces: ["a", "b"] });
add("no nonce where one is asked for", "dpop_nonce_required", said(), { nonces: ["a", "b"] });
add("a nonce of before", "dpop_nonce_required", said({ nonce: "c" }), { nonces: ["a", "b"] });
add("a nonce that nobody asked for", "accepted", said({ nonce: "c" }));

const about = "Proofs of possession with their verdicts, for max_age 60 and leeway 5. `shows` is the thumbprint of the key. Made by proofs.generate.mjs.";
writeFileSync(new globalThis.URL("proofs.json", import.meta.url), `${JSON.stringify({ about, cases }, null, 1)}\n`);
console.log(`${cases.length} cases`);
