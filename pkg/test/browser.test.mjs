import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inBrowser, openBrowser } from "./support/browser.mjs";
import { createProject } from "./support/project.mjs";
import { createTask } from "./support/task.mjs";

const CONSUMER = readFileSync(new URL("support/consumer.mjs", import.meta.url), "utf8");

const page = (task) => `<!doctype html><title>waiting</title>
<script type="application/json" id="task">${JSON.stringify(task)}</script>
<script type="module" src="/main.mjs"></script>`;
// Unbundled, so the browser entry by its path: a browser knows no export conditions.
const MAIN = `
  import * as postern from "/node_modules/postern/dist/entry/browser.js";
  import { check } from "/consumer.mjs";
  const task = JSON.parse(document.getElementById("task").textContent);
  const started = location.hash === "#init" ? postern.init() : undefined;
  await started;
  document.title = check(postern, task);
`;

inBrowser("the package verifies in a browser under a strict content security policy", async (t) => {
  const task = await createTask("hmacSecret");
  const { folder } = createProject(t, { "consumer.mjs": CONSUMER, "main.mjs": MAIN, "index.html": page(task) });
  const open = await openBrowser(t, folder);
  for (const hash of ["", "#init"]) {
    const { title, problems } = await open(`index.html${hash}`);
    assert.equal(title, "ok", problems);
  }
});
