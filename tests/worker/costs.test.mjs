// What each flow asks of the stores, counted, and the budgets. The table in docs/costs.md is exactly what is counted
// here: POSTERN_WRITE_COSTS=1 writes it anew.

import assert from "node:assert/strict";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { AUTH, COUNTED_LIMITS, PASSWORD, client, newAddress, startOpenServer, tokenOf } from "./support/accounts.mjs";
import { bound, holder, newKey } from "./support/dpop.mjs";
import { SoftwarePasskey } from "./support/passkeys.mjs";
import { until, untilQuiet } from "./support/people.mjs";
import { ROOT } from "./support/server.mjs";

const PAGE = join(ROOT, "docs/costs.md");
const SHARDS = 16;

/**
 * The flows of the table: what is sent, by whom, and what has happened before, which is not counted. Everybody is an
 * account of their own with one session.
 */
const FLOWS = [
  ["signup", { send: (it) => it.owner.post("signup", { email: newAddress(), name: "Ada", password: PASSWORD }), status: 202 }],
  ["verify-signup", { before: (it) => it.owner.signUp(it.stranger, { password: PASSWORD }), send: (it, { registration, code }) => it.owner.post("verify-signup", { email: it.stranger, otp: code, registration }) }],
  ["resend-signup", { before: (it) => it.owner.signUp(it.stranger, { password: PASSWORD }), send: (it, { registration }) => it.owner.post("resend-signup", { email: it.stranger, registration }), status: 202 }],
  ["login", { send: (it) => it.owner.login(it.email, PASSWORD) }],
  ["login, wrong password", { send: (it) => it.owner.login(it.email, "not the password"), status: 401 }],
  ["login, unknown address", { send: (it) => it.owner.login(it.stranger, "not the password"), status: 401 }],
  ["passkeys/authentication", { send: (it) => it.owner.post("passkeys/authentication", {}) }],
  ["passkeys/login", { before: (it) => it.answerOfPasskey(), send: (it, credential) => it.owner.post("passkeys/login", { credential }) }],
  ["refresh", { send: (it) => it.owner.post("refresh", { refresh_token: it.tokens.refresh_token }) }],
  ["validate, jwt_only", { send: (it) => it.owner.validate(it.access, "jwt_only") }],
  ["validate, hybrid", { whileFresh: true, before: (it) => it.fresh(), send: (it) => it.owner.validate(it.access, "hybrid") }],
  ["validate, strict", { send: (it) => it.owner.validate(it.access, "strict") }],
  ["me", { whileFresh: true, before: (it) => it.fresh(), send: (it) => it.owner.me(it.access) }],
  ["me, by cookie", { whileFresh: true, before: (it) => it.fresh(), send: (it) => it.page("me") }],
  ["session, by cookie", { whileFresh: true, before: (it) => it.fresh(), send: (it) => it.page("session") }],
  ["sessions", { whileFresh: true, before: (it) => it.fresh(), send: (it) => it.owner.sessions(it.access) }],
  ["sessions/revoke-all", { send: (it) => it.owner.post("sessions/revoke-all", {}, { bearer: it.access }) }],
  ["logout", { send: (it) => it.owner.post("logout", { refresh_token: it.tokens.refresh_token }) }],
  ["request-otp", { send: (it) => it.owner.post("request-otp", { email: it.email }), status: 202 }],
  ["verify-login", { before: (it) => it.code("request-otp"), send: (it, otp) => it.owner.post("verify-login", { email: it.email, otp }) }],
  ["request-login-link", { send: (it) => it.owner.post("request-login-link", { email: it.email }), status: 202 }],
  ["verify-login-link", { before: (it) => it.link("request-login-link"), send: (it, token) => it.owner.post("verify-login-link", { token }) }],
  ["request-password-reset", { send: (it) => it.owner.post("request-password-reset", { email: it.email }), status: 202 }],
  ["reset-password", { before: (it) => it.link("request-password-reset"), send: (it, token) => it.owner.post("reset-password", { token, password: "a password of tomorrow" }) }],
  ["change-password", { send: (it) => it.owner.post("change-password", { current_password: PASSWORD, new_password: "a password of tomorrow" }, { bearer: it.access }) }],
  ["login, with a key", { before: (it) => it.keyed(), send: (it, { holds }) => holds.login(it.email, PASSWORD) }],
  ["refresh, with a key", { before: (it) => it.keyed(), send: (it, { holds, tokens }) => holds.refresh(tokens.refresh_token) }],
  ["me, with a key", { before: (it) => it.keyed(), send: (it, { holds, tokens }) => holds.me(tokens.access_token) }],
  ["request-email-change", { send: (it) => it.changing(), status: 202 }],
  ["confirm-email-change", { before: (it) => it.changingCode(), send: (it, otp) => it.owner.post("confirm-email-change", { email: it.stranger, otp }, { bearer: it.access }) }],
];

test("no statement and no alarm of an object passes by the counters", () => {
  const doors = { "exec(": ["object/sql.rs"], "set_alarm(": ["object/alarm.rs"] };
  const folder = join(ROOT, "worker/src");
  for (const path of readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".rs"))) {
    const source = readFileSync(join(folder, path), "utf8");
    for (const [call, allowed] of Object.entries(doors)) assert.ok(allowed.includes(path) || !source.includes(`.${call}`), `${path} calls ${call}`);
  }
});

describe("the costs of a flow", () => {
  let server;
  const people = new Map();
  const counted = new Map();

  before(async () => {
    server = await startOpenServer({ vars: { limits: COUNTED_LIMITS, codes: { resend_after_seconds: 0 }, cookies: { mode: "beside" } } });
    await everyShardWasUsed();
    await Promise.all(FLOWS.map(async ([flow]) => people.set(flow, await somebody())));
    await untilQuiet(server);
  });
  after(() => server?.stop());

  /** A shard makes its tables with its first call; a deployment has that behind it. */
  async function everyShardWasUsed() {
    let sources = 0;
    const visitor = () => client(server, `203.0.113.${(sources += 1) % 256}`);
    await untilUsed("LIMITER", "buckets", () => visitor().login(newAddress(), "not the password"));
    // A shard of the intake notes its number with its first mail.
    await untilUsed("INTAKE", "shard", () => visitor().post("signup", { email: newAddress(), name: "Ada" }));
  }

  async function untilUsed(binding, table, use) {
    for (let shard = 0; shard < SHARDS; shard += 1) {
      const storage = await server.objectStorage(binding, `v1/${binding.toLowerCase()}/${String(shard).padStart(2, "0")}`);
      const used = async () =>
        (await storage.exec("SELECT name FROM sqlite_master WHERE name = ?", table)).length > 0 && (await storage.exec(`SELECT 1 FROM ${table} LIMIT 1`)).length > 0;
      while (!(await used())) await use();
    }
  }

  async function somebody() {
    const owner = client(server);
    const [email, stranger] = [newAddress(), newAddress()];
    const tokens = await owner.account(email);
    // Its revocation shard is written for the first time.
    await owner.validate(tokens.access_token, "hybrid");
    const it = {
      owner,
      email,
      stranger,
      tokens,
      access: tokens.access_token,
      page: (route) => owner.send("GET", `${AUTH}/${route}`, { headers: { cookie: `__Host-postern_session=${tokens.access_token}` } }),
      code: async (route) => (await owner.mailed(route, email, SUBJECTS[route])).code,
      link: async (route) => tokenOf(await owner.mailed(route, email, SUBJECTS[route])),
      answerOfPasskey: async () => {
        const passkey = new SoftwarePasskey();
        const bearer = tokens.access_token;
        const credential = passkey.create((await owner.post("passkeys/registration", { current_password: PASSWORD }, { bearer })).body);
        assert.equal((await owner.post("passkeys", { name: "laptop", credential }, { bearer })).status, 201);
        return passkey.get((await owner.post("passkeys/authentication", {})).body);
      },
      keyed: async () => {
        const key = await newKey();
        const holds = holder(owner, key);
        return { holds, tokens: bound(await holds.login(email, PASSWORD), key) };
      },
      changing: () => owner.post("request-email-change", { email: stranger, current_password: PASSWORD }, { bearer: tokens.access_token }),
      changingCode: async () => {
        assert.equal((await it.changing()).status, 202);
        return (await owner.untilMails(stranger, 1))[0].code;
      },
      // Twice, since the copy of the shard at the edge follows the first.
      fresh: () => until("the shard at the edge is fresh", async () => {
        await owner.validate(tokens.access_token, "hybrid");
        const { answer } = await operations();
        return answer.account === 0 && answer.revocation === 0;
      }),
    };
    return it;
  }

  const operations = async () => (await server.fetch("/dev/operations")).json();

  async function costsOf(flow, { before: prepare, send, status = 200 }) {
    const person = people.get(flow);
    let prepared;
    if (prepare) {
      prepared = await prepare(person);
      await untilQuiet(server);
    }
    const { status: answered, text } = await send(person, prepared);
    assert.equal(answered, status, text);
    return untilQuiet(server);
  }

  /** On a slow machine the copy at the edge may have grown old again before it was read: that is another request. */
  async function costsWhileFresh(flow, steps) {
    for (let time = 1; ; time += 1) {
      const costs = await costsOf(flow, steps);
      if (costs.total.revocation === 0 || time === 5) return costs;
    }
  }

  for (const [flow, steps] of FLOWS) {
    test(flow, async () => {
      const { answer, total } = await (steps.whileFresh ? costsWhileFresh : costsOf)(flow, steps);
      assert.ok(Object.values(total).every(Number.isInteger), JSON.stringify(total));
      counted.set(flow, { answer, total });
    });
  }

  test("of a refresh is one call and two rows, where sources are not limited", async () => {
    const unlimited = await startOpenServer();
    try {
      const owner = client(unlimited);
      const { refresh_token } = await owner.account(newAddress());
      // As old as it must be to be replaced, and everything delivered that the sign-up has left.
      await untilQuiet(unlimited);
      assert.equal((await owner.post("refresh", { refresh_token })).status, 200);
      const { answer } = await (await unlimited.fetch("/dev/operations")).json();
      assert.deepEqual([answer.account, answer.limiter, answer.intake, answer.revocation], [1, 0, 0, 0]);
      assert.ok(answer.object_rows_written <= 2, `${answer.object_rows_written} rows`);
    } finally {
      await unlimited.stop();
    }
  });

  test("is within the budgets", () => {
    const { answer: refreshed, total: afterRefresh } = counted.get("refresh");
    assert.deepEqual([refreshed.account, refreshed.intake, refreshed.revocation, refreshed.limiter], [1, 0, 0, 1]);
    assert.equal(afterRefresh.d1_statements + afterRefresh.kv_reads + afterRefresh.kv_writes + afterRefresh.queue_messages, 0);
    for (const flow of ["login", "passkeys/login", "verify-login", "verify-login-link", "login, with a key"]) {
      assert.ok(counted.get(flow).total.d1_rows_written <= 3, flow);
    }
    // A page asks the account nothing; what is limited is counted by its limiter.
    for (const flow of ["me", "me, by cookie", "session, by cookie"]) {
      const { total } = counted.get(flow);
      assert.deepEqual([total.account, total.intake, total.revocation, total.kv_reads, total.kv_writes], [0, 0, 0, 2, 0], flow);
    }
    const { total: page } = counted.get("session, by cookie");
    assert.equal(page.limiter + page.d1_statements + page.object_rows_written + page.queue_messages, 0);
    // A key costs what its proof is remembered by, and no call.
    for (const flow of ["login", "refresh"]) {
      const [without, withKey] = [counted.get(flow).answer, counted.get(`${flow}, with a key`).answer];
      assert.deepEqual([withKey.account, withKey.limiter, withKey.intake], [without.account, without.limiter, without.intake], flow);
    }
    for (const flow of ["validate, jwt_only", "validate, hybrid", "validate, strict"]) {
      const { total } = counted.get(flow);
      assert.equal(total.object_rows_written + total.d1_rows_written + total.kv_writes, 0, flow);
    }
  });

  test("is what docs/costs.md says", () => {
    assert.equal(counted.size, FLOWS.length);
    const page = readFileSync(PAGE, "utf8");
    const [before, rest] = page.split("<!-- counted -->\n");
    assert.ok(rest, "docs/costs.md has no place for the table");
    const after = rest.slice(rest.indexOf("<!-- end -->"));
    const written = `${before}<!-- counted -->\n${tableOf(counted)}${after}`;
    if (process.env.POSTERN_WRITE_COSTS === "1") writeFileSync(PAGE, written);
    else assert.equal(page, written);
  });
});

const SUBJECTS = {
  "request-otp": "Your code to sign in",
  "request-login-link": "Your link to sign in",
  "request-password-reset": "Reset your password",
};

/** Columns of the table. What alarms do may come before the answer or after it, so it is not told apart. */
const COLUMNS = [
  ["limiter", "split"],
  ["intake", "split"],
  ["account", "split"],
  ["revocation", "split"],
  ["object_rows_written", "sum"],
  ["d1_statements", "split"],
  ["d1_rows_read", "split"],
  ["d1_rows_written", "split"],
  ["kv_reads", "sum"],
  ["kv_writes", "sum"],
  ["queue_messages", "sum"],
];

function tableOf(counted) {
  const row = (cells) => `| ${cells.join(" | ")} |\n`;
  const cell = ({ answer, total }) => ([name, kind]) => {
    const later = total[name] - answer[name];
    return kind === "sum" || later === 0 ? total[name] : `${answer[name]} + ${later}`;
  };
  const head = ["flow", ...COLUMNS.map(([name]) => name.replaceAll("_", " ").replace(/^(d1|kv)/, (store) => store.toUpperCase()))];
  const rows = [...counted].map(([flow, counts]) => row([`\`${flow}\``.replace(/`(\S+), (.*)`/, "`$1`, $2"), ...COLUMNS.map(cell(counts))]));
  return row(head) + row(head.map(() => "---")) + rows.join("");
}
