// Organizations: their names, their members and their roles; who may do what, and what two requests at one moment come to.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { audited, expectModes, get, mailTo, PASSWORD, post, refused, request } from "./support/people.mjs";
import { OPERATOR_TOKEN } from "./support/operator.mjs";
import { startOrganized } from "./support/organizations.mjs";

const NOBODY = "0123456789abcdef".repeat(2);
const all = (...asked) => Promise.all(asked);
const codes = (answers) => answers.map(({ status, code }) => code ?? status).sort();

describe("organizations", () => {
  let it;
  let owner;
  let member;
  let stranger;
  let organization;
  before(async () => {
    it = await startOrganized();
    [owner, member, stranger] = await all(it.somebody(), it.somebody(), it.somebody());
    organization = await it.create(owner);
    await it.add(organization, member);
  });
  after(() => it?.server.stop());

  const at = (path = "", { id } = organization) => `/${id}${path}`;
  const rename = (who, slug, which) => it.ask(who, "PATCH", at("", which), { slug });
  const amend = (who, person, body, which) => it.ask(who, "PATCH", at(`/members/${person.account}`, which), body);
  const dismiss = (who, person, which) => it.ask(who, "DELETE", at(`/members/${person.account}`, which));
  const define = (who, role, permissions, which) => it.ask(who, "PUT", at(`/roles/${role}`, which), { permissions });

  describe("have names", () => {
    test("that are shown, found in any case and by id, and listed", async () => {
      const slug = it.newName("acme-");
      const made = it.ok(await it.ask(owner, "POST", "", { slug: ` ${slug.toUpperCase()} `, name: "Acme Ltd" }), 201);
      const { id, created_at: at, ...rest } = made;
      assert.deepEqual(rest, { slug, name: "Acme Ltd", aliases: [], personal: false, roles: ["member", "owner"], updated_at: null });
      assert.match(id, /^[0-9a-f]{32}$/);
      for (const name of [slug, slug.toUpperCase(), id]) assert.deepEqual(it.ok(await it.ask(owner, "GET", `/${name}`)), made);
      const { organizations } = it.ok(await it.ask(owner, "GET", "?limit=200"));
      assert.deepEqual(organizations.find((found) => found.id === id), { id, slug, name: "Acme Ltd", personal: false, roles: ["member", "owner"], joined_at: at });
      assert.ok((await audited(it.server, owner)).includes(`organization_created:created ${slug} in ${id} by ${owner.account}`));
    });

    test("by a rule that is named when it is broken", async () => {
      for (const bad of ["", "a_b", "-a", "a-", "a b", "ä", "a".repeat(64), NOBODY, "admin", "personal"]) {
        const { body } = await it.ask(owner, "POST", "", { slug: bad });
        assert.deepEqual([body.code, body.errors[0].field], ["invalid_request", "slug"], bad);
      }
      for (const body of [{}, { slug: 1 }, { slug: ["a"] }]) refused(await it.ask(owner, "POST", "", body), 400, "invalid_request");
      refused(await it.ask(owner, "PATCH", at(), {}), 400, "invalid_request");
      refused(await rename(owner, "ab_cd"), 400, "invalid_request");
    });

    test("that stay theirs when they get another, and nobody else's for good", async () => {
      const [first, second] = [it.newName("first-"), it.newName("second-")];
      const one = await it.create(owner, first);
      const two = await it.create(owner);
      const renamed = it.ok(await rename(owner, second, one));
      assert.deepEqual([renamed.slug, renamed.aliases], [second, [first]]);
      assert.equal(it.ok(await it.ask(owner, "GET", `/${first}`)).id, one.id);
      assert.deepEqual((await get(it.server, `owners/${first}`, { bearer: stranger.access })).body, { kind: "organization", id: one.id, slug: second });
      for (const taken of [first, second]) {
        refused(await rename(owner, taken, two), 409, "slug_taken");
        refused(await it.ask(stranger, "POST", "", { slug: taken }), 409, "slug_taken");
      }
      assert.deepEqual(it.ok(await rename(owner, first, one)).aliases, [second], "it may return to one");
      // Ten names in a life, the first included.
      for (let name = 3; name <= 10; name += 1) it.ok(await rename(owner, it.newName("more-"), one));
      refused(await rename(owner, it.newName("more-"), one), 409, "too_many_slugs");
      it.ok(await rename(owner, first, one));
      assert.equal(it.ok(await it.ask(owner, "PATCH", `/${second}`, { name: "Second" })).name, "Second");
    });

    test("in one name space with people", async () => {
      const person = await it.somebody();
      refused(await it.ask(owner, "POST", "", { slug: person.username }), 409, "slug_taken");
      refused(await rename(owner, person.username), 409, "slug_taken");
      assert.deepEqual((await get(it.server, `owners/${person.username}`, { bearer: owner.access })).body, { kind: "account", id: person.account, slug: person.username });
      const slug = it.newName("org");
      await it.create(owner, slug);
      refused(await request(it.server, "PATCH", "/api/v1/auth/me", { body: { username: slug }, bearer: person.access }), 409, "username_taken");
      assert.equal((await get(it.server, `username-available?username=${slug}`)).body.available, false);
      // A name that somebody who signs up waits for.
      const held = it.newName("held");
      const email = `${held}@example.com`;
      assert.equal((await post(it.server, "signup", { email, name: "Ada", username: held, password: PASSWORD })).status, 202);
      refused(await it.ask(owner, "POST", "", { slug: held }), 409, "slug_taken");
      refused(await rename(owner, held), 409, "slug_taken");
      await mailTo(it.server, email);
      refused(await get(it.server, `owners/${it.newName()}`, { bearer: owner.access }), 404, "not_found");
      refused(await get(it.server, `owners/${person.username}`), 401, "token_missing");
    });

    test("that one of many gets, of organizations and people at one moment", async () => {
      const slug = it.newName("wanted");
      const two = await it.create(owner);
      const answers = await all(
        ...[owner, member, stranger].map((who) => it.ask(who, "POST", "", { slug })),
        rename(owner, slug, two),
        request(it.server, "PATCH", "/api/v1/auth/me", { body: { username: slug }, bearer: stranger.access }),
        request(it.server, "POST", "/api/v1/auth/admin/users", { body: { username: slug, name: "Eve", password: PASSWORD }, bearer: OPERATOR_TOKEN }),
      );
      assert.equal(answers.filter(({ status }) => status < 300).length, 1, JSON.stringify(codes(answers)));
      assert.ok(answers.every(({ status, code }) => status < 300 || ["slug_taken", "username_taken"].includes(code)), JSON.stringify(codes(answers)));
      // A person's name is their personal organization's too.
      const { count } = await it.directory.prepare("SELECT (SELECT COUNT(*) FROM organizations WHERE slug = ?1 AND personal_of IS NULL) + (SELECT COUNT(*) FROM identifiers WHERE value = ?1) AS count").bind(slug).first();
      assert.equal(count, 1);
    });
  });

  describe("have members", () => {
    test("page by page, latest first, as others in it see them", async () => {
      const one = await it.create(owner);
      const people = await all(it.somebody(), it.somebody(), it.somebody());
      for (const person of people) await it.add(one, person);
      const seen = [];
      let cursor = "";
      do {
        const page = it.ok(await it.ask(people[0], "GET", at(`/members?limit=3${cursor}`, one)));
        assert.ok(page.members.length <= 3);
        seen.push(...page.members.map(({ account_id: account }) => account));
        cursor = page.next_cursor && `&cursor=${page.next_cursor}`;
      } while (cursor);
      assert.deepEqual([...seen].sort(), [owner, ...people].map(({ account }) => account).sort());
      const { joined_at: joined, ...shown } = it.ok(await it.ask(people[1], "GET", at(`/members/${people[0].account}`, one)));
      assert.deepEqual(shown, { account_id: people[0].account, username: people[0].username, name: "Ada", roles: ["member"] });
      assert.ok(joined > 0);
      refused(await it.ask(owner, "GET", at(`/members/${stranger.account}`, one)), 404, "member_not_found");
      for (const query of ["limit=0", "limit=201", "cursor=%21"]) refused(await it.ask(owner, "GET", at(`/members?${query}`, one)), 400, "invalid_request");
    });

    test("who leave, are removed, and may come back without their roles", async () => {
      const one = await it.create(owner);
      const [leaver, removed] = await all(it.somebody(), it.somebody());
      await it.add(one, leaver);
      await it.add(one, removed, "owner");
      it.ok(await dismiss(leaver, leaver, one));
      assert.ok(["token_stale", "not_found"].includes((await it.ask(leaver, "GET", at("", one))).code));
      it.ok(await dismiss(owner, removed, one));
      await expectModes(it.server, removed.access, { strict: "token_stale" });
      assert.ok((await audited(it.server, removed)).includes(`organization_member_removed:removed in ${one.id} by ${owner.account}`));
      for (const gone of [leaver, removed]) refused(await dismiss(owner, gone, one), 404, "member_not_found");
      await it.add(one, removed);
      assert.deepEqual(it.ok(await it.ask(owner, "GET", at(`/members/${removed.account}`, one))).roles, ["member"]);
      refused(await dismiss(owner, { account: NOBODY }, one), 404, "member_not_found");
      refused(await dismiss(owner, { account: "nobody" }, one), 404, "member_not_found");
    });

    test("of whom one is always owner, however many go at one moment", async () => {
      const alone = await it.create(owner);
      refused(await dismiss(owner, owner, alone), 409, "last_owner");
      refused(await amend(owner, owner, { remove_roles: ["owner"] }, alone), 409, "last_owner");
      refused(await dismiss(undefined, owner, alone), 409, "last_owner");
      const ways = [
        ["leave", (who, _, one) => dismiss(who, who, one)],
        ["resign", (who, _, one) => amend(who, who, { remove_roles: ["owner"] }, one)],
        ["dismiss each other", (who, other, one) => dismiss(who, other, one)],
        ["are removed by the operator", (who, _, one) => dismiss(undefined, who, one)],
      ];
      for (const [name, go] of ways) {
        const [first, second] = await all(it.somebody(), it.somebody());
        const one = await it.create(first);
        await it.add(one, second, "owner");
        await it.renew(second);
        const answers = await all(go(first, second, one), go(second, first, one));
        assert.equal((await it.ownersOf(one)).length, 1, `${name}: ${codes(answers)}`);
        assert.equal(answers.filter(({ status }) => status === 200).length, 1, `${name}: ${codes(answers)}`);
        const lost = answers.find(({ status }) => status !== 200);
        assert.ok(["last_owner", "not_found", "token_stale"].includes(lost.code), `${name}: ${lost.code}`);
      }
    });

    test("of whom one who is deleted or shut out counts for no owner", async () => {
      const one = await it.create(owner);
      const [second, banned, disabled] = await all(it.somebody(), it.somebody(), it.somebody());
      for (const [person, order] of [[banned, "ban"], [disabled, "disable"]]) {
        await it.add(one, person, "owner");
        const shut = await request(it.server, "POST", `/api/v1/auth/admin/users/${person.account}/${order}`, { body: {}, bearer: OPERATOR_TOKEN });
        assert.equal(shut.status, 200);
        refused(await dismiss(owner, owner, one), 409, "last_owner");
        it.ok(await dismiss(undefined, person, one));
      }
      await it.add(one, second, "owner");
      const deleted = await request(it.server, "DELETE", `/api/v1/auth/admin/users/${second.account}`, { bearer: OPERATOR_TOKEN });
      assert.equal(deleted.status, 200);
      refused(await dismiss(owner, owner, one), 409, "last_owner");
      const { members } = it.ok(await it.ask(owner, "GET", at("/members", one)));
      assert.deepEqual(members.map(({ account_id: account }) => account), [owner.account]);
    });

    test("at most so many, and nobody in more than 200", async () => {
      const busy = await it.somebody();
      // One of the 200 is the personal one.
      assert.ok([200, 201].includes((await it.ask(busy, "POST", "/personal")).status));
      const rows = Array.from({ length: 198 }, (_, index) => index.toString(16).padStart(32, "e"));
      await it.directory.batch(rows.map((id) => it.directory.prepare("INSERT INTO organization_members (organization_id, account_id, joined_at) VALUES (?, ?, 1)").bind(id, busy.account)));
      const answers = await all(...[1, 2, 3].map(() => it.ask(busy, "POST", "", { slug: it.newName() })));
      assert.deepEqual(codes(answers), [201, "too_many_memberships", "too_many_memberships"]);
      refused(await it.ask(undefined, "POST", at("/members"), { account_id: busy.account }), 409, "too_many_memberships");
      const leave = answers.find(({ status }) => status === 201).body;
      refused(await dismiss(busy, busy, leave), 409, "last_owner");
    });
  });

  describe("define roles", () => {
    test("with permissions that organizations may give, and give them to members", async () => {
      const one = await it.create(owner);
      const person = await it.somebody();
      await it.add(one, person);
      it.ok(await define(owner, "editor", ["docs:write", "docs:read", "docs:read"], one));
      it.ok(await define(owner, "Auditor:2", [], one));
      const { roles, permissions } = it.ok(await it.ask(person, "GET", at("/roles", one)));
      assert.deepEqual(permissions, ["docs:read", "docs:write"]);
      assert.deepEqual(roles, [
        { name: "Auditor:2", permissions: [], protected: false },
        { name: "editor", permissions: ["docs:read", "docs:write"], protected: false },
        { name: "member", permissions: [], protected: true },
        { name: "owner", permissions: ["docs:read", "docs:write"], protected: true },
      ]);
      const given = it.ok(await amend(owner, person, { add_roles: ["editor", "Auditor:2", "editor"] }, one));
      assert.deepEqual(given.roles, ["Auditor:2", "editor", "member"]);
      await expectModes(it.server, person.access, { strict: "token_stale" });
      assert.deepEqual(it.ok(await amend(owner, person, { add_roles: ["member"], remove_roles: ["Auditor:2", "owner"] }, one)).roles, ["editor", "member"]);
      assert.ok((await audited(it.server, person)).includes(`organization_roles_changed:roles +editor +Auditor:2 +editor in ${one.id} by ${owner.account}`));
      it.ok(await it.ask(owner, "DELETE", at("/roles/editor", one)));
      assert.deepEqual(it.ok(await it.ask(owner, "GET", at(`/members/${person.account}`, one))).roles, ["member"]);
      refused(await it.ask(owner, "DELETE", at("/roles/editor", one)), 404, "role_not_found");
    });

    test("and are refused what is not theirs to give, and to whom", async () => {
      for (const permissions of [["bills:pay"], ["docs:delete"], ["docs:read", "*"], "docs:read", [1], undefined]) {
        refused(await define(owner, "editor", permissions), 400, "invalid_request");
      }
      for (const role of ["Owner", "MEMBER", "a%20b", "é", "r".repeat(65)]) refused(await define(owner, role, []), 400, "invalid_request");
      refused(await define(owner, "owner", []), 409, "role_protected");
      it.ok(await define(owner, "member", ["docs:read"]));
      for (const changed of [owner, member]) {
        await expectModes(it.server, changed.access, { strict: "token_stale" });
        await it.renew(changed);
      }
      for (const role of ["owner", "member"]) refused(await it.ask(owner, "DELETE", at(`/roles/${role}`)), 409, "role_protected");
      refused(await amend(owner, member, { add_roles: ["undefined"] }), 404, "role_not_found");
      refused(await amend(owner, member, { remove_roles: ["undefined"] }), 404, "role_not_found");
      refused(await amend(owner, stranger, { add_roles: ["member"] }), 404, "member_not_found");
      for (const body of [{}, { add_roles: ["a b"] }, { add_roles: "member" }]) refused(await amend(owner, member, body), 400, "invalid_request");
    });

    test("at most 100, and give at most 50", async () => {
      const one = await it.create(owner);
      const names = Array.from({ length: 97 }, (_, number) => `r${number}`);
      await it.directory.batch(names.map((name) => it.directory.prepare("INSERT INTO organization_roles VALUES (?, ?, '[]', 1)").bind(one.id, name)));
      assert.deepEqual(codes(await all(define(owner, "x", [], one), define(owner, "y", [], one))), [200, "too_many_roles"]);
      it.ok(await define(owner, "r0", ["docs:read"], one));
      assert.equal(it.ok(await amend(owner, owner, { add_roles: names.slice(0, 48) }, one)).roles.length, 50);
      await it.renew(owner);
      refused(await amend(owner, owner, { add_roles: ["r60"] }, one), 409, "too_many_roles");
    });
  });

  describe("are nobody else's", () => {
    const requests = (which, person) => [
      ["GET", at("", which)],
      ["PATCH", at("", which), { slug: "stolen-name", name: "Stolen" }],
      ["GET", at("/members", which)],
      ["GET", at(`/members/${person.account}`, which)],
      ["PATCH", at(`/members/${person.account}`, which), { add_roles: ["owner"] }],
      ["DELETE", at(`/members/${person.account}`, which)],
      ["GET", at("/roles", which)],
      ["PUT", at("/roles/thief", which), { permissions: ["docs:write"] }],
      ["DELETE", at("/roles/member", which)],
    ];

    test("to strangers there is none, whatever they know of it", async () => {
      const thief = await it.somebody();
      const own = await it.create(thief);
      it.ok(await define(thief, "thief", ["docs:write"], own));
      const before = await it.everything();
      for (const which of [organization, { id: organization.slug }, { id: NOBODY }, { id: "no-such-name" }, { id: "%20" }]) {
        for (const person of [thief, owner, member]) {
          for (const [method, path, body] of requests(which, person)) refused(await it.ask(thief, method, path, body), 404, "not_found");
        }
      }
      assert.equal(await it.everything(), before);
    });

    test("members see, and change nothing but their own leave", async () => {
      const before = await it.everything();
      for (const [method, path, body] of requests(organization, owner)) {
        const answer = await it.ask(member, method, path, body);
        if (method === "GET") it.ok(answer);
        else refused(answer, 403, "organization_owner_required");
      }
      refused(await amend(member, member, { add_roles: ["owner"] }), 403, "organization_owner_required");
      refused(await it.ask(member, "POST", at("/members"), { account_id: stranger.account }), 405, "method_not_allowed");
      assert.equal(await it.everything(), before);
    });

    test("without a token, with one that was ended, and with no operator's, nothing is done", async () => {
      const gone = await it.somebody();
      const before = await it.everything();
      await post(it.server, "logout", { refresh_token: gone.refresh });
      for (const [method, path, body] of requests(organization, owner)) {
        refused(await request(it.server, method, `/api/v1/auth/organizations${path}`, { body }), 401, "token_missing");
        refused(await it.ask(gone, method, path, body), 401, "session_revoked");
        refused(await request(it.server, method, `/api/v1/auth/admin/organizations${path}`, { body, bearer: owner.access }), 401, "operator_token_invalid");
      }
      assert.equal(await it.everything(), before);
    });
  });

  describe("are the operator's to rule", () => {
    test("without being a member, and once for one key", async () => {
      const slug = it.newName("ops-");
      const key = { "idempotency-key": it.newName("key") };
      const made = it.ok(await it.ask(undefined, "POST", "", { slug }, key), 201);
      assert.deepEqual([made.slug, made.roles], [slug, undefined]);
      assert.equal(it.ok(await it.ask(undefined, "POST", "", { slug }, key), 201).id, made.id);
      refused(await it.ask(undefined, "POST", "", { slug }), 409, "slug_taken");
      await it.add(made, member, "owner");
      assert.deepEqual(await it.ownersOf(made), [member.account]);
      it.ok(await it.ask(undefined, "POST", at("/members", made), { account_id: member.account }), 200);
      const taken = { "idempotency-key": it.newName("key") };
      it.ok(await it.ask(undefined, "POST", at("/members", made), { account_id: stranger.account }));
      it.ok(await it.ask(undefined, "DELETE", at(`/members/${stranger.account}`, made), undefined, taken));
      it.ok(await it.ask(undefined, "POST", at("/members", made), { account_id: stranger.account }));
      it.ok(await it.ask(undefined, "DELETE", at(`/members/${stranger.account}`, made), undefined, taken));
      assert.deepEqual(it.ok(await it.ask(undefined, "GET", at(`/members/${stranger.account}`, made))).roles, ["member"], "the same order removes nobody twice");
      for (const account of [NOBODY, "x", undefined]) refused(await it.ask(undefined, "POST", at("/members", made), { account_id: account }), 400, "invalid_request");
      refused(await it.ask(undefined, "POST", "", { slug: it.newName(), owner: NOBODY }), 400, "invalid_request");
      const { organizations } = it.ok(await it.ask(undefined, "GET", "?limit=1"));
      assert.deepEqual(Object.keys(organizations[0]), ["id", "slug", "name", "personal", "created_at"]);
      const of = await request(it.server, "GET", `/api/v1/auth/admin/users/${stranger.account}/organizations`, { bearer: OPERATOR_TOKEN });
      assert.ok(of.body.organizations.some(({ id }) => id === made.id));
    });
  });
});

test("without mode multi accounts create no organizations, and the operator may", async () => {
  const it = await startOrganized({ mode: "single" });
  try {
    const person = await it.somebody();
    refused(await it.ask(person, "POST", "", { slug: "acme" }), 403, "feature_disabled");
    const made = it.ok(await it.ask(undefined, "POST", "", { slug: "acme", owner: person.account }), 201);
    assert.deepEqual(it.ok(await it.ask(person, "GET", `/${made.slug}`)).roles, ["member", "owner"]);
  } finally {
    await it.server.stop();
  }
});
