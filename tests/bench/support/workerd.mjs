// workerd without anything around it: no proxy, no Node in the path of a request.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { performance } from "node:perf_hooks";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const COMPATIBILITY_DATE = /^compatibility_date = "(.+)"$/m.exec(readFileSync(join(ROOT, "wrangler.toml"), "utf8"))[1];
const OBJECTS = { ACCOUNT: "AccountObject", INTAKE: "IntakeObject", KEYRING: "KeyringObject", LIMITER: "LimiterObject", REVOCATION: "RevocationObject" };

/** The runtime that the lock file's Wrangler brings along: `{ default: path, version }`. */
export const workerd = createRequire(createRequire(import.meta.url).resolve("wrangler"))("workerd");

// A text of Cap'n Proto's schema language is a JSON text, as far as these go.
const text = JSON.stringify;
const named = (members) => `(${Object.entries(members).map(([name, value]) => `${name} = ${value}`).join(", ")})`;
const list = (items) => `[${items.join(",\n    ")}]`;
const binding = (name, kind, value) => named({ name: text(name), [kind]: value });

/** A worker that does nothing: what the runtime and the load generator cost by themselves. */
export const startBareWorker = () => startModule('export default { fetch: () => new Response("ok") };');

/** A worker of one module, whose text this is. */
export const startModule = (source) => startModules({ "worker.js": source });

/** A worker of these modules, the first one being its entry; those whose name ends in `.wasm` are WebAssembly. */
export function startModules(files) {
  const names = Object.keys(files);
  const kindOf = (name) => (name.endsWith(".wasm") ? "wasm" : "esModule");
  const worker = named({
    compatibilityDate: text(COMPATIBILITY_DATE),
    modules: list(names.map((name) => named({ name: text(name), [kindOf(name)]: `embed ${text(name)}` }))),
  });
  return start({
    services: [named({ name: text("main"), worker })],
    prepare: (folder) => names.forEach((name) => writeFileSync(join(folder, name), files[name])),
  });
}

/** A worker in Rust that does nothing (`/`), reads one key (`/kv`) or asks an object for one row (`/object`). */
export function startBareRust() {
  const build = join(ROOT, "build/bench/bare");
  const modules = ["shim.js", ...filesBelow(build).filter((file) => file !== "shim.js")];
  const worker = named({
    compatibilityDate: text(COMPATIBILITY_DATE),
    modules: list(modules.map((file) => named({ name: text(file), [file.endsWith(".wasm") ? "wasm" : "esModule"]: `embed ${text(`bare/${file}`)}` }))),
    bindings: list([
      binding("EDGE", "kvNamespace", named({ name: text("stores"), entrypoint: text("kv") })),
      binding("BARE", "durableObjectNamespace", text("Bare")),
    ]),
    durableObjectNamespaces: list([named({ className: text("Bare"), uniqueKey: text("Bare"), enableSql: "true" })]),
    durableObjectStorage: named({ localDisk: text("disk") }),
  });
  const stores = named({
    compatibilityDate: text(COMPATIBILITY_DATE),
    modules: list([named({ name: text("stores.js"), esModule: `embed ${text("stores.js")}` })]),
  });
  return start({
    services: [
      named({ name: text("main"), worker }),
      named({ name: text("stores"), worker: stores }),
      named({ name: text("disk"), disk: named({ path: text("disk"), writable: "true" }) }),
    ],
    prepare: (folder) => {
      mkdirSync(join(folder, "disk"));
      cpSync(build, join(folder, "bare"), { recursive: true });
      cpSync(fileURLToPath(new URL("stores.js", import.meta.url)), join(folder, "stores.js"));
    },
  });
}

/**
 * The release build of the Worker, with objects on disk and stand-ins for the other stores.
 *
 * @param {object} configuration the variable `POSTERN`
 * @param {number} [users] how many accounts the directory has from the start
 */
export function startRelease(configuration, users = 0) {
  const build = join(ROOT, "build/release");
  if (!existsSync(join(build, "shim.js"))) throw new Error('no release build: run "cargo xtask build --release"');
  const modules = ["shim.js", ...filesBelow(build).filter((file) => file !== "shim.js")].map((file) =>
    named({ name: text(file), [file.endsWith(".wasm") ? "wasm" : "esModule"]: `embed ${text(`release/${file}`)}` }),
  );
  const objectsOf = (classes) => ({
    durableObjectNamespaces: list(classes.map((name) => named({ className: text(name), uniqueKey: text(name), enableSql: "true" }))),
    durableObjectStorage: named({ localDisk: text("disk") }),
  });
  const flags = { compatibilityDate: text(COMPATIBILITY_DATE), compatibilityFlags: list([text("service_binding_extra_handlers")]) };
  const entry = (entrypoint) => named({ name: text("stores"), entrypoint: text(entrypoint) });
  const main = named({
    ...flags,
    modules: list(modules),
    bindings: list([
      binding("POSTERN", "json", text(JSON.stringify(configuration))),
      binding("POSTERN_ROOT_KEY", "text", text(randomBytes(32).toString("base64"))),
      binding("EDGE", "kvNamespace", entry("kv")),
      binding("OUTBOX", "queue", entry("queue")),
      binding("DIRECTORY", "wrapped", named({
        moduleName: text("cloudflare-internal:d1-api"),
        innerBindings: list([binding("fetcher", "service", entry("d1"))]),
      })),
      ...Object.entries(OBJECTS).map(([name, className]) => binding(name, "durableObjectNamespace", text(className))),
    ]),
    ...objectsOf(Object.values(OBJECTS)),
  });
  const stores = named({
    ...flags,
    modules: list([named({ name: text("stores.js"), esModule: `embed ${text("stores.js")}` })]),
    bindings: list([
      binding("STORE", "durableObjectNamespace", text("Store")),
      binding("MAIN", "service", text("main")),
      binding("DIRECTORY_SCHEMA", "text", `embed ${text("schema.sql")}`),
      binding("DIRECTORY_USERS", "text", text(String(users))),
    ]),
    ...objectsOf(["Store"]),
  });
  return start({
    services: [
      named({ name: text("main"), worker: main }),
      named({ name: text("stores"), worker: stores }),
      named({ name: text("disk"), disk: named({ path: text("disk"), writable: "true" }) }),
      // Mail goes to a receiver on this machine.
      named({ name: text("internet"), network: named({ allow: list([text("local")]) }) }),
    ],
    prepare: (folder) => {
      mkdirSync(join(folder, "disk"));
      cpSync(build, join(folder, "release"), { recursive: true });
      cpSync(fileURLToPath(new URL("stores.js", import.meta.url)), join(folder, "stores.js"));
      const migrations = join(ROOT, "worker/migrations");
      const files = readdirSync(migrations).filter((name) => name.endsWith(".sql")).sort();
      writeFileSync(join(folder, "schema.sql"), files.map((name) => readFileSync(join(migrations, name), "utf8")).join("\n"));
    },
  });
}

/** Starts workerd; resolves when it listens. Its socket has a port of the system's choice; `startedAt` is before all it does. */
async function start({ services, prepare }) {
  const folder = mkdtempSync(join(tmpdir(), "postern-bench-"));
  prepare(folder);
  const socket = named({ name: text("http"), address: text("127.0.0.1:0"), http: "()", service: text("main") });
  writeFileSync(
    join(folder, "workerd.capnp"),
    `using Workerd = import "/workerd/workerd.capnp";\nconst config :Workerd.Config = (\n  services = ${list(services)},\n  sockets = ${list([socket])}\n);\n`,
  );
  const startedAt = performance.now();
  const child = spawn(workerd.default, ["serve", "--experimental", "--control-fd=3", "workerd.capnp"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  const kill = () => child.kill("SIGKILL");
  process.on("exit", kill);
  const exited = once(child, "exit");
  const stop = async () => {
    kill();
    await exited;
    process.off("exit", kill);
    rmSync(folder, { recursive: true, force: true });
  };
  const port = await Promise.race([listening(child.stdio[3]), exited.then(() => undefined)]);
  if (port === undefined) {
    await stop();
    throw new Error(`workerd did not start\n${output}`);
  }
  return { port, pid: child.pid, startedAt, output: () => output, stop };
}

async function listening(control) {
  let text = "";
  for await (const chunk of control.setEncoding("utf8")) {
    text += chunk;
    const line = text.split("\n").find((candidate) => candidate.includes('"listen"'));
    if (line !== undefined && text.includes(`${line}\n`)) return JSON.parse(line).port;
  }
  return undefined;
}

function filesBelow(folder, below = folder) {
  return readdirSync(below, { withFileTypes: true }).flatMap((entry) => {
    const path = join(below, entry.name);
    return entry.isDirectory() ? filesBelow(folder, path) : [relative(folder, path).replaceAll("\\", "/")];
  });
}
