// Tokens that are almost right, and some that are. The same for the same seed, wherever they are made.

/** What a payload or header may hold where something else belongs. */
const VALUES = [
  "null", "true", '""', '"x"', '"at+jwt"', "0", "-0", "1", "-1", "1.5", "1e3", "1e400", "1e308", "9.9e307", "0e999", "1E-7", "01", "1.",
  "253402300799", "253402300800", "9007199254740991", "9007199254740992", "1800000150.999", "18e8", "[]", "{}", '["a"]', '["a",1]', '{"a":1,"a":2}',
  '{"\\u0061":1,"a":2}', '"\\ud800"', '"\\ud83d\\ude00"', '"\\ude00\\ud83d"', '"\\u0000"', '"\\x"', '"\t"', "[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]",
  "[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", "NaN", "'a'", "tru", '{"jkt":"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}', '{"jkt":"short"}',
];
/** Around the time at which the tokens are issued, and the leeway. */
const DATES = ["1799999969", "1799999971", "1800000001", "1800000031", "1800000032.5", "1800000900", "1.8000005e9"];
const HEADER = ["alg", "kid", "typ", "crit", "\\u0061lg", "jku", "b64", "__proto__"];
const CLAIMS = [
  "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "sid", "tid", "av", "pr", "pm", "roles", "org", "ent", "auth_time", "acr", "amr",
  "cnf", "plan", "\\u0065xp", "toString", "__proto__",
];
const ALGORITHMS = ["EdDSA", "Ed25519", "ES256", "RS256", "PS256", "HS256", "none", "eddsa", ""];

/**
 * @param {(below: number) => number} below random numbers
 * @param {{ header: Record<string, unknown>, payload: Record<string, unknown>, sign: (signed: string, alg: string) => Promise<Uint8Array> }[]} issuers
 */
export async function mutant(below, issuers) {
  const issuer = issuers[below(issuers.length)];
  const changes = below(4);
  let header = Object.entries(issuer.header).map(([name, value]) => [name, JSON.stringify(value)]);
  let payload = Object.entries(issuer.payload).map(([name, value]) => [name, JSON.stringify(value)]);
  for (let change = 0; change < changes; change++) {
    const kind = below(7);
    if (kind === 0) header = edited(below, header, HEADER);
    else if (kind === 1) header = header.map(([name, value]) => [name, name === "alg" ? JSON.stringify(pick(below, ALGORITHMS)) : value]);
    else if (kind === 2) payload = dated(payload, pick(below, ["exp", "nbf", "iat"]), pick(below, DATES));
    else payload = edited(below, payload, CLAIMS);
  }
  let texts = [header, payload].map((members) => written(below, members));
  if (below(12) === 0) texts = texts.map((text, at) => (at === below(2) ? damagedText(below, text) : text));
  let signed = texts.map(encode).join(".");
  if (below(15) === 0) signed = damagedToken(below, signed);
  const signature = encodeBytes(await issuer.sign(signed, issuer.header.alg));
  const token = `${signed}.${signature}`;
  return below(4) === 0 ? damagedToken(below, token) : token;
}

/** Sets, adds, doubles or removes a member. */
function edited(below, members, names) {
  const at = below(members.length || 1);
  const member = [pick(below, names), pick(below, VALUES)];
  const value = pick(below, VALUES);
  return [
    () => members.map((one, place) => (place === at ? [one[0], value] : one)),
    () => [...members.slice(0, at), member, ...members.slice(at)],
    () => [...members, members[at] ?? member],
    () => members.filter((_, place) => place !== at),
  ][below(4)]();
}

function dated(members, name, date) {
  return [...members.filter(([other]) => other !== name), [name, date]];
}

function written(below, members) {
  const space = below(5) === 0 ? pick(below, [" ", "\n", "\t", "\r", "\u00a0", "\u000b"]) : "";
  return `{${members.map(([name, value]) => `"${name}"${space}:${space}${value}`).join(`${space},`)}}${space}`;
}

/** Changes a character of the JSON text. */
function damagedText(below, text) {
  const at = below(text.length);
  const character = pick(below, ["", '"', "\\", "{", "}", "[", ",", ":", "\ufeff", "\u007f", "é", "\u2028"]);
  return text.slice(0, at) + character + text.slice(at + below(2));
}

/** Changes a character of the token, or its shape. */
function damagedToken(below, token) {
  const at = below(token.length);
  const character = pick(below, ["", "A", "Q", "_", "-", "+", "/", "=", ".", " ", "\n", "é", "\ud800", "%", "\0"]);
  return [
    () => token.slice(0, at) + character + token.slice(at + 1),
    () => token.slice(0, at) + character + token.slice(at),
    () => token.slice(0, at),
    () => token + character,
    () => character + token,
    () => token.split(".").reverse().join("."),
    () => token + "A".repeat(8192),
    () => `${token.slice(0, -1)}${pick(below, "ABCDEFGHQRghwx0123456789-_")}`,
  ][below(8)]();
}

const pick = (below, values) => values[below(values.length)];
const encode = (text) => encodeBytes(new TextEncoder().encode(text));

function encodeBytes(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
