/**
 * What belongs at a place of run config: keys, values and their documentation, by the completion
 * tree of the server. Pure.
 *
 * @typedef {{type: string, required?: boolean, default?: unknown, description?: string,
 *   is_secret?: boolean}} Key
 * @typedef {{kind: "dict" | "selector" | "map" | "list" | "union" | "scalar" | "any",
 *   summary: string, description?: string, keys?: Record<string, Key>, is_open?: boolean,
 *   values?: {value: unknown, description?: string}[], items?: string, fixed?: string[],
 *   options?: string[], tag?: string, takes_null?: boolean, takes_env?: boolean}} Type
 * @typedef {{root: string, types: Record<string, Type>}} Tree
 * @typedef {{tree: Tree, ops: string[], tags: string[], pools: string[],
 *   env_vars: string[]}} Words
 * @typedef {{types: Type[], key: Key | null}} Spot
 * @typedef {import("./yaml_place.js").Place} Place
 * @typedef {import("./yaml_place.js").Path} Path
 * @typedef {import("./completion.js").Suggestion} Suggestion
 */
import { ranked } from "./completion.js";

/** Texts that YAML reads as something else than a text. */
const SPECIAL = /^(?:true|false|yes|no|on|off|null|~|)$/i;
const NEEDS_QUOTES = /^[\s\-?:,[\]{}#&*!|>'"%@`]|[:#]\s|\s#|:$|\s$|^[-+.\d]/;
const PLAIN_KEY = /^[A-Za-z_][\w.-]*$/;
const MOST_ENV = 200;
const MOST_WORDS = 60;

/**
 * Returns the suggestions at a place.
 * @param {Words | null} words @returns {(place: Place) => Suggestion[]}
 */
export function completer(words) {
  return (place) => {
    if (!words) return [];
    const spot = spotAt(words.tree, place.path);
    const last = place.path[place.path.length - 1];
    const outer = last === "env" && place.slot === "value"
      && spotAt(words.tree, place.path.slice(0, -1));
    if (outer && outer.types.some((type) => type.takes_env)) {
      return ranked(names(words.env_vars, "environment"), place.prefix);
    }
    if (!spot) return [];
    if (place.slot === "value") return ranked(valueItems(spot, words, place), place.prefix);
    const keys = keyItems(spot, words.tree, place);
    // Where a value begins on a line of its own, what is typed may be that value.
    return ranked(keys.length ? keys : valueItems(spot, words, place), place.prefix);
  };
}

/**
 * Returns the documentation of a path.
 * @param {Words | null} words @returns {(path: Path) => {title: string, text: string} | null}
 */
export function describer(words) {
  return (path) => {
    const spot = words && path.length ? spotAt(words.tree, path) : null;
    if (!spot) return null;
    const name = String(path[path.length - 1]);
    return { title: titleOf(name, spot.key, spot.types), text: docOf(spot.key, spot.types) };
  };
}

/**
 * Returns the types of a path; null where the config has no such path.
 * @param {Tree} tree @param {Path} path @returns {Spot | null}
 */
export function spotAt(tree, path) {
  let types = flat(tree, [tree.root]);
  /** @type {Key | null} */
  let key = null;
  for (const part of path) {
    /** @type {string[]} */
    const next = [];
    /** @type {Key | null} */
    let found = null;
    for (const type of types) {
      if (typeof part === "number") {
        const item = type.kind === "list" ? type.fixed?.[part] ?? type.items : undefined;
        if (item !== undefined) next.push(item);
        continue;
      }
      const own = type.keys?.[part];
      if (own) {
        next.push(own.type);
        found ??= own;
      } else if (type.kind === "map" && type.items !== undefined) next.push(type.items);
    }
    if (!next.length) return null;
    types = flat(tree, next);
    key = found;
  }
  return { types, key };
}

/** Types without unions, which stand for their options. @param {Tree} tree @param {string[]} ids */
function flat(tree, ids) {
  /** @type {Set<string>} */
  const seen = new Set();
  /** @type {Type[]} */
  const types = [];
  /** @param {string} id */
  const visit = (id) => {
    const type = tree.types[id];
    if (!type || seen.has(id)) return;
    seen.add(id);
    if (type.kind === "union" && type.options) type.options.forEach(visit);
    else types.push(type);
  };
  ids.forEach(visit);
  return types;
}

/** @param {string} name @param {Key | null} key @param {Type[]} types @returns {string} */
function titleOf(name, key, types) {
  const [type] = types;
  const words = wordsOf(types) || type?.kind || "";
  const rest = key?.required ? ", required"
    : key && "default" in key ? ` = ${inYaml(key.default)}` : "";
  return `${name}${words ? `: ${words}` : ""}${rest}`;
}

/** @param {Type[]} types */
function wordsOf(types) {
  const all = new Set(types.map(({ summary }) => summary).filter(Boolean));
  const words = [...all].slice(0, 3).join(" or ");
  return words.length > MOST_WORDS ? `${words.slice(0, MOST_WORDS - 1)}…` : words;
}

/** @param {Key | null} key @param {Type[]} types */
function docOf(key, types) {
  const own = key?.description ?? "";
  const inner = types.map(({ description }) => description ?? "").find(Boolean) ?? "";
  return own || inner;
}

/** @param {Spot} spot @param {Tree} tree @param {Place} place @returns {Suggestion[]} */
function keyItems(spot, tree, place) {
  const taken = new Set(place.keys);
  /** @type {Map<string, Key>} */
  const keys = new Map();
  for (const type of spot.types) {
    // A selector takes exactly one of its keys.
    if (type.kind === "selector" && place.keys.some((name) => type.keys?.[name])) continue;
    for (const [name, key] of Object.entries(type.keys ?? {})) {
      if (!taken.has(name) && !keys.has(name)) keys.set(name, key);
    }
  }
  return [...keys].map(([name, key]) => {
    const types = flat(tree, [key.type]);
    const after = place.hasColon || place.quote ? "" : colon(types, place);
    const title = titleOf(name, key, types);
    return {
      label: name,
      insert: (place.quote || PLAIN_KEY.test(name) ? name : quoted(name)) + after,
      kind: "key",
      brief: title.slice(name.length).replace(/^: /, "").replace(", required", ""),
      detail: title,
      doc: docOf(key, types),
      isRequired: Boolean(key.required),
      isOpening: after !== "" && (after !== ": " || types.some(({ values }) => values?.length)),
    };
  });
}

/** What follows a new key. @param {Type[]} types @param {Place} place */
function colon(types, place) {
  const [type] = types;
  if (place.isFlow || types.length !== 1) return ": ";
  const indent = " ".repeat(place.indent + 2);
  if (type.keys || type.kind === "map") return `:\n${indent}`;
  return type.kind === "list" ? `:\n${indent}- ` : ": ";
}

/** @param {Spot} spot @param {Words} words @param {Place} place @returns {Suggestion[]} */
function valueItems({ types, key }, words, place) {
  const { quote } = place;
  /** @type {Map<string, Suggestion>} */
  const items = new Map();
  const standard = key && "default" in key ? inYaml(key.default) : null;
  /** @param {unknown} value @param {string} [doc] */
  const offer = (value, doc) => {
    const label = typeof value === "string" ? value : inYaml(value);
    const insert = quote ? label : inYaml(value);
    if (items.has(label)) return;
    items.set(label, { label, insert, kind: "value", doc,
      brief: insert === standard ? "default" : "" });
  };
  for (const type of types) for (const one of type.values ?? []) offer(one.value, one.description);
  const isShort = standard !== null && standard.length < 60 && standard !== '""';
  if (isShort && (!quote || typeof key?.default === "string")) offer(key?.default);
  if (types.some((type) => type.takes_null) && !quote) offer(null);
  const last = place.path[place.path.length - 1];
  const isTag = last === "key" && place.path.includes("tag_concurrency_limits");
  const keys = new Set(words.tags.map((tag) => tag.split("=", 1)[0]));
  const inLimits = isTag ? names([...keys, ...words.pools], "tag") : [];
  const isEnv = types.some((type) => type.takes_env) && !quote && !place.isFlow;
  const env = isEnv ? names(words.env_vars.slice(0, MOST_ENV), "environment", (name) => (
    `{env: ${name}}`)) : [];
  return [...items.values(), ...inLimits, ...env];
}

/**
 * @param {string[]} all @param {string} brief @param {(name: string) => string} [text]
 * @returns {Suggestion[]}
 */
function names(all, brief, text = (name) => name) {
  return all.map((name) => ({ label: text(name), insert: text(name),
    kind: brief === "environment" ? "env" : "value", brief }));
}

/** Returns a value as YAML in one line. @param {unknown} value @returns {string} */
export function inYaml(value) {
  if (typeof value === "string") return quoted(value);
  return value === undefined ? "" : JSON.stringify(value);
}

/** @param {string} text @returns {string} */
export function quoted(text) {
  if (!SPECIAL.test(text) && !NEEDS_QUOTES.test(text) && !text.includes("\n")) return text;
  return JSON.stringify(text);
}
