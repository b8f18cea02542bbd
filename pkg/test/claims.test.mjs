import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigurationError, createVerifier, PermissionError, TokenError } from "postern";
import { createIssuer, mask, optionsFor, random, snapshot } from "./support/tokens.mjs";

const issuer = await createIssuer();
const NAMES = ["docs:read", "docs:write", "billing:invoice:void", "users:ban"];
const permissions = snapshot(NAMES);
const verifier = createVerifier(optionsFor(issuer, { permissions }));
const withMask = async (pm, pr = permissions.version) => verifier.verify(await issuer.sign({ pm, pr }));

test("a permission is granted by its bit and by nothing else", async () => {
  const claims = await withMask(mask(64, [1, 3]));
  assert.deepEqual(NAMES.map((name) => claims.can(name)), [false, true, false, true]);
  assert.deepEqual(claims.permissions(), ["docs:write", "users:ban"]);
  assert.equal(claims.isRoot, false);
  assert.equal(claims.registryVersion, 4);
});

test("all and any", async () => {
  const claims = await withMask(mask(64, [0, 1]));
  assert.equal(claims.canAll(["docs:read", "docs:write"]), true);
  assert.equal(claims.canAll(["docs:read", "users:ban"]), false);
  assert.equal(claims.canAll([]), true);
  assert.equal(claims.canAny(["users:ban", "docs:write"]), true);
  assert.equal(claims.canAny(["users:ban"]), false);
  assert.equal(claims.canAny([]), false);
  assert.throws(() => claims.canAll("docs:read"), TypeError);
  assert.throws(() => claims.canAny(undefined), TypeError);
});

test("root passes every check", async () => {
  const claims = await withMask(mask(64, [63]));
  assert.ok(claims.isRoot && NAMES.every((name) => claims.can(name)) && claims.canAll(NAMES));
  assert.deepEqual(claims.permissions(), NAMES);
});

test("a token without a mask grants nothing", async () => {
  const claims = await withMask(undefined, undefined);
  assert.ok(NAMES.every((name) => !claims.can(name)) && !claims.isRoot);
});

test("an unknown name throws, whatever the token grants and wherever the name stands", async () => {
  for (const claims of [await withMask(mask(64, [0])), await withMask(mask(64, [63])), await withMask()]) {
    for (const ask of [
      () => claims.can("docs:reed"),
      () => claims.can(""),
      () => claims.can("__proto__"),
      () => claims.can(undefined),
      () => claims.canAny(["docs:read", "docs:reed"]),
      () => claims.canAll(["users:ban", "docs:reed"]),
      () => claims.canAll(new Array(1)),
      () => claims.canAny(new Array(1)),
    ]) {
      assert.throws(ask, (error) => error instanceof PermissionError && error.code === "permission_unknown");
    }
  }
});

test("each name has its own bit, in whatever order and however often names are asked for", async () => {
  const names = Array.from({ length: 12 }, (_, bit) => `docs:act-${bit}`);
  const many = createVerifier(optionsFor(issuer, { permissions: snapshot(names) }));
  const claims = many.verify(await issuer.sign({ pm: mask(64, [0, 3, 4, 9]), pr: names.length }));
  for (let step = 1; step < 200; step += 1) {
    const bit = (step * step + (step >>> 3)) % names.length;
    assert.equal(claims.can(names[bit]), [0, 3, 4, 9].includes(bit), names[bit]);
    // Nothing that has been refused is known the next time.
    for (const bad of ["", undefined, `${names[bit]}-`]) assert.throws(() => claims.can(bad), { code: "permission_unknown" });
  }
});

test("roles: one, all and any, spelled exactly so", async () => {
  const claims = verifier.verify(await issuer.sign({ roles: ["editor", "viewer"], pm: mask(64, [63]), pr: permissions.version }));
  assert.equal(claims.hasRole("editor"), true);
  assert.equal(claims.hasAllRoles(["viewer", "editor"]), true);
  assert.equal(claims.hasAllRoles([]), true);
  assert.equal(claims.hasAnyRole(["owner", "viewer"]), true);
  for (const role of ["owner", "Editor", "editor ", "edit", "", undefined]) {
    assert.equal(claims.hasRole(role), false, `${role}, which not even root has`);
    assert.equal(claims.hasAllRoles(["editor", role]), false);
    assert.equal(claims.hasAnyRole([role]), false);
  }
  assert.equal(claims.hasAnyRole([]), false);
  assert.deepEqual([claims.hasAllRoles(new Array(1)), claims.hasAnyRole(new Array(1))], [false, false], "a hole is no role");
  const without = verifier.verify(await issuer.sign({ roles: undefined }));
  assert.deepEqual([without.hasAllRoles(["editor"]), without.hasAnyRole(["editor"]), without.hasAllRoles([])], [false, false, true]);
  for (const wrong of ["editor", undefined, null, { 0: "editor", length: 1 }]) {
    assert.throws(() => claims.hasAllRoles(wrong), TypeError);
    assert.throws(() => claims.hasAnyRole(wrong), TypeError);
  }
});

test("without a registry nothing can be asked", async () => {
  const claims = createVerifier(optionsFor(issuer)).verify(await issuer.sign({ pm: "anything", pr: 1 }));
  for (const ask of [
    () => claims.can("docs:read"),
    () => claims.canAny([]),
    () => claims.canAll([]),
    () => claims.permissions(),
    () => claims.isRoot,
  ]) {
    assert.throws(ask, (error) => error instanceof ConfigurationError && error.option === "permissions");
  }
});

test("a mask that is not exactly of the registry's width is refused with its token", async () => {
  const canonical = mask(64, [0]);
  for (const pm of [
    mask(128, [0]),
    mask(256, [0]),
    canonical.slice(1),
    `${canonical}A`,
    `${canonical}=`,
    // The bits beyond the mask must be zero: one mask, one text.
    `${canonical.slice(0, -1)}F`,
    `${canonical.slice(0, -1)}.`,
    `${canonical.slice(0, -1)}é`,
    `${canonical.slice(0, -1)}+`,
  ]) {
    await assert.rejects(withMask(pm), (error) => error instanceof TokenError && error.code === "claim_malformed");
  }
  await assert.rejects(withMask(""), { code: "claim_malformed", claim: "pm" });
});

test("a bit that no registry can have allocated is refused", async () => {
  const wide = createVerifier(optionsFor(issuer, { permissions: snapshot(NAMES, 512) }));
  for (const bit of [63, 127, 255]) {
    const token = await issuer.sign({ pm: mask(512, [bit]), pr: 7 });
    assert.throws(() => wide.verify(token), { code: "claim_malformed", claim: "pm" }, `bit ${bit}`);
  }
  assert.ok(wide.verify(await issuer.sign({ pm: mask(512, [511]), pr: 7 })).isRoot);
});

test("a token of a newer registry of the same width is read as far as its names are known", async () => {
  const claims = await withMask(mask(64, [1, 4]), permissions.version + 1);
  assert.equal(claims.can("docs:write"), true);
  assert.deepEqual(claims.permissions(), ["docs:write"]);
  assert.throws(() => claims.can("docs:share"), { code: "permission_unknown" });
});

test("a deleted name is unknown, and its bit grants nothing", async () => {
  const deleted = createVerifier(optionsFor(issuer, { permissions: snapshot(NAMES, 64, ["docs:write"]) }));
  const claims = deleted.verify(await issuer.sign({ pm: mask(64, [0, 1]), pr: 5 }));
  assert.throws(() => claims.can("docs:write"), { code: "permission_unknown" });
  assert.deepEqual(claims.permissions(), ["docs:read"]);
});

test("every bit of every width is where the issuer put it", async () => {
  const below = random(2);
  for (const [width, room] of [[64, 63], [128, 126], [256, 253], [512, 508]]) {
    const registry = snapshot(Array.from({ length: room }, (_, i) => `x:${i}`), width);
    const one = createVerifier(optionsFor(issuer, { permissions: registry }));
    for (let round = 0; round < 20; round++) {
      const granted = registry.permissions.filter(() => below(3) === 0);
      const pm = mask(width, granted.map(({ bit }) => bit));
      const claims = one.verify(await issuer.sign({ pm, pr: registry.version }));
      assert.deepEqual(claims.permissions(), granted.map(({ name }) => name));
      for (const { name } of registry.permissions) {
        assert.equal(claims.can(name), granted.some((permission) => permission.name === name));
      }
    }
    for (const { bit, name } of registry.permissions) {
      const claims = one.verify(await issuer.sign({ pm: mask(width, [bit]), pr: registry.version }));
      assert.deepEqual(claims.permissions(), [name]);
    }
  }
});

test("a snapshot that no issuer could have published is refused", () => {
  const good = snapshot(NAMES);
  const [first, second, ...rest] = good.permissions;
  for (const bad of [
    null,
    7,
    {},
    { ...good, version: -1 },
    { ...good, version: 5 },
    { ...good, version: "4" },
    { ...good, width: 32 },
    { ...good, width: 128 },
    { ...good, permissions: undefined },
    { ...good, permissions: NAMES },
    { ...good, permissions: [second, first, ...rest] },
    { ...good, permissions: [first, ...rest] },
    { ...good, permissions: [first, { ...second, name: first.name }, ...rest] },
    { ...good, permissions: [first, { ...second, name: "Docs:Write" }, ...rest] },
    { ...good, permissions: [first, { ...second, name: "docs" }, ...rest] },
    { ...good, permissions: [first, { ...second, bit: "1" }, ...rest] },
    { ...good, permissions: [null] },
    { ...snapshot(Array.from({ length: 64 }, (_, i) => `x:${i}`), 128), width: 64, version: 64 },
  ]) {
    assert.throws(
      () => createVerifier(optionsFor(issuer, { permissions: bad })),
      (error) => error instanceof ConfigurationError && error.option === "permissions",
      JSON.stringify(bad)?.slice(0, 200),
    );
  }
});
