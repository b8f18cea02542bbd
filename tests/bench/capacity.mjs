// What many at once do to each other, and a large directory to everybody: the release build on plain workerd.

import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { Load, processorTime, untilQuiet } from "./support/load.mjs";
import { quantile, summary } from "./support/measure.mjs";
import { AUTH, account, configuration, mailReceiver } from "./support/people.mjs";
import { startRelease } from "./support/workerd.mjs";

export const NAMES = ["logins-50", "directory-size"];

const AT_ONCE = 50;
/** The runtime with one isolate of this Worker, in mebibytes. */
const MOST_MEBIBYTES = 300;
/** How much longer a login may take with others before it than all of these alone. */
const MOST_WAIT = 1.5;
const [FEW_USERS, MANY_USERS] = [1_000, 1_000_000];
/** How much more a login may cost with so many accounts. */
const MOST_GROWTH = 1.1;

/** An alarm that is set anew while it rings; workerd says so of its own accord. */
const HARMLESS = /warning: NOSENTRY SQLite alarm handler canceled/;

export function run(name, { quick }) {
  return name === "logins-50" ? manyLogins(quick) : directorySize(quick);
}

/** Fifty logins at once, and somebody who has tokens checked meanwhile. */
function manyLogins(quick) {
  return withRelease([0], AT_ONCE, async ([release]) => {
    const { load, people, server } = release;
    const validator = new Load(server.port, 1);
    const login = (lane) => load.post(`${AUTH}/login`, loginBody(people[lane]), { lane });
    const validate = () => timed(() => validator.post(`${AUTH}/validate`, JSON.stringify({ token: people[0].access, mode: "jwt_only" })));
    const samples = { queue: [], validate: [] };
    let mebibytes = 0;
    try {
      for (let round = -1; round < (quick ? 1 : 7); round += 1) {
        await untilQuiet(server.pid);
        const alone = [];
        for (let lane = 0; lane < 5; lane += 1) alone.push(await timed(() => login(lane)));
        const calm = [];
        for (let count = 0; count < 50; count += 1) calm.push(await validate());

        let over = false;
        const storm = Promise.all(people.map((_, lane) => timed(() => login(lane)))).finally(() => (over = true));
        const stormy = [];
        while (!over) {
          stormy.push(await validate());
          mebibytes = Math.max(mebibytes, residentMebibytes(server.pid));
        }
        const waits = (await storm).sort((one, other) => one - other).map((time, position) => time / (position + 1));
        if (round < 0) continue;
        samples.queue.push({ ours: quantile(waits, 0.5), theirs: quantile(alone, 0.5) });
        samples.validate.push({ ours: quantile(stormy, 0.5), theirs: quantile(calm, 0.5) });
      }
    } finally {
      validator.close();
    }
    const queue = row("logins-50", samples.queue, `a login of ${AT_ONCE} at once, by its place in the queue`, "one alone");
    if (!quick && queue.ratio.median > MOST_WAIT) throw new Error(`a login takes ${queue.ratio.median} of its place in the queue`);
    if (mebibytes > MOST_MEBIBYTES) throw new Error(`workerd has ${mebibytes} MiB`);
    return [
      queue,
      { ...row("logins-50", samples.validate, `validate among ${AT_ONCE} logins`, "without"), figure: "validate meanwhile" },
      { name: "logins-50", figure: "memory of workerd", ours: { name: "greatest", mebibytes }, theirs: { name: "budget", mebibytes: MOST_MEBIBYTES }, ratio: { median: mebibytes / MOST_MEBIBYTES, p10: mebibytes / MOST_MEBIBYTES, p90: mebibytes / MOST_MEBIBYTES } },
    ];
  });
}

/** A login, and a wrong code, which takes no hash that would hide the rest, with few accounts and with very many. */
function directorySize(quick) {
  const lanes = 8;
  return withRelease(quick ? [FEW_USERS, FEW_USERS] : [MANY_USERS, FEW_USERS], lanes, async ([many, few]) => {
    const flows = {
      login: ({ load, people }, lane) => load.post(`${AUTH}/login`, loginBody(people[lane]), { lane }),
      "wrong code": ({ load, people }, lane) => load.post(`${AUTH}/verify-login`, JSON.stringify({ email: people[lane].email, otp: "000000" }), { lane, status: 400 }),
    };
    const rows = [];
    for (const [flow, send] of Object.entries(flows)) {
      const samples = [];
      for (let round = -1; round < (quick ? 1 : 11); round += 1) {
        const sample = {};
        const order = Math.random() < 0.5 ? ["ours", "theirs"] : ["theirs", "ours"];
        for (const side of order) sample[side] = await processorOf({ ours: many, theirs: few }[side], flow === "login" ? 16 : 160, send, lanes);
        if (round >= 0) samples.push(sample);
      }
      const measured = { ...row("directory-size", samples, `${MANY_USERS} accounts`, `${FEW_USERS} accounts`), figure: `${flow}, processor time of workerd` };
      if (!quick && measured.ratio.median > MOST_GROWTH) throw new Error(`a ${flow} costs ${measured.ratio.median} of what it does with ${FEW_USERS} accounts`);
      rows.push(measured);
    }
    return rows;
  });
}

const loginBody = ({ email, password }) => JSON.stringify({ email, password });
const row = (name, samples, ours, theirs) => ({ ...summary(name, ours, theirs, samples), runtime: "workerd" });

/** Microseconds of the processor for one request, until nothing is left to do; by the clock where that is not known. */
async function processorOf(release, count, send, lanes) {
  await untilQuiet(release.server.pid);
  const processor = processorTime(release.server.pid);
  const elapsed = await timed(async () => {
    for (let done = 0; done < count; done += 1) await send(release, done % lanes);
  });
  await untilQuiet(release.server.pid);
  return (processor === undefined ? elapsed : processorTime(release.server.pid) - processor) / count;
}

async function timed(operation) {
  const start = performance.now();
  await operation();
  return (performance.now() - start) * 1000;
}

function residentMebibytes(pid) {
  const [, kibibytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  return Math.round(Number(kibibytes) / 1024);
}

/** Servers with so many accounts, and people who have signed up there, one for each lane. */
async function withRelease(sizes, lanes, measure) {
  const releases = [];
  try {
    for (const users of sizes) {
      const mail = await mailReceiver();
      releases.push({ mail });
      const release = releases.at(-1);
      release.server = await startRelease(configuration(mail.url), users);
      release.load = new Load(release.server.port, lanes);
      release.people = [];
      for (let lane = 0; lane < lanes; lane += 1) release.people.push(await account(release.load, mail, lane));
    }
    const rows = await measure(releases);
    for (const { server } of releases) {
      const complaints = server.output().split("\n").filter((line) => line !== "" && !HARMLESS.test(line)).join("\n");
      if (complaints !== "") throw new Error(`the release build complains:\n${complaints.slice(0, 2000)}`);
    }
    return rows;
  } finally {
    for (const { mail, load, server } of releases) {
      mail.stop();
      load?.close();
      await server?.stop();
    }
  }
}
