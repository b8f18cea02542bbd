// The entry of the Worker that does nothing: the module as it is, without what Postern's own shim adds.

import * as wasm from "./index.js";

export default { fetch: (request, env, context) => wasm.fetch(request, env, context) };
export const Bare = wasm.Bare;
