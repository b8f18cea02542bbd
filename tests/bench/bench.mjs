// `cargo xtask bench`: see docs/benchmarks.md.
//
// node tests/bench/bench.mjs [--quick] [--output FILE] [NAME…]: a name is that of a comparison, or what it starts with.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as capacity from "./capacity.mjs";
import * as elsewhere from "./elsewhere.mjs";
import * as endpoints from "./endpoints.mjs";
import * as enumeration from "./enumeration.mjs";
import * as native from "./native.mjs";
import * as passwords from "./passwords.mjs";
import { ROOT, workerd } from "./support/workerd.mjs";
import * as permissions from "./permissions.mjs";
import * as startUp from "./start-up.mjs";
import * as tokens from "./tokens.mjs";

const OUTPUT = join(ROOT, "build/bench.json");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean" }, output: { type: "string", default: OUTPUT } },
});
const comparisons = [tokens, permissions, native, elsewhere, passwords, startUp, endpoints, capacity, enumeration].flatMap((part) => part.NAMES.map((name) => ({ name, run: part.run })));
const unknown = positionals.filter((prefix) => !comparisons.some(({ name }) => name.startsWith(prefix)));
if (unknown.length > 0) {
  console.error(`no comparison is named like ${unknown.join(", ")}; there are ${comparisons.map(({ name }) => name).join(", ")}`);
  process.exit(2);
}
const selected = comparisons.filter(({ name }) => positionals.length === 0 || positionals.some((prefix) => name.startsWith(prefix)));

await measure();

async function measure() {
  const rows = [];
  try {
    for (const { name, run } of selected) {
      console.error(`    ${name}`);
      rows.push(...(await run(name, values)));
    }
  } finally {
    await endpoints.finish();
  }
  print(rows);
  mkdirSync(join(ROOT, "build"), { recursive: true });
  writeFileSync(values.output, `${JSON.stringify(report(rows), undefined, 2)}\n`);
}

function report(rows) {
  const { version } = JSON.parse(readFileSync(join(ROOT, "pkg/package.json"), "utf8"));
  const installed = (name) => JSON.parse(readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8")).version;
  return {
    date: new Date().toISOString(),
    node: process.version,
    cpu: { model: cpus()[0]?.model ?? "unknown", count: cpus().length },
    versions: { postern: version, jose: installed("jose"), "fast-jwt": installed("fast-jwt"), "hash-wasm": installed("hash-wasm"), workerd: workerd.version },
    quick: values.quick === true,
    rows,
  };
}

function print(rows) {
  const header = ["name", "ours", "theirs", "ours/theirs", "p10..p90", "against"];
  const lines = rows.map(({ name, figure, skipped, ours, theirs, ratio }) => {
    const title = figure === undefined || figure === "elapsed" ? name : `${name} (${figure})`;
    if (skipped !== undefined) return [title, "-", "-", "-", "-", skipped];
    return [title, amount(ours), amount(theirs), ratio.median.toFixed(2), `${ratio.p10.toFixed(2)}..${ratio.p90.toFixed(2)}`, theirs.name];
  });
  const widths = header.map((_, column) => Math.max(...[header, ...lines].map((line) => line[column].length)));
  for (const line of [header, ...lines]) console.log(line.map((cell, column) => cell.padEnd(widths[column])).join("  ").trimEnd());
  console.log("\nTimes are per operation. Trust the ratios only (below 1: ours is faster): both sides ran in turns on this machine as it was.");
  if (values.quick) console.log("--quick only shows that everything runs; its figures mean nothing.");
}

function amount({ microseconds, mebibytes }) {
  if (mebibytes !== undefined) return `${mebibytes} MiB`;
  return microseconds < 1000 ? `${microseconds.toPrecision(3)} µs` : `${(microseconds / 1000).toPrecision(3)} ms`;
}
