import { createVerifier, init, ConfigurationError, KeysError, PermissionError, PosternError, TokenError } from "postern";
import type { AsyncVerifier, Claims, KeysErrorCode, PermissionRegistry, TokenErrorCode, Verifier } from "postern";
import * as inline from "postern/inline";
import * as webcrypto from "postern/webcrypto";
import type { AuthService } from "postern/service";

const plain: Verifier = createVerifier({ issuer: "i", audience: ["a"], jwksUrl: "https://i/jwks.json" });
const ready: Promise<void> = plain.ready();
const claims: Claims = plain.verify("token");
const mayWrite: boolean = claims.can("docs:write");
const subject: string = claims.subject;
const session: string | undefined = claims.sessionId;
const custom: unknown = claims.payload.plan ?? claims.custom.plan;

// Names of a registry that is written out are checked by the compiler.
const registry = {
  version: 2,
  width: 64,
  permissions: [
    { name: "docs:read", bit: 0 },
    { name: "docs:write", bit: 1 },
  ],
} as const;
const typed = createVerifier({ issuer: "i", audience: "a", jwks: { keys: [] }, permissions: registry }).verify("token");
typed.can("docs:read");
typed.canAll(["docs:read", "docs:write"]);
export const roles: boolean[] = [typed.hasAllRoles(["editor"]), typed.hasAnyRole(["editor"] as const)];
// @ts-expect-error a text is no list of roles
typed.hasAnyRole("editor");
const names: ("docs:read" | "docs:write")[] = typed.permissions();
// @ts-expect-error a misspelt name
typed.can("docs:reed");
// @ts-expect-error a misspelt name among others
typed.canAny(["docs:read", "docs:reed"]);

// A name that has been deleted is no name.
const shrunk = {
  version: 3,
  width: 64,
  permissions: [
    { name: "docs:read", bit: 0, deleted: true },
    { name: "docs:write", bit: 1 },
  ],
} as const;
const after = createVerifier({ issuer: "i", audience: "a", jwks: { keys: [] }, permissions: shrunk }).verify("token");
after.can("docs:write");
// @ts-expect-error a deleted name
after.can("docs:read");

// A registry that is read from a file has names that the compiler cannot know.
declare const loaded: PermissionRegistry;
createVerifier({ issuer: "i", audience: "a", jwks: "{}", permissions: loaded }).verify("token").can("anything");

// Unless the names are given beside it, as `npx postern permissions` writes them.
type Permission = "docs:read" | "docs:write";
const named = createVerifier<Permission>({ issuer: "i", audience: "a", jwks: "{}", permissions: loaded });
named.verify("token").can("docs:write");
// @ts-expect-error a misspelt name
named.verify("token").can("docs:wriet");

// The build without WebAssembly has the same claims, and no `verify`.
const slow = webcrypto.createVerifier<Permission>({ issuer: "i", audience: "a", jwks: "{}", permissions: loaded });
const later: Promise<Claims<Permission>> = slow.verifyAsync("token");
const either: AsyncVerifier<Permission>[] = [slow, named];
// @ts-expect-error WebCrypto takes its time
slow.verify("token");
// @ts-expect-error no shared secrets
webcrypto.createVerifier({ issuer: "i", audience: "a", hmacSecret: new Uint8Array(32) });
// @ts-expect-error no memory for tokens
webcrypto.createVerifier({ issuer: "i", audience: "a", jwks: "{}", cacheSize: 5 });

named.revoke({ sessionId: "s" });
named.setRevocations([{ subject: "a", accountVersion: 2, until: 5 }]);
// @ts-expect-error of which version
named.revoke({ subject: "a" });
// @ts-expect-error one or the other
named.revoke({ sessionId: "s", subject: "a", accountVersion: 2 });

createVerifier({ issuer: "i", audience: "a", jwks: "{}", tenant: "acme" });
createVerifier({ issuer: "i", audience: "a", jwks: "{}", anyTenant: true });
// @ts-expect-error one tenant, or all of them
createVerifier({ issuer: "i", audience: "a", jwks: "{}", tenant: "acme", anyTenant: true });
// @ts-expect-error one tenant, or all of them
webcrypto.createVerifier({ issuer: "i", audience: "a", jwks: "{}", tenant: "acme", anyTenant: true });

// @ts-expect-error no keys
createVerifier({ issuer: "i", audience: "a" });
// @ts-expect-error no audience
createVerifier({ issuer: "i", jwks: { keys: [] } });
// @ts-expect-error a misspelt option
createVerifier({ issuer: "i", audience: "a", jwks: { keys: [] }, leeway: 5 });
// @ts-expect-error not a claim that Postern registers
createVerifier({ issuer: "i", audience: "a", jwks: { keys: [] }, requiredClaims: ["email"] });
createVerifier({ issuer: "i", audience: "a", hmacSecret: new Uint8Array(32) });
// @ts-expect-error claims cannot be changed
claims.payload.sub = "other";

try {
  inline.createVerifier({ issuer: "i", audience: "a", jwks: { keys: [] } });
} catch (error) {
  if (error instanceof TokenError) {
    const code: TokenErrorCode = error.code;
    // @ts-expect-error not a code
    if (code === "expired") void code;
  } else if (error instanceof ConfigurationError) {
    const option: string = error.option;
    void option;
  } else if (error instanceof KeysError || error instanceof PermissionError) {
    const code: KeysErrorCode | "permission_unknown" = error.code;
    void code;
  } else if (error instanceof PosternError) {
    const code: string = error.code;
    void code;
  }
}
void [later, either, ready, mayWrite, subject, session, custom, names, init()];

// A Worker that is bound to the service: an answer is good only after it has been looked at.
declare const AUTH: AuthService<"docs:read" | "docs:write">;
const answer = await AUTH.validate("token", { mode: "strict", audience: "a", permissions: ["docs:write"] });
// @ts-expect-error a refusal has no account
answer.account_id;
if (answer.ok) answer.account_id satisfies string;
else answer.code satisfies string;
// @ts-expect-error a misspelt permission
await AUTH.validate("token", { permissions: ["docs:reed"] });
await AUTH.validate("token", { max_age: 60, acr: "urn:postern:acr:2" });
// @ts-expect-error a class that there is not.
await AUTH.validate("token", { acr: "2" });
// What a request lacks is null.
await AUTH.validate("token", { client_ip: new Headers().get("cf-connecting-ip"), client_user_agent: "Owner/1.0" });
// @ts-expect-error an address is text
await AUTH.validate("token", { client_ip: 2130706433 });
// @ts-expect-error a misspelt mode
await AUTH.validate("token", { mode: "lax" });
// @ts-expect-error a token is text
await AUTH.validate(7);
