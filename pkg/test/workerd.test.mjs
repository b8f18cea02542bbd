import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createProject, MODERN_NODE, TOOLS } from "./support/project.mjs";
import { createTask } from "./support/task.mjs";

const CONSUMER = readFileSync(new URL("support/consumer.mjs", import.meta.url), "utf8");
const HARNESS = fileURLToPath(new URL("support/workerd-harness.mjs", import.meta.url));

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
    "wrangler.json": JSON.stringify({ name: "consumer", main: "worker.mjs", compatibility_date: "2026-06-01" }),
  });
  const harness = spawn(MODERN_NODE, [HARNESS, TOOLS, folder], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: harness.stdout })[Symbol.asyncIterator]();
  const ask = async (...paths) => {
    harness.stdin.write(`${JSON.stringify(paths)}\n`);
    const { done, value } = await answers.next();
    assert.ok(!done, "the harness ended");
    return JSON.parse(value);
  };
  try {
    assert.deepEqual(await ask("/check"), ["ok, ok"]);
    // Requests that arrive while the keys are being fetched wait for nobody else's fetch.
    assert.deepEqual(await ask("/remote", "/remote", "/remote"), ["web", "web", "web"]);
    assert.deepEqual(await ask("/remote"), ["web"]);
  } finally {
    const gone = once(harness, "exit");
    harness.stdin.end();
    await gone;
  }
});
