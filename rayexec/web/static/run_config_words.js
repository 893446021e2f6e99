/**
 * What belongs at a place of run config: keys, values and their documentation, by the completion
 * tree of the server. Pure.
 *
 * A node of the tree has `keys` for a map, `items` for a list, `any` for a map of free keys, and
 * `values` for a choice; `ref` names a node of `refs`, for models that hold themselves.
 *
 * @typedef {{type?: string, description?: string | null, required?: boolean, default?: string | null,
 *   keys?: Record<string, Node>, any?: Node | null, items?: Node | null,
 *   values?: (string | number | boolean | null)[], ref?: string, refs?: Record<string, Node>,
 *   is_choice?: boolean}} Node
 * @typedef {{tree: Node, ops: string[], tags: string[], pools: string[], env_vars: string[]}} Words
 * @typedef {import("./yaml_place.js").Place} Place
 * @typedef {import("./yaml_place.js").Path} Path
 * @typedef {import("./completion.js").Suggestion} Suggestion
 */
import { ranked } from "./completion.js";

/** Texts that YAML reads as something else than a text. */
const SPECIAL = /^(?:true|false|yes|no|on|off|null|~|)$/i;
const NEEDS_QUOTES = /^[\s\-?:,[\]{}#&*!|>'"%@`]|[:#]\s|:$|\s$|^[-+.\d]/;

/**
 * Returns the suggestions at a place.
 * @param {Words | null} words @returns {(place: Place) => Suggestion[]}
 */
export function completer(words) {
  return (place) => {
    if (!words) return [];
    const node = nodeAt(words.tree, place.path);
    if (!node) return [];
    const items = place.slot === "key"
      ? [...keyItems(node, place, words.tree), ...(node.keys ? [] : valueItems(node, words, place))]
      : valueItems(node, words, place);
    return ranked(items, place.prefix);
  };
}

/**
 * Returns the documentation of a path.
 * @param {Words | null} words @returns {(path: Path) => {title: string, text: string} | null}
 */
export function describer(words) {
  return (path) => {
    if (!words || !path.length) return null;
    const node = nodeAt(words.tree, path);
    return node ? { title: titleOf(String(path[path.length - 1]), node),
      text: node.description ?? "" } : null;
  };
}

/** @param {Node} node @param {Node} root @returns {Node} */
function resolved(node, root) {
  const named = node.ref === undefined ? undefined : root.refs?.[node.ref];
  return named ? { ...named, ...defined(node), ref: undefined } : node;
}

/** @param {Node} node @returns {Partial<Node>} */
function defined(node) {
  return Object.fromEntries(Object.entries(node).filter(([, value]) => (
    value !== undefined && value !== null)));
}

/**
 * Returns the node at a path; null where the tree has nothing.
 * @param {Node} root @param {Path} path @returns {Node | null}
 */
export function nodeAt(root, path) {
  let node = resolved(root, root);
  for (const part of path) {
    const next = typeof part === "number" ? node.items : node.keys?.[part] ?? node.any;
    if (!next) return null;
    node = resolved(next, root);
  }
  return node;
}

/** @param {string} name @param {Node} node @returns {string} */
function titleOf(name, node) {
  const rest = node.required ? ", required"
    : node.default !== undefined && node.default !== null ? ` = ${node.default}` : "";
  return `${name}${node.type ? `: ${node.type}` : ""}${rest}`;
}

/** @param {Node} node @param {Place} place @param {Node} root @returns {Suggestion[]} */
function keyItems(node, place, root) {
  const taken = new Set(place.keys);
  return Object.entries(node.keys ?? {})
    .filter(([name]) => !taken.has(name) || name === place.prefix)
    .map(([name, raw]) => {
      const inner = resolved(raw, root);
      const isDeep = Boolean(inner.keys || inner.any);
      const isList = Boolean(inner.items);
      const indent = " ".repeat(place.indent + 2);
      const colon = place.hasColon ? "" : place.isFlow ? ": "
        : isDeep ? `:\n${indent}` : isList ? `:\n${indent}- ` : ": ";
      const text = place.quote ? name : quotedKey(name);
      return /** @type {Suggestion} */ ({
        label: name,
        insert: text + (place.quote ? "" : colon),
        kind: "key",
        brief: brief(inner),
        detail: titleOf(name, inner),
        doc: inner.description ?? "",
        isRequired: Boolean(inner.required),
        isOpening: !place.hasColon && !place.quote
          && (isDeep || isList || Boolean(choices(inner).length)),
      });
    });
}

/** @param {Node} node @returns {string} */
function brief(node) {
  const type = node.type ?? (node.keys ? "" : "");
  if (node.required || node.default === undefined || node.default === null) return type;
  return `${type} = ${node.default}`.trim();
}

/** @param {Node} node */
function choices(node) {
  if (node.values?.length) return node.values;
  return /\bbool\b/.test(node.type ?? "") ? [true, false] : [];
}

/** @param {Node} node @param {Words} words @param {Place} place @returns {Suggestion[]} */
function valueItems(node, words, place) {
  const { quote } = place;
  /** @type {Suggestion[]} */
  const items = choices(node).map((value) => ({
    label: String(value),
    insert: quote ? String(value) : typeof value === "string" ? quoted(value) : String(value),
    kind: "value",
    brief: node.default === String(value) || node.default === value ? "default" : "",
  }));
  if (!items.length && node.default !== undefined && node.default !== null && !node.keys
    && !quote) {
    items.push({ label: String(node.default), insert: String(node.default), kind: "value",
      brief: "default" });
  }
  if (place.isFlow && place.path[place.path.length - 1] === "env") {
    return words.env_vars.map((name) => ({ label: name, insert: name, kind: "env",
      brief: "environment" }));
  }
  const isText = /\b(?:str|int|float|bool|path)\b/i.test(node.type ?? "");
  if (isText && !quote && !place.isFlow) {
    for (const name of words.env_vars) {
      items.push({ label: `{env: ${name}}`, insert: `{env: ${name}}`, kind: "env",
        brief: "environment" });
    }
  }
  return items;
}

/** @param {string} text @returns {string} */
export function quoted(text) {
  if (!SPECIAL.test(text) && !NEEDS_QUOTES.test(text)) return text;
  return /["\\\n]/.test(text) ? JSON.stringify(text) : `"${text}"`;
}

/** @param {string} name @returns {string} */
function quotedKey(name) {
  return /^[A-Za-z_][\w.-]*$/.test(name) && !SPECIAL.test(name) ? name : quoted(name);
}
