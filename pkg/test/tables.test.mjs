// A key that checks many tokens gets tables. Nobody may notice but by the time it takes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createVerifier } from "postern";
import { createVerifier as createSmallVerifier } from "postern/inline";
import { createIssuer, optionsFor } from "./support/tokens.mjs";

/** More than the uses and slices before a key's tables are complete. */
const MANY = 200;

const flip = (token, place) => {
  const [header, payload, signature] = token.split(".");
  const bytes = Buffer.from(signature, "base64url");
  bytes[place] ^= 1;
  return [header, payload, bytes.toString("base64url")].join(".");
};

for (const [name, create] of [["with tables", createVerifier], ["without", createSmallVerifier]]) {
  test(`the first token and the last get the same verdicts: ${name}`, async () => {
    const issuer = await createIssuer();
    const verifier = create(optionsFor(issuer));
    const tokens = await Promise.all(Array.from({ length: 8 }, (_, index) => issuer.sign({ n: index })));
    for (let use = 0; use < MANY; use += 1) {
      const token = tokens[use % tokens.length];
      assert.equal(verifier.verify(token).payload.n, use % tokens.length);
      assert.throws(() => verifier.verify(flip(token, use % 64)), { code: "signature_invalid" });
    }
  });
}

test("other keys are not mistaken for the one with tables", async () => {
  const [one, other] = [await createIssuer(), await createIssuer()];
  const verifiers = [one, other].map((issuer) => createVerifier(optionsFor(issuer)));
  const tokens = await Promise.all([one.sign(), other.sign()]);
  for (let use = 0; use < MANY; use += 1) {
    verifiers[0].verify(tokens[0]);
    assert.throws(() => verifiers[0].verify(tokens[1]), { code: "signature_invalid" });
    assert.throws(() => verifiers[1].verify(tokens[0]), { code: "signature_invalid" });
  }
  assert.equal(verifiers[1].verify(tokens[1]).subject, verifiers[0].verify(tokens[0]).subject);
});
