import assert from "node:assert/strict";
import { test } from "node:test";
// Internals that two entries of the package share; their own tests reach the edges of none of them.
import { shortType } from "../dist/jws/media-type.js";
import { decodeBase64url, encodeBase64url, sha256 } from "../dist/jws/base64url.js";
import { algorithmNamed, foreignMembers, publicMembers, thumbprint } from "../dist/jws/keys.js";

/** An odd number of this many bytes. */
const number = (bytes) => Buffer.alloc(bytes, 0xab).toString("base64url");

test("RSA keys of a good size with a usual exponent are accepted, and no others, wherever they are from", () => {
  for (const [read, maxBytes] of [[publicMembers, 1024], [foreignMembers, 512]]) {
    const isAccepted = (n, e) => read({ kty: "RSA", n, e }, algorithmNamed("RS256")) !== undefined;
    for (const bytes of [256, 384, maxBytes]) assert.ok(isAccepted(number(bytes), "AQAB"), String(bytes));
    for (const bytes of [0, 1, 128, 255, maxBytes + 1]) assert.ok(!isAccepted(number(bytes), "AQAB"), String(bytes));
    for (const e of ["Aw", "EQ", "AQAB", number(4)]) assert.ok(isAccepted(number(256), e), e);
    for (const e of ["", "AA", "AQ", "Ag", "AQAA", "AAAD", number(5), "AQAB=", undefined, 3]) assert.ok(!isAccepted(number(256), e), String(e));
    const [even, padded, short] = [Buffer.alloc(256, 0xaa), Buffer.alloc(257, 0xab), Buffer.alloc(256, 0xab)];
    padded[0] = 0;
    short[0] = 0x7f;
    for (const bytes of [even, padded, short]) assert.ok(!isAccepted(bytes.toString("base64url"), "AQAB"), bytes.toString("hex"));
  }
});

test("a key of somebody else that has a private part is none", () => {
  const jwk = { kty: "RSA", n: number(256), e: "AQAB" };
  assert.ok(foreignMembers(jwk, algorithmNamed("RS256")));
  for (const name of ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]) {
    assert.equal(foreignMembers({ ...jwk, [name]: "AQ" }, algorithmNamed("RS256")), undefined, name);
  }
  for (const none of [null, undefined, 7, "key", []]) assert.equal(foreignMembers(none, algorithmNamed("RS256")), undefined);
});

test("a media type is the same in capitals of ASCII, and of nothing else", () => {
  for (const type of ["kb+jwt", "KB+JWT", "application/kb+jwt", "Application/Kb+Jwt"]) assert.equal(shortType(type), "kb+jwt", type);
  for (const type of ["\u212ab+jwt", "text/kb+jwt", "application/application/kb+jwt", " kb+jwt", ""]) assert.notEqual(shortType(type), "kb+jwt", type);
});

test("base64url has one text for all bytes, and every other is refused", () => {
  for (let length = 0; length < 20; length++) {
    const bytes = Buffer.from(Array.from({ length }, (_, at) => (at * 67 + length) % 256));
    const text = encodeBase64url(bytes);
    assert.equal(text, bytes.toString("base64url"));
    assert.deepEqual(Buffer.from(decodeBase64url(text)), bytes);
  }
  for (const text of ["A", "AAAAA", "AB", "A_", "AAB", "AA-", "AA==", "A+", "A/", "A A", "AA\n", " AA", "\u00c4A", "\u0410A", 7, null, undefined, ["AA"]]) {
    assert.equal(decodeBase64url(text), undefined, JSON.stringify(text));
  }
});

test("the thumbprint and the digest are those of the standards", async () => {
  // RFC 7638 §3.1.
  const n =
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn6" +
    "4tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91C" +
    "bOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
  const jwk = { kty: "RSA", n, e: "AQAB", alg: "RS256", kid: "2011-04-29" };
  assert.equal(await thumbprint(publicMembers(jwk, algorithmNamed("RS256"))), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
  // FIPS 180-4's "abc".
  assert.equal(Buffer.from(await sha256("abc"), "base64url").toString("hex"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});
