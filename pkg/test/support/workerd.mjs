// The Worker of a folder in workerd, through wrangler as a user would run it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { MODERN_NODE, TOOLS } from "./project.mjs";

const HARNESS = fileURLToPath(new URL("workerd-harness.mjs", import.meta.url));

/** The configuration that goes into the folder, next to `worker.mjs`. */
export const WRANGLER = JSON.stringify({ name: "consumer", main: "worker.mjs", compatibility_date: "2026-06-01" });

/** Starts the Worker. Returns what asks it for several paths at once, and gives the bodies of the answers. */
export function startWorker(t, folder) {
  const harness = spawn(MODERN_NODE, [HARNESS, TOOLS, folder], { cwd: folder, stdio: ["pipe", "pipe", "inherit"] });
  const answers = createInterface({ input: harness.stdout })[Symbol.asyncIterator]();
  t.after(async () => {
    const gone = once(harness, "exit");
    harness.stdin.end();
    await gone;
  });
  return async (...paths) => {
    harness.stdin.write(`${JSON.stringify(paths)}\n`);
    const { done, value } = await answers.next();
    if (done) throw new Error("the harness ended");
    return JSON.parse(value);
  };
}
