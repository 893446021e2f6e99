/**
 * Keys of the pages: one key, keys one after another ("g j"), or with Ctrl or Cmd ("Mod+Enter").
 */

/**
 * @typedef {{
 *   keys: string,
 *   description: string,
 *   handler: (event: KeyboardEvent) => void,
 *   inFields: boolean,
 * }} Binding
 */

const SEQUENCE_MS = 1_000;

/** @type {Binding[]} */
const bindings = [];
let pressed = "";
let pressedAt = 0;

/**
 * Call a handler for keys, until the signal ends it; `?` lists all keys with their descriptions.
 *
 * Keys count outside of text fields only, except those with Mod and those with `inFields`.
 * @param {string} keys
 * @param {string} description
 * @param {(event: KeyboardEvent) => void} handler
 * @param {AbortSignal} [signal]
 * @param {{ inFields?: boolean }} [options]
 */
export function bind(keys, description, handler, signal, { inFields = false } = {}) {
  const binding = { keys, description, handler, inFields: inFields || keys.includes("Mod+") };
  bindings.push(binding);
  signal?.addEventListener("abort", () => bindings.splice(bindings.indexOf(binding), 1));
}

/** Return all bindings, those of the page last. */
export function listed() {
  return bindings.map(({ keys, description }) => ({ keys, description }));
}

/**
 * Return the name of a pressed key, such as "g", "?", "Mod+Enter" or "ArrowUp".
 * @param {{ key: string, ctrlKey: boolean, metaKey: boolean }} event
 * @returns {string}
 */
export function nameOf({ key, ctrlKey, metaKey }) {
  return ctrlKey || metaKey ? `Mod+${key}` : key;
}

/**
 * Return true where keys write text.
 * @param {EventTarget | null} target
 */
export function isField(target) {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches("input, textarea, select");
}

/** @param {KeyboardEvent} event */
function hear(event) {
  if (event.defaultPrevented || event.isComposing || event.altKey) return;
  const name = nameOf(event);
  const isSequel = event.timeStamp - pressedAt < SEQUENCE_MS;
  const sequence = isSequel && pressed ? `${pressed} ${name}` : name;
  const inField = isField(event.target);
  const isBlocked = document.querySelector("dialog[open]") !== null;
  const fits = [...bindings].reverse().filter((each) => !isBlocked && (!inField || each.inFields));
  const found =
    fits.find((each) => each.keys === sequence) ?? fits.find((each) => each.keys === name);
  pressed = found || inField ? "" : name;
  pressedAt = event.timeStamp;
  if (!found) return;
  event.preventDefault();
  found.handler(event);
}

if (typeof document !== "undefined") document.addEventListener("keydown", hear);
