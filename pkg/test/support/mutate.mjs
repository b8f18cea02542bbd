// Access tokens, good ones and broken ones, from a seed: the same seed gives the same tokens.

import { constants, createHmac, createPrivateKey, sign as signWith } from "node:crypto";

/** A small generator of random numbers (mulberry32): good enough to choose what to break. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  return {
    below: (bound) => next() % bound,
    pick: (list) => list[next() % list.length],
    chance: (one) => next() % one === 0,
  };
}

const b64 = (data) => Buffer.from(data).toString("base64url");
/** An object as a list of members in JSON: only a list can have two of one name, or values that are no JSON. */
const write = (members) => `{${members.map(([name, value]) => `${name}:${value}`).join(",")}}`;
const named = (name) => JSON.stringify(name);

const ODD_VALUES = [
  "null", "true", "false", "0", "-1", "1.5", "1e3", "1e400", "-0", "01", "9007199254740993", '""', '" "', '"x"',
  "[]", "{}", "[null]", '["x"]', '[["x"]]', '{"a":1,"a":2}', '"\\ud800"', '"\\u0000"', '"\u00e9"', "NaN", "'x'",
  `${"[".repeat(20)}${"]".repeat(20)}`, `${"[".repeat(14)}${"]".repeat(14)}`, `"${"a".repeat(9000)}"`,
];

/** Makes tokens of an issuer whose keys are given as `{ [algorithm]: { kid, key } }`, key a PEM or a secret. */
export function tokenMaker({ issuer, audience, now, keys }) {
  const algorithms = Object.keys(keys);
  const times = [-31, -30, -29, -1, 0, 1, 29, 30, 31, 60, 300, 3600].flatMap((offset) => [
    `${now + offset}`,
    `${now + offset}.5`,
    `${now + offset}e0`,
    `"${now + offset}"`,
  ]);
  const names = { EdDSA: ["EdDSA", "Ed25519"] };

  const headerOf = (random, algorithm) => {
    const members = [
      [named("alg"), named(random.pick(names[algorithm] ?? [algorithm]))],
      [named("kid"), named(keys[algorithm].kid)],
      [named("typ"), named(random.pick(["at+jwt", "at+jwt", "application/at+jwt", "AT+JWT"]))],
    ];
    return random.chance(3) ? breakHeader(random, members) : members;
  };

  const breakHeader = (random, members) => {
    const at = random.below(members.length);
    const [name] = members[at];
    switch (random.below(7)) {
      case 0:
        return members.toSpliced(at, 1);
      case 1:
        return members.with(at, [name, random.pick(ODD_VALUES)]);
      case 2:
        return [...members, [name, random.pick([members[at][1], '"x"'])]];
      case 3: {
        const alg = random.pick(["none", "None", "HS256", "RS256", "ES256", "EdDSA", "Ed25519", "Ed448", "PS256", ""]);
        return members.with(0, [named("alg"), named(alg)]);
      }
      case 4:
        return members.with(1, [named("kid"), named(random.pick([...algorithms.map((a) => keys[a].kid), "x", "../k"]))]);
      case 5: {
        const more = [["crit", '["exp"]'], ["crit", "[]"], ["crit", '["b64"]'], ["b64", "false"], ["b64", "true"],
          ["jku", '"https://evil.example"'], ["jwk", '{"kty":"oct","k":"AA"}'], ["x5c", '["AA"]'], ["zip", '"DEF"'],
          ["cty", '"JWT"'], ["nonce", '"n"']];
        const [extra, value] = random.pick(more);
        return [...members, [named(extra), value]];
      }
      default:
        return members.with(2, [named("typ"), named(random.pick(["JWT", "jwt", "at+jwt ", "refresh+jwt", "dpop+jwt", ""]))]);
    }
  };

  const payloadOf = (random) => {
    const members = Object.entries({
      iss: issuer,
      aud: random.chance(2) ? audience : [audience, "https://other.example"],
      sub: "00112233445566778899aabbccddeeff",
      client_id: "web",
      jti: String(random.below(1e9)),
      iat: now - random.below(60),
      exp: now + 300 - random.below(60),
      roles: ["editor"],
    }).map(([name, value]) => [named(name), JSON.stringify(value)]);
    return random.chance(3) ? breakPayload(random, members) : members;
  };

  const breakPayload = (random, members) => {
    const at = random.below(members.length);
    const [name] = members[at];
    switch (random.below(8)) {
      case 0:
        return members.toSpliced(at, 1);
      case 1:
        return members.with(at, [name, random.pick(ODD_VALUES)]);
      case 2:
        return [...members, [name, random.pick([members[at][1], "0", '"x"'])]];
      case 3:
        return members.with(6, [named("exp"), random.pick(times)]);
      case 4:
        return [...members, [named("nbf"), random.pick(times)]];
      case 5:
        return members.with(5, [named("iat"), random.pick(times)]);
      case 6:
        return members.with(1, [named("aud"), random.pick(['"https://other.example"', "[]", `["x",${named(audience)}]`])]);
      default:
        return [...members, [named(random.pick(["custom", "nbf", "sid", "tid", "\u0000", "__proto__"])), random.pick(ODD_VALUES)]];
    }
  };

  const signatureOf = (algorithm, text) => {
    const { key } = keys[algorithm];
    if (algorithm.startsWith("HS")) return createHmac(`sha${algorithm.slice(2)}`, key).update(text).digest();
    const hash = algorithm === "EdDSA" ? null : `sha${algorithm.slice(2)}`;
    const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
    const scheme = algorithm.startsWith("PS") ? pss : { dsaEncoding: "ieee-p1363" };
    return signWith(hash, Buffer.from(text), { key: privateKey(key), ...scheme });
  };
  const loaded = new Map();
  const privateKey = (pem) => {
    if (!loaded.has(pem)) loaded.set(pem, createPrivateKey(pem));
    return loaded.get(pem);
  };

  return (random) => {
    const algorithm = random.pick(algorithms);
    let header = write(headerOf(random, algorithm));
    let payload = Buffer.from(write(payloadOf(random)));
    if (random.chance(40)) header = random.pick([` ${header}\n`, `\ufeff${header}`, `[${header}]`, header.slice(1), `${header}}`]);
    if (random.chance(40)) payload = Buffer.from(random.pick([`\t${payload}\r\n`, `\ufeff${payload}`, `${payload}x`, "null", "[]", '""']));
    if (random.chance(80)) payload = Buffer.concat([payload.subarray(0, 20), Buffer.from([0xff]), payload.subarray(20)]);
    const signed = `${b64(header)}.${b64(payload)}`;
    const token = `${signed}.${b64(signatureOf(algorithm, signed))}`;
    return random.chance(6) ? breakText(random, token) : token;
  };
}

const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

function breakText(random, token) {
  const at = random.below(token.length);
  const [header, payload, signature] = token.split(".");
  switch (random.below(10)) {
    case 0:
      return token.slice(0, at) + random.pick("AZaz09-_+/=. \n\u00e9".split("")) + token.slice(at + 1);
    case 1:
      return token.slice(0, at);
    case 2:
      return token.slice(0, at) + random.pick("A=._ \n".split("")) + token.slice(at);
    case 3:
      return `${token}${random.pick(["=", "==", ".", "A", " ", "\n"])}`;
    case 4:
      return `${header}.${payload}.`;
    case 5:
      return `${header}..${signature}`;
    case 6: {
      // The last character of unpadded base64 may carry bits that no byte has.
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      return token.slice(0, -1) + alphabet[(alphabet.indexOf(token.at(-1)) + 1) % 64];
    }
    case 7: {
      // The same signature with S + L: equal in the group, and refused by RFC 8032 §5.1.7.
      const bytes = Buffer.from(signature, "base64url");
      if (bytes.length !== 64) return `${header}.${payload}.${b64(bytes.subarray(1))}`;
      const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString("hex")}`) + ORDER;
      bytes.set(Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse().subarray(0, 32), 32);
      return `${header}.${payload}.${b64(bytes)}`;
    }
    case 8:
      return `${payload}.${header}.${signature}`;
    default: {
      const bytes = Buffer.from(signature, "base64url");
      bytes[random.below(bytes.length)] ^= 1 << random.below(8);
      return `${header}.${payload}.${b64(bytes)}`;
    }
  }
}
