// The text exposition format of Prometheus, version 0.0.4, read strictly: what a monitor would take, and what it would warn of.
// https://prometheus.io/docs/instrumenting/exposition_formats/

import assert from "node:assert/strict";

const METRIC = "[a-zA-Z_:][a-zA-Z0-9_:]*";
const LABEL = "[a-zA-Z_][a-zA-Z0-9_]*";
const VALUE = String.raw`[+-]?(?:\d+(?:\.\d*)?(?:e[+-]?\d+)?|Inf)|NaN`;
const SAMPLE = new RegExp(`^(${METRIC})(?:\\{(.*)\\})? (${VALUE})(?: (-?\\d+))?$`);
const TYPES = ["counter", "gauge", "histogram", "summary", "untyped"];

/** The families of a text by name: `{ type, help, samples: [{ labels, value }] }`. */
export function families(text) {
  assert.ok(text.endsWith("\n") && !text.includes("\r"), "every line ends with a line feed, the last as well");
  const found = new Map();
  let current;
  const enter = (name) => {
    if (current?.name === name) return current;
    assert.ok(!found.has(name), `the lines of ${name} are not together`);
    found.set(name, (current = { name, samples: [] }));
    return current;
  };
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = new RegExp(`^# (HELP|TYPE) (${METRIC}) (.+)$`).exec(line);
    if (comment) {
      const [, what, name, said] = comment;
      const family = enter(name);
      assert.equal(family.samples.length, 0, `${what} of ${name} stands after its samples`);
      const field = what.toLowerCase();
      assert.equal(family[field], undefined, `${name} has two lines ${what}`);
      if (field === "type") assert.ok(TYPES.includes(said), line);
      else assert.ok(!/\\(?![\\n])/.test(said), line);
      family[field] = said;
      continue;
    }
    const [, name, labels, value, time] = SAMPLE.exec(line) ?? assert.fail(`no sample: ${line}`);
    assert.equal(time, undefined, "a time makes the sample that of another moment");
    const family = enter(name);
    assert.ok(family.type !== undefined && family.help !== undefined, `${name} has neither type nor help`);
    const sample = { labels: labelsOf(labels ?? ""), value: Number(value.replace("Inf", "Infinity")) };
    const series = JSON.stringify(Object.entries(sample.labels).sort());
    assert.ok(!family.samples.some(({ labels }) => JSON.stringify(Object.entries(labels).sort()) === series), `twice: ${line}`);
    if (family.type === "counter") assert.ok(name.endsWith("_total") && Number.isSafeInteger(sample.value) && sample.value >= 0, line);
    family.samples.push(sample);
  }
  return found;
}

function labelsOf(text) {
  const labels = {};
  let rest = text;
  while (rest !== "") {
    const [whole, name, value] = new RegExp(`^(${LABEL})="((?:[^"\\\\]|\\\\[\\\\"n])*)"(?:,|$)`).exec(rest) ?? assert.fail(`no label: ${rest}`);
    assert.ok(!(name in labels) && !name.startsWith("__"), name);
    labels[name] = value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped));
    rest = rest.slice(whole.length);
  }
  return labels;
}
