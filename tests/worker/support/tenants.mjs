// Several tenants of one deployment, as the end-to-end tests ask them.

import { request as httpRequest } from "node:http";

import { startOperated } from "./operator.mjs";

/** The header of the deployment's own choice. */
export const HEADER = "x-tenant-id";

/** A server with the tenants `default`, `acme` and `globex`, told apart by header. */
export const startTenanted = (of = {}, { duplicate_identifiers, ...rest } = {}) =>
  startOperated({}, {
    registration: { usernames: "optional" },
    organizations: { mode: "multi", permissions: ["docs:read"] },
    permissions: { groups: { staff: ["docs:delete"] } },
    ...rest,
    tenants: { duplicate_identifiers, of: { acme: {}, globex: {}, ...of } },
  });

/** The same server, asked for a tenant; without one, it is not said for which. */
export const at = (server, tenant) => ({
  ...server,
  fetch: (path, init = {}) => server.fetch(path, { ...init, headers: { ...init.headers, ...(tenant === undefined ? {} : { [HEADER]: tenant }) } }),
});

/** The same server, asked by the name of a host. */
export const atHost = (server, host) => ({
  ...server,
  fetch: (path, { method = "GET", headers = {}, body } = {}) =>
    new Promise((resolve, reject) => {
      const sent = httpRequest(new URL(path, server.url), { method, headers: { ...headers, host } }, async (response) => {
        const chunks = await Array.fromAsync(response);
        const text = Buffer.concat(chunks).toString();
        resolve(new Response(text === "" ? null : text, { status: response.statusCode, headers: new Headers(Object.entries(response.headers)) }));
      });
      sent.on("error", reject);
      sent.end(body);
    }),
});
