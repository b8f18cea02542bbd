// Whether the time of an answer tells who has an account.
//
// Whoever has an account and who has none are asked about in turns, in random order. Besides the ratio, the chance is
// computed that an answer about one of the first took longer than one about one of the second. With so many pairs it
// strays from a half by 0.03 (standard deviation) when there is nothing to see, whatever else the machine does; the
// bound is five times that. Hashes are small, so that they do not hide the rest; `enumeration.test.mjs` shows that
// there are as many.

import { AUTH, COUNTED_LIMITS, PASSWORD, claimsOf, client, newAddress, startOpenServer, wrongLinkOf } from "../worker/support/accounts.mjs";
import { Observer, separation } from "../worker/support/observer.mjs";
import { summary } from "./support/measure.mjs";

export const NAMES = ["enumeration"];

const PAIRS = 200;
const TELLS_APART = 0.15;
/** So many people of each kind take turns. */
const PEOPLE = 10;
const WRONG_CODE = "000000";

const QUESTIONS = [
  ["login", ({ email }) => ({ email, password: "a password that nobody has" }), 401, ["owners", "people without a password"]],
  ["verify-login", ({ email }) => ({ email, otp: WRONG_CODE }), 400],
  ["verify-login-link", (who) => ({ token: wrongLinkOf(who) }), 400],
  ["verify-email", ({ email }) => ({ email, otp: WRONG_CODE }), 400],
  ["reset-password", (who) => ({ token: wrongLinkOf(who), password: PASSWORD }), 400],
  ["set-password", (who) => ({ token: wrongLinkOf(who), password: PASSWORD }), 400],
  ["verify-signup", ({ email }) => ({ email, otp: WRONG_CODE, password: PASSWORD }), 400],
  ["request-otp", ({ email }) => ({ email }), 202],
  ["request-password-reset", ({ email }) => ({ email }), 202],
  ["signup", ({ email }) => ({ email, name: "Ada", password: PASSWORD }), 202],
];

export async function run(_name, { quick }) {
  // The development build, because accounts are made with its mailbox.
  const server = await startOpenServer({ vars: { codes: { resend_after_seconds: 0 }, limits: COUNTED_LIMITS } });
  const observer = new Observer(server);
  try {
    const kinds = await people(server);
    const rows = [];
    for (const question of QUESTIONS) rows.push(...(await ask(observer, kinds, question, quick ? 3 : PAIRS, quick)));
    return rows;
  } finally {
    observer.close();
    await server.stop();
  }
}

async function people(server) {
  const { DIRECTORY } = await server.getEnv();
  const all = (make) => Promise.all(Array.from({ length: PEOPLE }, (_, index) => make(index)));
  const account = async () => {
    const email = newAddress();
    const { access_token: token } = await client(server).account(email);
    return { email, account: claimsOf(token).sub };
  };
  const kinds = {
    strangers: await all((index) => ({ email: newAddress(), account: `${index}`.repeat(32) })),
    owners: await all(account),
    "people without a password": await all(account),
  };
  for (const { account: id } of kinds["people without a password"]) {
    await DIRECTORY.prepare("UPDATE credentials SET password_hash = NULL WHERE account_id = ?").bind(id).run();
  }
  return kinds;
}

async function ask(observer, kinds, [route, body, status, others = ["owners"]], pairs, quick) {
  const asked = ["strangers", ...others];
  const times = Object.fromEntries(asked.map((kind) => [kind, []]));
  // The first ones are for the compilers, and use up the guesses that every code bears.
  for (let pair = -PEOPLE * 5; pair < pairs; pair += 1) {
    for (const kind of shuffled(asked)) {
      const answer = await observer.post(`${AUTH}/${route}`, body(kinds[kind][(pair + PEOPLE * 5) % PEOPLE]));
      if (answer.status !== status) throw new Error(`${route}: ${answer.status} ${answer.text}`);
      if (pair >= 0) times[kind].push(answer.milliseconds * 1000);
    }
  }
  return others.map((kind) => {
    const chance = separation(times[kind], times.strangers);
    const says = `${kind} against strangers; longer with a chance of ${chance.toFixed(3)}`;
    if (!quick && Math.abs(chance - 0.5) >= TELLS_APART) throw new Error(`${route} tells ${says}`);
    const samples = times[kind].map((ours, index) => ({ ours, theirs: times.strangers[index] }));
    return summary(`enumeration-${route}`, kind, says, samples);
  });
}

function shuffled(values) {
  return values.map((value) => [Math.random(), value]).sort(([one], [other]) => one - other).map(([, value]) => value);
}
