// The documents say what is true: the README's session runs, and every setting, route and lint code is documented.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";

import { ROOT, startServer } from "../worker/support/server.mjs";

const read = (path) => readFileSync(join(ROOT, path), "utf8");

/** What the first group of a pattern matches, at every place. */
const blocks = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1]);

test("the README's first session runs as it is printed", async () => {
  const [script] = blocks(read("README.md"), /<!-- session -->\n```sh\n([\s\S]*?)```/g);
  assert.ok(script, "the README has no session");
  const server = await startServer();
  try {
    const local = script.replace("http://localhost:8787", server.url);
    assert.notEqual(local, script);
    const shell = spawn("bash", ["-c", local], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    shell.stdout.setEncoding("utf8").on("data", (chunk) => (output += chunk));
    shell.stderr.setEncoding("utf8").on("data", (chunk) => (errors += chunk));
    const overdue = setTimeout(() => shell.kill(), 60_000);
    const [code] = await once(shell, "close");
    clearTimeout(overdue);
    assert.equal(code, 0, errors + output);
    const [me, sessions, logout, refused] = output.trim().split("\n").map((line) => JSON.parse(line));
    assert.equal(me.name, "Ada");
    assert.equal(sessions.sessions.length, 1);
    assert.equal(sessions.sessions[0].current, true);
    assert.deepEqual(logout, { success: true });
    assert.equal(refused.code, "refresh_invalid");
  } finally {
    await server.stop();
  }
});

describe("documented is", () => {
  const configuration = read("docs/configuration.md");

  /** The rows of the table under a heading of `docs/configuration.md`. */
  const section = (name) => {
    const start = configuration.indexOf(`\n## ${name}\n`);
    assert.notEqual(start, -1, `no section ${name}`);
    const end = configuration.indexOf("\n## ", start + 1);
    return configuration.slice(start, end === -1 ? undefined : end);
  };

  test("every setting, in the section it belongs to, and no other", () => {
    const root = read("crates/core/src/config/mod.rs");
    const settings = ["settings", "tokens", "passwords", "passkeys", "permissions", "organizations", "accounts", "mail", "sms", "device_binding", "second_factor", "cookies", "tenants", "turnstile", "dpop"].map((name) => read(`crates/core/src/config/${name}.rs`)).join("\n");
    const reads = /(?:(?:section|root)\.(?:seconds|number|number_up_to|choice|flag|rate_limit|mapped|list|parsed|parsed_or|entries)(?:::<[\w:]+>)?\(|read_table\(&mut section,)\s*"(\w+)"/g;
    const keys = new Map([["Top level", new Set([...blocks(root, reads), "preset", "issuer"])]]);
    // The readers of one struct stand between its `pub struct` and the next section's.
    for (const part of settings.split(/\n\/\/\/ `(?=\w+`: )/).slice(1)) {
      keys.set(part.slice(0, part.indexOf("`")), new Set(blocks(part, reads)));
    }
    keys.set("limits", new Set(blocks(read("crates/core/src/config/limits.rs"), /^ {4}(\w+): \(\d/gm)));
    assert.deepEqual(new Set(keys.keys()), new Set(["Top level", ...blocks(root, /root\.section\("(\w+)"\)/g)]));
    for (const [name, expected] of keys) {
      assert.ok(expected.size > 1, `found only ${expected.size} settings of ${name}`);
      assert.deepEqual(new Set(blocks(section(name), /^\| `(\w+)` \|/gm)), expected, name);
    }
  });

  test("every route with its method", () => {
    const routes = [...read("worker/src/route/table.rs").matchAll(/\(Method::(\w+), "([^"]+)", Route::/g)];
    assert.ok(routes.length > 10);
    const http = read("docs/http.md");
    for (const [, method, path] of routes) {
      const ways = ["{id}", "{name}"].map((parameter) => `${method.toUpperCase()} ${path.replace("*", parameter).replace("*", "{name}")}`);
      assert.ok(ways.some((documented) => http.includes(documented)), `${ways[0]} is not in docs/http.md`);
    }
  });

  test("every code that a problem can have", () => {
    const http = read("docs/http.md") + read("docs/validation.md");
    const codes = [
      ...blocks(read("worker/src/wire/problem.rs"), /Self::new\(\s*\d+,\s*"(\w+)"/g),
      ...["jwt/error", "dpop/refusal", "dpop/replay"].flatMap((name) => blocks(read(`crates/core/src/${name}.rs`), /Self::\w+(?:\(_\))? => "(\w+)"/g)),
      ...blocks(read("worker/src/route/possession.rs"), /Problem::proof\("(\w+)"/g),
    ];
    assert.ok(codes.length > 25);
    for (const code of codes) assert.ok(http.includes(`\`${code}\``), `${code} is not documented`);
  });

  test("every finding of the lint", () => {
    // The severity comes before the code, as a constant or as a variable.
    const codes = new Set(blocks(read("crates/core/src/config/lint.rs"), /everity(?:::\w+)?,\s*"(\w+)"/g));
    assert.ok(codes.size > 10);
    const listed = new Set(blocks(read("docs/operations.md"), /^\| `(\w+)` \| (?:INFO|WARN|HIGH)/gm));
    assert.deepEqual(listed, codes);
  });
});

test("every link between the documents leads somewhere", () => {
  const documents = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    ...readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`),
    ...[".github/SECURITY.md", ".github/CONTRIBUTING.md"],
  ];
  const anchor = (heading) => heading.toLowerCase().replace(/[^\w\- ]/g, "").trim().replaceAll(" ", "-");
  for (const document of documents) {
    for (const target of blocks(read(document), /\]\((?!https?:)([^)]+)\)/g)) {
      const [path, fragment] = target.split("#");
      const file = path === "" ? document : join(dirname(document), path);
      assert.ok(existsSync(join(ROOT, file)), `${document} links to ${target}`);
      if (fragment === undefined) continue;
      const anchors = blocks(read(file), /^#+ (.+)$/gm).map(anchor);
      assert.ok(anchors.includes(fragment), `${document} links to ${target}`);
    }
  }
});

test("every file that a document names is there", () => {
  for (const document of ["ARCHITECTURE.md", "docs/security.md", "docs/rotation.md", "docs/validation.md"]) {
    for (const path of blocks(read(document), /`((?:crates|worker|tests|pkg|docs)\/[\w./-]+)`/g)) {
      assert.ok(existsSync(join(ROOT, path)), `${document} names ${path}`);
    }
  }
});
