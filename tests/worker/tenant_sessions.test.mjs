// How many sessions a tenant may have at once: `sessions.max_per_tenant`.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { client } from "./support/accounts.mjs";
import { enrol } from "./support/authenticator.mjs";
import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { PASSWORD, editSession, logIn, post, refused, relaxed, signUp, tokensOf, until, validate } = people;

const CODE = "tenant_session_limit_exceeded";

/** The shard of somebody's account, as `postern_core::revocation::shard_of` has it. */
const shardOf = ({ account }) => `v1/revocation/${String(parseInt(account.replaceAll("-", "").slice(0, 2), 16) % 16).padStart(2, "0")}`;

describe("the sessions of a tenant", () => {
  const CAP = 6;
  let server, crowd;
  const enter = (person) => post(server, "login", { email: person.email, password: PASSWORD });
  const leave = async ({ refresh }) => assert.equal((await post(server, "logout", { refresh_token: refresh })).status, 200);
  /** Logs in as soon as somebody's place is found to be free: shards are counted once a second at most. */
  const enterSoon = (person) => until("a place is free", async () => {
    const answer = await enter(person);
    if (answer.code === CODE) return undefined;
    return tokensOf(answer);
  });
  const live = async (sessions) => {
    const verdicts = await Promise.all(sessions.map(({ access }) => validate(server, access, "strict")));
    return verdicts.filter(({ status }) => status === 200).length;
  };

  before(async () => {
    server = await startServer({ vars: relaxed({ max_per_account: 3, max_per_tenant: CAP }) });
    crowd = [];
    for (let person = 0; person < 10; person += 1) {
      const one = await until("a place to sign up", async () => signUp(server).catch(() => undefined), 30);
      await leave(one);
      crowd.push(one);
    }
  });
  after(() => server?.stop());

  /** As many sessions as there may be, of different people, and nobody else's. */
  const full = async () => {
    const sessions = [];
    for (const person of crowd.slice(0, CAP)) sessions.push({ ...person, ...(await enterSoon(person)) });
    return sessions;
  };
  const empty = async (sessions) => {
    for (const session of sessions) await leave(session);
  };

  test("are as many as may be, and the next is refused, but only to whoever could have it", async () => {
    const sessions = await full();
    const late = crowd[CAP];
    refused(await enter(late), 403, CODE);
    // Who has no password learns nothing of it.
    refused(await post(server, "login", { email: late.email, password: "not the password" }), 401, "invalid_credentials");
    refused(await post(server, "login", { email: "nobody@example.com", password: PASSWORD }), 401, "invalid_credentials");
    // What is open goes on.
    assert.equal(await live(sessions), CAP);
    const [first, ...others] = sessions;
    const renewed = tokensOf(await post(server, "refresh", { refresh_token: first.refresh }));
    assert.equal(await live([renewed]), 1);
    // A place that somebody leaves is found, whichever shard has it.
    await leave({ refresh: renewed.refresh });
    const entered = await enterSoon(late);
    refused(await enter(crowd[CAP + 1]), 403, CODE);
    await empty([...others, entered]);
  });

  test("are never more however many come at once, and nobody's place stays empty", async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, at) => enter(crowd[at % crowd.length])));
    for (const answer of answers) {
      if (answer.status !== 200) assert.ok([CODE, "busy"].includes(answer.code), JSON.stringify(answer.body));
    }
    const entered = answers.filter(({ status }) => status === 200).map(tokensOf);
    assert.ok(await live(entered) <= CAP);
    // Some may have been told too early that there is none; whoever asks again gets what is left.
    const sessions = [...entered];
    await until("all places are taken", async () => {
      const answer = await enter(crowd.at(-1 - (sessions.length % 3)));
      if (answer.status === 200) sessions.push(tokensOf(answer));
      return (await live(sessions)) === CAP;
    }, 30);
    const stranger = crowd.find(({ account }) => sessions.every((session) => session.account !== account));
    if (stranger !== undefined) refused(await enter(stranger), 403, CODE);
    for (const session of sessions) await post(server, "logout", { refresh_token: session.refresh });
  });

  test("that give way to another of their owner leave their place to it", async () => {
    const sessions = [];
    for (const person of [crowd[0], crowd[0], crowd[0], crowd[1], crowd[2], crowd[3]]) sessions.push({ ...person, ...(await enterSoon(person)) });
    refused(await enter(crowd[4]), 403, CODE);
    const again = tokensOf(await enter(crowd[0]));
    assert.equal(await live([...sessions, again]), CAP);
    refused(await enter(crowd[4]), 403, CODE);
    await empty([...sessions.slice(1), again]);
  });

  test("that ended without being used make room, and those that only look so do not", async () => {
    const sessions = await full();
    const [idle] = sessions;
    // As if all had been opened long ago: whether they still live is the accounts' word.
    for (const session of sessions) {
      const shard = await server.objectStorage("REVOCATION", shardOf(session));
      await shard.exec("UPDATE seats SET look_at = 1");
    }
    await people.sleep(1_050);
    refused(await enter(crowd[CAP]), 403, CODE);
    assert.equal(await live(sessions), CAP);
    await editSession(server, idle, { idle_expires_at: Date.now() - 1 });
    const shard = await server.objectStorage("REVOCATION", shardOf(idle));
    await shard.exec("UPDATE seats SET look_at = 1 WHERE session = ?", idle.session);
    const entered = await enterSoon(crowd[CAP]);
    assert.equal(await live(sessions), CAP - 1);
    await empty([...sessions.slice(1), entered]);
  });

  test("are asked for only when a second factor was shown", async () => {
    const owner = client(server);
    const person = crowd[9];
    const { access } = await enterSoon(person);
    const { codes } = await enrol(owner, { access_token: access }, PASSWORD);
    for (const { id } of (await people.get(server, "sessions", { bearer: access })).body.sessions) await people.remove(server, `sessions/${id}`, { bearer: access });
    const sessions = await full();
    const waiting = await enter(person);
    assert.deepEqual([waiting.status, waiting.body.mfa_required], [200, true]);
    const verify = (challenge, backup_code) => post(server, "2fa/verify", { challenge, backup_code });
    refused(await verify(waiting.body.challenge, "AAAAA-AAAAA"), 400, "second_factor_invalid");
    refused(await verify(waiting.body.challenge, codes[0]), 403, CODE);
    await leave(sessions[0]);
    await people.sleep(1_050);
    // What was shown is used up although nobody was let in.
    const { body } = await enter(person);
    refused(await verify(body.challenge, codes[0]), 400, "second_factor_invalid");
    const entered = tokensOf(await verify(body.challenge, codes[1]));
    refused(await enter(crowd[CAP]), 403, CODE);
    await empty([...sessions.slice(1), entered]);
  });
});

test("a tenant without a limit has no seats", async () => {
  const server = await startServer({ vars: relaxed() });
  try {
    const person = await signUp(server);
    await logIn(server, person);
    await post(server, "logout", { refresh_token: person.refresh });
    const shard = await server.objectStorage("REVOCATION", shardOf(person));
    const tables = await shard.exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('seats', 'seating')");
    assert.deepEqual(tables, []);
  } finally {
    await server.stop();
  }
});
