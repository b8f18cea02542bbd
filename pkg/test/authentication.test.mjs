// What `verify` may ask of the owner's authentication: how long ago, and how strongly.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, createVerifier, TokenError } from "postern";
import { createVerifier as createWebCryptoVerifier } from "postern/webcrypto";
import { createIssuer, NOW, optionsFor } from "./support/tokens.mjs";

const issuer = await createIssuer();
const clock = { now: NOW };
const options = optionsFor(issuer, { now: () => clock.now });
const [one, two] = ["urn:postern:acr:1", "urn:postern:acr:2"];
const verifiers = {
  plain: createVerifier(options),
  remembering: createVerifier({ ...options, cacheSize: 10 }),
  webcrypto: createWebCryptoVerifier(options),
};

/** The same answer of every verifier in every way, and twice: what is remembered is asked as well. */
async function everyWay(token, demand) {
  const answers = new Set();
  for (const verifier of Object.values(verifiers)) {
    for (const method of ["verify", "verifyAsync", "verify", "verifyAsync"]) {
      if (verifier[method] === undefined) continue;
      try {
        const claims = await verifier[method](token, demand);
        answers.add(claims.payload.sub === undefined ? "no claims" : "accepted");
      } catch (error) {
        answers.add(error instanceof TokenError ? error.code : String(error));
      }
    }
  }
  assert.equal(answers.size, 1, [...answers].join(", "));
  return [...answers][0];
}

test("a token is good for as long as its owner was there, to the second", async () => {
  const token = await issuer.sign({ auth_time: NOW - 60 });
  for (const [age, verdict] of [[61, "accepted"], [60, "accepted"], [59, "reauthentication_required"], [0, "reauthentication_required"]]) {
    assert.equal(await everyWay(token, { maxAuthAgeSeconds: age }), verdict, String(age));
  }
  for (const nothing of [undefined, {}, { maxAuthAgeSeconds: undefined, acr: undefined }]) assert.equal(await everyWay(token, nothing), "accepted");
  // What is remembered grows old like anything else, and what was refused to one demand is good for another.
  clock.now = NOW + 10;
  try {
    assert.equal(await everyWay(token, { maxAuthAgeSeconds: 60 }), "reauthentication_required");
    assert.equal(await everyWay(token, { maxAuthAgeSeconds: 70 }), "accepted");
    assert.equal(await everyWay(token), "accepted");
  } finally {
    clock.now = NOW;
  }
});

test("one factor is not two, and what says nothing, or something else, is neither", async () => {
  const verdicts = async (acr) => [await everyWay(await issuer.sign({ acr }), { acr: one }), await everyWay(await issuer.sign({ acr }), { acr: two })];
  const no = "reauthentication_required";
  assert.deepEqual(await verdicts(one), ["accepted", no]);
  assert.deepEqual(await verdicts(two), ["accepted", "accepted"]);
  for (const other of [undefined, "urn:postern:acr:3", "2", "URN:POSTERN:ACR:2"]) assert.deepEqual(await verdicts(other), [no, no], other);
  assert.equal(await everyWay(await issuer.sign({ auth_time: undefined }), { maxAuthAgeSeconds: 1e9 }), no);
  // Both are asked for, not one of them.
  const both = { maxAuthAgeSeconds: 60, acr: two };
  assert.equal(await everyWay(await issuer.sign({ auth_time: NOW - 60, acr: two }), both), "accepted");
  assert.equal(await everyWay(await issuer.sign({ auth_time: NOW - 61, acr: two }), both), no);
  assert.equal(await everyWay(await issuer.sign({ auth_time: NOW - 60, acr: one }), both), no);
});

test("a token that is bad is refused for that, whatever is asked", async () => {
  const token = await issuer.sign({ auth_time: NOW - 600 });
  const demand = { maxAuthAgeSeconds: 1 };
  const changed = token.slice(0, -4) + (token.endsWith("AAAA") ? "BBBB" : "AAAA");
  assert.equal(await everyWay(changed, demand), "signature_invalid");
  assert.equal(await everyWay(await issuer.sign({ auth_time: NOW - 600, exp: NOW - 60 }), demand), "token_expired");
  assert.equal(await everyWay("nonsense", demand), "token_malformed");
});

test("a demand that makes no sense is the caller's mistake, and says which", async () => {
  const token = await issuer.sign({ auth_time: NOW, acr: two });
  for (const [demand, option] of [
    [{ maxAuthAgeSeconds: -1 }, "maxAuthAgeSeconds"],
    [{ maxAuthAgeSeconds: 1.5 }, "maxAuthAgeSeconds"],
    [{ maxAuthAgeSeconds: "60" }, "maxAuthAgeSeconds"],
    [{ maxAuthAgeSeconds: null }, "maxAuthAgeSeconds"],
    [{ maxAuthAgeSeconds: Infinity }, "maxAuthAgeSeconds"],
    [{ acr: "2" }, "acr"],
    [{ acr: [two] }, "acr"],
    [{ acr: null }, "acr"],
    [{ maxAge: 60 }, "maxAge"],
    [null, "options"],
    [60, "options"],
    ["urn:postern:acr:2", "options"],
  ]) {
    const isMistake = (error) => error instanceof ConfigurationError && error.option === option;
    for (const verifier of Object.values(verifiers)) {
      if (verifier.verify) assert.throws(() => verifier.verify(token, demand), isMistake, JSON.stringify(demand));
      await assert.rejects(async () => verifier.verifyAsync(token, demand), isMistake, JSON.stringify(demand));
    }
  }
});
