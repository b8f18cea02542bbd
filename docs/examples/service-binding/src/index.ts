// An API that leaves the question who is calling to Postern.

import type { AuthService } from "postern/service";

interface Env {
  AUTH: AuthService<"docs:read" | "docs:write">;
}

const BEARER = /^Bearer +(\S+)$/i;

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const [, token = ""] = BEARER.exec(request.headers.get("authorization") ?? "") ?? [];
    // Whoever sent the token, as opposed to this Worker: compared where sessions are bound to their device.
    const client_ip = request.headers.get("CF-Connecting-IP");
    const client_user_agent = request.headers.get("User-Agent");
    // Reading may be up to a minute behind a revocation; writing may not.
    const answer =
      request.method === "GET"
        ? await env.AUTH.validate(token, { permissions: ["docs:read"] })
        : await env.AUTH.validate(token, { permissions: ["docs:write"], mode: "strict", client_ip, client_user_agent });
    if (!answer.ok) return Response.json({ code: answer.code }, { status: answer.status });
    return Response.json({ account: answer.account_id, may: answer.permissions });
  },
};
