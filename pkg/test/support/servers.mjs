// The same routes on a real server of every framework.
import { serve } from "@hono/node-server";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import { once } from "node:events";
import { createServer } from "node:http";
import * as expressAdapter from "postern/express";
import * as fastifyAdapter from "postern/fastify";
import { createGuard } from "postern/guard";
import * as honoAdapter from "postern/hono";

/** What every route answers to who gets through. */
const greeting = (claims) => ({ subject: claims?.subject ?? null });

/** The options of each route, by its path. `/behind` and `/behind-paid` authenticate, and then ask for more. */
const routesFor = (dpop) => ({
  "/private": { realm: "docs" },
  "/open": { optional: true },
  "/write": { requires: ["docs:write"] },
  "/both": { requires: ["docs:read", "docs:write"] },
  "/teams/ada": { organization: async (claims, { url }) => new URL(url, "http://any").pathname.split("/")[2], requires: ["docs:write"] },
  "/teams/renamed": { organization: () => ["ada", "grace"] },
  "/teams/none": { organization: () => undefined },
  "/teams/any": { organization: true },
  "/paid": { entitlements: "export" },
  "/paid-write": { entitlements: ["export", "seats:50"], requires: "docs:write" },
  "/teams/paid": { organization: true, entitlements: ["export"] },
  "/editors": { authorize: async (claims) => claims.hasRole("editor") },
  "/careless": { authorize: () => 1 },
  "/recent": { maxAuthAgeSeconds: 600 },
  "/strong": { acr: "urn:postern:acr:2", requires: ["docs:write"] },
  "/both-recent": { maxAuthAgeSeconds: 600, acr: "urn:postern:acr:1" },
  "/either": { dpop },
  "/bound": { dpop, requireDpop: true },
  "/open-bound": { dpop, optional: true },
});

const HONO = (verifier, dpop) => {
  const app = new Hono();
  const { authenticate, requires, requiresEntitlement } = honoAdapter;
  for (const [path, options] of Object.entries(routesFor(dpop))) {
    app.on(["GET", "POST"], path, authenticate(verifier, options), (c) => Response.json(greeting(c.get("claims"))));
  }
  app.get("/behind", authenticate(verifier, { optional: true }), requires("docs:write"), (c) => c.json(greeting(c.get("claims"))));
  app.get("/behind-paid", authenticate(verifier, { optional: true }), requiresEntitlement("export", "seats:50"), (c) => c.json(greeting(c.get("claims"))));
  app.get("/misspelt", authenticate(verifier, { requires: ["docs:rite"] }), (c) => c.json({}));
  app.onError((error, c) => c.text(error.code, 500));
  return started(serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }));
};

const EXPRESS = (verifier, dpop) => {
  const app = express();
  const { authenticate, requires, requiresEntitlement } = expressAdapter;
  const greet = (request, response) => response.json(greeting(request.claims));
  for (const [path, options] of Object.entries(routesFor(dpop))) app.all(path, authenticate(verifier, options), greet);
  app.get("/behind", authenticate(verifier, { optional: true }), requires("docs:write"), greet);
  app.get("/behind-paid", authenticate(verifier, { optional: true }), requiresEntitlement("export", "seats:50"), greet);
  app.get("/misspelt", authenticate(verifier, { requires: ["docs:rite"] }), greet);
  app.use((error, _request, response, _next) => response.status(500).send(error.code));
  return started(app.listen(0, "127.0.0.1"));
};

const FASTIFY = async (verifier, dpop) => {
  const app = fastify();
  const { authenticate, requires, requiresEntitlement } = fastifyAdapter;
  const greet = async (request) => greeting(request.claims);
  for (const [url, options] of Object.entries(routesFor(dpop))) {
    app.route({ method: ["GET", "POST"], url, onRequest: authenticate(verifier, options), handler: greet });
  }
  app.get("/behind", { onRequest: [authenticate(verifier, { optional: true }), requires("docs:write")] }, greet);
  app.get("/behind-paid", { onRequest: [authenticate(verifier, { optional: true }), requiresEntitlement("export", "seats:50")] }, greet);
  app.get("/misspelt", { onRequest: authenticate(verifier, { requires: "docs:rite" }) }, greet);
  app.setErrorHandler((error, _request, reply) => reply.code(500).type("text/plain").send(error.code));
  return { url: await app.listen({ port: 0, host: "127.0.0.1" }), close: () => app.close() };
};

const GUARD = (verifier, dpop) => {
  const guards = new Map(Object.entries(routesFor(dpop)).map(([path, options]) => [path, createGuard(verifier, options)]));
  guards.set("/behind", createGuard(verifier, { requires: ["docs:write"] }));
  guards.set("/behind-paid", createGuard(verifier, { entitlements: ["export", "seats:50"] }));
  guards.set("/misspelt", createGuard(verifier, { requires: ["docs:rite"] }));
  const fetch = async (request) => {
    try {
      const { claims, headers, response } = await guards.get(new URL(request.url).pathname)(request);
      return response ?? Response.json(greeting(claims), { headers });
    } catch (error) {
      return new Response(error.code, { status: 500 });
    }
  };
  return started(serve({ fetch, port: 0, hostname: "127.0.0.1" }));
};

/** Plain `http` of Node with the middleware for Express, which needs nothing of Express. */
const CONNECT = (verifier, dpop) => {
  const { authenticate, requires, requiresEntitlement } = expressAdapter;
  const chains = new Map(Object.entries(routesFor(dpop)).map(([path, options]) => [path, [authenticate(verifier, options)]]));
  chains.set("/behind", [authenticate(verifier, { optional: true }), requires("docs:write")]);
  chains.set("/behind-paid", [authenticate(verifier, { optional: true }), requiresEntitlement("export", "seats:50")]);
  chains.set("/misspelt", [authenticate(verifier, { requires: ["docs:rite"] })]);
  const server = createServer((request, response) => {
    const run = ([first, ...rest]) => {
      const next = (error) => (error ? response.writeHead(500).end(error.code) : run(rest));
      if (first) first(request, response, next);
      else response.end(JSON.stringify(greeting(request.claims)));
    };
    run(chains.get(request.url.split("?")[0]));
  });
  return started(server.listen(0, "127.0.0.1"));
};

export const FRAMEWORKS = { HONO, EXPRESS, FASTIFY, GUARD, CONNECT };

async function started(server) {
  if (!server.listening) await once(server, "listening");
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}
