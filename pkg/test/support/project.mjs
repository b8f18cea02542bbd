// A project of a user: an empty folder into which the packed package is installed.
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const PACKAGE = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const TOOLS = join(dirname(PACKAGE), "node_modules");

/** Node for tools that need 22 or newer: this one, or the one that the workspace installs. */
export const MODERN_NODE =
  Number(process.versions.node.split(".")[0]) >= 22 ? process.execPath : join(TOOLS, ".bin", "node");

/** A project into which the package is installed, packed as it would be published: once per process, without network. */
function createTemplate() {
  const folder = mkdtempSync(join(tmpdir(), "postern-package-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const packed = run("npm", ["pack", "--ignore-scripts", "--json", "--pack-destination", folder], PACKAGE);
  const [{ filename, files }] = JSON.parse(packed);
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  run("npm", ["install", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", join(folder, filename)], folder);
  return { folder, tarball: join(folder, filename), contents: files.map(({ path }) => path) };
}

let template;

/** A copy of that project with more files. All is removed after the test. */
export function createProject(t, files = {}) {
  template ??= createTemplate();
  const folder = mkdtempSync(join(tmpdir(), "postern-project-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  cpSync(template.folder, folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const { tarball, contents } = template;
  return { folder, tarball, contents, run: (command, args) => run(command, args, folder) };
}

export function run(command, args, cwd) {
  return execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}
