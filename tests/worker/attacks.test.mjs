// Attacks that go through more than one flow, and races of very many. Attacks on one flow are with that flow.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import {
  PASSWORD, accountsOf, claimsOf, client, cooled, granted, newAddress, refused, startOpenServer, tokenOf,
} from "./support/accounts.mjs";
import { sleep } from "./support/people.mjs";
import { startPersistentServer } from "./support/server.mjs";

const [NEW, STOLEN] = ["a password of tomorrow", "the password of the attacker"];
const SUBJECTS = {
  "request-otp": "Your code to sign in",
  "request-login-link": "Your link to sign in",
  "request-password-reset": "Reset your password",
  "request-email-verification": "Your code to confirm this address",
};

describe("across flows", () => {
  let server;
  let directory;
  let owner;
  let thief;
  before(async () => {
    server = await startOpenServer();
    ({ DIRECTORY: directory } = await server.getEnv());
    owner = client(server, "198.51.100.1");
    thief = client(server, "203.0.113.66");
  });
  after(() => server?.stop());

  async function person() {
    const email = newAddress();
    const tokens = await owner.account(email);
    return { email, account: claimsOf(tokens.access_token).sub, bearer: tokens.access_token, ...tokens };
  }

  /** As an import would leave it. */
  async function unproven() {
    const me = await person();
    await directory.prepare("UPDATE identifiers SET verified_at = NULL WHERE value = ?").bind(me.email).run();
    return me;
  }

  const mailed = (route, email) => owner.mailed(route, email, SUBJECTS[route]);
  const secretOf = ({ code, link }) => code ?? tokenOf({ link });

  /** Has an address change mailed; the code that came to the new address. */
  async function changing(me, to, by = owner) {
    assert.equal((await by.post("request-email-change", { email: to, current_password: PASSWORD }, { bearer: me.bearer })).status, 202);
    return (await by.untilMails(to, 1))[0].code;
  }

  async function guessesForgotten() {
    for (let shard = 0; shard < 16; shard += 1) {
      const storage = await server.objectStorage("INTAKE", `v1/intake/${String(shard).padStart(2, "0")}`);
      if ((await storage.exec("SELECT name FROM sqlite_master WHERE name = 'budgets'")).length > 0) await storage.exec("DELETE FROM budgets");
    }
  }

  test("a code or link is worth nothing where another kind is taken", async () => {
    const me = await unproven();
    const [next, pending] = [newAddress(), newAddress()];
    const login = secretOf(await mailed("request-otp", me.email));
    const link = secretOf(await mailed("request-login-link", me.email));
    const reset = secretOf(await mailed("request-password-reset", me.email));
    const proof = secretOf(await mailed("request-email-verification", me.email));
    const change = await changing(me, next);
    const { code: signUp, registration } = await owner.signUp(pending, { password: PASSWORD });
    const by = { bearer: me.bearer };
    // Where each is taken, and the order in which none takes another's worth away.
    const places = [
      [proof, (secret) => owner.post("verify-email", { email: me.email, otp: secret })],
      [login, (secret) => owner.post("verify-login", { email: me.email, otp: secret })],
      [link, (secret) => owner.post("verify-login-link", { token: secret })],
      [signUp, (secret) => owner.verify({ email: pending, otp: secret, registration })],
      [undefined, (secret) => owner.verify({ email: me.email, otp: secret })],
      [undefined, (secret) => owner.post("verify-login", { email: pending, otp: secret })],
      [undefined, (secret) => owner.post("set-password", { token: secret, password: STOLEN })],
      [change, (secret) => owner.post("confirm-email-change", { email: next, otp: secret }, by)],
      [reset, (secret) => owner.post("reset-password", { token: secret, password: NEW })],
    ];
    const isLink = (secret) => secret.startsWith("psl_");
    for (const [right, present] of places) {
      const wants = right === undefined ? undefined : isLink(right);
      for (const [secret] of places) {
        // Five guesses kill a code, and what is not even of its kind need not be one of them.
        if (secret === undefined || secret === right || (wants !== undefined && isLink(secret) !== wants)) continue;
        const { status } = await present(secret);
        assert.equal(status, 400, `${secret} instead of ${right}`);
      }
    }
    // So many guesses at an address kill its short codes, which is another test's subject.
    await guessesForgotten();
    // And each still does what it is for: the address is the new one before the reset, which was asked for the old.
    for (const [index, [right, present]] of places.entries()) {
      if (right !== undefined && right !== reset) assert.equal((await present(right)).status, 200, `place ${index}`);
    }
    refused(await owner.post("reset-password", { token: reset, password: NEW }), 400, "code_invalid");
    granted(await owner.login(next, PASSWORD));
  });

  test("what was used is used up, for whoever finds it later", async () => {
    const me = await unproven();
    const login = secretOf(await mailed("request-otp", me.email));
    granted(await owner.post("verify-login", { email: me.email, otp: login }));
    const link = secretOf(await mailed("request-login-link", me.email));
    granted(await owner.post("verify-login-link", { token: link }));
    const proof = secretOf(await mailed("request-email-verification", me.email));
    assert.equal((await owner.post("verify-email", { email: me.email, otp: proof })).status, 200);
    const reset = secretOf(await mailed("request-password-reset", me.email));
    assert.equal((await owner.post("reset-password", { token: reset, password: NEW })).status, 200);
    const { access_token: bearer } = granted(await owner.login(me.email, NEW));
    const next = newAddress();
    assert.equal((await owner.post("request-email-change", { email: next, current_password: NEW }, { bearer })).status, 202);
    const [{ code: change }] = await owner.untilMails(next, 1);
    assert.equal((await owner.post("confirm-email-change", { email: next, otp: change }, { bearer })).status, 200);
    // The thief has an account too, and every secret that the owner had.
    const { access_token: theirs } = await thief.account(newAddress());
    for (const email of [me.email, next]) {
      refused(await thief.post("verify-login", { email, otp: login }), 400, "code_invalid");
      refused(await thief.post("verify-email", { email, otp: proof }), 400, "code_invalid");
      refused(await thief.post("confirm-email-change", { email, otp: change }, { bearer: theirs }), 400, "code_invalid");
    }
    refused(await thief.post("verify-login-link", { token: link }), 400, "code_invalid");
    refused(await thief.post("reset-password", { token: reset, password: STOLEN }), 400, "code_invalid");
    granted(await owner.login(next, NEW));
  });

  test("a mail takes the worth of the one before, whatever it is for", async () => {
    const me = await unproven();
    const presented = {
      "request-otp": (secret) => owner.post("verify-login", { email: me.email, otp: secret }),
      "request-login-link": (secret) => owner.post("verify-login-link", { token: secret }),
      "request-email-verification": (secret) => owner.post("verify-email", { email: me.email, otp: secret }),
      "request-password-reset": (secret) => owner.post("reset-password", { token: secret, password: NEW }),
    };
    for (const [route, present] of Object.entries(presented)) {
      const first = secretOf(await mailed(route, me.email));
      await cooled(server);
      const second = secretOf(await mailed(route, me.email));
      if (first !== second) refused(await present(first), 400, "code_invalid");
      assert.equal((await present(second)).status, 200, route);
    }
  });

  test("a reset throws out a thief who holds a session, a code, a link, the password and a change of the address", async () => {
    const me = await person();
    const stolen = granted(await thief.login(me.email, PASSWORD));
    const theirs = newAddress("mallory");
    const change = await changing({ bearer: stolen.access_token }, theirs, thief);
    const code = secretOf(await mailed("request-otp", me.email));
    const link = secretOf(await mailed("request-login-link", me.email));
    const reset = secretOf(await mailed("request-password-reset", me.email));
    assert.equal((await owner.post("reset-password", { token: reset, password: NEW })).status, 200);

    refused(await thief.post("refresh", { refresh_token: stolen.refresh_token }), 401, "refresh_invalid");
    refused(await thief.validate(stolen.access_token, "strict"), 401, "session_revoked");
    refused(await thief.login(me.email, PASSWORD), 401, "invalid_credentials");
    refused(await thief.post("confirm-email-change", { email: theirs, otp: change }, { bearer: stolen.access_token }), 401, "session_revoked");
    refused(await thief.post("change-password", { current_password: PASSWORD, new_password: STOLEN }, { bearer: stolen.access_token }), 401, "session_revoked");
    refused(await thief.post("verify-login", { email: me.email, otp: code }), 400, "code_invalid");
    refused(await thief.post("verify-login-link", { token: link }), 400, "code_invalid");
    refused(await thief.post("reset-password", { token: reset, password: STOLEN }), 400, "code_invalid");

    const { access_token: bearer } = granted(await owner.login(me.email, NEW));
    // Nor does the owner confirm it by mistake: the code was for a credential that is gone.
    refused(await owner.post("confirm-email-change", { email: theirs, otp: change }, { bearer }), 400, "code_invalid");
    assert.equal((await owner.me(bearer)).body.email, me.email);
  });

  test("logins with the old password that race a reset leave no session", async () => {
    for (let round = 0; round < 5; round += 1) {
      const me = await person();
      const reset = secretOf(await mailed("request-password-reset", me.email));
      const attempts = Array.from({ length: 12 }, async (_, index) => {
        await sleep(index * 3);
        return thief.login(me.email, PASSWORD);
      });
      await sleep(12);
      const done = await owner.post("reset-password", { token: reset, password: NEW });
      assert.equal(done.status, 200, done.text);
      for (const answer of await Promise.all(attempts)) {
        if (answer.status !== 200) {
          refused(answer, 401, "invalid_credentials");
          continue;
        }
        const { access_token: access, refresh_token: refresh } = granted(answer);
        assert.equal((await thief.validate(access, "strict")).status, 401);
        refused(await thief.post("refresh", { refresh_token: refresh }), 401, "refresh_invalid");
      }
      refused(await thief.login(me.email, PASSWORD), 401, "invalid_credentials");
      const { access_token: bearer } = granted(await owner.login(me.email, NEW));
      assert.equal((await owner.sessions(bearer)).body.sessions.length, 1);
    }
  });

  test("a hundred at once with one code are one session", async () => {
    const me = await person();
    const otp = secretOf(await mailed("request-otp", me.email));
    const answers = await Promise.all(Array.from({ length: 100 }, (_, index) => client(server, `10.1.0.${index}`).post("verify-login", { email: me.email, otp })));
    const won = answers.filter(({ status }) => status === 200);
    assert.equal(won.length, 1);
    for (const answer of answers) if (answer !== won[0]) refused(answer, 400, "code_invalid");
    // That one and the sign-up's.
    assert.equal((await owner.sessions(granted(won[0]).access_token)).body.sessions.length, 2);
  });

  test("a hundred at once with one link are one session", async () => {
    const me = await person();
    const token = secretOf(await mailed("request-login-link", me.email));
    const answers = await Promise.all(Array.from({ length: 100 }, () => thief.post("verify-login-link", { token })));
    const won = answers.filter(({ status }) => status === 200);
    assert.equal(won.length, 1);
    assert.equal((await owner.sessions(granted(won[0]).access_token)).body.sessions.length, 2);
  });

  test("two confirm one address with fifty requests at once: one account, one session, one password", async () => {
    const email = newAddress();
    const attempts = [];
    for (const [by, password] of [[owner, PASSWORD], [thief, STOLEN]]) attempts.push({ by, password, ...(await by.signUp(email, { password })) });
    const answers = await Promise.all(Array.from({ length: 50 }, async (_, index) => {
      const { by, password, code, registration } = attempts[index % 2];
      return { password, answer: await by.verify({ email, otp: code, registration }) };
    }));
    const won = answers.filter(({ answer }) => answer.status === 200);
    assert.ok(won.length >= 1);
    for (const { answer } of answers) if (answer.status !== 200) refused(answer, 400, "code_invalid");
    // Repetitions of the same request get the same session; nobody of the other attempt gets anything.
    assert.equal(new Set(won.map(({ password }) => password)).size, 1);
    const claims = won.map(({ answer }) => claimsOf(granted(answer).access_token));
    assert.equal(new Set(claims.map(({ sub, sid }) => `${sub} ${sid}`)).size, 1);
    assert.equal((await accountsOf(server, email)).length, 1);
    for (const { password } of attempts) {
      const answer = await owner.login(email, password);
      if (password === won[0].password) granted(answer);
      else refused(answer, 401, "invalid_credentials");
    }
  });
});

describe("a limit", () => {
  const [COUNT, PERIOD_SECONDS] = [4, 8];
  let server;
  before(async () => {
    server = await startOpenServer({ vars: { limits: { code_per_source: { count: COUNT, period_seconds: PERIOD_SECONDS } } } });
  });
  after(() => server?.stop());

  test("is not doubled by whoever waits for the end of a period", async () => {
    const who = client(server, "192.0.2.99");
    const ask = async (times) => {
      const answers = await Promise.all(Array.from({ length: times }, () => who.post("request-otp", { email: newAddress() })));
      for (const answer of answers) if (answer.status !== 202) refused(answer, 429, "rate_limited");
      return answers.filter(({ status }) => status === 202).length;
    };
    // A counter that starts anew with each period would begin one here …
    assert.equal(await ask(1), 1);
    await sleep(PERIOD_SECONDS * 1_000 - 1_000);
    // … give the whole count just before its end, and again just after it.
    const start = Date.now();
    let admitted = await ask(COUNT + 2);
    assert.equal(admitted, COUNT, "the last one that is admitted, and the first one that is not");
    await sleep(1_200);
    admitted += await ask(COUNT + 2);
    const earned = Math.floor((Date.now() - start) / (PERIOD_SECONDS * 1_000 / COUNT));
    assert.ok(admitted <= COUNT + earned && admitted < 2 * COUNT, `${admitted} in ${Date.now() - start} ms`);
  });
});

describe("another tenant on the same stores", () => {
  test("takes nothing that was mailed or issued for the first", async () => {
    const vars = (tenant) => ({ tenant, passwords: { memory_kib: 64, iterations: 1 } });
    const first = await startPersistentServer({ vars: vars("one") });
    let second;
    try {
      const it = client(first);
      const email = newAddress();
      const { access_token: access, refresh_token: refresh } = await it.account(email);
      const otp = (await it.mailed("request-otp", email, SUBJECTS["request-otp"])).code;
      const link = tokenOf(await it.mailed("request-login-link", email, SUBJECTS["request-login-link"]));
      const reset = tokenOf(await it.mailed("request-password-reset", email, SUBJECTS["request-password-reset"]));
      await first.kill();
      second = await startPersistentServer({ vars: vars("two"), persistTo: first.persistTo });
      const there = client(second);
      refused(await there.post("verify-login", { email, otp }), 400, "code_invalid");
      refused(await there.post("verify-login-link", { token: link }), 400, "code_invalid");
      refused(await there.post("reset-password", { token: reset, password: STOLEN }), 400, "code_invalid");
      refused(await there.login(email, PASSWORD), 401, "invalid_credentials");
      refused(await there.post("refresh", { refresh_token: refresh }), 401, "refresh_invalid");
      for (const mode of ["jwt_only", "strict"]) refused(await there.validate(access, mode), 401, "tenant_mismatch");
      // The address is free there, and the account of the first is not what its sign-up opens.
      const { access_token: other } = await there.account(email, NEW);
      assert.notEqual(claimsOf(other).sub, claimsOf(access).sub);
    } finally {
      await second?.stop();
      await first.stop();
    }
  });
});
