// A project of a user: an empty folder into which the packed package is installed.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const PACKAGE = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const TOOLS = join(dirname(PACKAGE), "node_modules");

/** Node for tools that need 22 or newer: this one, or the one that the workspace installs. */
export const MODERN_NODE =
  Number(process.versions.node.split(".")[0]) >= 22 ? process.execPath : join(TOOLS, ".bin", "node");

/** Packs the package as it would be published, installs it without network, and removes all after the test. */
export function createProject(t, files = {}) {
  const folder = mkdtempSync(join(tmpdir(), "postern-package-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const packed = run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], PACKAGE);
  const [{ filename, files: contents }] = JSON.parse(packed);
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  run("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, filename)], folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return { folder, contents: contents.map(({ path }) => path), run: (command, args) => run(command, args, folder) };
}

export function run(command, args, cwd) {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
