import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import { createVerifier } from "postern";
import type { Claims } from "postern";
import { createDpopChecker, createDpopNonces, DpopError, MemoryReplayStore } from "postern/dpop";
import type { DpopErrorCode, ReplayStore } from "postern/dpop";
import * as onExpress from "postern/express";
import * as onFastify from "postern/fastify";
import { createAuthenticator, createGuard } from "postern/guard";
import type { Problem } from "postern/guard";
import * as onHono from "postern/hono";
import { createIssuers } from "postern/issuers";
import { createGuestGuard, createPageData, createPageGuard, createPageSignIn, safeRedirect } from "postern/pages";
import type { IssuerClaims } from "postern/issuers";

const permissions = { version: 1, width: 64, permissions: [{ name: "docs:write", bit: 0 }] } as const;
const verifier = createVerifier({ issuer: "i", audience: "a", jwks: { keys: [] }, permissions });
const issuers = createIssuers({ issuers: [{ issuer: "https://login.example", audience: "a", discover: true }] });
const dpop = createDpopChecker({ origin: "https://api.example", nonces: createDpopNonces({ secret: new Uint8Array(32) }) });

// The names of permissions are known to the compiler, and claims are typed by their verifier.
const guard = createGuard(verifier, { requires: ["docs:write"], dpop, requireDpop: true });
// @ts-expect-error a misspelt permission
createGuard(verifier, { requires: ["docs:rite"] });
// @ts-expect-error a misspelt option
createGuard(verifier, { require: ["docs:write"] });
// @ts-expect-error tokens of third parties have no permissions of this registry
createGuard(issuers, { requires: ["docs:write"] });
// @ts-expect-error not a verifier
createGuard({});
createGuard(verifier, { requires: "docs:write", entitlements: ["export", "seats:50"] });
// @ts-expect-error tokens of third parties have no entitlements
createGuard(issuers, { entitlements: "export" });
// @ts-expect-error a misspelt option
createGuard(verifier, { entitlement: "export" });
createGuard(verifier, { organization: async (claims, { url }) => (claims.can("docs:write") ? url : undefined) });
// @ts-expect-error the name itself says nothing of the request
createGuard(verifier, { organization: "ada" });
createGuard(issuers, { authorize: (claims) => claims.hasScope("docs") });

export async function handle(request: Request): Promise<Response> {
  const guarded = await guard(request);
  if (guarded.response) return guarded.response;
  const claims: Claims<"docs:write"> = guarded.claims;
  // @ts-expect-error a misspelt permission
  claims.can("docs:rite");
  return Response.json(claims, { headers: guarded.headers });
}

export async function handleOptional(request: Request): Promise<string | undefined> {
  const { claims } = await createGuard(issuers, { optional: true })(request);
  // @ts-expect-error there may be none
  claims.subject;
  const known: IssuerClaims | undefined = claims;
  return known?.subject;
}

const page = createPageGuard(verifier, { requires: "docs:write", loginPath: "/enter", renew: (request) => fetch(request) });
const guest = createGuestGuard(verifier, { homePath: "/docs" });
// @ts-expect-error a misspelt option
createPageGuard(verifier, { login: "/enter" });

export async function handlePage(request: Request): Promise<Response> {
  const guarded = await page(request);
  if (guarded.response) return guarded.response;
  const claims: Claims<"docs:write"> = guarded.claims;
  const { response } = await guest(request);
  const data = await createPageData({ secrets: [new Uint8Array(32)] }).open(request, claims.sessionId);
  data.flash("notice", "hello");
  await data.save(guarded.headers);
  return response ?? new Response(claims.subject + safeRedirect(null, "/x"), { headers: guarded.headers });
}

const forms = createPageSignIn({ send: (request) => fetch(request), origins: ["https://app.example"] });
// @ts-expect-error nobody to ask
createPageSignIn({});

export async function handleForm(request: Request): Promise<Response> {
  const { headers, challenge, problem } = await forms.attempt(request, { email: "a", password: "b", remember: true });
  if (headers) return new Response(null, { status: 303, headers });
  if (challenge) return Response.json(await forms.answer(request, { challenge: challenge.challenge, code: "000000" }));
  const seconds: number | undefined = problem.retryAfterSeconds;
  const { user } = await forms.user(request);
  return Response.json({ code: problem.code, seconds, email: user?.email });
}

const app = new Hono();
app.get("/", onHono.authenticate(verifier, { requires: "docs:write" }), (c) => c.text(c.get("claims").clientId ?? ""));
// @ts-expect-error there may be none
app.get("/open", onHono.authenticate(issuers, { optional: true }), (c) => c.text(c.get("claims").subject));
app.use("/docs/*", onHono.authenticate(verifier), onHono.requires("docs:write"));
// @ts-expect-error of which permission?
onHono.requires();
app.use("/exports/*", onHono.authenticate(verifier, { entitlements: "export" }), onHono.requiresEntitlement("export", "seats:50"));
// @ts-expect-error of which entitlement?
onHono.requiresEntitlement();

express().get("/", onExpress.authenticate(verifier), onExpress.requires("docs:write"), onExpress.requiresEntitlement("export"), (request, response) => {
  const subject: string | undefined = request.claims?.subject;
  response.json({ subject });
});

const server = fastify();
server.addHook("onRequest", onFastify.authenticate(verifier, { optional: true }));
server.get("/", { onRequest: [onFastify.authenticate(verifier), onFastify.requires("docs:write"), onFastify.requiresEntitlement("export")] }, async (request) => {
  const subject: string | undefined = request.claims?.subject;
  return { subject };
});

const judge = createAuthenticator(verifier);
void judge({ method: "GET", url: "/", header: () => [] }).then((outcome) => {
  if (outcome.refusal) {
    const problem: Problem = outcome.refusal.body;
    return problem.code;
  }
  return outcome.claims.subject;
});

const store: ReplayStore = new MemoryReplayStore({ capacity: 10 });
createDpopChecker({ origin: ["https://a.example"], replayStore: store, algorithms: "ES256" });
// @ts-expect-error no origin
createDpopChecker({});
// @ts-expect-error symmetric
createDpopChecker({ origin: "https://a.example", algorithms: "HS256" });
// @ts-expect-error no audience
createIssuers({ issuers: [{ issuer: "https://login.example" }] });
const refusal = (error: unknown): DpopErrorCode | undefined => (error instanceof DpopError ? error.code : undefined);
void refusal;
