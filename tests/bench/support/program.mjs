// A native program that answers a line with a line.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export class Program {
  #path;
  #process;
  #lines;

  constructor(path) {
    this.#path = path;
    this.#process = spawn(path, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  tell(line) {
    this.#process.stdin.write(`${line}\n`);
  }

  async ask(line) {
    this.tell(line);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#path} has ended`);
    return value;
  }

  async end() {
    const gone = this.#process.exitCode === null ? once(this.#process, "exit") : undefined;
    this.#process.stdin.end();
    await gone;
  }
}
