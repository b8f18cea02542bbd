import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createApp, GREETING } from "./support/app.mjs";
import { createProject, MODERN_NODE, TOOLS } from "./support/project.mjs";

const CONSUMER = readFileSync(new URL("support/consumer.mjs", import.meta.url), "utf8");
// The package `bun` finds its program by an install script, which is not run here; the program is in this one.
const BUN = join(TOOLS, "@oven", `bun-${process.platform}-${process.arch === "arm64" ? "aarch64" : "x64"}`, "bin", "bun");
const DENO = join(TOOLS, ".bin", "deno");

/** The runtimes, and how each runs a program: Deno with no permission at all. */
const RUNTIMES = {
  "the oldest Node": [process.execPath, []],
  "the newest Node": [MODERN_NODE, []],
  Deno: [DENO, ["run", "--no-prompt", "--no-remote", "--quiet"]],
  Bun: [BUN, ["run"]],
};

for (const [name, [program, options]] of Object.entries(RUNTIMES)) {
  test(`${name} runs every part of the package, installed and not bundled`, async (t) => {
    assert.ok(existsSync(program), `${program} is missing: npm ci`);
    const project = createProject(t, { "consumer.mjs": CONSUMER, "main.mjs": await createApp("accepted") });
    assert.equal(project.run(program, [...options, "main.mjs"]), `${GREETING}\n`);
  });
}
