// The commit of objects: several writes, all or none, whatever happens between them.
//
// The counter-proofs matter as much: two statements that are only executed one after the other are torn by the
// same events, so these tests would fail without the commit.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { startServer } from "./support/server.mjs";

const OBJECT = "development/two-writes";

describe("two writes with something in between", () => {
  let server;
  before(async () => {
    server = await startServer();
  });
  after(() => server?.stop());

  const twoWrites = (committed, between) =>
    server.fetch("/dev/two-writes", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ committed, between }),
    });

  /** Past the code under test: what a reader of the object's database finds. */
  const stored = async () => {
    const storage = await server.objectStorage("REVOCATION", OBJECT);
    const rows = await storage.exec("SELECT key FROM two_writes ORDER BY key");
    return rows.map(({ key }) => key);
  };

  const cases = [
    { committed: true, between: "nothing", refused: false, writes: ["first", "second"] },
    { committed: true, between: "error", refused: true, writes: [] },
    { committed: true, between: "exception", refused: true, writes: [] },
    { committed: false, between: "nothing", refused: false, writes: ["first", "second"] },
    { committed: false, between: "error", refused: true, writes: ["first"] },
    { committed: false, between: "exception", refused: true, writes: ["first"] },
  ];
  for (const { committed, between, refused, writes } of cases) {
    const how = committed ? "committed" : "one after the other";
    test(`${how}, ${between} in between: ${writes.join(" and ") || "nothing"} is left`, async () => {
      const response = await twoWrites(committed, between);
      assert.equal(response.status, 200);
      const remaining = await response.json();
      assert.equal(remaining.refusal !== null, refused, JSON.stringify(remaining));
      assert.deepEqual(remaining.writes, writes);
      assert.deepEqual(await stored(), writes);
    });
  }

  test("the error that comes out is the one that went wrong", async () => {
    const { refusal: error } = await (await twoWrites(true, "error")).json();
    assert.match(error, /on purpose/);
    const { refusal: exception } = await (await twoWrites(true, "exception")).json();
    assert.match(exception, /NOT NULL/);
  });

  for (const [committed, writes] of [[true, []], [false, ["first"]]]) {
    const how = committed ? "committed" : "one after the other";
    test(`${how}, a panic in between: ${writes.join(" and ") || "nothing"} is left`, async () => {
      assert.equal((await twoWrites(true, "nothing")).status, 200);
      const response = await twoWrites(committed, "panic");
      assert.ok(response.status >= 500, `answered ${response.status}`);
      assert.deepEqual(await stored(), writes);
      assert.equal((await twoWrites(true, "nothing")).status, 200);
      assert.deepEqual(await stored(), ["first", "second"]);
    });
  }
});
