// The JavaScript between the Workers runtime and the wasm module.
//
// A panic or trap leaves the wasm instance unusable, and every request of the isolate shares that instance. Left
// alone, the request that panicked hangs until the runtime gives up, and so do all others that wait on the same
// instance. This shim turns it into an error now: whatever is in flight is rejected at once, and the next call
// starts on a fresh instance. State lives in Durable Objects, D1 and KV, so a fresh instance loses nothing.

import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import * as wasm from "./index.js";

const state = wasm.__worker_init_state();
const inFlight = new Set();
let broken = false;

function breakInstance(error) {
  broken = true;
  for (const reject of inFlight) reject(error);
  inFlight.clear();
}

// The Rust panic hook assigns `criticalError`; an accessor makes that assignment an event.
Object.defineProperty(state, "criticalError", {
  get: () => broken,
  set: (critical) => {
    if (critical) breakInstance(new Error("panic"));
    else broken = false;
  },
});

// A trap inside a future's continuation (out of memory, stack overflow) has no caller to throw to.
addEventListener("error", (event) => {
  if (event.error instanceof WebAssembly.RuntimeError) breakInstance(event.error);
});

// Every step of a future of the module is a microtask. The runtime's own function for that costs more than the step; a
// reaction to a promise stands in the same queue for a fraction of it.
globalThis.queueMicrotask = (step) => {
  Promise.resolve().then(() => {
    try {
      step();
    } catch (error) {
      // To the listener above, like whatever is thrown in a microtask.
      reportError(error);
    }
  });
};

function renewInstance() {
  if (!broken) return;
  broken = false;
  wasm.__wbg_reset_state();
}

/** Runs one handler; settles with it, or fails as soon as the instance it runs on breaks. */
function guard(handler) {
  renewInstance();
  return new Promise((resolve, reject) => {
    inFlight.add(reject);
    const settle = (outcome) => (value) => {
      inFlight.delete(reject);
      outcome(value);
    };
    try {
      Promise.resolve(handler()).then(settle(resolve), settle(reject));
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) breakInstance(error);
      settle(reject)(error);
    }
  });
}


/** The problem document (RFC 9457) of an error that only the log may know. */
function internalProblem(error) {
  // Name and message only: a stack says nothing about wasm, and the panic hook has already told the place.
  console.error("request failed:", `${error?.name}: ${error?.message}`);
  return {
    type: "urn:postern:problem:internal",
    title: "Internal error",
    status: 500,
    code: "internal",
    request_id: crypto.randomUUID().replaceAll("-", ""),
  };
}

function internalError(error) {
  const problem = internalProblem(error);
  return new Response(JSON.stringify(problem), {
    status: 500,
    headers: {
      "content-type": "application/problem+json",
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      "x-request-id": problem.request_id,
    },
  });
}

export default {
  fetch: (request, env, context) => guard(() => wasm.fetch(request, env, context)).catch(internalError),
  queue: (batch, env, context) => guard(() => wasm.queue(batch, env, context)),
  scheduled: (event, env, context) => guard(() => wasm.scheduled(event, env, context)),
};

/** More than a body may have: no longer question is copied into wasm's memory, which never shrinks. */
const TOO_LONG = 64 * 1024 + 1;

/** The body that the route for HTTP would get; `null`, which it refuses, for what JSON cannot say. */
function questionOf(token, options) {
  try {
    return JSON.stringify({ ...options, token }).slice(0, TOO_LONG);
  } catch {
    return "null";
  }
}

/**
 * What other Workers reach through a service binding with `entrypoint = "AuthService"`. It never throws: every
 * outcome is a value. `pkg/src/service.d.ts` has its types.
 */
export class AuthService extends WorkerEntrypoint {
  async validate(token, options) {
    const question = questionOf(token, options);
    const asked = guard(() => wasm.validate(question, this.env, this.ctx));
    const answer = await asked.then(JSON.parse).catch(internalProblem);
    return { ok: answer.active === true, ...answer };
  }
}

/** A Durable Object whose Rust half is made anew when the wasm instance it belonged to is gone. */
const durable = (name) =>
  class extends DurableObject {
    #rust;
    #instance;

    constructor(context, env) {
      super(context, env);
      this.#current();
    }

    #current() {
      renewInstance();
      if (this.#instance !== state.instanceId) {
        this.#rust = new wasm[name](this.ctx, this.env);
        this.#instance = state.instanceId;
      }
      return this.#rust;
    }

    fetch(request) {
      return guard(() => this.#current().fetch(request));
    }

    /** A call of the Worker's (`object/call.rs`): a text and its answer. */
    answer(message) {
      return guard(() => this.#current().answer(message));
    }

    alarm(information) {
      return guard(() => this.#current().alarm(information));
    }
  };

export const AccountObject = durable("AccountObject");
export const IntakeObject = durable("IntakeObject");
export const KeyringObject = durable("KeyringObject");
export const LimiterObject = durable("LimiterObject");
export const RevocationObject = durable("RevocationObject");
