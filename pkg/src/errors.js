// Every error of this package has a stable `code`. None ever quotes a token, a key or a claim.

/** The base of every error this package throws on purpose. */
export class PosternError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(message, options);
    this.name = "PosternError";
    /** @readonly */
    this.code = code;
  }
}

/** The token is not to be trusted: answer 401. */
export class TokenError extends PosternError {
  /**
   * @param {string} code
   * @param {string} [claim] the name of the claim at fault, for `claim_malformed` and `claim_missing`
   */
  constructor(code, claim) {
    super(code, `token refused: ${code}${claim ? ` (${claim})` : ""}`);
    this.name = "TokenError";
    /** @readonly */
    this.claim = claim;
  }
}

/** The verifier has no keys to judge with, or could not fetch them: answer 503. */
export class KeysError extends PosternError {
  /**
   * @param {string} code
   * @param {string} message
   * @param {ErrorOptions} [options]
   */
  constructor(code, message, options) {
    super(code, message, options);
    this.name = "KeysError";
  }
}

/** A check asked for a permission that the verifier's registry does not have: a mistake in the calling code. */
export class PermissionError extends PosternError {
  /**
   * @param {string} code
   * @param {string} message
   */
  constructor(code, message) {
    super(code, message);
    this.name = "PermissionError";
  }
}

/** An option is missing or wrong; `option` names it. */
export class ConfigurationError extends PosternError {
  /**
   * @param {string} option
   * @param {string} reason
   */
  constructor(option, reason) {
    super("configuration_invalid", `${option}: ${reason}`);
    this.name = "ConfigurationError";
    /** @readonly */
    this.option = option;
  }
}
