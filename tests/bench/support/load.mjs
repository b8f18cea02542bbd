// Requests over kept-alive connections on the loopback interface, a fixed number of them, a fixed number at a time.

import { once } from "node:events";
import { readFileSync, readdirSync } from "node:fs";
import { Agent, request } from "node:http";

export const LANES = 16;

/** One connection's worth of requests in sequence, `LANES` of them side by side. */
export class Load {
  #agent;
  #port;

  constructor(port, lanes = LANES) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: lanes });
    this.#port = port;
  }

  /** Posts JSON; resolves with the answer's text. Any status but the expected one is an error. */
  async post(path, body, { lane = 0, status = 200 } = {}) {
    const sent = request({
      agent: this.#agent,
      host: "127.0.0.1",
      port: this.#port,
      method: "POST",
      path,
      // Every lane is a client at an address of its own.
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body), "cf-connecting-ip": `10.0.0.${lane + 1}` },
    });
    sent.end(body);
    const [response] = await once(sent, "response");
    let text = "";
    for await (const chunk of response.setEncoding("utf8")) text += chunk;
    if (response.statusCode !== status) throw new Error(`${path} answered ${response.statusCode} ${text}`);
    return text;
  }

  /** `count` requests of each lane; `send` is given the lane and must wait for the answer. */
  run(count, send) {
    return Promise.all(
      Array.from({ length: LANES }, async (_, lane) => {
        for (let done = 0; done < count; done += 1) await send(lane);
      }),
    );
  }

  close() {
    this.#agent.destroy();
  }
}

/** Processor time of a process so far in microseconds, all threads; `undefined` where the system has no such file. */
export function processorTime(pid) {
  let threads;
  try {
    threads = readdirSync(`/proc/${pid}/task`);
  } catch {
    return undefined;
  }
  const nanoseconds = threads.map((thread) => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]));
  return nanoseconds.reduce((sum, time) => sum + time, 0) / 1000;
}

/** Waits until a process does nothing any more: what a request leaves to be done belongs to its cost. */
export async function untilQuiet(pid) {
  let before = processorTime(pid);
  for (let attempt = 0; attempt < 100; attempt += 1) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = processorTime(pid);
    if (now === undefined || now - before < 1000) return;
    before = now;
  }
}
