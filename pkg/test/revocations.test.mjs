import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, createVerifier, TokenError } from "postern";
import * as webcrypto from "postern/webcrypto";
import { createIssuer, NOW, optionsFor } from "./support/tokens.mjs";

const issuer = await createIssuer();
const [SUBJECT, SESSION] = ["00112233445566778899aabbccddeeff", "ffeeddccbbaa99887766554433221100"];
const OTHER = "0123456789abcdef0123456789abcdef";

/** The same checks on every way to verify: anew, from memory, asynchronously, without WebAssembly. */
async function everyWay(token, mark) {
  const clock = { now: NOW + 1 };
  const options = optionsFor(issuer, { now: () => clock.now });
  const [plain, cached] = [createVerifier(options), createVerifier({ ...options, cacheSize: 10 })];
  const slow = webcrypto.createVerifier(options);
  const ways = [
    async () => plain.verify(token),
    async () => cached.verify(token),
    () => plain.verifyAsync(token),
    () => cached.verifyAsync(token),
    () => slow.verifyAsync(token),
  ];
  const verdicts = () => Promise.all(ways.map((way) => way().then(() => "accepted", ({ code }) => code)));
  assert.deepEqual([...new Set(await verdicts())], ["accepted"]);
  for (const verifier of [plain, cached, slow]) verifier.revoke(mark);
  const [verdict, ...others] = new Set(await verdicts());
  assert.deepEqual(others, [], JSON.stringify(mark));
  return verdict;
}

test("a mark refuses the tokens that it hits, and no others", async () => {
  const token = await issuer.sign({ av: 7 });
  assert.equal(await everyWay(token, { sessionId: SESSION }), "token_revoked");
  assert.equal(await everyWay(token, { sessionId: OTHER }), "accepted");
  assert.equal(await everyWay(token, { subject: SUBJECT, accountVersion: 8 }), "token_stale");
  assert.equal(await everyWay(token, { subject: SUBJECT, accountVersion: 7 }), "accepted");
  assert.equal(await everyWay(token, { subject: OTHER, accountVersion: 8 }), "accepted");
});

test("a token that does not say its version counts as the oldest; one without a session has none to end", async () => {
  const bare = await issuer.sign({ av: undefined, sid: undefined });
  assert.equal(await everyWay(bare, { subject: SUBJECT, accountVersion: 1 }), "token_stale");
  assert.equal(await everyWay(bare, { subject: SUBJECT, accountVersion: 0 }), "accepted");
  assert.equal(await everyWay(bare, { sessionId: "undefined" }), "accepted");
});

test("an ended session outweighs an old version, and everything else outweighs both", async () => {
  const verifier = createVerifier(optionsFor(issuer));
  verifier.revoke({ subject: SUBJECT, accountVersion: 9 });
  verifier.revoke({ sessionId: SESSION });
  const refusal = async (changes) => {
    const token = await issuer.sign(changes);
    assert.throws(() => verifier.verify(token), TokenError);
    return verifier.verifyAsync(token).catch(({ code }) => code);
  };
  assert.equal(await refusal({}), "token_revoked");
  assert.equal(await refusal({ sid: OTHER }), "token_stale");
  assert.equal(await refusal({ exp: NOW - 60 }), "token_expired");
  assert.equal(await refusal({ tid: "acme" }), "tenant_mismatch");
});

test("marks are never taken back by a weaker one, only replaced together", async () => {
  const verifier = createVerifier(optionsFor(issuer));
  const token = await issuer.sign({ av: 7 });
  verifier.revoke({ subject: SUBJECT, accountVersion: 8, until: NOW + 500 });
  verifier.revoke({ subject: SUBJECT, accountVersion: 3, until: NOW + 100 });
  assert.throws(() => verifier.verify(token), { code: "token_stale" });
  assert.throws(() => verifier.setRevocations([{ sessionId: SESSION }, { sessionId: "" }]), ConfigurationError);
  assert.throws(() => verifier.verify(token), { code: "token_stale" }, "a bad list changes nothing");
  verifier.setRevocations(new Set([{ sessionId: SESSION }]));
  assert.throws(() => verifier.verify(token), { code: "token_revoked" });
  verifier.setRevocations([]);
  assert.equal(verifier.verify(token).clientId, "web");
});

test("what is no mark is refused", () => {
  const verifier = createVerifier(optionsFor(issuer));
  for (const mark of [
    undefined,
    null,
    7,
    {},
    { sessionId: "" },
    { sessionId: 7 },
    { subject: SUBJECT },
    { accountVersion: 7 },
    { subject: "", accountVersion: 7 },
    { subject: SUBJECT, accountVersion: "7" },
    { subject: SUBJECT, accountVersion: -1 },
    { subject: SUBJECT, accountVersion: 1.5 },
    { sessionId: SESSION, subject: SUBJECT, accountVersion: 7 },
    { sessionId: SESSION, until: "tomorrow" },
    { sessionId: SESSION, until: -1 },
  ]) {
    assert.throws(() => verifier.revoke(mark), (error) => error.option === "mark", JSON.stringify(mark));
  }
});

test("memory is bounded: marks that can hit nothing make room, and one too many is an error, not a silence", async () => {
  const clock = { now: NOW };
  const verifier = createVerifier(optionsFor(issuer, { now: () => clock.now }));
  const marks = (until) => Array.from({ length: 100_000 }, (_, i) => ({ sessionId: `s${i}`, until }));
  verifier.setRevocations(marks(NOW + 60));
  assert.throws(() => verifier.revoke({ sessionId: SESSION }), (error) => error.option === "revocations");
  const token = await issuer.sign({ sid: "s99999" });
  assert.throws(() => verifier.verify(token), { code: "token_revoked" });
  clock.now += 60;
  verifier.revoke({ sessionId: SESSION });
  const ended = await issuer.sign();
  assert.throws(() => verifier.verify(ended), { code: "token_revoked" });
  assert.equal(verifier.verify(token).clientId, "web", "its mark has gone");
});
