// The pipeline itself: what is built runs, survives a panic, and its state survives a kill.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { overlaid, startPersistentServer, startServer } from "./support/server.mjs";

const INTERNAL = { type: "about:blank", title: "Internal error", status: 500, code: "internal" };

describe("a server in memory", () => {
  let server;
  before(async () => {
    server = await startServer({ vars: { issuer: "https://issuer.test", mail: { extra: "x" } } });
  });
  after(() => server?.stop());

  test("reaches every binding", async () => {
    assert.equal(await (await server.fetch("/health")).text(), "ok");
    assert.equal(await (await server.fetch("/kv")).text(), "1");
    assert.equal(await (await server.fetch("/d1")).text(), "1");
    for (const binding of ["ACCOUNT", "INTAKE", "KEYRING", "LIMITER", "REVOCATION"]) {
      assert.deepEqual(await (await server.fetch(`/object/${binding}`)).json(), [{ n: 1 }]);
    }
    await server.scheduled();
    const env = await server.getEnv();
    assert.equal(await env.EDGE.get("cron"), "ran");
    assert.deepEqual(env.POSTERN.issuer, "https://issuer.test");
    assert.deepEqual(env.POSTERN.mail, { sender: "development_mailbox", extra: "x" });
    const storage = await server.objectStorage("ACCOUNT", "one");
    assert.deepEqual(await storage.exec("select count(*) as n from t"), [{ n: 1 }]);
  });

  test("delivers its queue", async () => {
    await server.fetch("/queue");
    const env = await server.getEnv();
    const deadline = Date.now() + 10_000;
    while ((await env.EDGE.get("queued")) !== "hello") {
      assert.ok(Date.now() < deadline, "not delivered");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  for (const path of ["/dev/panic", "/object/INTAKE?panic"]) {
    test(`fails whatever is in flight when ${path} panics, and serves the next request`, async () => {
      const waiting = Array.from({ length: 50 }, () => server.fetch("/object/LIMITER?slow"));
      await new Promise((resolve) => setTimeout(resolve, 500));
      const started = performance.now();
      const responses = await Promise.all([server.fetch(path), ...waiting]);
      assert.ok(performance.now() - started < 10_000, "waited for the slow object");
      console.log(`    ended after ${Math.round(performance.now() - started)} ms`);
      for (const response of responses) {
        assert.equal(response.status, 500);
        assert.equal(response.headers.get("content-type"), "application/problem+json");
        assert.deepEqual(await response.json(), INTERNAL);
      }
      assert.equal(await (await server.fetch("/health")).text(), "ok");
      assert.equal((await server.fetch("/object/LIMITER")).status, 200);
      assert.equal((await server.fetch("/object/INTAKE")).status, 200);
    });
  }
});

test("the release build has no development surface", async () => {
  const server = await startServer({ variant: "release" });
  try {
    assert.equal((await server.fetch("/health")).status, 200);
    assert.equal((await server.fetch("/dev")).status, 404);
  } finally {
    await server.stop();
  }
});

test("objects, D1 and KV survive a kill of all processes", async () => {
  const first = await startPersistentServer();
  const { persistTo, port } = first;
  try {
    for (const path of ["/kv", "/d1", "/object/ACCOUNT"]) await (await first.fetch(path)).text();
  } finally {
    await first.kill();
  }
  const second = await startPersistentServer({ persistTo, port });
  try {
    assert.equal(await (await second.fetch("/kv")).text(), "2");
    assert.equal(await (await second.fetch("/d1")).text(), "2");
    assert.deepEqual(await (await second.fetch("/object/ACCOUNT")).json(), [{ n: 2 }]);
  } finally {
    await second.stop();
  }
});

test("laying configuration over merges tables and replaces the rest", () => {
  assert.deepEqual(overlaid({ a: { b: 1, c: 2 }, d: [1] }, { a: { b: 3 }, d: [2], e: 1 }), { a: { b: 3, c: 2 }, d: [2], e: 1 });
});
