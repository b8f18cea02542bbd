// The built Worker, running on this machine: what the end-to-end tests talk to.
//
// `startServer` keeps all state in memory and is up in a second: for everything that does not crash.
// `startPersistentServer` keeps state on disk in a process group of its own, so that a test can kill it at any
// moment and start it again on what was left.

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { createTestHarness, unstable_readConfig as readConfig } from "wrangler";

export const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const WRANGLER = join(ROOT, "node_modules/wrangler/bin/wrangler.js");
const MIGRATIONS = join(ROOT, "worker/migrations");

process.env.WRANGLER_SEND_METRICS = "false";
process.env.WRANGLER_HIDE_BANNER = "true";
process.env.CLOUDFLARE_CF_FETCH_ENABLED = "false";

/**
 * Starts a built variant of the Worker with storage of its own that is gone with `stop()`.
 *
 * @param {object} [options]
 * @param {"development" | "release"} [options.variant] which build of `cargo xtask build` to run
 * @param {object | null} [options.vars] values laid over `[vars.POSTERN]`, table by table; `null` for a deployment
 *   that has no such variable
 * @param {Record<string, string>} [options.secrets] secret bindings
 * @param {(string | { name: string, main: string })[]} [options.neighbours] other Workers beside it: the path of a
 *   Wrangler configuration, or a module that gets `AuthService` as `env.AUTH` and the HTTP API as `env.HTTP`
 * @param {object} [options.bindings] further members of the Wrangler configuration
 * @returns {Promise<{
 *   url: string,
 *   fetch: typeof fetch,
 *   neighbour: (name: string) => { fetch: typeof fetch },
 *   scheduled: (cron?: string) => Promise<unknown>,
 *   getEnv: () => Promise<Record<string, any>>,
 *   objectStorage: (binding: string, name: string) => Promise<{ exec: (sql: string, ...values: any[]) => Promise<any[]> }>,
 *   evictObject: (binding: string, name: string) => Promise<void>,
 *   logs: () => { level: string, message: string, timestamp: number }[],
 *   stop: () => Promise<void>,
 * }>} `fetch` takes a path; `getEnv` gives D1 and KV as the Worker sees them
 */
export async function startServer({ variant = "development", vars = {}, secrets = {}, neighbours = [], bindings = {} } = {}) {
  const folder = scratchFolder();
  const configPath = writeConfiguration(folder, variant, vars, bindings);
  const others = neighbours.map((one) => ({ configPath: typeof one === "string" ? one : writeNeighbour(folder, one) }));
  const harness = createTestHarness({ root: folder, workers: [{ configPath, secrets }, ...others] });
  let url;
  try {
    ({ url } = await harness.listen());
    await harness.getWorker().applyD1Migrations("DIRECTORY");
  } catch (error) {
    await harness.close().catch(() => {});
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  const worker = harness.getWorker();
  return {
    url: url.origin,
    // The runtime's own connection pool, not the harness's: many requests at once are many connections.
    fetch: (path, init) => fetch(new URL(path, url), init),
    neighbour: (name) => harness.getWorker(name),
    scheduled: (cron = "* * * * *") => worker.scheduled({ cron, scheduledTime: new Date() }),
    getEnv: () => worker.getEnv(),
    objectStorage: (binding, name) => worker.getDurableObjectStorage(binding, { name }),
    evictObject: (binding, name) => worker.evictDurableObject(binding, { name }),
    logs: () => harness.getLogs(),
    stop: async () => {
      await harness.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Starts `wrangler dev` on a folder of state, in a process group of its own.
 *
 * @param {object} [options]
 * @param {"development" | "release"} [options.variant]
 * @param {string} [options.persistTo] the folder of state; a new one when absent
 * @param {number} [options.port] a free one when absent; give it to come back at the same address
 * @param {object | null} [options.vars] as for `startServer`
 * @param {Record<string, string>} [options.secrets] as for `startServer`
 * @returns {Promise<{
 *   url: string, port: number, persistTo: string, config: string,
 *   fetch: typeof fetch,
 *   scheduled: (cron?: string) => Promise<Response>,
 *   output: () => string,
 *   kill: () => Promise<void>,
 *   stop: () => Promise<void>,
 * }>} `kill` is SIGKILL for every process at once and keeps the state, as a crash of the machine would;
 *   `stop` also removes a folder that this function made; `config` is
 *   the path of the Wrangler configuration while it runs
 */
export async function startPersistentServer({ variant = "development", persistTo, port, vars = {}, secrets = {} } = {}) {
  const ownState = persistTo === undefined;
  persistTo ??= scratchFolder();
  port ??= await freePort();
  const folder = scratchFolder();
  const config = writeConfiguration(folder, variant, vars);
  const lines = Object.entries(secrets).map(([name, value]) => `${name}="${value}"\n`);
  if (lines.length > 0) writeFileSync(join(folder, ".dev.vars"), lines.join(""));
  const environment = { ...process.env, CI: "true" };
  // State that was there before has its tables; to look again takes longer than the start itself.
  if (!existsSync(join(persistTo, "v3/d1"))) {
    const migrate = [WRANGLER, "d1", "migrations", "apply", "DIRECTORY", "--local", "--config", config, "--persist-to", persistTo];
    await finished(spawn(process.execPath, migrate, { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"] }));
  }
  const server = spawn(
    process.execPath,
    [WRANGLER, "dev", "--local", "--config", config, "--persist-to", persistTo, "--ip", "127.0.0.1", "--port", String(port), "--inspector-port", "0", "--show-interactive-dev-session=false"],
    { cwd: folder, env: environment, stdio: ["ignore", "pipe", "pipe"], detached: true },
  );
  const output = collect(server);
  // A test that ends early must not leave a server behind.
  const killGroup = () => {
    try {
      process.kill(-server.pid, "SIGKILL");
    } catch (error) {
      if (error.code !== "ESRCH") throw error;
    }
  };
  process.on("exit", killGroup);
  const kill = async () => {
    const gone = server.exitCode === null && server.signalCode === null ? once(server, "exit") : undefined;
    killGroup();
    await gone;
    process.off("exit", killGroup);
    rmSync(folder, { recursive: true, force: true });
    await untilClosed(port);
  };
  const url = `http://127.0.0.1:${port}`;
  try {
    await untilOutput(server, output, "Ready on");
  } catch (error) {
    await kill();
    throw error;
  }
  return {
    url,
    port,
    persistTo,
    config,
    fetch: (path, init) => fetch(new URL(path, url), init),
    scheduled: (cron = "* * * * *") => fetch(`${url}/cdn-cgi/handler/scheduled?cron=${encodeURIComponent(cron)}`),
    output,
    kill,
    stop: async () => {
      await kill();
      if (ownState) rmSync(persistTo, { recursive: true, force: true });
    },
  };
}

/** `wrangler.toml` for a built variant: same bindings, no build step, configuration laid over. */
function writeConfiguration(folder, variant, vars, bindings = {}) {
  const main = join(ROOT, "build", variant, "shim.js");
  if (!existsSync(main)) throw new Error(`${main} is missing: run "cargo xtask build --${variant}"`);
  const config = readConfig({ config: join(ROOT, "wrangler.toml") }, { hideWarnings: true });
  const { POSTERN, ...others } = config.vars;
  const derived = {
    name: config.name,
    main,
    compatibility_date: config.compatibility_date,
    compatibility_flags: config.compatibility_flags,
    vars: vars === null ? others : { ...others, POSTERN: overlaid(POSTERN, vars) },
    d1_databases: config.d1_databases.map((database) => ({ ...database, migrations_dir: MIGRATIONS })),
    kv_namespaces: config.kv_namespaces,
    durable_objects: config.durable_objects,
    migrations: config.migrations,
    queues: { ...config.queues, consumers: config.queues.consumers.map(atOnce) },
    triggers: config.triggers,
    ratelimits: config.ratelimits,
    ...bindings,
  };
  const path = join(folder, "wrangler.json");
  writeFileSync(path, JSON.stringify(derived));
  return path;
}

/** A consumer that does not wait for a batch to fill: every mail that a test waits for would come a second later. */
const atOnce = (consumer) => ({ ...consumer, max_batch_timeout: 0 });

/** The configuration of another Worker that asks this one. */
function writeNeighbour(folder, { name, main }) {
  const { name: service, compatibility_date } = readConfig({ config: join(ROOT, "wrangler.toml") }, { hideWarnings: true });
  const path = join(folder, `${name}.json`);
  const services = [{ binding: "AUTH", service, entrypoint: "AuthService" }, { binding: "HTTP", service }];
  writeFileSync(path, JSON.stringify({ name, main, compatibility_date, services }));
  return path;
}

/** Tables are merged key by key; any other value replaces. */
export function overlaid(base, over) {
  const isTable = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isTable(base) || !isTable(over)) return over;
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) result[key] = key in base ? overlaid(base[key], value) : value;
  return result;
}

function scratchFolder() {
  const parent = join(tmpdir(), "postern-tests");
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, "run-"));
}

/** Not one that the system would choose: those it also gives to connections, and this one is listened at only later. */
async function freePort() {
  for (;;) {
    const port = randomInt(15_000, 32_000);
    const probe = createServer();
    const isFree = new Promise((resolve) => probe.once("listening", () => resolve(true)).once("error", () => resolve(false)));
    probe.listen(port, "127.0.0.1");
    if (!(await isFree)) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
}

function collect(child) {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  return () => text;
}

async function finished(child) {
  const output = collect(child);
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${child.spawnargs.join(" ")} ended with ${code}\n${output()}`);
}

function untilOutput(child, output, text) {
  return new Promise((resolve, reject) => {
    const look = () => output().includes(text) && resolve();
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}\n${output()}`)));
    look();
  });
}

/** A killed process holds its port for a moment longer than its parent can tell. */
async function untilClosed(port) {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const answered = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(200) }).then(
      () => true,
      (error) => error.name === "TimeoutError",
    );
    if (!answered) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`port ${port} is still open`);
}
