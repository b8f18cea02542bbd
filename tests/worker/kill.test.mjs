// A machine that dies again and again: SIGKILL for every process at once, in the middle of sign-ups and refreshes.
//
// What a client was told stays true: accounts, sessions, rotations and mails. A client that was not told asks
// again with what it has, and gets in. The storage is that of the local runtime; a kill loses what is in memory
// only (local queues among it), which is what the test is about.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { rmSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { startPersistentServer } from "./support/server.mjs";

const KILLS = 20;
const CLIENTS = 4;
/** How long a server lives, from when it is ready: milliseconds. A mail takes a second to arrive. */
const LIFE = { least: 300, most: 2_700 };
/** The outbox repeats after 30 seconds, 60, 120 and so on: a row may have been unlucky more than once. */
const MAIL_WITHIN_MS = 180_000;
const SILENCE_AT_MOST_MS = 30_000;

const SEED = Number(process.env.POSTERN_TEST_SEED ?? randomInt(2 ** 31));
const UNLIMITED = { count: 0, period_seconds: 60 };
const VARS = {
  tokens: { access_ttl_seconds: 900 },
  passwords: { memory_kib: 64, iterations: 1 },
  sessions: { refresh_grace_seconds: 30, max_per_account: 0, refresh_limit: UNLIMITED },
  limits: Object.fromEntries(
    [
      "sign_up_per_source",
      "sign_up_per_identifier",
      "verify_per_source",
      "login_per_source",
      "login_per_pair",
      "refresh_per_source",
    ].map((name) => [name, UNLIMITED]),
  ),
};

/** A reply that was lost: whether the request was carried out is unknown. */
class Lost extends Error {}

/** The server of the moment. Clients wait for the next one when it dies, as they would for a network. */
class Site {
  #server;
  #ready;
  #opened;
  #answeredAt = Date.now();

  close() {
    this.#ready = new Promise((resolve) => (this.#opened = resolve));
  }

  open(server) {
    this.#server = server;
    this.#opened();
  }

  /** One request. Throws `Lost` if there was no answer, or one that says that the outcome is unknown. */
  async ask(path, body) {
    await this.#ready;
    const init = body && { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    try {
      const response = await this.#server.fetch(path, { ...init, signal: AbortSignal.timeout(10_000) });
      const text = await response.text();
      if (response.status >= 500) throw new Lost(`${path}: ${response.status} ${text}`);
      this.#answeredAt = Date.now();
      return { status: response.status, body: JSON.parse(text) };
    } catch (error) {
      const message = error instanceof Lost ? error.message : `${path}: ${error.cause?.message ?? error.message}`;
      // Kills explain some of it. A server that is up and never answers is a fault.
      const silence = Date.now() - this.#answeredAt;
      throw silence < SILENCE_AT_MOST_MS ? new Lost(message) : new Error(`no answer for ${silence} ms; ${message}`);
    }
  }

  /** The same request until somebody answers: what a client does that wants to know. */
  async insist(path, body) {
    for (;;) {
      try {
        return await this.ask(path, body);
      } catch (error) {
        if (!(error instanceof Lost)) throw error;
        await sleep(50);
      }
    }
  }
}

describe(`${KILLS} kills in the middle of everything (POSTERN_TEST_SEED=${SEED})`, () => {
  const site = new Site();
  const world = {
    site,
    running: true,
    /** Every sign-up that was answered with 202. */
    signUps: [],
    /** Every account whose creation was acknowledged, with the latest tokens that its client was given. */
    users: [],
    counts: { refreshes: 0, rotations: 0, lost: 0 },
  };
  let server;

  before(async () => {
    const random = generator(SEED);
    site.close();
    server = await startPersistentServer({ vars: VARS });
    const { persistTo, port } = server;
    site.open(server);
    const clients = Array.from({ length: CLIENTS }, (_, number) => client(world, number, generator(SEED + number + 1)));
    const finished = Promise.all(clients);
    // A client that finds a fault ends the kills.
    const faulty = finished.then(() => new Promise(() => {}));
    faulty.catch(() => {});
    try {
      for (let kill = 0; kill < KILLS; kill += 1) {
        await Promise.race([sleep(LIFE.least + random() * (LIFE.most - LIFE.least)), faulty]);
        site.close();
        await server.kill();
        server = await startPersistentServer({ persistTo, port, vars: VARS });
        site.open(server);
      }
    } finally {
      world.running = false;
    }
    await finished;
  });

  after(async () => {
    world.running = false;
    await server?.kill();
    if (server) rmSync(server.persistTo, { recursive: true, force: true });
  });

  test("they hit somebody", (t) => {
    const { signUps, users, counts } = world;
    t.diagnostic(`${signUps.length} sign-ups, ${users.length} accounts, ${JSON.stringify(counts)}`);
    assert.ok(users.length >= KILLS, `only ${users.length} accounts`);
    assert.ok(counts.rotations >= KILLS, `only ${counts.rotations} rotations`);
    // How many are in flight at a kill depends on the machine: the faster it answers, the fewer.
    assert.ok(counts.lost >= KILLS / 4, `only ${counts.lost} replies were lost`);
  });

  test("every access token that was given is good", () =>
    inTurn(world.users, async ({ email, accessToken }) => {
      const { status, body } = await site.insist("/api/v1/auth/validate", { token: accessToken, mode: "strict" });
      assert.equal(status, 200, `${email}: ${JSON.stringify(body)}`);
    }));

  test("every session goes on from the rotation that was acknowledged last", () =>
    inTurn(world.users, (user) => refresh(world, user)));

  test("every acknowledged account can log in", () =>
    inTurn(world.users, async ({ email, password }) => {
      const { status, body } = await site.insist("/api/v1/auth/login", { email, password });
      assert.equal(status, 200, `${email}: ${JSON.stringify(body)}`);
    }));

  test("every acknowledged sign-up has its mail", async (t) => {
    const started = Date.now();
    await inTurn(world.signUps, async (signUp) => {
      while ((await mailOf(site, signUp)) === undefined) {
        assert.ok(Date.now() - started < MAIL_WITHIN_MS, `no mail for ${signUp.email}`);
        await sleep(500);
      }
    });
    t.diagnostic(`the last one came after ${Math.round((Date.now() - started) / 1000)} s`);
  });
});

/** Signs up, verifies and refreshes, across all kills. */
async function client(world, number, random) {
  /** Sign-ups whose mail has not been seen. */
  const waiting = [];
  const mine = [];
  for (let turn = 0; world.running; turn += 1) {
    const choice = random();
    if (choice < 0.15) {
      const signUp = await signedUp(world, `client-${number}-turn-${turn}`);
      if (signUp !== undefined) waiting.push(signUp);
    } else if (choice < 0.5 && waiting.length > 0) {
      const index = Math.floor(random() * waiting.length);
      const mail = await mailOf(world.site, waiting[index]);
      if (mail === undefined) continue;
      const [signUp] = waiting.splice(index, 1);
      const user = await verified(world, signUp, mail.code);
      mine.push(user);
      world.users.push(user);
    } else if (mine.length > 0) {
      await refresh(world, mine[Math.floor(random() * mine.length)]);
    }
    await sleep(60);
  }
}

/** A sign-up that was answered; `undefined` if it was not before the end. */
async function signedUp(world, client) {
  const { site, signUps, counts } = world;
  for (let attempt = 0; world.running; attempt += 1) {
    // An address of its own for each attempt: whether one that was not answered is mailed too, nobody knows.
    const email = `${client}-attempt-${attempt}@users.test`;
    const password = `a fine password of ${email}`;
    try {
      const { status, body } = await site.ask("/api/v1/auth/signup", { email, name: "Somebody", password });
      assert.equal(status, 202, JSON.stringify(body));
      const signUp = { email, password, registration: body.registration };
      signUps.push(signUp);
      return signUp;
    } catch (error) {
      countLost(counts, error);
    }
  }
  return undefined;
}

async function mailOf(site, { email }) {
  const { body } = await site.insist(`/dev/mailbox?to=${encodeURIComponent(email)}`);
  return body[0];
}

/** The account of a code, with the same request until there is an answer. */
async function verified({ site, counts }, { email, password, registration }, otp) {
  for (;;) {
    try {
      const { status, body } = await site.ask("/api/v1/auth/verify-signup", { email, otp, registration });
      assert.equal(status, 200, `${email}: ${JSON.stringify(body)}`);
      return { email, password, accessToken: body.access_token, refreshToken: body.refresh_token };
    } catch (error) {
      countLost(counts, error);
    }
  }
}

/** One refresh; if the reply is lost, again with the token at hand. */
async function refresh({ site, counts }, user) {
  for (;;) {
    try {
      const { status, body } = await site.ask("/api/v1/auth/refresh", { refresh_token: user.refreshToken });
      assert.equal(status, 200, `${user.email} was signed out: ${JSON.stringify(body)}`);
      const steps = generationOf(body.refresh_token) - generationOf(user.refreshToken);
      assert.ok(steps === 0 || steps === 1, `${user.email}: ${steps} generations on`);
      counts.refreshes += 1;
      counts.rotations += steps;
      user.accessToken = body.access_token;
      user.refreshToken = body.refresh_token;
      return;
    } catch (error) {
      countLost(counts, error);
    }
  }
}

function countLost(counts, error) {
  if (!(error instanceof Lost)) throw error;
  counts.lost += 1;
}

/** Version, edge key id, account and session come before it in a refresh token. */
function generationOf(refreshToken) {
  return Buffer.from(refreshToken.slice("prt_".length, -6), "base64url").readUInt32BE(1 + 4 + 16 + 16);
}

/** A few at a time. */
async function inTurn(items, act) {
  const rest = [...items];
  const worker = async () => {
    while (rest.length > 0) await act(rest.shift());
  };
  await Promise.all(Array.from({ length: CLIENTS }, worker));
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
