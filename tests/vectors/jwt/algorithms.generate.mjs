// Writes algorithms.json: tokens of every algorithm made with `jose`, and what attackers make of them.
//
// Keys and most signatures are random, so every run writes another file of the same meaning. The verdicts are stated
// here, by hand. Run: node tests/vectors/jwt/algorithms.generate.mjs
import { constants, createHash, createHmac, generateKeyPairSync, randomBytes, sign as signWith } from "node:crypto";
import { writeFileSync } from "node:fs";
import { CompactSign } from "jose";

const NOW = 1_700_000_000;
const CLAIMS = {
  iss: "https://auth.example", aud: "https://api.example", sub: "00112233445566778899aabbccddeeff", client_id: "web",
  iat: NOW - 60, exp: NOW + 240, jti: "0102030405060708090a0b0c0d0e0f10", tid: "acme",
};
const PAYLOAD = new TextEncoder().encode(JSON.stringify(CLAIMS));
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const P384_ORDER = 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;

const pair = (type, options) => generateKeyPairSync(type, options);
const rsa = (bits = 2048, publicExponent = 0x10001) => pair("rsa", { modulusLength: bits, publicExponent });
const KEYS = {
  EdDSA: pair("ed25519"), ES256: pair("ec", { namedCurve: "P-256" }), ES384: pair("ec", { namedCurve: "P-384" }),
  RS256: rsa(), RS384: rsa(), RS512: rsa(), PS256: rsa(),
};
const SECRETS = { HS256: randomBytes(32), HS384: randomBytes(48), HS512: randomBytes(64) };
const NAMES = [...Object.keys(KEYS), ...Object.keys(SECRETS)];
const HASHES = { 256: "sha256", 384: "sha384", 512: "sha512" };

const encode = (data) => Buffer.from(data).toString("base64url");
const json = (value) => encode(JSON.stringify(value));
const jwkOf = (alg, { publicKey } = KEYS[alg]) => ({ ...publicKey.export({ format: "jwk" }), kid: alg, alg, use: "sig" });
const header = (alg, kid = alg, more = {}) => ({ alg, ...(kid === null ? {} : { kid }), typ: "at+jwt", ...more });
const bytesOf = (number, length) => Buffer.from(number.toString(16).padStart(2 * length, "0"), "hex");
const numberOf = (bytes) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);

/** The signature over the message by this algorithm and key, whatever the header will say. */
function signature(alg, message, key = (KEYS[alg] ?? {}).privateKey ?? SECRETS[alg]) {
  const hash = HASHES[alg.slice(2)];
  if (alg === "EdDSA") return signWith(null, message, key);
  if (alg.startsWith("HS")) return createHmac(hash, key).update(message).digest();
  if (alg.startsWith("ES")) return signWith(hash, message, { key, dsaEncoding: "ieee-p1363" });
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  return signWith(hash, message, alg === "PS256" ? { key, ...pss } : key);
}
const input = (head) => `${json(head)}.${encode(PAYLOAD)}`;
const token = (head, make) => `${input(head)}.${encode(make(Buffer.from(input(head))))}`;

const cases = [];
/** A case about one key: with `verify` alone, a build that leaves the key's algorithm to its host cannot tell. */
const add = (name, keys, of, verdict, text, policy = "default") => {
  const past_signature = ["accepted", "signature_invalid", "token_expired"].includes(verdict);
  cases.push({ name, keys, policy, now: NOW, token: text, verdict, leaves_to_host: past_signature && /^[EPR]S/.test(of) });
};

for (const alg of NAMES) {
  const signer = new CompactSign(PAYLOAD).setProtectedHeader(header(alg));
  const made = await signer.sign(KEYS[alg]?.privateKey ?? SECRETS[alg]);
  const [head, payload, tail] = made.split(".");
  const real = Buffer.from(tail, "base64url");
  const spoilt = (bytes) => `${head}.${payload}.${encode(bytes)}`;
  const flipped = (at) => Buffer.from(real.map((byte, index) => (index === at ? byte ^ 1 : byte)));
  add(`${alg}: made by jose`, alg, alg, "accepted", made);
  add(`${alg}: made by jose, among the keys of all algorithms`, "all", alg, "accepted", made);
  add(`${alg}: no kid and only one key`, alg, alg, "accepted", token(header(alg, null), (it) => signature(alg, it)));
  add(`${alg}: no kid and many keys`, "all", alg, "key_not_found", token(header(alg, null), (it) => signature(alg, it)));
  add(`${alg}: another kid and only one key`, alg, alg, "key_not_found", token(header(alg, "x"), (it) => signature(alg, it)));
  add(`${alg}: crit`, "all", alg, "critical_header_unsupported", token(header(alg, alg, { crit: ["b64"], b64: false }), (it) => signature(alg, it)));
  add(`${alg}: no signature`, "all", alg, "token_malformed", `${head}.${payload}.`);
  add(`${alg}: alg none`, "all", alg, "algorithm_not_allowed", token(header("none", alg), (it) => signature(alg, it)));
  add(`${alg}: alg none and no signature`, "all", alg, "token_malformed", `${input(header("none", alg))}.`);
  add(`${alg}: first bit flipped`, "all", alg, "signature_invalid", spoilt(flipped(0)));
  add(`${alg}: last bit flipped`, "all", alg, "signature_invalid", spoilt(flipped(real.length - 1)));
  add(`${alg}: one byte short`, "all", alg, "signature_invalid", spoilt(real.subarray(0, -1)));
  add(`${alg}: one byte more`, "all", alg, "signature_invalid", spoilt(Buffer.concat([real, Buffer.of(0)])));
  add(`${alg}: a zero in front`, "all", alg, "signature_invalid", spoilt(Buffer.concat([Buffer.of(0), real])));
  add(`${alg}: all zero`, "all", alg, "signature_invalid", spoilt(Buffer.alloc(real.length)));
  add(`${alg}: all ones`, "all", alg, "signature_invalid", spoilt(Buffer.alloc(real.length, 0xff)));
  add(`${alg}: one byte`, "all", alg, "signature_invalid", spoilt(Buffer.of(1)));
  const other = json({ ...CLAIMS, sub: "ffffffffffffffffffffffffffffffff" });
  add(`${alg}: another payload`, "all", alg, "signature_invalid", `${head}.${other}.${tail}`);
  add(`${alg}: the signature of the payload alone`, "all", alg, "signature_invalid", spoilt(signature(alg, Buffer.from(PAYLOAD))));
  const expired = encode(JSON.stringify({ ...CLAIMS, exp: NOW - 31 }));
  const late = `${json(header(alg))}.${expired}`;
  add(`${alg}: expired`, "all", alg, "token_expired", `${late}.${encode(signature(alg, Buffer.from(late)))}`);
  for (const claimed of [...NAMES, "Ed25519", "ES512", "PS384", "ES256K", "RSA-OAEP"]) {
    if (claimed === alg || (alg === "EdDSA" && claimed === "Ed25519")) continue;
    add(`${alg}: says ${claimed}`, "all", alg, "algorithm_not_allowed", token(header(claimed, alg), (it) => signature(alg, it)));
  }
}
add("Ed25519: the other name of EdDSA", "all", "EdDSA", "accepted", token(header("Ed25519", "EdDSA"), (it) => signature("EdDSA", it)));

// A public key as the secret of an HMAC, in every form that a library has ever taken it in.
for (const alg of Object.keys(KEYS)) {
  const { publicKey } = KEYS[alg];
  const pem = publicKey.export({ format: "pem", type: "spki" });
  const forms = {
    PEM: pem, "PEM without its last line end": pem.trimEnd(), DER: publicKey.export({ format: "der", type: "spki" }),
    "a JWK": JSON.stringify(jwkOf(alg)), "base64url": jwkOf(alg).n ?? jwkOf(alg).x,
    bytes: Buffer.from(jwkOf(alg).n ?? jwkOf(alg).x, "base64url"),
  };
  for (const [form, secret] of Object.entries(forms)) {
    for (const hmac of Object.keys(SECRETS)) {
      const forged = token(header(hmac, alg), (it) => signature(hmac, it, secret));
      add(`${hmac} with the public key of ${alg} as secret, ${form}`, "all", alg, "algorithm_not_allowed", forged);
    }
  }
  const stranger = alg === "EdDSA" ? pair("ed25519") : alg.startsWith("ES") ? pair("ec", { namedCurve: `P-${alg.slice(2)}` }) : rsa();
  const by = (more = {}) => token(header(alg, alg, more), (it) => signature(alg, it, stranger.privateKey));
  add(`${alg}: signed by a stranger`, "all", alg, "signature_invalid", by());
  add(`${alg}: signed by the key in the header`, "all", alg, "signature_invalid", by({ jwk: jwkOf(alg, stranger) }));
  add(`${alg}: signed by the key that the header points to`, "all", alg, "signature_invalid", by({ jku: "https://evil.example/jwks" }));
  add(`${alg}: a certificate in the header`, "all", alg, "signature_invalid", by({ x5c: [stranger.publicKey.export({ format: "der", type: "spki" }).toString("base64")] }));
}

// ECDSA: numbers out of range, the other encoding, the other hash, and the twin that every signature has.
for (const [alg, order, size] of [["ES256", P256_ORDER, 32], ["ES384", P384_ORDER, 48]]) {
  const message = Buffer.from(input(header(alg)));
  const real = signature(alg, message);
  const [r, s] = [real.subarray(0, size), real.subarray(size)];
  const zero = Buffer.alloc(size);
  const n = bytesOf(order, size);
  const bad = (name, bytes) => add(`${alg}: ${name}`, "all", alg, "signature_invalid", `${message}.${encode(bytes)}`);
  bad("r zero", Buffer.concat([zero, s]));
  bad("s zero", Buffer.concat([r, zero]));
  bad("r and s the order", Buffer.concat([n, n]));
  bad("r the order", Buffer.concat([n, s]));
  bad("s the order", Buffer.concat([r, n]));
  bad("r one and s one", Buffer.concat([bytesOf(1n, size), bytesOf(1n, size)]));
  bad("r and s exchanged", Buffer.concat([s, r]));
  bad("r twice", Buffer.concat([r, r]));
  bad("the negated r", Buffer.concat([bytesOf(order - numberOf(r), size), s]));
  bad("in DER", signWith(HASHES[alg.slice(2)], message, KEYS[alg].privateKey));
  const wrong = alg === "ES256" ? "sha384" : "sha256";
  bad(`over ${wrong}`, signWith(wrong, message, { key: KEYS[alg].privateKey, dsaEncoding: "ieee-p1363" }));
  const [longR, longS] = [r, s].map((half) => Buffer.concat([Buffer.of(0), half]));
  bad("both halves with a zero in front", Buffer.concat([longR, longS]));
  const twin = Buffer.concat([r, bytesOf(order - numberOf(s), size)]);
  add(`${alg}: the twin with the negated s, which ECDSA has`, "all", alg, "accepted", `${message}.${encode(twin)}`);
}
const wrongCurve = token(header("ES256"), (it) => signWith("sha256", it, { key: KEYS.ES384.privateKey, dsaEncoding: "ieee-p1363" }));
add("ES256: signed with the P-384 key", "all", "ES256", "signature_invalid", wrongCurve);

// RSA: the other padding, other salts and hashes, numbers out of range.
for (const alg of ["RS256", "RS384", "RS512", "PS256"]) {
  const message = Buffer.from(input(header(alg)));
  const key = KEYS[alg].privateKey;
  const bad = (name, bytes) => add(`${alg}: ${name}`, "all", alg, "signature_invalid", `${message}.${encode(bytes)}`);
  const pss = (hash, saltLength, mgf) =>
    signWith(hash, message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength, ...mgf });
  if (alg === "PS256") {
    for (const salt of [0, 20, 31, 33, 222]) bad(`a salt of ${salt} bytes`, pss("sha256", salt));
    for (const hash of ["sha1", "sha384", "sha512"]) bad(`PSS over ${hash}`, pss(hash, 32));
    bad("the padding of RS256", signWith("sha256", message, key));
  } else {
    const own = HASHES[alg.slice(2)];
    for (const hash of ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha512-256", "sha3-256"]) {
      if (hash !== own) bad(`over ${hash}`, signWith(hash, message, key));
    }
    bad("the padding of PS256", pss("sha256", 32));
    bad("PSS over its own hash", pss(own, 32));
  }
  const modulus = numberOf(Buffer.from(jwkOf(alg).n, "base64url"));
  const bumped = numberOf(signature(alg, message)) + modulus;
  bad("plus the modulus", bytesOf(bumped, bumped.toString(16).length > 512 ? 257 : 256));
  bad("the modulus minus one", bytesOf(modulus - 1n, 256));
  bad("the number one", bytesOf(1n, 256));
  for (const other of ["RS256", "PS256"]) {
    if (other !== alg) bad(`with the key of ${other}`, signature(alg, message, KEYS[other].privateKey));
  }
}

// RSA with the exponent 3: real, and forged by a cube root where only the front of the block is looked at.
const three = rsa(2048, 3);
add("RS256, e = 3: real", "e3", "RS256", "accepted", token(header("RS256"), (it) => signature("RS256", it, three.privateKey)));
add("RS256, e = 3: forged by a cube root", "e3", "RS256", "signature_invalid", token(header("RS256"), (it) => {
  const info = Buffer.from("3031300d060960864801650304020105000420", "hex");
  const front = Buffer.concat([Buffer.from("0001ffffffffffffffffff00", "hex"), info, createHash("sha256").update(it).digest()]);
  const target = numberOf(Buffer.concat([front, Buffer.alloc(256 - front.length, 0xff)]));
  return bytesOf(cubeRoot(target), 256);
}));
function cubeRoot(target) {
  let [low, high] = [0n, 1n << 690n];
  while (low < high) {
    const middle = (low + high + 1n) >> 1n;
    if (middle ** 3n <= target) low = middle;
    else high = middle - 1n;
  }
  return low;
}

const set = (names) => ({
  jwks: { keys: names.filter((name) => KEYS[name]).map((name) => jwkOf(name)) },
  secrets: names.filter((name) => SECRETS[name]).map((name) => ({ kid: name, alg: name, secret: encode(SECRETS[name]) })),
});
const e3 = { jwks: { keys: [{ ...jwkOf("RS256", three) }] }, secrets: [] };
const description =
  "Tokens of every algorithm, made with jose, and attacks on them, with the verdict on each: \"accepted\" or the code of " +
  "the first reason for refusal. Where `leaves_to_host` is true, a verifier that was built without RSA and ECDSA cannot " +
  "tell by itself and answers \"algorithm_needs_async\". The keys were made for this file.";
const policies = {
  default: {
    issuer: CLAIMS.iss, audiences: [CLAIMS.aud], tenant: "acme", token_type: "at+jwt", leeway: 30,
    required_claims: ["sub", "iat", "jti", "client_id"],
  },
};
const key_sets = { ...Object.fromEntries(NAMES.map((name) => [name, set([name])])), all: set(NAMES), e3 };
for (const { name } of cases.filter((it, at) => cases.findIndex(({ name }) => name === it.name) !== at)) throw new Error(name);
const lines = (list) => list.map((item) => JSON.stringify(item)).join(",\n");
writeFileSync(
  new URL("algorithms.json", import.meta.url),
  `{"description":${JSON.stringify(description)},\n"key_sets":${JSON.stringify(key_sets, null, 1)},\n` +
    `"policies":${JSON.stringify(policies)},\n"cases":[\n${lines(cases)}\n]}\n`,
);
console.log(`${cases.length} cases, ${cases.filter(({ verdict }) => verdict === "accepted").length} accepted`);
