// An isolate goes on with a revocation shard that it has read: for the configured time, and never beyond the bound.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import * as people from "./support/people.mjs";
import { startServer } from "./support/server.mjs";

const { logIn, post, refused, sleep, until, validate } = people;
const STALENESS_SECONDS = 6;
const COPY_SECONDS = 4;
const READS_NOTHING = "objects=0 d1=0 kv=0";
const READS_THE_SHARD = "objects=0 d1=0 kv=1";

describe("a copy of a revocation shard", () => {
  let server, ada, edge;
  before(async () => {
    const validation = { staleness_seconds: STALENESS_SECONDS, shard_copy_seconds: COPY_SECONDS };
    server = await startServer({ vars: people.relaxed({}, { validation }) });
    edge = (await server.getEnv()).EDGE;
    ada = await people.signUp(server);
  });
  after(() => server?.stop());

  const shardKey = ({ account }) => `v1/revocation/${String(parseInt(account.slice(0, 2), 16) % 16).padStart(2, "0")}`;
  const operations = (answer) => answer.headers.get("x-postern-operations");

  /** Writes a shard of so long ago until the isolate has read one again: its copy is as new. */
  const newCopy = (person, ageMilliseconds = 0) =>
    until("a copy of a new shard", async () => {
      const shard = JSON.parse((await edge.get(shardKey(person))) ?? '{ "marks": [] }');
      const writtenAt = Date.now() - ageMilliseconds;
      await edge.put(shardKey(person), JSON.stringify({ ...shard, written_at: writtenAt }));
      return operations(await validate(server, person.access, "hybrid")) === READS_THE_SHARD && writtenAt;
    });

  test("answers without a read of KV, for any account of the shard, and for no longer than was configured", async () => {
    const person = await logIn(server, ada);
    await newCopy(person);
    const readAt = Date.now();
    const other = await logIn(server, ada);
    for (const { access } of [person, other, person]) {
      const answer = await validate(server, access, "hybrid");
      assert.equal(answer.status, 200);
      assert.equal(operations(answer), READS_NOTHING);
    }
    await sleep(readAt + COPY_SECONDS * 1000 - Date.now());
    assert.equal(operations(await validate(server, person.access, "hybrid")), READS_THE_SHARD);
  });

  test("shows a revocation within the bound all the same", async () => {
    const person = await logIn(server, ada);
    await newCopy(person);
    assert.equal((await post(server, "logout", { refresh_token: person.refresh })).status, 200);
    const end = Date.now() + STALENESS_SECONDS * 1000;
    refused(await validate(server, person.access, "strict"), 401, "session_revoked");
    // The copy does not know yet: this is what is bounded.
    assert.equal((await validate(server, person.access, "hybrid")).status, 200);
    await until("the refusal", async () => {
      const askedAt = Date.now();
      const answer = await validate(server, person.access, "hybrid");
      if (answer.status === 200) assert.ok(askedAt <= end + 20, `accepted ${askedAt - end} ms after the bound`);
      return answer.status !== 200;
    });
    refused(await validate(server, person.access, "hybrid"), 401, "session_revoked");
  });

  test("is not trusted for longer than its shard: what nobody writes anew is asked of the account", async () => {
    const person = await logIn(server, ada);
    const writtenAt = await newCopy(person, (STALENESS_SECONDS - 1) * 1000);
    await sleep(writtenAt + STALENESS_SECONDS * 1000 + 50 - Date.now());
    const answer = await validate(server, person.access, "hybrid");
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get("x-postern-calls"), /^account=1 .*kv_reads=0$/, "the copy is used, and is too old to say anything");
  });

  test("of another account's session says nothing about a token that was not issued", async () => {
    const person = await logIn(server, ada);
    await newCopy(person);
    assert.equal((await validate(server, person.access, "hybrid")).status, 200);
    const [header, payload, signature] = person.access.split(".");
    const changed = signature[10] === "A" ? "B" : "A";
    const forged = [header, payload, `${signature.slice(0, 10)}${changed}${signature.slice(11)}`].join(".");
    for (const mode of ["jwt_only", "hybrid", "strict"]) {
      for (let time = 0; time < 2; time += 1) refused(await validate(server, forged, mode), 401, "signature_invalid");
    }
  });
});
