// A Worker that passes on to `env.AUTH.validate` what a test tells it, and answers with what came back.

/** Arguments that JSON cannot say, by name. */
const ODD = {
  undefined: () => [undefined],
  "a number": () => [7],
  "a function": () => [() => "token"],
  "a date": () => [new Date(0)],
  "half a surrogate pair": () => ["\ud800"],
  "options with a BigInt": (token) => [token, { details: 1n }],
  "options in a circle": (token) => [token, circle()],
  "options that are text": (token) => [token, "strict"],
  "options that are null": (token) => [token, null],
  "a token among the options": (token) => ["x", { token }],
  "a million characters": () => ["x".repeat(1_000_000)],
  "a million permissions": (token) => [token, { permissions: Array(1_000_000).fill("docs:read") }],
};

function circle() {
  const options = {};
  options.options = options;
  return options;
}

/** Asks that often at once, and has the service panic a few times before all is answered. */
async function askDuringPanics(env, passed, times) {
  const calls = Promise.all(Array.from({ length: times }, () => env.AUTH.validate(...passed)));
  // The answers wait behind these requests, so there must be an end to them.
  for (let panics = 0; panics < 5; panics += 1) await (await env.HTTP.fetch("http://postern/dev/panic", { method: "POST" })).text();
  return calls;
}

export default {
  async fetch(request, env) {
    const { odd, token, options, duringPanics } = await request.json();
    const passed = odd === undefined ? [token, options] : ODD[odd](token);
    try {
      const asked = duringPanics === undefined ? env.AUTH.validate(...passed) : askDuringPanics(env, passed, duringPanics);
      return Response.json({ returned: await asked });
    } catch (error) {
      return Response.json({ thrown: String(error) });
    }
  },
};
