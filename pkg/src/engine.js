import { ConfigurationError, KeysError, PosternError, TokenError } from "./errors.js";

/** The longest token that is looked at, in bytes: the cap of the core, which refuses what is longer. */
const MAX_TOKEN_BYTES = 8192;

/** The size of the module's buffer. */
const MAX_INPUT_BYTES = 65_536;

/** What `postern_finish` returns instead of a length when the key set is another one by now. */
const KEYS_CHANGED = 0x7fff_ffff;

/** The refusal that says nothing about the token. */
const NEEDS_ASYNC = "algorithm_needs_async";

/** @typedef {{ keySet: number, keyId: string }} Candidate which key must have signed, and of which key set it is */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * One instance of the wasm module, shared by all verifiers of a program.
 *
 * The boundary is one call per token: the token is encoded straight into the module's buffer, and the payload is
 * read back from the same place. The module imports nothing, so there is nothing it could reach.
 */
export class Engine {
  /** @type {() => WebAssembly.Module} */
  #loadModule;
  /** @type {any} */
  #exports;
  #buffer = new Uint8Array(0);
  /** Where in the buffer the module puts payloads. */
  #payloadAt = 0;
  /** The first eight words of the buffer: a digest. */
  #words = new Uint32Array(0);

  /** Counts instances. A verifier that was opened in an earlier one opens itself again. */
  generation = 0;

  /** @param {() => WebAssembly.Module} loadModule called at the first use */
  constructor(loadModule) {
    this.#loadModule = loadModule;
  }

  /**
   * Opens a verifier and returns its handle.
   *
   * @param {readonly (string | Uint8Array)[]} policy the fields of the policy, in the order `abi.rs` reads them
   */
  open(policy) {
    const status = this.#run((wasm) => wasm.postern_open(this.#writeFields(policy)));
    if (status >= 0) return status;
    const [option, reason] = this.#read(-status).split(": ", 2);
    throw new ConfigurationError(option, reason);
  }

  /**
   * Replaces the public keys of a verifier by those of a JWK Set (RFC 7517).
   *
   * @param {number} handle
   * @param {string} jwks JSON text
   */
  setJwks(handle, jwks) {
    const bytes = encoder.encode(jwks);
    if (bytes.length > MAX_INPUT_BYTES) throw new KeysError("keys_invalid", "the key set is refused: key_set_too_large");
    const status = this.#run((wasm) => wasm.postern_set_jwks(handle, this.#write(bytes)));
    if (status < 0) throw new KeysError("keys_invalid", `the key set is refused: ${this.#read(-status)}`);
  }

  /**
   * Gives a verifier a shared secret. To be called before `setJwks`, whose keys then join it.
   *
   * @param {number} handle
   * @param {string} keyId
   * @param {Uint8Array} secret
   * @param {string} algorithm `HS256`, `HS384` or `HS512`
   */
  setSecret(handle, keyId, secret, algorithm) {
    const fields = [keyId, algorithm, secret];
    const status = this.#run((wasm) => wasm.postern_set_secret(handle, this.#writeFields(fields)));
    if (status >= 0) return;
    const [option, reason] = this.#read(-status).split(": ", 2);
    throw new ConfigurationError(option, reason);
  }

  /**
   * Verifies a token and returns the JSON text of its payload.
   *
   * @param {number} handle
   * @param {string} token
   * @param {number} now seconds since 1970, a whole number
   */
  verify(handle, token, now) {
    const status = this.#run((wasm) => wasm.postern_verify(handle, this.#writeToken(token), high(now), now >>> 0));
    return status >= 0 ? this.#read(status, this.#payloadAt) : this.#refuse(status);
  }

  /**
   * Checks of a token what can be checked before its signature, for a key that the module leaves to its host.
   *
   * @param {number} handle
   * @param {string} token
   * @returns {Candidate}
   */
  begin(handle, token) {
    const status = this.#run((wasm) => wasm.postern_begin(handle, this.#writeToken(token)));
    if (status < 0) return this.#refuse(status);
    return { keySet: this.#exports.postern_key_set(handle) >>> 0, keyId: this.#read(status) };
  }

  /**
   * A public key of a verifier as a JWK.
   *
   * @param {number} handle
   * @param {string} keyId
   */
  publicJwk(handle, keyId) {
    const status = this.#run((wasm) => wasm.postern_public_jwk(handle, this.#write(encoder.encode(keyId))));
    return status >= 0 ? this.#read(status) : this.#refuse(status);
  }

  /**
   * Verifies a token whose signature the host has checked, and returns the JSON text of its payload.
   *
   * @param {number} handle
   * @param {string} token
   * @param {number} now seconds since 1970, a whole number
   * @param {number} keySet the one of the candidate that was checked
   * @param {boolean} isSigned what the host found
   * @returns {string | undefined} nothing when the verifier has got other keys since
   */
  finish(handle, token, now, keySet, isSigned) {
    const status = this.#run((wasm) => {
      const length = this.#writeToken(token);
      return wasm.postern_finish(handle, length, high(now), now >>> 0, keySet, isSigned ? 1 : 0);
    });
    if (status === KEYS_CHANGED) return undefined;
    return status >= 0 ? this.#read(status, this.#payloadAt) : this.#refuse(status);
  }

  /**
   * A digest of a text, as eight words in the module's memory. They stay until the next call. BLAKE3, or SHA-256 in the
   * module for pages, which is smaller for it.
   *
   * @param {string} text no longer than a token
   */
  digest(text) {
    this.#run((wasm) => wasm.postern_digest(this.#writeToken(text)));
    this.#view();
    return this.#words;
  }

  /** @param {number} handle */
  close(handle) {
    this.#run((wasm) => wasm.postern_close(handle));
  }

  /**
   * Throws the refusal in the buffer.
   *
   * @param {number} status
   * @returns {never}
   */
  #refuse(status) {
    const [code, claim] = this.#read(-status).split(" ");
    if (code === NEEDS_ASYNC) throw new KeysError(code, "WebCrypto checks signatures of this key: use verifyAsync");
    throw new TokenError(code, claim);
  }

  /** @param {(wasm: any) => number} call */
  #run(call) {
    try {
      this.#exports ??= this.#instantiate();
      return call(this.#exports);
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      // A trap leaves the instance in an unknown state. It is never used again.
      this.#exports = undefined;
      this.#buffer = new Uint8Array(0);
      this.generation += 1;
      throw new PosternError("internal", "the verifier failed; it starts afresh with the next call");
    }
  }

  #instantiate() {
    return /** @type {any} */ (new WebAssembly.Instance(this.#loadModule(), {}).exports);
  }

  /** The buffer. Made anew when the memory has grown, because growing detaches every view. */
  #view() {
    if (this.#buffer.length === 0) {
      // The address first: the first call may allocate, and so replace `memory.buffer`.
      const address = this.#exports.postern_buffer();
      const size = this.#exports.postern_buffer_size();
      this.#buffer = new Uint8Array(this.#exports.memory.buffer, address, size);
      this.#words = new Uint32Array(this.#exports.memory.buffer, address, 8);
      this.#payloadAt = this.#exports.postern_payload_at();
    }
    return this.#buffer;
  }

  /** @param {string} token */
  #writeToken(token) {
    // A UTF-16 unit becomes one to three bytes, and the buffer has room for that: nothing is ever cut off.
    if (token.length > MAX_TOKEN_BYTES) throw new TokenError("token_too_large");
    return encoder.encodeInto(token, this.#view()).written;
  }

  /** @param {Uint8Array} bytes */
  #write(bytes) {
    this.#view().set(bytes);
    return bytes.length;
  }

  /** Each field with its length in front, as four bytes, little-endian. @param {readonly (string | Uint8Array)[]} fields */
  #writeFields(fields) {
    const encoded = fields.map((field) => (typeof field === "string" ? encoder.encode(field) : field));
    const bytes = new Uint8Array(encoded.reduce((sum, field) => sum + 4 + field.length, 0));
    const view = new DataView(bytes.buffer);
    if (bytes.length > MAX_INPUT_BYTES) throw new ConfigurationError("options", "are larger than 64 KiB");
    let at = 0;
    for (const field of encoded) {
      view.setUint32(at, field.length, true);
      bytes.set(field, at + 4);
      at += 4 + field.length;
    }
    return this.#write(bytes);
  }

  /**
   * @param {number} length
   * @param {number} [from]
   */
  #read(length, from = 0) {
    return decoder.decode(this.#view().subarray(from, from + length));
  }
}

/** The upper half of a time. A 64-bit argument would have to be a `BigInt`. @param {number} now */
const high = (now) => Math.floor(now / 0x1_0000_0000);
