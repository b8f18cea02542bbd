import assert from "node:assert/strict";
import { spawnSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { join } from "node:path";
import { test } from "node:test";
import { createProject, MODERN_NODE, TOOLS } from "./support/project.mjs";
import { snapshot } from "./support/tokens.mjs";

const REGISTRY = snapshot(["docs:read", "docs:write", "users:ban"], 64, ["users:ban"]);
const USAGE = `
import { createVerifier } from "postern";
import { permissions, type Permission } from "./permissions.ts";
const verifier = createVerifier({ issuer: "i", audience: "a", jwks: "{}", permissions });
const write: Permission = "docs:write";
export const may: boolean = verifier.verify("token").can(write);
// @ts-expect-error a misspelt name
verifier.verify("token").can("docs:wriet");
// @ts-expect-error a name that has been deleted
verifier.verify("token").can("users:ban");
// @ts-expect-error the same by the type
export const banned: Permission = "users:ban";
`;

test("a published registry becomes a module with which misspelt permissions do not compile", async (t) => {
  const project = createProject(t, { "registry.json": JSON.stringify(REGISTRY), "usage.ts": USAGE });
  const postern = (...args) => spawnSync(join(project.folder, "node_modules/.bin/postern"), args, { cwd: project.folder, encoding: "utf8" });
  const made = postern("permissions", "registry.json", "--out", "permissions.ts");
  assert.deepEqual([made.status, made.stderr, made.stdout], [0, "", ""]);
  const module = readFileSync(join(project.folder, "permissions.ts"), "utf8");
  assert.equal(postern("permissions", "registry.json").stdout, module);
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2024,dom", "--allowImportingTsExtensions"];
  project.run(MODERN_NODE, [join(TOOLS, "typescript", "bin", "tsc"), ...options, "usage.ts"]);

  assert.equal(postern("permissions", "registry.json", "--out", "permissions.ts", "--check").status, 0);
  writeFileSync(join(project.folder, "registry.json"), JSON.stringify(snapshot(["docs:read", "docs:write", "users:ban"])));
  const stale = postern("permissions", "registry.json", "--out", "permissions.ts", "--check");
  assert.deepEqual([stale.status, stale.stderr], [1, "postern: permissions.ts is out of date\n"]);
  assert.equal(readFileSync(join(project.folder, "permissions.ts"), "utf8"), module, "a check writes nothing");

  for (const args of [[], ["permissions"], ["permission", "x"], ["permissions", "a", "b"], ["permissions", "registry.json", "--check"], ["--force"]]) {
    assert.equal(postern(...args).status, 1, args.join(" "));
  }
  for (const bad of ["{}", "[", '{"version":9,"width":64,"permissions":[]}', '{"version":1,"width":64,"permissions":[{"name":"a:b\\"; evil()","bit":0}]}']) {
    writeFileSync(join(project.folder, "registry.json"), bad);
    const { status, stdout } = postern("permissions", "registry.json");
    assert.deepEqual([status, stdout], [1, ""], bad);
  }
});

test("the same registry becomes constants in Rust, one for each name that is in use", (t) => {
  const names = ["docs:read", "2fa:reset-all", "users:ban", "self:_"];
  const project = createProject(t, {
    "registry.json": JSON.stringify(snapshot(names, 64, ["users:ban"])),
    "alike.json": JSON.stringify(snapshot(["docs:read-all", "docs:read:all"])),
    "freed.json": JSON.stringify(snapshot(["docs:read-all", "docs:read:all"], 64, ["docs:read-all"])),
    "usage.rs": `mod permissions;
pub const USED: [&str; 3] = [permissions::DOCS_READ, permissions::_2FA_RESET_ALL, permissions::SELF__];`,
    "main.rs": 'mod permissions; fn main() { print!("{}", permissions::DOCS_READ); }',
    "included.rs": 'include!("permissions.rs");',
    "deleted.rs": "mod permissions; pub const USED: &str = permissions::USERS_BAN;",
    "misspelt.rs": "mod permissions; pub const USED: &str = permissions::DOCS_REED;",
  });
  const run = (command, ...args) => spawnSync(command, args, { cwd: project.folder, encoding: "utf8" });
  const postern = (...args) => run(join(project.folder, "node_modules/.bin/postern"), "permissions", ...args);
  const compile = (file, type = "lib") =>
    run("rustc", "--edition=2024", `--crate-type=${type}`, "--emit=metadata", "-Dwarnings", file);

  const made = postern("registry.json", "--rust", "--out", "permissions.rs");
  assert.deepEqual([made.status, made.stderr, made.stdout], [0, "", ""]);
  for (const [file, type] of [["usage.rs", "lib"], ["included.rs", "lib"], ["main.rs", "bin"]]) {
    const { status, stderr } = compile(file, type);
    assert.equal(status, 0, `${file}: ${stderr}`);
  }
  for (const [file, constant] of [["deleted.rs", "USERS_BAN"], ["misspelt.rs", "DOCS_REED"]]) {
    const { status, stderr } = compile(file);
    assert.notEqual(status, 0);
    assert.match(stderr, new RegExp(`cannot find value \`${constant}\``));
  }
  const module = readFileSync(join(project.folder, "permissions.rs"), "utf8");
  const constants = module.matchAll(/^pub const (\w+): &str = "(.*)";$/gm);
  assert.deepEqual([...constants].map(([, constant, name]) => [constant, name]), [
    ["DOCS_READ", "docs:read"], ["_2FA_RESET_ALL", "2fa:reset-all"], ["SELF__", "self:_"],
  ]);

  assert.equal(postern("registry.json", "--rust", "--out", "permissions.rs", "--check").status, 0);
  assert.equal(postern("registry.json", "--out", "permissions.rs", "--check").status, 1, "Rust is no TypeScript");
  const alike = postern("alike.json", "--rust");
  assert.deepEqual([alike.status, alike.stdout], [1, ""]);
  assert.equal(alike.stderr, "postern: docs:read-all and docs:read:all would both be the constant DOCS_READ_ALL\n");
  assert.equal(postern("freed.json", "--rust").status, 0, "a deleted name is in nobody's way");
});

/** Far more than any registry, and than what sockets hold back. */
const MOST_SENT = 64 * 1_048_576;

/** Sends blanks, and counts them, until nobody reads them any more or the reader is seen to have no limit. */
function endless(response, count) {
  let sent = 0;
  const more = () => {
    let drained = true;
    while (drained && sent < MOST_SENT) {
      count((sent += 65_536));
      drained = response.write(" ".repeat(65_536));
    }
    if (sent >= MOST_SENT) response.end(JSON.stringify(REGISTRY));
  };
  response.on("drain", more);
  more();
}

test("a file is read up to the same size, whatever it is", { skip: process.platform === "win32" && "has no /dev/zero" }, (t) => {
  const { folder } = createProject(t);
  const { status, stderr } = spawnSync(join(folder, "node_modules/.bin/postern"), ["permissions", "/dev/zero"], { encoding: "utf8", timeout: 60_000 });
  assert.deepEqual([status, stderr], [1, "postern: the registry has more than 1048576 bytes\n"]);
});

test("a registry is fetched from its issuer, and from nowhere else", async (t) => {
  let sent = 0;
  const server = createServer((request, response) => {
    if (request.url === "/registry") response.end(JSON.stringify(REGISTRY));
    else if (request.url === "/moved") response.writeHead(302, { location: "/registry" }).end();
    else if (request.url === "/endless") endless(response, (bytes) => (sent = bytes));
    else response.writeHead(404).end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const base = `http://127.0.0.1:${server.address().port}`;
  const { folder } = createProject(t);
  const postern = async (address) => {
    const child = spawn(join(folder, "node_modules/.bin/postern"), ["permissions", address], { stdio: ["ignore", "pipe", "ignore"] });
    const [output, [status]] = await Promise.all([text(child.stdout), once(child, "exit")]);
    return [status, output.includes("docs:write")];
  };
  assert.deepEqual(await postern(`${base}/registry`), [0, true]);
  for (const address of [`${base}/endless`, `${base}/moved`, `${base}/none`, "http://auth.example/registry", "ftp://127.0.0.1/registry", "file:///etc/passwd"]) {
    assert.deepEqual(await postern(address), [1, false], address);
  }
  assert.ok(sent > 0 && sent < MOST_SENT, `${sent} bytes were sent before the reader had enough`);
});
