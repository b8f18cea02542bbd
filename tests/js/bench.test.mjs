// The benchmark runs and says what it measured; its figures are nobody's concern here.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { compare, quantile, summary } from "../bench/support/measure.mjs";

const BENCH = fileURLToPath(new URL("../bench/bench.mjs", import.meta.url));
const bench = (...options) => spawnSync(process.execPath, [BENCH, ...options], { encoding: "utf8" });

test("quantiles lie between their neighbours", () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([4, 1, 2, 3], 0.5), 2.5);
  assert.equal(quantile([10, 0], 0.1), 1);
  assert.equal(quantile([7], 0.9), 7);
});

test("the ratio is the median of the rounds' ratios, not the ratio of medians", () => {
  const samples = [{ ours: 1, theirs: 2 }, { ours: 30, theirs: 10 }, { ours: 4, theirs: 100 }];
  const { ours, theirs, ratio } = summary("x", "a", "b", samples);
  assert.deepEqual([ours.microseconds, theirs.microseconds, ratio.median], [4, 10, 0.5]);
});

test("every round has one sample of each side, and the first round does not count", async () => {
  const taken = [];
  const side = (name, value) => ({ name, sample: () => (taken.push(name), taken.length <= 2 ? 1000 : value) });
  const row = await compare({ name: "x", ours: side("a", 1), theirs: side("b", 4) }, 5);
  for (let round = 0; round < 6; round += 1) assert.deepEqual(taken.slice(2 * round, 2 * round + 2).sort(), ["a", "b"]);
  assert.deepEqual([taken.length, row.rounds, row.ratio], [12, 5, { median: 0.25, p10: 0.25, p90: 0.25 }]);
});

test("a quick run prints a table and writes where, when and with what it measured", () => {
  const folder = mkdtempSync(join(tmpdir(), "postern-bench-"));
  try {
    const output = join(folder, "bench.json");
    const { status, stdout, stderr } = bench("--quick", "--output", output, "verify");
    assert.equal(status, 0, stderr);
    const names = ["verify-ed25519", "verify-ed25519-in-flight", "verify-ed25519-fast-jwt", "verify-hs256", "verify-hs256-fast-jwt"];
    assert.deepEqual(stdout.split("\n").slice(1, 1 + names.length).map((line) => line.split(" ")[0]), names);
    assert.match(stdout, /ratios only/);
    const { date, node, cpu, versions, quick, rows } = JSON.parse(readFileSync(output, "utf8"));
    assert.ok(Math.abs(Date.now() - Date.parse(date)) < 60_000);
    assert.deepEqual([node, quick, Object.keys(versions)], [process.version, true, ["postern", "jose", "fast-jwt", "hash-wasm", "workerd"]]);
    assert.ok(cpu.model.length > 0 && cpu.count > 0);
    for (const { ratio, ours, theirs } of rows) for (const figure of [ratio.median, ours.microseconds, theirs.microseconds]) assert.ok(figure > 0);
    assert.deepEqual(rows.map(({ name }) => name), names);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a name that no comparison has is refused", () => {
  const { status, stderr } = bench("--quick", "nothing");
  assert.equal(status, 2);
  assert.match(stderr, /verify-ed25519/);
});
