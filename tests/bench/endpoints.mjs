// Whole requests: the release build against a Worker that answers "ok", each in a workerd of its own.

import { performance } from "node:perf_hooks";
import { LANES, Load, processorTime, untilQuiet } from "./support/load.mjs";
import { summary } from "./support/measure.mjs";
import { AUTH, account, configuration, mailReceiver } from "./support/people.mjs";
import { startBareRust, startBareWorker, startRelease } from "./support/workerd.mjs";


/** What a Worker in Rust does at least that asks what a mode asks, and what it does that besides reads a body and answers with it. */
const FLOORS = {
  rust: {
    jwt_only: { path: "/", title: 'bare worker in Rust, "ok"' },
    hybrid: { path: "/kv", title: "the same with one read of KV" },
    strict: { path: "/object", title: "the same with one call of an object" },
  },
  echo: {
    jwt_only: { path: "/echo", title: "bare worker in Rust that answers with the body" },
    strict: { path: "/echo/object", title: "the same with one call of an object" },
  },
};

export const NAMES = [
  ...["validate-jwt_only", "validate-hybrid", "validate-strict", "refresh"],
  ...Object.entries(FLOORS).flatMap(([floor, modes]) => Object.keys(modes).map((mode) => `validate-${mode}-${floor}`)),
];

let stage;

export async function run(name, { quick }) {
  stage ??= await setUp();
  const { release, people } = stage;
  const [route, mode, rust] = name.split("-");
  const path = `${AUTH}/${route}`;
  const bare = rust === undefined ? stage.bare : stage.rust;
  const floor = rust === undefined ? { path, title: 'bare worker, "ok"' } : FLOORS[rust][mode];
  const validate = async (lane) => {
    const answer = JSON.parse(await release.load.post(path, JSON.stringify({ token: people[lane].access, mode }), { lane }));
    if (answer.active !== true || answer.mode !== mode) throw new Error(JSON.stringify(answer));
  };
  const refresh = async (lane) => {
    const answer = JSON.parse(await release.load.post(path, JSON.stringify({ refresh_token: people[lane].refresh }), { lane }));
    people[lane].refresh = answer.refresh_token;
  };
  const ours = mode === undefined ? refresh : validate;
  // The same bytes go to both.
  const bodies = people.map(({ access, refresh }) => JSON.stringify(mode === undefined ? { refresh_token: refresh } : { token: access, mode }));
  const theirs = (lane) => bare.load.post(floor.path, bodies[lane], { lane });

  const count = quick ? 4 : mode === undefined ? 40 : 120;
  const rounds = quick ? 2 : 11;
  const samples = [];
  for (let round = -1; round < rounds; round += 1) {
    const sample = {};
    const order = Math.random() < 0.5 ? ["ours", "theirs"] : ["theirs", "ours"];
    for (const side of order) {
      const [contender, send] = side === "ours" ? [release, ours] : [bare, theirs];
      sample[side] = await measured(contender, count, send);
    }
    if (round >= 0) samples.push(sample);
  }
  // A store that fails makes a request slower, or faster, and goes unnoticed otherwise.
  const complaints = release.server.output();
  if (complaints !== "") throw new Error(`the release build complains:\n${complaints.slice(0, 2000)}`);
  const rows = [row(name, floor.title, samples, "elapsed")];
  if (samples[0].ours.processor !== undefined) rows.push(row(name, floor.title, samples, "processor"));
  return rows;
}

const row = (name, theirs, samples, figure) => ({
  ...summary(name, "postern, release", theirs, samples.map(({ ours, theirs }) => ({ ours: ours[figure], theirs: theirs[figure] }))),
  figure: figure === "processor" ? "processor time of workerd" : "elapsed",
  runtime: "workerd",
});

/** Microseconds of one request: by the clock, and of the processor until nothing is left to do. */
async function measured({ load, server }, count, send) {
  await untilQuiet(server.pid);
  const processor = processorTime(server.pid);
  const start = performance.now();
  await load.run(count, send);
  const elapsed = (performance.now() - start) * 1000;
  await untilQuiet(server.pid);
  const requests = count * LANES;
  return { elapsed: elapsed / requests, processor: processor === undefined ? undefined : (processorTime(server.pid) - processor) / requests };
}

/** Both servers, and an account with a session for every lane. */
async function setUp() {
  const mail = await mailReceiver();
  const servers = await Promise.all([startRelease(configuration(mail.url)), startBareWorker(), startBareRust()]);
  const [release, bare, rust] = servers.map((server) => ({ server, load: new Load(server.port) }));
  stage = { release, bare, rust, mail };
  try {
    const people = [];
    for (let lane = 0; lane < LANES; lane += 1) people.push(await account(release.load, mail, lane));
    return { ...stage, people };
  } catch (error) {
    throw new Error(`${error.message}\n${release.server.output()}`, { cause: error });
  }
}

/** Ends what `run` started. */
export async function finish() {
  if (stage === undefined) return;
  const { release, bare, rust, mail } = stage;
  stage = undefined;
  mail.stop();
  for (const { load, server } of [release, bare, rust]) {
    load.close();
    await server.stop();
  }
}
