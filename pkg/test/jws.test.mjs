import assert from "node:assert/strict";
import { test } from "node:test";
// Internals that two entries of the package share; their own tests reach the edges of none of them.
import { decodeBase64url, encodeBase64url, sha256 } from "../dist/jws/base64url.js";
import { algorithmNamed, publicMembers, thumbprint } from "../dist/jws/keys.js";

/** An odd number of this many bytes. */
const number = (bytes) => Buffer.alloc(bytes, 0xab).toString("base64url");

test("RSA keys of 2,048 to 4,096 bits with a usual exponent are accepted, and no others", () => {
  const isAccepted = (n, e) => publicMembers({ kty: "RSA", n, e }, algorithmNamed("RS256")) !== undefined;
  for (const bytes of [256, 384, 512]) assert.ok(isAccepted(number(bytes), "AQAB"), String(bytes));
  for (const bytes of [0, 1, 128, 255, 513, 1024]) assert.ok(!isAccepted(number(bytes), "AQAB"), String(bytes));
  for (const e of ["Aw", "EQ", "AQAB", number(4)]) assert.ok(isAccepted(number(256), e), e);
  for (const e of ["", "AA", "AQ", "Ag", "AQAA", number(5), "AQAB=", undefined, 3]) assert.ok(!isAccepted(number(256), e), String(e));
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
