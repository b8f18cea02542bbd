// The owner once more, within a session: what it proves, for how long, and what asks for it (RFC 9470).

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { AUTH, PASSWORD, claimsOf, granted, newAddress, otherThan, refused, startOpenServer } from "./support/accounts.mjs";
import { codeOf, enrol } from "./support/authenticator.mjs";
import { SoftwarePasskey, passkeyClient } from "./support/passkeys.mjs";
import { audited, storedSession } from "./support/people.mjs";

const ONE = "urn:postern:acr:1";
const TWO = "urn:postern:acr:2";
const NEW = "a password of tomorrow";
const ELSEWHERE = { headers: { "user-agent": "another device" } };

describe("the owner once more", () => {
  let server;
  let owner, person, begin, register, remove, options, present, signIn;
  before(async () => {
    server = await startOpenServer({ vars: { sign_in: { codes: true }, accounts: { owner_may_delete: true } } });
    ({ owner, person, begin, register, remove, options, present, signIn } = passkeyClient(server));
  });
  after(() => server?.stop());

  const again = (bearer, body) => owner.post("reauthenticate", body, { bearer });
  const passkeyOptions = async (bearer) => (await owner.post("reauthenticate/passkey", undefined, { bearer })).body;
  const refreshed = async (me) => granted(await owner.post("refresh", { refresh_token: me.refresh_token }));
  const exported = (bearer) => owner.send("GET", `${AUTH}/me/export`, { bearer });
  const validate = (token, demand) => owner.post("validate", { token, ...demand });
  const enrolled = async () => {
    const me = await person();
    return { ...me, ...(await enrol(owner, me, PASSWORD)) };
  };
  /** Tokens whose session was authenticated so many seconds ago, by these methods. */
  const aged = async (me, seconds, amr) => {
    const { sub: account, sid: session } = claimsOf(me.access_token);
    const record = await storedSession(server, { account, session });
    const storage = await server.objectStorage("ACCOUNT", account);
    const old = { ...record, auth_time: record.auth_time - seconds, amr: amr ?? record.amr };
    await storage.exec("UPDATE sessions SET record = ? WHERE key = ?", JSON.stringify(old), session);
    return { ...me, ...(await refreshed(me)) };
  };
  /** Another access token, and no refresh token: whoever has the one must not come by the other. */
  const renewed = ({ status, body, text, headers }, amr) => {
    assert.equal(status, 200, text);
    assert.deepEqual(Object.keys(body).sort(), ["access_token", "expires_in", "token_type"]);
    assert.equal(headers.get("cache-control"), "no-store");
    const claims = claimsOf(body.access_token);
    assert.deepEqual([claims.amr, claims.acr], [amr, amr.includes("mfa") ? TWO : ONE]);
    assert.ok(Math.abs(claims.auth_time - claims.iat) <= 1, `${claims.auth_time} ${claims.iat}`);
    return body.access_token;
  };
  const demanded = (answer, { max_age = 600, acr }) => {
    const { body, headers } = answer;
    refused(answer, 401, "reauthentication_required");
    assert.deepEqual([body.max_age ?? null, body.acr_values], [max_age, acr]);
    const parts = [max_age === null ? "" : `, max_age="${max_age}"`, acr === undefined ? "" : `, acr_values="${acr}"`];
    assert.equal(headers.get("www-authenticate"), `Bearer error="insufficient_user_authentication"${parts.join("")}`);
  };

  test("a password counts for the session, which goes on with the refresh token that it has", async () => {
    const me = await aged(await person(), 3_600);
    const before = claimsOf(me.access_token);
    assert.deepEqual([before.amr, before.acr], [["otp"], ONE]);
    demanded(await exported(me.access_token), {});
    refused(await again(me.access_token, { current_password: "not it at all" }), 403, "current_password_wrong");
    demanded(await exported(me.access_token), {});

    const bearer = renewed(await again(me.access_token, { current_password: PASSWORD }), ["pwd"]);
    const { sid, av, sub } = claimsOf(bearer);
    assert.deepEqual([sid, av, sub], [before.sid, before.av, before.sub]);
    assert.equal((await exported(bearer)).status, 200);
    assert.equal(claimsOf((await refreshed(me)).access_token).auth_time, claimsOf(bearer).auth_time);
    // The token of before says what it said.
    demanded(await exported(me.access_token), {});
    assert.ok((await audited(server, { account: sub })).includes("session_reauthenticated"));
  });

  test("what is not shown, or not the account's, renews nothing", async () => {
    const [me, other] = [await enrolled(), await enrolled()];
    const bearer = me.access_token;
    refused(await owner.post("reauthenticate", { current_password: PASSWORD }), 401, "token_missing");
    for (const body of [{}, { current_password: 7 }, { code: "000000", backup_code: me.codes[0] }, { passkey: {}, code: "000000" }]) {
      refused(await again(bearer, body), 400, "invalid_request");
    }
    // An account with a factor shows it: an old one does not pass for a new one.
    refused(await again(bearer, { current_password: PASSWORD }), 403, "second_factor_required");
    for (const body of [{ code: otherThan(codeOf(me.secret)) }, { code: codeOf(other.secret) }, { backup_code: other.codes[0] }]) {
      refused(await again(bearer, body), 400, "second_factor_invalid");
    }
    refused(await again(bearer, { current_password: "not it at all", backup_code: me.codes[0] }), 403, "current_password_wrong");
    renewed(await again(bearer, { backup_code: me.codes[0], current_password: PASSWORD }), ["otp", "pwd", "mfa"]);
    refused(await again(bearer, { backup_code: me.codes[0] }), 400, "second_factor_invalid");
    const plain = await person();
    refused(await again(plain.bearer, { code: "000000" }), 409, "second_factor_conflict");
    // A session that has ended is not renewed, whatever is shown.
    assert.equal((await owner.post("logout", { refresh_token: plain.refresh_token })).status, 200);
    refused(await again(plain.bearer, { current_password: PASSWORD }), 401, "session_revoked");
  });

  test("a key that opened the session is not its second factor by being touched again", async () => {
    const me = await person();
    const passkey = await register(me, new SoftwarePasskey());
    await enrol(owner, me, PASSWORD);
    const { access_token: bearer } = granted(await signIn(passkey));
    passkey.verifies = false;
    refused(await again(bearer, { passkey: passkey.get(await passkeyOptions(bearer)) }), 400, "second_factor_invalid");
    const withPassword = { current_password: PASSWORD, passkey: passkey.get(await passkeyOptions(bearer)) };
    renewed(await again(bearer, withPassword), ["pop", "user", "pwd", "mfa"]);
    passkey.verifies = true;
    renewed(await again(bearer, { passkey: passkey.get(await passkeyOptions(bearer)) }), ["pop", "user", "pwd", "mfa"]);
  });

  test("of fifty uses of one code at once, one renews, and the sixth wrong one waits", { timeout: 60_000 }, async () => {
    const me = await enrolled();
    const answers = await Promise.all(Array.from({ length: 50 }, () => again(me.access_token, { code: codeOf(me.secret) })));
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    for (const { status, body } of answers.filter(({ status }) => status !== 200)) {
      assert.ok(["second_factor_invalid", "rate_limited"].includes(body.code), `${status} ${body.code}`);
    }
    const paused = await again(me.access_token, { backup_code: me.codes[0] });
    refused(paused, 429, "rate_limited");
    assert.ok(Number(paused.headers.get("retry-after")) > 0);
  });

  test("every sensitive change asks an account for the factor that it has", async () => {
    const me = await enrolled();
    const bearer = me.access_token;
    const withPassword = { current_password: PASSWORD };
    const sensitive = {
      "change-password": (more) => owner.post("change-password", { ...withPassword, new_password: NEW, ...more }, { bearer }),
      "request-email-change": (more) => owner.post("request-email-change", { ...withPassword, email: newAddress(), ...more }, { bearer }),
      "passkeys/registration": (more) => begin(me, more),
      "delete me": (more) => owner.send("DELETE", `${AUTH}/me`, { bearer, body: { ...withPassword, ...more } }),
    };
    for (const [name, ask] of Object.entries(sensitive)) {
      demanded(await ask({}), { acr: TWO });
      refused(await ask({ code: otherThan(codeOf(me.secret)) }), 400, "second_factor_invalid", name);
      refused(await ask({ current_password: "not it at all", backup_code: me.codes[9] }), 403, "current_password_wrong");
    }
    demanded(await exported(bearer), { acr: TWO });
    // With the request, or in the session a moment before.
    assert.equal((await sensitive["request-email-change"]({ backup_code: me.codes[0] })).status, 202);
    refused(await sensitive["change-password"]({ backup_code: me.codes[0] }), 400, "second_factor_invalid");
    const strong = renewed(await again(bearer, { code: codeOf(me.secret) }), ["otp", "mfa"]);
    assert.equal((await exported(strong)).status, 200);
    // Not in the one of long ago, however strong it was.
    const stale = await aged(me, 3_600);
    assert.deepEqual(claimsOf(stale.access_token).amr, ["otp", "mfa"]);
    demanded(await exported(stale.access_token), {});
    demanded(await owner.post("change-password", { ...withPassword, new_password: NEW }, { bearer: stale.access_token }), { acr: TWO });
    const changed = await owner.post("change-password", { ...withPassword, new_password: NEW }, { bearer: strong });
    assert.deepEqual([changed.status, changed.body], [200, { success: true }], changed.text);
  });

  test("a passkey proves it, for its session alone and once", async () => {
    const [me, other] = [await person(), await person()];
    me.passkey = await register(me);
    other.passkey = await register(other);
    const mine = await passkeyOptions(me.bearer);
    assert.deepEqual([mine.allowCredentials.map(({ id }) => id), mine.userVerification], [[me.passkey.text], "preferred"]);
    const second = granted(await owner.login(me.email, PASSWORD));
    const wrongs = [
      [me.bearer, me.passkey.get(await options())],
      [second.access_token, me.passkey.get(mine)],
      [other.bearer, me.passkey.get(mine)],
      [me.bearer, other.passkey.get(mine)],
      [me.bearer, me.passkey.get(await passkeyOptions(other.bearer))],
      // Where nothing is challenged it has to be two factors by itself.
      [me.bearer, Object.assign(me.passkey.copied(), { verifies: false }).get(mine)],
      [me.bearer, me.passkey.get({ ...mine, challenge: `${mine.challenge.slice(0, -1)}${mine.challenge.endsWith("A") ? "E" : "A"}` })],
    ];
    for (const [bearer, passkey] of wrongs) refused(await again(bearer, { passkey }), 400, "second_factor_invalid");
    // Nor does such an answer sign in.
    refused(await present(me.passkey.get(mine)), 401, "invalid_credentials");

    const passkey = me.passkey.get(mine);
    const answers = await Promise.all(Array.from({ length: 10 }, () => again(me.bearer, { passkey })));
    const right = answers.filter(({ status }) => status === 200);
    assert.equal(right.length, 1);
    renewed(right[0], ["otp", "pop", "user", "mfa"]);
    refused(await again(me.bearer, { passkey }), 400, "second_factor_invalid");
  });

  for (const kind of ["ES256", "EdDSA"]) {
    test(`${kind}: a passkey that guards an account alone opens what is sensitive`, async () => {
      const me = await person();
      const passkey = await register(me, new SoftwarePasskey({ kind, verifies: false }), { purpose: "second_factor" });
      const change = { current_password: PASSWORD, new_password: NEW };
      demanded(await owner.post("change-password", change, { bearer: me.bearer }), { acr: TWO });
      demanded(await begin(me), { acr: TWO });
      // An authenticator app would be another way past the passkey.
      demanded(await owner.post("2fa/setup", { current_password: PASSWORD }, { bearer: me.bearer }), { acr: TWO });
      demanded(await remove(me, passkey), { acr: TWO });
      refused(await again(me.bearer, { current_password: PASSWORD }), 403, "second_factor_required");
      const bearer = renewed(await again(me.bearer, { passkey: passkey.get(await passkeyOptions(me.bearer)) }), ["otp", "pop", "user", "mfa"]);
      assert.equal((await begin({ bearer })).status, 200);
      assert.equal((await owner.post("change-password", change, { bearer })).status, 200);
    });
  }

  test("an owner without a password proves it by a passkey", async () => {
    const email = newAddress();
    const { registration, code } = await owner.signUp(email);
    const fresh = granted(await owner.post("verify-signup", { email, otp: code, registration }));
    const me = { email, bearer: fresh.access_token, ...fresh };
    const passkey = await register(me, new SoftwarePasskey(), { current_password: undefined });
    const old = await aged(me, 3_600);
    demanded(await owner.post("change-password", { new_password: NEW }, { bearer: old.access_token }), {});
    refused(await again(old.access_token, { current_password: PASSWORD }), 403, "current_password_wrong");
    const bearer = renewed(await again(old.access_token, { passkey: passkey.get(await passkeyOptions(old.access_token)) }), ["otp", "pop", "user", "mfa"]);
    assert.equal((await owner.post("change-password", { new_password: NEW }, { bearer })).status, 200);
  });

  test("who asks about a token may demand how recent and how strong its authentication is", async () => {
    const me = await enrolled();
    const old = await aged(me, 100, ["pwd", "otp", "mfa"]);
    const weak = (await aged(me, 0, ["pwd"])).access_token;
    for (const mode of ["jwt_only", "hybrid", "strict"]) {
      for (const demand of [{}, { max_age: 600 }, { acr: TWO }, { max_age: 4_294_967_295, acr: ONE }]) {
        assert.equal((await validate(old.access_token, { mode, ...demand })).status, 200, JSON.stringify(demand));
      }
      demanded(await validate(old.access_token, { mode, max_age: 50 }), { max_age: 50 });
      demanded(await validate(old.access_token, { mode, max_age: 50, acr: ONE }), { max_age: 50, acr: ONE });
      demanded(await validate(weak, { mode, acr: TWO }), { max_age: null, acr: TWO });
    }
    for (const demand of [{ acr: "2" }, { acr: "" }, { acr: [TWO] }, { max_age: -1 }, { max_age: 1.5 }, { max_age: "60" }, { max_age: 4_294_967_296 }]) {
      refused(await validate(weak, demand), 400, "invalid_request");
    }
    // A token that is not good is refused for that.
    refused(await validate(`${weak.slice(0, -4)}AAAA`, { max_age: 0 }), 401, "signature_invalid");
  });

  test("nothing is proven on another device or by another login", async () => {
    const me = await enrolled();
    const { challenge } = (await owner.login(me.email, PASSWORD)).body;
    refused(await again(challenge, { code: codeOf(me.secret) }), 401, "token_malformed");
    refused(await owner.post("2fa/verify", { challenge, backup_code: me.codes[0] }, ELSEWHERE), 400, "challenge_invalid");
    const other = granted(await owner.post("2fa/verify", { challenge, backup_code: me.codes[0] }));
    // One session's proof is not the other's.
    renewed(await again(other.access_token, { backup_code: me.codes[1] }), ["pwd", "otp", "mfa"]);
    demanded(await exported(me.access_token), { acr: TWO });
  });
});

describe("where no factor is asked for", () => {
  test("sensitive changes ask for the owner alone, and for as long as configured", async () => {
    const server = await startOpenServer({ vars: { second_factor: { required_for_sensitive: false, recent_seconds: 60 } } });
    try {
      const { owner, person, begin } = passkeyClient(server);
      const me = await person();
      await enrol(owner, me, PASSWORD);
      const change = { current_password: PASSWORD, new_password: NEW };
      // Passkeys would stand in for the factor: they ask for it all the same.
      refused(await begin(me), 401, "reauthentication_required");
      // So would another factor beside it.
      const setUp = (method) => owner.post("2fa/setup", { current_password: PASSWORD, method }, { bearer: me.bearer });
      for (const method of ["totp", "email"]) refused(await setUp(method), 401, "reauthentication_required");
      assert.equal((await owner.post("change-password", change, { bearer: me.bearer })).status, 200);
    } finally {
      await server.stop();
    }
  });
});
