// Data of visitors, sealed in a cookie: what is kept, for how long, and that nobody reads, changes or moves it.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { ConfigurationError } from "postern";
import { createPageData } from "postern/pages";

const NAME = "__Host-postern_data";
const secret = () => new Uint8Array(randomBytes(32));
const [FIRST, SECOND] = [secret(), secret()];
let time = 1_700_000_000;
const now = () => time;
const stored = createPageData({ secrets: [FIRST], now });
const withCookie = (value) => new Request("https://app.example.com/", value === undefined ? {} : { headers: { cookie: `theme=dark; ${NAME}=${value}` } });

/** A request that brings this cookie: what `act` makes of its data, and the cookie afterwards. */
async function visit(value, act, { keeper = stored, boundTo } = {}) {
  const data = await keeper.open(withCookie(value), boundTo);
  const result = await act(data);
  const headers = new Headers();
  await data.save(headers);
  const [line, ...more] = headers.getSetCookie();
  assert.equal(more.length, 0);
  if (line === undefined) return { result, value };
  const [, next, attributes] = new RegExp(`^${NAME}=([\\w-]*); (.*)$`).exec(line);
  return { result, value: next === "" ? undefined : next, attributes, isSet: true };
}
const kept = async (value, options) => (await visit(value, (data) => data.get("a"), options)).result;

test("what is put is there until it is removed", async () => {
  const nothing = await visit(undefined, (data) => [data.get("a"), data.has("a"), data.getFlash("a"), data.get("toString")]);
  assert.deepEqual([nothing.result, nothing.isSet], [[undefined, false, undefined, undefined], undefined]);
  const first = await visit(undefined, (data) => data.put("a", { b: [1, "ä", null] }));
  assert.equal(first.attributes, "Path=/; Max-Age=7200; Secure; HttpOnly; SameSite=Lax");
  assert.ok(!Buffer.from(first.value, "base64url").includes("ä"));
  // Reading sets nothing.
  const read = await visit(first.value, (data) => [data.get("a"), data.has("a")]);
  assert.deepEqual([read.result, read.isSet], [[{ b: [1, "ä", null] }, true], undefined]);
  const changed = await visit(first.value, (data) => (data.put("a", 2), data.put("c", 3), data.remove("x")));
  assert.deepEqual((await visit(changed.value, (data) => [data.get("a"), data.get("c")])).result, [2, 3]);
  const removed = await visit(changed.value, (data) => (data.remove("a"), data.remove("c")));
  assert.deepEqual([removed.value, removed.attributes], [undefined, "Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Lax"]);
  assert.equal((await visit(changed.value, (data) => data.clear())).value, undefined);
});

test("what is flashed is for the next request, and for no other", async () => {
  const said = await visit(undefined, (data) => (data.put("a", 1), data.flash("notice", "saved"), data.getFlash("notice")));
  assert.equal(said.result, undefined);
  const next = await visit(said.value, (data) => [data.getFlash("notice"), data.getFlash("notice"), data.has("notice")]);
  assert.deepEqual([next.result, next.isSet], [["saved", "saved", false], true]);
  assert.deepEqual((await visit(next.value, (data) => [data.getFlash("notice"), data.get("a")])).result, [undefined, 1]);
  // Also one that nobody has read, and one that was the only thing there was.
  const alone = await visit(undefined, (data) => data.flash("notice", 1));
  assert.equal((await visit(alone.value, () => {})).value, undefined);
  const again = await visit(said.value, (data) => data.flash("notice", `${data.getFlash("notice")} twice`));
  assert.equal((await visit(again.value, (data) => data.getFlash("notice"))).result, "saved twice");
});

test("nothing that was not sealed here, for this, in time, is believed", async () => {
  const { value } = await visit(undefined, (data) => data.put("a", 1), { boundTo: "session 1" });
  assert.equal(await kept(value, { boundTo: "session 1" }), 1);
  // Another session's, nobody's, or a text that runs together otherwise.
  for (const boundTo of ["session 2", "", "session 1 ", undefined]) assert.equal(await kept(value, { boundTo }), undefined);
  // Any bit of it.
  const bytes = Buffer.from(value, "base64url");
  for (let place = 0; place < bytes.length; place += 1) {
    const other = Buffer.from(bytes);
    other[place] ^= 1 << place % 8;
    assert.equal(await kept(other.toString("base64url"), { boundTo: "session 1" }), undefined, String(place));
  }
  for (const other of ["", "x", "=", value.slice(1), value.slice(0, -1), `${value}A`, `${value}=`, "AQ", "AQAAAAAAAAAAAAAAAAA", "A".repeat(5_000), '{"values":{"a":1}}']) {
    assert.equal(await kept(other, { boundTo: "session 1" }), undefined, other);
  }
  // Two of one name: one of them is somebody else's.
  const twice = new Request("https://app.example.com/", { headers: { cookie: `${NAME}=${value}; ${NAME}=${value}` } });
  assert.equal((await stored.open(twice, "session 1")).get("a"), undefined);
  time += 7_199;
  assert.equal(await kept(value, { boundTo: "session 1" }), 1);
  time += 1;
  assert.equal(await kept(value, { boundTo: "session 1" }), undefined);
});

test("secrets are rotated: the first seals, all open", async () => {
  const { value } = await visit(undefined, (data) => data.put("a", 1));
  const both = createPageData({ secrets: [SECOND, FIRST], now });
  const moved = await visit(value, (data) => data.put("b", data.get("a")), { keeper: both });
  assert.equal(moved.result, undefined);
  const after = createPageData({ secrets: [SECOND], now });
  assert.equal(await kept(moved.value, { keeper: after }), 1);
  assert.equal(await kept(value, { keeper: after }), undefined);
  // The same data is never the same cookie.
  assert.notEqual((await visit(undefined, (data) => data.put("a", 1))).value, value);
});

test("what cannot be kept is refused with its name", async () => {
  const data = await stored.open(withCookie());
  for (const value of [undefined, () => 1, Symbol("x")]) assert.throws(() => data.put("a", value), ConfigurationError);
  for (const name of ["", 1, undefined, "__proto__"]) assert.throws(() => data.put(name, 1), ConfigurationError);
  data.put("a", "x".repeat(2_900));
  await data.save(new Headers());
  data.put("b", "x".repeat(200));
  await assert.rejects(data.save(new Headers()), ConfigurationError);
  for (const options of [{}, { secrets: [] }, { secrets: FIRST }, { secrets: [FIRST.slice(1)] }, { secrets: ["x".repeat(32)] }, { secrets: Array(5).fill(FIRST) }, { secrets: [FIRST], maxAgeSeconds: 0 }, { secrets: [FIRST], name: "x" }]) {
    assert.throws(() => createPageData(options), ConfigurationError, JSON.stringify(options));
  }
  await assert.rejects(stored.open(withCookie(), 7), ConfigurationError);
});
