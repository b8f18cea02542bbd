// Two contenders side by side: in every round both, in random order, so that whatever else the machine does hits
// both; one ratio per round, and the median of the ratios.

import { performance } from "node:perf_hooks";

/**
 * @param {object} comparison
 * @param {string} comparison.name
 * @param {{ name: string, sample: () => number | Promise<number> }} comparison.ours `sample` returns the time of one
 *   operation in microseconds
 * @param {{ name: string, sample: () => number | Promise<number> }} comparison.theirs
 * @param {number} rounds
 */
export async function compare({ name, ours, theirs }, rounds) {
  const samples = [];
  // The first round is for the compilers and caches.
  for (let round = -1; round < rounds; round += 1) {
    const sample = {};
    const order = Math.random() < 0.5 ? ["ours", "theirs"] : ["theirs", "ours"];
    for (const side of order) sample[side] = await { ours, theirs }[side].sample();
    if (round >= 0) samples.push(sample);
  }
  return summary(name, ours.name, theirs.name, samples);
}

/** The row of the table for samples that were taken together. */
export function summary(name, ours, theirs, samples) {
  const ratios = samples.map((sample) => sample.ours / sample.theirs);
  return {
    name,
    ours: { name: ours, microseconds: quantile(samples.map((sample) => sample.ours), 0.5) },
    theirs: { name: theirs, microseconds: quantile(samples.map((sample) => sample.theirs), 0.5) },
    ratio: { median: quantile(ratios, 0.5), p10: quantile(ratios, 0.1), p90: quantile(ratios, 0.9) },
    rounds: samples.length,
  };
}

/** With linear interpolation between neighbours. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const place = (sorted.length - 1) * share;
  const below = sorted[Math.floor(place)];
  return below + (sorted[Math.ceil(place)] - below) * (place % 1);
}

/** A contender that runs `operation` on each of `inputs` in turn, `passes` times, or on what `prepare` makes of them. */
export function synchronous(name, inputs, passes, operation, prepare = (input) => input) {
  return {
    name,
    sample: () => {
      const all = Array.from({ length: passes * inputs.length }, (_, index) => prepare(inputs[index % inputs.length]));
      const start = performance.now();
      for (const input of all) operation(input);
      return perOperation(start, all.length);
    },
  };
}

/** The same token as a string that nobody has seen: a server gets every token anew, and no engine knows its hash yet. */
export function asReceived(token) {
  return Buffer.from(token).toString("latin1");
}

/** The same with promises, `atOnce` of them in flight. */
export function asynchronous(name, inputs, passes, operation, atOnce = 1) {
  return {
    name,
    sample: async () => {
      const count = passes * inputs.length;
      let next = 0;
      const lane = async () => {
        while (next < count) await operation(inputs[next++ % inputs.length]);
      };
      const start = performance.now();
      await Promise.all(Array.from({ length: atOnce }, lane));
      return perOperation(start, count);
    },
  };
}

const perOperation = (start, count) => ((performance.now() - start) * 1000) / count;
