// Organizations: invitations, tokens that act in one of them, and personal ones.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { audited, claimsOf, expectModes, get, logIn, mails, mailTo, PASSWORD, post, refused, request, signUp, tokensOf, until, validate } from "./support/people.mjs";
import { OPERATOR_TOKEN } from "./support/operator.mjs";
import { startOrganized } from "./support/organizations.mjs";

const NOBODY = "0123456789abcdef".repeat(2);
const INVITED = "You are invited to an organization";
const all = (...asked) => Promise.all(asked);
const codes = (answers) => answers.map(({ status, code }) => code ?? status).sort();
const tokenOf = ({ link }) => new URL(link).hash.slice(1);

describe("organizations", () => {
  let it;
  let owner;
  let organization;
  before(async () => {
    it = await startOrganized();
    owner = await it.somebody();
    organization = await it.create(owner);
  });
  after(() => it?.server.stop());

  const invite = (who, body, { id } = organization) => it.ask(who, "POST", `/${id}/invites`, body);
  const invited = async (body, which) => it.ok(await invite(owner, body, which), 201);
  const answer = (who, path, body) => post(it.server, `organization-invites/${path}`, body, { bearer: who.access });
  const own = async (who, query = "") => it.ok(await get(it.server, `organization-invites${query}`, { bearer: who.access })).invites;
  const isMember = async (who, { id } = organization) => (await it.ask(owner, "GET", `/${id}/members/${who.account}`)).status === 200;
  const remove = async (who, { id } = organization) => it.ok(await it.ask(owner, "DELETE", `/${id}/members/${who.account}`));

  describe("invite", () => {
    test("accounts, by id and username, which see it and accept it once, however often they do", async () => {
      const [first, second] = await all(it.somebody(), it.somebody());
      const { id, expires_at: expires } = await invited({ account_id: first.account });
      await invited({ username: second.username.toUpperCase() });
      const [seen] = await own(first);
      const { created_at: created, ...rest } = seen;
      assert.deepEqual(rest, {
        id, organization: { id: organization.id, slug: organization.slug, name: organization.name }, account_id: first.account, email: null,
        invited_by: owner.account, status: "pending", expires_at: expires, acted_at: null,
      });
      assert.equal(expires - created, 7 * 86_400_000);
      refused(await invite(owner, { username: first.username }), 409, "invite_pending");
      const answers = await all(...[1, 2, 3, 4].map(() => answer(first, `${id}/accept`)));
      assert.deepEqual(codes(answers), [200, "invite_not_pending", "invite_not_pending", "invite_not_pending"]);
      assert.deepEqual(answers.find(({ status }) => status === 200).body, { organization: organization.id });
      assert.deepEqual(it.ok(await it.ask(first, "GET", `/${organization.id}/members/${first.account}`)).roles, ["member"]);
      const trail = (await audited(it.server, first)).filter((line) => line.startsWith("organization_invite"));
      assert.deepEqual(trail, [`organization_invite_accepted:accepted an invitation in ${organization.id} by ${first.account}`, `organization_invite_created:invited in ${organization.id} by ${owner.account}`]);
      refused(await invite(owner, { account_id: first.account }), 409, "already_member");
      const [other] = await own(second);
      const both = await all(answer(second, `${other.id}/accept`), answer(second, `${other.id}/decline`), it.ask(owner, "DELETE", `/${organization.id}/invites/${other.id}`));
      assert.equal(both.filter(({ status }) => status === 200).length, 1, codes(both));
      assert.deepEqual((await own(second, "?status=pending")), []);
    });

    test("nobody who is not theirs to answer, and nobody in another's name", async () => {
      const [person, thief] = await all(it.somebody(), it.somebody());
      const { id } = await invited({ account_id: person.account });
      const theirs = await it.create(thief);
      for (const action of ["accept", "decline"]) {
        refused(await answer(thief, `${id}/${action}`), 404, "not_found");
        refused(await answer(owner, `${id}/${action}`), 404, "not_found");
        for (const wrong of [NOBODY, "x"]) refused(await answer(person, `${wrong}/${action}`), 404, "not_found");
        for (const token of [`psl_${"A".repeat(66)}`, "x", `psl_${Buffer.concat([Buffer.from([1]), Buffer.from(id, "hex"), Buffer.alloc(32)]).toString("base64url")}`]) {
          refused(await answer(thief, action, { token }), 404, "not_found");
        }
      }
      refused(await it.ask(thief, "DELETE", `/${theirs.id}/invites/${id}`), 404, "not_found");
      refused(await it.ask(thief, "DELETE", `/${organization.id}/invites/${id}`), 404, "not_found");
      refused(await it.ask(thief, "GET", `/${organization.id}/invites`), 404, "not_found");
      refused(await invite(thief, { account_id: thief.account }), 404, "not_found");
      await it.add(organization, thief);
      refused(await invite(thief, { account_id: person.account }), 403, "organization_owner_required");
      refused(await it.ask(thief, "GET", `/${organization.id}/invites`), 403, "organization_owner_required");
      refused(await it.ask(thief, "DELETE", `/${organization.id}/invites/${id}`), 403, "organization_owner_required");
      assert.equal((await own(person))[0].status, "pending");
      for (const body of [{}, { account_id: NOBODY }, { account_id: "x" }, { username: it.newName() }, { username: "a" }, { email: "nobody" }, { account_id: person.account, email: "a@example.com" }, { account_id: person.account, username: person.username }]) {
        refused(await invite(owner, body), 400, "invalid_request");
      }
      for (const seconds of [0, 7_776_001, -1, "1"]) refused(await invite(owner, { username: person.username, expires_in: seconds }), 400, "invalid_request");
    });

    test("until it is declined, revoked or over, and not after", async () => {
      const person = await it.somebody();
      const one = await it.create(owner);
      const open = async (more) => (await invited({ account_id: person.account, ...more }, one)).id;
      const declined = await open();
      it.ok(await answer(person, `${declined}/decline`));
      const revoked = await open();
      it.ok(await it.ask(owner, "DELETE", `/${one.id}/invites/${revoked}`));
      refused(await it.ask(owner, "DELETE", `/${one.id}/invites/${revoked}`), 409, "invite_not_pending");
      const over = await open({ expires_in: 60 });
      await it.directory.prepare("UPDATE organization_invites SET expires_at = ? WHERE invite_id = ?").bind(Date.now() - 1, over).run();
      for (const [id, code] of [[declined, "invite_not_pending"], [revoked, "invite_not_pending"], [over, "invite_expired"]]) {
        for (const action of ["accept", "decline"]) refused(await answer(person, `${id}/${action}`), 409, code);
      }
      const listed = async (query = "") => it.ok(await it.ask(owner, "GET", `/${one.id}/invites${query}`)).invites.map(({ id, status }) => [id, status]);
      assert.deepEqual(await listed("?status=expired"), [[over, "expired"]]);
      await open();
      assert.deepEqual((await listed()).map(([, status]) => status).sort(), ["declined", "expired", "pending", "revoked"]);
      const page = it.ok(await it.ask(owner, "GET", `/${one.id}/invites?limit=3`));
      assert.equal(it.ok(await it.ask(owner, "GET", `/${one.id}/invites?limit=3&cursor=${page.next_cursor}`)).invites.length, 1);
      refused(await it.ask(owner, "GET", `/${one.id}/invites?status=open`), 400, "invalid_request");
      assert.equal(await isMember(person, one), false);
    });

    test("whoever reads what is mailed to an address, and say nothing of who has it", async () => {
      const known = await signUp(it.server);
      const strange = `${it.newName("new")}@example.com`;
      const answers = await all(invite(owner, { email: known.email }), invite(owner, { email: strange.toUpperCase() }));
      for (const { status, body } of answers) assert.deepEqual([status, Object.keys(body)], [201, ["id", "expires_at"]]);
      refused(await invite(owner, { email: known.email }), 409, "invite_pending");
      const mail = await mailTo(it.server, strange, INVITED);
      assert.ok(mail.text.includes(organization.slug) && !mail.text.includes("Ada"), mail.text);
      const token = tokenOf(mail);
      const { secret_digest: digest } = await it.directory.prepare("SELECT secret_digest FROM organization_invites WHERE invite_id = ?").bind(answers[1].body.id).first();
      const secret = Buffer.from(token.slice(4), "base64url").subarray(17);
      assert.ok(secret.length === 32 && digest.length === 43 && digest !== secret.toString("base64url"));
      // The secret of one is none for another.
      const mixed = Buffer.from(token.slice(4), "base64url");
      Buffer.from(answers[0].body.id, "hex").copy(mixed, 1);
      const people = await all(it.somebody(), it.somebody(), it.somebody());
      refused(await answer(people[0], "accept", { token: `psl_${mixed.toString("base64url")}` }), 404, "not_found");
      refused(await post(it.server, "organization-invites/accept", { token }), 401, "token_missing");
      const racing = await all(...people.map((person) => answer(person, "accept", { token })));
      assert.equal(racing.filter(({ status }) => status === 200).length, 1, codes(racing));
      const members = await all(...people.map((person) => isMember(person)));
      assert.equal(members.filter(Boolean).length, 1, "one of those who had the link");
      refused(await answer(people[0], "decline", { token }), 404, "not_found");
      // Who has proven the address needs no link.
      const [mine] = await own(known);
      assert.deepEqual([mine.email, mine.account_id], [known.email, null]);
      it.ok(await answer(known, `${mine.id}/accept`));
      assert.ok(await isMember(known));
    });

    test("nobody by an address that is only claimed", async () => {
      const email = `${it.newName("claimed")}@example.com`;
      const claimant = await it.somebody({ email });
      const { id } = await invited({ email });
      assert.deepEqual(await own(claimant), []);
      refused(await answer(claimant, `${id}/accept`), 404, "not_found");
      assert.equal(await isMember(claimant), false);
    });

    test("nobody who was removed since, and nobody whom somebody invited who was", async () => {
      const one = await it.create(owner);
      const [mallory, accomplice] = await all(signUp(it.server), it.somebody());
      const rogue = await it.somebody();
      const statusOf = async (id) => it.ok(await it.ask(owner, "GET", `/${one.id}/invites`)).invites.find((found) => found.id === id).status;
      const over = async (who, id, token) => {
        assert.equal(await statusOf(id), "revoked");
        for (const action of ["accept", "decline"]) refused(await answer(who, `${id}/${action}`), 409, "invite_not_pending");
        if (token) refused(await answer(who, "accept", { token }), 404, "not_found");
        assert.equal(await isMember(who, one), false);
      };
      // Invited twice, and removed after the one: the other has ended with it, whatever address she has by then.
      const byId = await invited({ account_id: mallory.account }, one);
      const byMail = await invited({ email: mallory.email }, one);
      const token = tokenOf(await mailTo(it.server, mallory.email, INVITED));
      it.ok(await answer(mallory, `${byId.id}/accept`));
      assert.equal(await statusOf(byMail.id), "revoked");
      // Invited anew while she was a member.
      const again = await invited({ email: mallory.email }, one);
      const elsewhere = await invited({ email: mallory.email });
      await remove(mallory, one);
      Object.assign(mallory, await logIn(it.server, mallory));
      for (const { id } of [byMail, again]) await over(mallory, id, token);
      assert.deepEqual((await own(mallory, "?status=pending")).map(({ id }) => id), [elsewhere.id], "other organizations' go on");
      // An owner who loses the role, or the membership, brings nobody.
      const others = await invited({ account_id: mallory.account }, one);
      for (const lose of [() => remove(rogue, one), async () => it.ok(await it.ask(owner, "PATCH", `/${one.id}/members/${rogue.account}`, { remove_roles: ["owner"] }))]) {
        await it.add(one, rogue, "owner");
        await it.renew(rogue);
        const email = `${it.newName("accomplice")}@example.com`;
        const made = [await invite(rogue, { account_id: accomplice.account }, one), await invite(rogue, { email }, one)].map((answered) => it.ok(answered, 201));
        const mailed = tokenOf(await mailTo(it.server, email, INVITED));
        await lose();
        await over(accomplice, made[0].id, mailed);
        assert.equal(await statusOf(made[1].id), "revoked");
      }
      assert.equal(await statusOf(others.id), "pending");
    });

    test("without reading the invitations of everybody else", async () => {
      const person = await signUp(it.server);
      const { id } = await invited({ email: person.email });
      await it.directory.prepare(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) \
         INSERT INTO organization_invites (invite_id, organization_id, tenant, email, status, created_at, expires_at) \
         SELECT printf('%032x', i), ?1, (SELECT tenant FROM organizations LIMIT 1), i || '@example.com', 'revoked', i, i FROM n",
      ).bind(NOBODY).run();
      assert.deepEqual((await own(person)).map((found) => found.id), [id]);
      const { answer: counted } = await (await it.server.fetch("/dev/operations")).json();
      assert.ok(counted.d1_rows_read < 50, `${counted.d1_rows_read} rows`);
    });

    test("as often as an address may be mailed", async () => {
      const email = `${it.newName("limited")}@example.com`;
      const limited = await startOrganized({}, { limits: { code_per_identifier: { count: 1, period_seconds: 3_600 } } });
      try {
        const person = await limited.somebody();
        const [one, two] = [await limited.create(person), await limited.create(person)];
        limited.ok(await limited.ask(person, "POST", `/${one.id}/invites`, { email }), 201);
        refused(await limited.ask(person, "POST", `/${two.id}/invites`, { email }), 429, "rate_limited");
        const { invites } = limited.ok(await limited.ask(person, "GET", `/${two.id}/invites`));
        assert.deepEqual(invites.map(({ status }) => status), ["revoked"], "what was not mailed is in nobody's way");
      } finally {
        await limited.server.stop();
      }
    });
  });

  describe("give tokens", () => {
    const refresh = (who, name) => post(it.server, "refresh", { refresh_token: who.refresh, organization: name });
    const acting = async (who, name) => {
      const answered = tokensOf(await refresh(who, name));
      who.refresh = answered.refresh;
      return answered.access;
    };

    test("that act in one, with its roles and what they grant, and nothing else", async () => {
      const one = await it.create(owner);
      const person = await it.somebody();
      it.ok(await it.ask(owner, "PUT", `/${one.id}/roles/editor`, { permissions: ["docs:write"] }));
      await it.add(one, person, "editor");
      assert.deepEqual(claimsOf(await acting(person, "")).roles, ["user"]);
      for (const name of [one.slug, one.id, one.slug.toUpperCase()]) {
        const token = await acting(person, name);
        const { org, roles, av, sub } = claimsOf(token);
        assert.deepEqual([org, roles, sub], [one.slug, ["editor", "member"], person.account]);
        assert.ok(av > 1);
        await expectModes(it.server, token, { strict: true });
        for (const [permission, allowed] of [["docs:write", true], ["docs:read", false], ["bills:pay", false]]) {
          assert.equal((await validate(it.server, token, "strict", { permissions: [permission] })).status === 200, allowed, permission);
        }
      }
      const ruling = claimsOf(await acting(owner, one.slug));
      assert.deepEqual(ruling.roles, ["member", "owner"]);
      // The global ones come back with the next that acts nowhere.
      const plain = tokensOf(await post(it.server, "refresh", { refresh_token: person.refresh }));
      assert.deepEqual([claimsOf(plain.access).roles, claimsOf(plain.access).org], [["user"], undefined]);
    });

    test("that have no role of the deployment's, whatever an owner calls theirs", async () => {
      const one = await it.create(owner);
      for (const name of ["user", "User", "USER"]) {
        const { status, body } = await it.ask(owner, "PUT", `/${one.id}/roles/${name}`, { permissions: [] });
        assert.deepEqual([status, body.code, body.errors?.[0].field], [400, "invalid_request", "role"], name);
      }
      refused(await it.ask(owner, "PATCH", `/${one.id}/members/${owner.account}`, { add_roles: ["user"] }), 404, "role_not_found");
      // Defined before the deployment had one of that name: it says nothing, grants what it did, and may be deleted.
      const person = await it.somebody();
      await it.add(one, person);
      await it.directory.batch([
        it.directory.prepare("INSERT INTO organization_roles VALUES (?, 'User', '[\"docs:read\"]', 1)").bind(one.id),
        it.directory.prepare("INSERT INTO organization_member_roles VALUES (?, 'User', ?)").bind(one.id, person.account),
      ]);
      const token = await acting(person, one.slug);
      assert.deepEqual(claimsOf(token).roles, ["member"]);
      assert.equal((await validate(it.server, token, "strict", { permissions: ["docs:read"] })).status, 200);
      refused(await it.ask(owner, "PUT", `/${one.id}/roles/User`, { permissions: [] }), 400, "invalid_request");
      it.ok(await it.ask(owner, "DELETE", `/${one.id}/roles/User`));
    });

    test("to members only, and say of no other whether it is there; the session goes on", async () => {
      const person = await it.somebody();
      const one = await it.create(owner);
      for (const name of [one.slug, one.id, "no-such-one", NOBODY, "not a name", "-"]) refused(await refresh(person, name), 403, "not_organization_member");
      refused(await post(it.server, "refresh", { refresh_token: person.refresh, organization: 1 }), 400, "invalid_request");
      refused(await post(it.server, "refresh", { refresh_token: "prt_x", organization: one.slug }), 401, "refresh_invalid");
      await it.add(one, person);
      assert.equal(claimsOf(await acting(person, one.slug)).org, one.slug);
    });

    test("that are stale when roles change and when the membership ends", async () => {
      const one = await it.create(owner);
      const person = await it.somebody();
      await it.add(one, person);
      it.ok(await it.ask(owner, "PUT", `/${one.id}/roles/editor`, { permissions: ["docs:read"] }));
      const can = async (token) => (await validate(it.server, token, "strict", { permissions: ["docs:write"] })).status === 200;
      let token = await acting(person, one.slug);
      for (const [change, roles] of [
        [["PATCH", `/members/${person.account}`, { add_roles: ["editor"] }], ["editor", "member"]],
        [["PUT", "/roles/editor", { permissions: ["docs:read", "docs:write"] }], ["editor", "member"]],
        [["DELETE", "/roles/editor"], ["member"]],
      ]) {
        const [method, path, body] = change;
        it.ok(await it.ask(owner, method, `/${one.id}${path}`, body));
        await expectModes(it.server, token, { strict: "token_stale" });
        token = await acting(person, one.slug);
        assert.deepEqual(claimsOf(token).roles, roles);
        assert.equal(await can(token), method === "PUT");
      }
      await remove(person, one);
      await expectModes(it.server, token, { strict: "token_stale" });
      await until("the edge knows", async () => (await validate(it.server, token, "hybrid")).code === "token_stale");
      refused(await refresh(person, one.slug), 403, "not_organization_member");
      tokensOf(await refresh(person, undefined));
    });

    test("for no membership that ends at the same moment", async () => {
      for (let round = 0; round < 6; round += 1) {
        const one = await it.create(owner);
        const person = await it.somebody();
        await it.add(one, person);
        const [answered] = await all(refresh(person, one.slug), remove(person, one));
        if (answered.status === 200) await expectModes(it.server, answered.body.access_token, { strict: "token_stale" });
        else refused(answered, 403, "not_organization_member");
      }
    });

    test("for no membership that was read before it ended", async () => {
      const one = await it.create(owner);
      const person = await it.somebody();
      await it.add(one, person);
      // The account object knows of a change that the directory, as it is read, does not show.
      const { authorization_version: version } = await it.directory.prepare("SELECT authorization_version FROM users WHERE account_id = ?").bind(person.account).first();
      await remove(person, one);
      await it.directory.batch([
        it.directory.prepare("UPDATE users SET authorization_version = ? WHERE account_id = ?").bind(version, person.account),
        it.directory.prepare("UPDATE organization_members SET removed_at = NULL WHERE organization_id = ? AND account_id = ?").bind(one.id, person.account),
      ]);
      refused(await refresh(person, one.slug), 409, "organization_conflict");
      tokensOf(await refresh(person, undefined));
    });

    test("that do nothing to another organization", async () => {
      const [one, two] = [await it.create(owner), await it.create(owner)];
      const token = await acting(owner, one.slug);
      const before = await it.everything();
      const as = { access: token };
      for (const [method, path, body] of [["GET", ""], ["PATCH", "", { name: "x" }], ["GET", "/members"], ["DELETE", `/members/${owner.account}`], ["PUT", "/roles/x", { permissions: [] }], ["POST", "/invites", { email: "a@example.com" }]]) {
        refused(await it.ask(as, method, `/${two.id}${path}`, body), 404, "not_found");
      }
      // Nor do they bring their account into others, or out of the way of them.
      const other = await it.somebody();
      const theirs = await it.create(other);
      const made = it.ok(await invite(other, { account_id: owner.account }, theirs), 201);
      const after = await it.everything();
      for (const action of ["accept", "decline"]) {
        refused(await answer(as, `${made.id}/${action}`), 403, "acts_in_organization");
        refused(await answer(as, action, { token: "x" }), 403, "acts_in_organization");
      }
      for (const path of ["", "/personal"]) refused(await it.ask(as, "POST", path, { slug: it.newName() }), 403, "acts_in_organization");
      assert.equal(await it.everything(), after);
      assert.equal((await own(owner)).find(({ id }) => id === made.id).status, "pending");
      it.ok(await it.ask(as, "PATCH", `/${one.id}`, { slug: it.newName("renamed-") }));
      it.ok(await it.ask(as, "GET", `/${one.id}`), 200);
    });
  });

  describe("are personal", () => {
    const personal = (who, method = "GET") => request(it.server, method, "/api/v1/auth/organizations/personal", { bearer: who.access });
    const made = (who) => until("a personal organization", async () => {
      const { status, body } = await personal(who);
      return status === 200 && body;
    });

    test("one for everybody, named after them, under any of their names", async () => {
      const person = await it.somebody({ username: `${it.newName("mrs_")}__x` });
      const mine = await made(person);
      assert.deepEqual([mine.slug, mine.personal, mine.roles], [person.username.replaceAll(/_+/g, "-"), true, ["member", "owner"]]);
      const plain = await it.somebody();
      const theirs = await made(plain);
      assert.equal(theirs.slug, plain.username);
      assert.equal(it.ok(await it.ask(plain, "GET", `/${plain.username}`)).id, theirs.id);
      assert.deepEqual((await get(it.server, `owners/${plain.username}`, { bearer: person.access })).body.kind, "account");
      const all4 = await all(...[1, 2, 3, 4].map(() => personal(plain, "POST")));
      assert.deepEqual(all4.map(({ status, body }) => [status, body.id]), Array(4).fill([200, theirs.id]));
      // One that a name is taken for gets another.
      const wanted = it.newName("taken");
      await it.create(owner, `${wanted}-y`);
      const late = await it.somebody({ username: `${wanted}_y` });
      assert.equal((await made(late)).slug, `${wanted}-y-2`);
      // None that people would take for the service.
      const clever = await it.somebody({ username: "security_" });
      assert.equal((await made(clever)).slug, "security-2");
    });

    test("made for who has none, once, and without a username too", async () => {
      const person = await signUp(it.server);
      const first = await made(person);
      assert.equal(first.slug, `u-${person.account}`);
      for (const query of ["DELETE FROM organizations WHERE organization_id = ?", "DELETE FROM organization_members WHERE organization_id = ?"]) await it.directory.prepare(query).bind(first.id).run();
      await it.directory.prepare("DELETE FROM owner_names WHERE owner_id = ?").bind(first.id).run();
      refused(await personal(person), 404, "personal_organization_not_found");
      const answers = await all(...[1, 2, 3].map(() => personal(person, "POST")));
      assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1, codes(answers));
    });

    test("that keep their name and their owner, and may have members", async () => {
      const person = await it.somebody();
      const mine = await made(person);
      const guest = await it.somebody();
      await it.add(mine, guest, "owner");
      await it.renew(guest);
      for (const who of [person, guest, undefined]) {
        refused(await it.ask(who, "PATCH", `/${mine.id}`, { slug: it.newName() }), 409, "personal_organization_locked");
        refused(await it.ask(who, "DELETE", `/${mine.id}/members/${person.account}`), 409, "personal_organization_owner");
        refused(await it.ask(who, "PATCH", `/${mine.id}/members/${person.account}`, { remove_roles: ["owner"] }), 409, "personal_organization_owner");
      }
      assert.equal(it.ok(await it.ask(person, "PATCH", `/${mine.id}`, { name: "Mine" })).name, "Mine");
      assert.deepEqual((await it.ownersOf(mine)).sort(), [person.account, guest.account].sort());
    });

    test("gone with their person, with the tokens that act in them", async () => {
      const [person, guest] = await all(it.somebody(), it.somebody());
      const mine = await made(person);
      await it.add(mine, guest);
      const acting = tokensOf(await post(it.server, "refresh", { refresh_token: guest.refresh, organization: mine.slug })).access;
      const shared = await it.create(person);
      const { id } = await it.ok(await invite(person, { account_id: guest.account }, shared), 201);
      const bearer = OPERATOR_TOKEN;
      for (const [method, path] of [["DELETE", ""], ["POST", "/purge"]]) {
        assert.equal((await request(it.server, method, `/api/v1/auth/admin/users/${person.account}${path}`, { bearer, body: method === "POST" ? {} : undefined })).status, 200);
      }
      refused(await it.ask(undefined, "GET", `/${mine.id}`), 404, "not_found");
      assert.ok(!(await it.everything()).includes(mine.id));
      const { invites } = it.ok(await it.ask(undefined, "GET", `/${shared.id}/invites`));
      assert.deepEqual(invites.map((found) => [found.id, found.invited_by]), [[id, null]]);
      // The name is free: whoever has it next is another.
      await it.server.scheduled();
      await expectModes(it.server, acting, { strict: "token_stale" });
    });
  });
});

test("without mode multi no token acts in an organization, and nobody has a personal one", async () => {
  const it = await startOrganized({ mode: "single" });
  try {
    const person = await it.somebody();
    const made = it.ok(await it.ask(undefined, "POST", "", { slug: "acme", owner: person.account }), 201);
    refused(await post(it.server, "refresh", { refresh_token: person.refresh, organization: made.slug }), 403, "feature_disabled");
    refused(await it.ask(person, "POST", "", { slug: "other" }), 403, "feature_disabled");
    refused(await it.ask(person, "POST", "/personal"), 403, "feature_disabled");
    refused(await it.ask(person, "GET", "/personal"), 404, "personal_organization_not_found");
    assert.deepEqual(it.ok(await it.ask(person, "GET", `/${made.slug}`)).roles, ["member", "owner"]);
    assert.equal((await mails(it.server, "nobody@example.com")).length, 0);
    assert.equal((await post(it.server, "login", { username: person.username, password: PASSWORD })).status, 200);
  } finally {
    await it.server.stop();
  }
});
