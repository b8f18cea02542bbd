// Who is there: answered from the copies at the edge, never by a copy that is not the token's own or not from lately, and
// never beyond the bound on revocations.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { client } from "./support/accounts.mjs";
import { enrol } from "./support/authenticator.mjs";
import { operatorOf, startOperated } from "./support/operator.mjs";
import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { PASSWORD, claimsOf, get, logIn, post, refused, refresh, signUp, sleep, storedSession, tokensOf, until, validate } = people;
const STALENESS_SECONDS = 2;
const BOUND_MILLISECONDS = STALENESS_SECONDS * 1_000;
const CLOCK_MILLISECONDS = 20;
const NO_CACHE = { "cache-control": "no-cache" };

const shardKey = ({ account }) => `v1/revocation/${String(parseInt(account.slice(0, 2), 16) % 16).padStart(2, "0")}`;
const snapshotKey = ({ account, session }) => `v1/session/${account}/${session}`;
const operations = (answer) => answer.headers.get("x-postern-operations");
const byCookie = (person, headers = {}) => ({ headers: { cookie: `__Host-postern_session=${person.access}`, ...headers } });
const vars = (rest = {}) => ({ cookies: { mode: "beside" }, validation: { mode: "hybrid", staleness_seconds: STALENESS_SECONDS }, ...rest });

describe("the session of a page", () => {
  let server, operator, ada, edge;
  before(async () => {
    server = await startOperated({}, vars());
    operator = operatorOf(server);
    ada = await signUp(server);
    edge = (await server.getEnv()).EDGE;
  });
  after(() => server?.stop());

  const session = (person, headers) => get(server, "session", byCookie(person, headers));
  const copied = (person) => until("the copy at the edge", () => edge.get(snapshotKey(person)));
  const freshShard = (person) =>
    until("a fresh shard", async () => {
      await validate(server, person.access, "hybrid");
      const text = await edge.get(shardKey(person));
      return text !== null && Date.now() - JSON.parse(text).written_at < 500 ? text : undefined;
    });
  /** Asks while the shard is fresh. */
  const askedFresh = async (person, route, wanted, headers) => {
    let answer;
    await until(`${route}: ${wanted}`, async () => {
      await freshShard(person);
      answer = await get(server, route, byCookie(person, headers));
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return wanted.test(operations(answer));
    });
    return answer;
  };
  /** Whether the answer came from the edge alone. */
  const EDGE_ALONE = /^objects=0 d1=0 kv=2$/;
  const ASKED = /^objects=1 d1=0 kv=2$/;

  test("is said from the edge alone", async () => {
    const person = await logIn(server, ada);
    await copied(person);
    const { body, headers } = await askedFresh(person, "session", EDGE_ALONE);
    const [claims, stored] = [claimsOf(person.access), await storedSession(server, person)];
    assert.deepEqual(body, {
      account_id: person.account, session_id: person.session, tenant: claims.tid, roles: ["user"], permissions: ["docs:read", "docs:write"], entitlements: [],
      amr: ["pwd"], auth_time: claims.auth_time, is_2fa_enabled: false, created_at: stored.created_at, expires_at: stored.absolute_expires_at,
    });
    assert.equal(headers.get("cache-control"), "no-store");
    assert.deepEqual((await get(server, "session", { bearer: person.access })).body, body);
    refused(await get(server, "session"), 401, "token_missing");
  });

  test("is all that me asks for beside the directory", async () => {
    const person = await logIn(server, ada);
    await copied(person);
    const { body } = await askedFresh(person, "me", /^objects=0 d1=1 kv=2$/);
    assert.deepEqual([body.id, body.is_2fa_enabled], [person.account, false]);
  });

  test("is the account's own word for whoever wants nothing that is kept", async () => {
    const person = await logIn(server, ada);
    await copied(person);
    await askedFresh(person, "session", /^objects=1 d1=0 kv=1$/, NO_CACHE);
    await askedFresh(person, "session", /^objects=1 d1=0 kv=1$/, { "cache-control": "max-age=0, No-Cache" });
    await askedFresh(person, "session", EDGE_ALONE, { "cache-control": "max-age=60" });
  });

  describe("with a copy that is", () => {
    const record = (text) => text.slice(text.indexOf(".") + 1);
    const tag = (text) => text.slice(0, text.indexOf("."));
    const copies = {
      "missing": () => undefined,
      "empty": () => "",
      "no copy at all": () => "}{",
      "without its tag": ({ own }) => record(own),
      "with another's tag": ({ own, other }) => `${tag(other)}.${record(own)}`,
      "with a tag of nothing": ({ own }) => `.${record(own)}`,
      "changed": ({ own }) => own.replace('"is_second_factor_enabled":false', '"is_second_factor_enabled":true'),
      "prolonged": ({ own }) => own.replace(/"expires_at":(\d)/, '"expires_at":9$1'),
      "of another session": ({ other }) => other,
      "of another account": ({ stranger }) => stranger,
      "of an earlier form": ({ person }) => JSON.stringify({ account: person.account, session: person.session, created_at: 1, expires_at: Date.now() + 1e6 }),
    };
    for (const [what, make] of Object.entries(copies)) {
      test(`${what}: the account is asked, and says what is so`, async () => {
        const [person, second, eve] = [await logIn(server, ada), await logIn(server, ada), await signUp(server)];
        const [own, other, stranger] = [await copied(person), await copied(second), await copied(eve)];
        const copy = make({ own, other, stranger, person });
        assert.notEqual(copy, own);
        if (copy === undefined) await edge.delete(snapshotKey(person));
        else await edge.put(snapshotKey(person), copy);
        const { body } = await askedFresh(person, "session", ASKED);
        const stored = await storedSession(server, person);
        assert.deepEqual([body.is_2fa_enabled, body.created_at, body.expires_at], [false, stored.created_at, stored.absolute_expires_at]);
        assert.deepEqual([body.account_id, body.session_id], [person.account, person.session]);
      });
    }
  });

  test("follows second factors, and at once for whoever wants nothing that is kept", async () => {
    const person = await signUp(server);
    await copied(person);
    const page = client(server);
    await enrol(page, { access_token: person.access }, PASSWORD);
    const { body } = await session(person, NO_CACHE);
    assert.equal(body.is_2fa_enabled, true);
    await until("the copy says so", async () => {
      const { body: now } = await askedFresh(person, "session", EDGE_ALONE);
      return now.is_2fa_enabled;
    });
  });

  test("is not forged: no copy makes a token good that is not", async () => {
    const person = await logIn(server, ada);
    await copied(person);
    const [header, payload, signature] = person.access.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
    const other = Buffer.from(JSON.stringify({ ...claims, roles: ["admin"] })).toString("base64url");
    const flipped = (signature[0] === "A" ? "B" : "A") + signature.slice(1);
    for (const access of [`${header}.${other}.${signature}`, `${header}.${payload}.${flipped}`]) {
      refused(await session({ access }), 401, "signature_invalid");
    }
    for (const access of [await edge.get(snapshotKey(person)), person.refresh, "x"]) {
      assert.equal((await session({ access })).status, 401);
    }
  });

  const endings = {
    "logged out": [(person) => post(server, "logout", { refresh_token: person.refresh }), "session_revoked"],
    "revoked with all others": [(person) => post(server, "sessions/revoke-all", {}, { bearer: person.access }), "session_revoked"],
    "of a banned account": [(person) => operator.order(person, "ban", { reason: "abuse" }), "session_revoked", "account_banned"],
  };
  for (const [how, [end, ...codes]] of Object.entries(endings)) {
    test(`${how} is refused within the bound, however long the copies at the edge stay as they were`, async () => {
      const person = await signUp(server);
      const snapshot = await copied(person);
      const shard = await freshShard(person);
      assert.equal((await session(person)).status, 200);
      assert.equal((await end(person)).status, 200);
      const over = JSON.parse(shard).written_at + BOUND_MILLISECONDS;
      const frozen = async () => {
        await edge.put(shardKey(person), shard);
        await edge.put(snapshotKey(person), snapshot);
      };
      for (let refusals = 0; refusals < 5; ) {
        await frozen();
        const askedAt = Date.now();
        const answer = await session(person);
        if (answer.status === 200) assert.ok(askedAt <= over + CLOCK_MILLISECONDS, `accepted ${askedAt - over} ms after the bound`);
        else {
          assert.ok(answer.status === 401 && codes.includes(answer.code), JSON.stringify(answer.body));
          refusals += askedAt > over ? 1 : 0;
        }
        await sleep(40);
      }
      // Nor does the frozen snapshot outlive its session where the shard says nothing and the page asks for news.
      await edge.put(shardKey(person), JSON.stringify({ written_at: Date.now(), marks: [] }));
      const news = await session(person, NO_CACHE);
      assert.ok(news.status === 401 && codes.includes(news.code), JSON.stringify(news.body));
    });
  }
});

test("a copy of an earlier account, or an old one, is made anew by the account, which has seen the session then", async () => {
  const server = await startServer({ vars: people.relaxed({ refresh_grace_seconds: 0 }, vars({ tokens: { access_ttl_seconds: 9 } })) });
  try {
    const edge = (await server.getEnv()).EDGE;
    const person = await signUp(server);
    const other = await logIn(server, person);
    const written = async () => JSON.parse(((await edge.get(snapshotKey(person))) ?? ".{}").replace(/^[^.]*\./, ""));
    const first = await until("the copy", async () => (await written()).written_at && written());
    assert.equal((await post(server, "sessions/revoke-all", { keep_current: true }, { bearer: person.access })).status, 200);
    refused(await validate(server, other.access, "strict"), 401, "session_revoked");
    const again = tokensOf(await refresh(server, person.refresh));
    // A third of the bound after it was opened its copy is made anew for who asks; not before.
    await until("a copy of the account as it is now", async () => {
      assert.equal((await get(server, "session", byCookie(again))).status, 200);
      return (await written()).account_version === claimsOf(again.access).av;
    });
    const second = await written();
    assert.ok(second.account_version > first.account_version && second.written_at - second.created_at >= 3_000);
    let last = again;
    await until("a copy that is newer, because that one is old", async () => {
      last = tokensOf(await refresh(server, last.refresh));
      assert.equal((await get(server, "session", byCookie(last))).status, 200);
      await sleep(1_000);
      return (await written()).written_at > second.written_at;
    }, 30);
    const third = await written();
    assert.ok(third.written_at - second.written_at > 9_000, "it was believed for as long as a token lives");
  } finally {
    await server.stop();
  }
});

for (const [mode, snapshots, wanted] of [["strict", true, "objects=2 d1=0 kv=0"], ["jwt_only", false, "objects=1 d1=0 kv=0"], ["jwt_only", true, "objects=0 d1=0 kv=1"]]) {
  test(`${mode}, ${snapshots ? "with" : "without"} copies: ${wanted}`, async () => {
    const server = await startServer({ vars: people.relaxed({ snapshots }, vars({ validation: { mode } })) });
    try {
      const person = await signUp(server);
      await people.settled(server, person);
      const answer = await get(server, "session", byCookie(person));
      assert.deepEqual([answer.status, operations(answer)], [200, wanted]);
      assert.equal(answer.body.created_at, (await storedSession(server, person)).created_at);
      assert.equal((await post(server, "logout", { refresh_token: person.refresh })).status, 200);
      await people.settled(server, person);
      const later = await get(server, "session", byCookie(person));
      if (mode === "strict") refused(later, 401, "session_revoked");
      else assert.deepEqual([later.status, later.body.created_at], [200, null]);
    } finally {
      await server.stop();
    }
  });
}
