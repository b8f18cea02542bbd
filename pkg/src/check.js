import { ConfigurationError } from "./errors.js";

/**
 * Refuses options that are not an object, or that have a name which is not known: it would be a typing mistake.
 *
 * @param {any} options
 * @param {readonly string[]} known
 * @param {string} [where] what the names are inside of
 */
export function checkNames(options, known, where = "options") {
  if (options === null || typeof options !== "object") throw new ConfigurationError(where, "must be an object");
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) throw new ConfigurationError(name, "is not an option");
  }
}

/**
 * @param {boolean} holds
 * @param {string} option
 * @param {string} reason
 */
export function check(holds, option, reason) {
  if (!holds) throw new ConfigurationError(option, reason);
}

/**
 * A whole number within bounds; the default where there is none.
 *
 * @template {number | undefined} T
 * @param {any} options
 * @param {string} name
 * @param {{ min?: number, max: number, otherwise?: T }} bounds
 * @returns {number | T}
 */
export function wholeNumber(options, name, { min = 0, max, otherwise }) {
  const { [name]: value = otherwise } = options;
  const isWithin = value === undefined || (Number.isInteger(value) && value >= min && value <= max);
  check(isWithin, name, `must be a whole number from ${min} to ${max}`);
  return value;
}

/**
 * A text that is not empty, or nothing.
 *
 * @param {any} options
 * @param {string} name
 * @returns {string | undefined}
 */
export function text(options, name) {
  const value = options[name];
  check(value === undefined || isText(value), name, "must be a non-empty string");
  return value;
}

/**
 * One text or several, none of them empty, as an array.
 *
 * @param {unknown} value
 * @param {string} option
 * @returns {string[]}
 */
export function texts(value, option) {
  const all = /** @type {any[]} */ ([value].flat());
  check(all.length > 0 && all.every(isText), option, "must be a string or an array of strings");
  return all;
}

/** @param {unknown} value */
export function isText(value) {
  return typeof value === "string" && value !== "";
}

/**
 * A function, or nothing.
 *
 * @param {any} options
 * @param {readonly string[]} names
 */
export function checkFunctions(options, names) {
  for (const name of names) {
    check(options[name] === undefined || typeof options[name] === "function", name, "must be a function");
  }
}

/**
 * The clock: whole seconds since 1970.
 *
 * @param {(() => number) | undefined} now
 */
export function clock(now) {
  return () => {
    const seconds = Math.floor(now ? now() : Date.now() / 1000);
    check(Number.isSafeInteger(seconds) && seconds >= 0, "now", "must return seconds since 1970");
    return seconds;
  };
}
