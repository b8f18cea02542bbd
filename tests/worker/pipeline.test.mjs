// The pipeline itself: what is built runs, the configuration reaches it, a panic harms one moment, and a killed
// server comes back on its state.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { overlaid, startPersistentServer, startServer } from "./support/server.mjs";

const INTERNAL = { type: "urn:postern:problem:internal", title: "Internal error", status: 500, code: "internal" };

describe("a server in memory", () => {
  let server;
  before(async () => {
    server = await startServer({ vars: { mail: { sender: "development_mailbox" }, issuer: "https://issuer.test" } });
  });
  after(() => server?.stop());

  test("answers, with the configuration laid over", async () => {
    assert.equal((await server.fetch("/health")).status, 200);
    const env = await server.getEnv();
    assert.equal(env.POSTERN.issuer, "https://issuer.test");
    assert.equal(env.POSTERN.mail.sender, "development_mailbox");
  });

  test("has its migrations and every binding", async () => {
    const env = await server.getEnv();
    const { results } = await env.DIRECTORY.prepare("SELECT name FROM d1_migrations").all();
    assert.ok(results.length > 0);
    await env.EDGE.put("key", "value");
    assert.equal(await env.EDGE.get("key"), "value");
    for (const binding of ["ACCOUNT", "INTAKE", "KEYRING", "LIMITER", "REVOCATION"]) {
      assert.ok(env[binding].idFromName("name"), binding);
    }
  });

  test("answers a panic at once and serves the next request", async () => {
    // Without the shim the request hangs until the runtime gives up, which takes longer than this.
    const response = await server.fetch("/dev/panic", { method: "POST", signal: AbortSignal.timeout(5_000) });
    assert.equal(response.status, 500);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    const { request_id: requestId, ...problem } = await response.json();
    assert.deepEqual(problem, INTERNAL);
    assert.match(requestId, /^[0-9a-f]{32}$/);
    assert.equal(response.headers.get("x-request-id"), requestId);
    assert.equal((await server.fetch("/health")).status, 200);
  });
});

test("the release build has no development surface", async () => {
  // Production refuses the development mailbox, so this is the least that the release build accepts.
  const mail = { sender: "http", url: "https://mail.test/send", from: "auth@example.test" };
  const server = await startServer({ variant: "release", vars: { mail } });
  try {
    assert.equal((await server.fetch("/health")).status, 200);
    for (const [method, path] of [["POST", "/dev/panic"], ["GET", "/dev/mailbox"]]) {
      assert.equal((await server.fetch(path, { method })).status, 404, path);
    }
  } finally {
    await server.stop();
  }
});

test("a killed server starts again on the same state and address", async () => {
  const first = await startPersistentServer();
  try {
    assert.equal((await first.fetch("/health")).status, 200);
  } finally {
    await first.kill();
  }
  await assert.rejects(first.fetch("/health"));
  const second = await startPersistentServer({ persistTo: first.persistTo, port: first.port });
  try {
    assert.equal(second.url, first.url);
    assert.equal((await second.fetch("/health")).status, 200);
  } finally {
    await second.stop();
  }
});

test("laying configuration over merges tables and replaces the rest", () => {
  const base = { a: { b: 1, c: 2 }, d: [1], e: null };
  assert.deepEqual(overlaid(base, { a: { b: 3 }, d: [2], f: 1 }), { a: { b: 3, c: 2 }, d: [2], e: null, f: 1 });
  assert.deepEqual(overlaid({ a: { b: 1 } }, { a: null }), { a: null });
});
