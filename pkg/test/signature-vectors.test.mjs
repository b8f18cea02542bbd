import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";
import * as postern from "postern";
import * as webcrypto from "postern/webcrypto";
import { judgeSignatures, judgeTokens } from "./support/signatures.mjs";

const VECTORS = new URL("../../tests/vectors/", import.meta.url);
const read = (name) => JSON.parse(readFileSync(new URL(name, VECTORS)));
const FILES = ["rfc.json", ...readdirSync(new URL("signature/wycheproof", VECTORS)).map((name) => `wycheproof/${name}`)];

test("verify judges what it can, and says algorithm_needs_async of what it leaves to the host", async () => {
  const { accepted, refused, wrong } = await judgeTokens(postern, read("jwt/algorithms.json"), (it, token) => it.verify(token), true);
  assert.deepEqual(wrong, []);
  assert.ok(accepted > 0 && refused > 300, `${accepted} accepted, ${refused} refused`);
});

for (const [name, entry] of [["postern", postern], ["postern/webcrypto", webcrypto]]) {
  test(`verifyAsync of ${name} gives every token of every public-key algorithm its verdict`, async () => {
    const { accepted, refused, wrong } = await judgeTokens(entry, read("jwt/algorithms.json"), (it, token) => it.verifyAsync(token), false);
    assert.deepEqual(wrong, []);
    assert.ok(accepted >= 20 && refused > 300, `${accepted} accepted, ${refused} refused`);
  });
}

for (const name of FILES) {
  test(`WebCrypto, which the package trusts, agrees with core: ${name}`, async () => {
    const { valid, invalid, wrong } = await judgeSignatures(read(`signature/${name}`).groups);
    assert.deepEqual(wrong, []);
    assert.ok(valid > 0 && invalid > 0, `${valid} valid, ${invalid} invalid`);
  });
}
