import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync, symlinkSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { createProject, TOOLS } from "./support/project.mjs";
import { createTask } from "./support/task.mjs";
import { createKey, createKeyServer, signWith } from "./support/third-party.mjs";
import { AUDIENCE, createIssuer, ISSUER, mask, NOW, snapshot } from "./support/tokens.mjs";
import { startWorker, WRANGLER } from "./support/workerd.mjs";

const CONSUMER = readFileSync(new URL("support/consumer.mjs", import.meta.url), "utf8");

const worker = (task, jwksUrl) => `
  import * as postern from "postern";
  import { check } from "./consumer.mjs";
  const task = ${JSON.stringify(task)};
  const { jwks, now, ...options } = task.options;
  // At the top of the module, as the README says: instantiated once, before the first request.
  const atTheTop = check(postern, task);
  const remote = postern.createVerifier({ ...options, now: () => now, jwksUrl: ${JSON.stringify(jwksUrl)} });
  export default {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/check") return new Response(atTheTop + ", " + check(postern, task));
      await remote.ready();
      return new Response(remote.verify(task.tokens[0][0]).clientId);
    },
  };
`;

test("the package verifies in workerd, at the top of a module and in requests, with keys given and fetched", async (t) => {
  const task = await createTask("accepted");
  const issuer = createServer((_, response) => setTimeout(() => response.end(JSON.stringify(task.options.jwks)), 50));
  issuer.listen(0, "127.0.0.1");
  await once(issuer, "listening");
  t.after(() => issuer.close());
  const { folder } = createProject(t, {
    "consumer.mjs": CONSUMER,
    "worker.mjs": worker(task, `http://127.0.0.1:${issuer.address().port}/jwks`),
    "wrangler.json": WRANGLER,
  });
  const ask = startWorker(t, folder);
  assert.deepEqual(await ask("/check"), ["ok, ok"]);
  // Requests that arrive while the keys are being fetched wait for nobody else's fetch.
  assert.deepEqual(await ask("/remote", "/remote", "/remote"), ["web", "web", "web"]);
  assert.deepEqual(await ask("/remote"), ["web"]);
});

const middleware = ({ jwks, token, issuer, foreign }) => `
  import { Hono } from "hono";
  import { createVerifier } from "postern";
  import { authenticate, requires } from "postern/hono";
  import { createIssuers } from "postern/issuers";
  const data = ${JSON.stringify({ jwks, issuer, permissions: snapshot(["docs:write", "docs:delete"]) })};
  const now = () => ${NOW};
  const verifier = createVerifier({ issuer: "${ISSUER}", audience: "${AUDIENCE}", jwks: data.jwks, permissions: data.permissions, now });
  const issuers = createIssuers({ issuers: [{ issuer: data.issuer, audience: "${AUDIENCE}" }], allowLoopback: true, now });
  const app = new Hono();
  const present = (token) => async (c, next) => {
    c.req.raw = new Request(c.req.raw, { headers: { authorization: "Bearer " + token } });
    await next();
  };
  const greet = (c) => c.text(c.get("claims").subject);
  app.get("/own", present(${JSON.stringify(token)}), authenticate(verifier, { requires: "docs:write" }), greet);
  app.get("/denied", present(${JSON.stringify(token)}), authenticate(verifier), requires("docs:delete"), greet);
  app.get("/anonymous", authenticate(verifier), greet);
  app.get("/foreign", present(${JSON.stringify(foreign)}), authenticate(issuers), greet);
  app.get("/unknown", present(${JSON.stringify(token)}), authenticate(issuers), greet);
  export default app;
`;

test("the middleware and the issuers of third parties work in workerd", async (t) => {
  const key = await createKey("RS256");
  const server = await createKeyServer(t);
  // Nobody is answered before all four have asked: that each fetches for itself is what is tested.
  const waiting = [];
  server.answer((_, response) => {
    if (waiting.push(response) >= 4) for (const each of waiting.splice(0)) each.end(JSON.stringify({ keys: [key.jwk] }));
  });
  const own = await createIssuer();
  const token = await own.sign({ pm: mask(64, [0]) });
  const parts = { jwks: own.jwks, token, issuer: server.url, foreign: await signWith(key, server.url) };
  const { folder } = createProject(t, { "worker.mjs": middleware(parts), "wrangler.json": WRANGLER });
  symlinkSync(join(TOOLS, "hono"), join(folder, "node_modules", "hono"));
  const ask = startWorker(t, folder);
  const codes = (answers) => answers.map((answer) => (answer.startsWith("{") ? JSON.parse(answer).code : answer));
  const subject = "00112233445566778899aabbccddeeff";
  assert.deepEqual(codes(await ask("/own", "/denied", "/anonymous")), [subject, "permission_denied", "missing_token"]);
  // workerd lets no request wait for another one's promise.
  assert.deepEqual(await ask("/foreign", "/foreign", "/foreign", "/foreign"), new Array(4).fill("auth0|42"));
  assert.deepEqual(codes(await ask("/foreign", "/unknown")), ["auth0|42", "issuer_unknown"]);
  assert.equal(server.count(), 4);
});
