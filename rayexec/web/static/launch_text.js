/**
 * Fields of a launch as text: op selections, tags, and the drafts of a job that stay in the
 * browser.
 *
 * @typedef {{id: number, name: string, yaml: string, selection: string, tags: string,
 *   where: string, address: string, most: string, resumeFrom: string, steps: string}} Draft
 * @typedef {{drafts: Draft[], chosen: number}} Drafts
 */

const MOST_DRAFTS = 20;

/**
 * Returns a draft with defaults for what is not given.
 * @param {Partial<Draft>} [given] @returns {Draft}
 */
export function draftOf(given = {}) {
  return {
    id: 1, name: "Config 1", yaml: "", selection: "", tags: "", where: "", address: "", most: "",
    resumeFrom: "", steps: "", ...given,
  };
}

/**
 * Reads stored drafts; whatever is wrong with them, there is at least one.
 * @param {string | null} stored @returns {Drafts}
 */
export function readDrafts(stored) {
  /** @type {any} */
  let found = null;
  try {
    found = JSON.parse(stored ?? "null");
  } catch {
    found = null;
  }
  const list = Array.isArray(found?.drafts) ? found.drafts : [];
  /** @type {Draft[]} */
  const drafts = [];
  for (const one of list.slice(0, MOST_DRAFTS)) {
    if (typeof one !== "object" || one === null || typeof one.id !== "number") continue;
    if (drafts.some((draft) => draft.id === one.id)) continue;
    const texts = Object.entries(one).filter(([, value]) => typeof value === "string");
    drafts.push(draftOf({ ...Object.fromEntries(texts), id: one.id }));
  }
  if (!drafts.length) drafts.push(draftOf());
  const chosen = drafts.some(({ id }) => id === found?.chosen) ? found.chosen : drafts[0].id;
  return { drafts, chosen };
}

/**
 * Adds a draft and chooses it; of more than 20 the oldest that is not chosen goes.
 * @param {Drafts} all @param {Partial<Draft>} given @returns {Drafts}
 */
export function added(all, given) {
  const id = Math.max(0, ...all.drafts.map((draft) => draft.id)) + 1;
  const names = new Set(all.drafts.map(({ name }) => name));
  let name = given.name ?? "";
  for (let at = 1; !name || names.has(name); at += 1) {
    name = given.name ? `${given.name} (${at + 1})` : `Config ${at}`;
  }
  const drafts = [...all.drafts.slice(1 - MOST_DRAFTS), draftOf({ ...given, id, name })];
  return { drafts, chosen: id };
}

/**
 * Takes a draft away and chooses its neighbour; the last one leaves an empty one.
 * @param {Drafts} all @param {number} id @returns {Drafts}
 */
export function removed(all, id) {
  const at = all.drafts.findIndex((draft) => draft.id === id);
  const drafts = all.drafts.filter((draft) => draft.id !== id);
  if (!drafts.length) return added({ drafts: [], chosen: 0 }, {});
  const chosen = all.chosen === id ? drafts[Math.min(at, drafts.length - 1)].id : all.chosen;
  return { drafts, chosen };
}

/**
 * Returns the parts of an op selection: by commas and spaces.
 * @param {string} text @returns {string[]}
 */
export function selectionOf(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

/**
 * Returns clauses over step keys, as "load, weigh[a,b]*": a comma in brackets is part of a key.
 * @param {string} text @returns {string[]}
 */
export function stepsOf(text) {
  return text.match(/(?:\[[^\]]*\]?|[^\s,[])+/g) ?? [];
}

/**
 * Returns the part of a selection at the caret: its range, and the name without `*` and `+`.
 * @param {string} text @param {number} caret
 * @returns {{from: number, to: number, typed: string}}
 */
export function selectionPart(text, caret) {
  let from = caret;
  while (from > 0 && !/[\s,]/.test(text[from - 1])) from -= 1;
  while (from < caret && /[*+]/.test(text[from])) from += 1;
  let to = caret;
  while (to < text.length && !/[\s,*+]/.test(text[to])) to += 1;
  return { from, to, typed: text.slice(from, caret) };
}

/**
 * Reads tags: "key=value" by commas or lines.
 * @param {string} text
 * @returns {{tags: Record<string, string>, problem: string | null}}
 */
export function tagsOf(text) {
  /** @type {Record<string, string>} */
  const tags = {};
  for (const part of text.split(/[,\n]/)) {
    if (!part.trim()) continue;
    const at = part.indexOf("=");
    const key = part.slice(0, at).trim();
    if (at < 1 || !key) {
      return { tags, problem: `${part.trim()} is no tag: write key=value, with commas between.` };
    }
    tags[key] = part.slice(at + 1).trim();
  }
  return { tags, problem: null };
}

/** @param {Record<string, unknown>} tags @returns {string} */
export function tagsText(tags) {
  return Object.entries(tags).map(([key, value]) => (
    `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`
  )).join(", ");
}

/**
 * Returns the body of check, plan, copy and launch; or what is wrong with the fields.
 * @param {Draft} draft
 * @returns {{body: import("./types.js").LaunchBody, problem: string | null}}
 */
export function bodyOf(draft) {
  const { tags, problem } = tagsOf(draft.tags);
  const most = draft.most.trim();
  let wrong = problem;
  if (most && !/^[1-9]\d*$/.test(most)) wrong ??= "Most steps at once must be a whole number.";
  if (draft.where === "address" && !draft.address.trim()) {
    wrong ??= "Write the address of the cluster.";
  }
  const where = draft.where === "address" ? draft.address.trim() : draft.where;
  return {
    problem: wrong,
    body: {
      yaml: draft.yaml,
      selection: selectionOf(draft.selection),
      tags,
      where: where || undefined,
      max_concurrent: most && !wrong ? Number(most) : null,
    },
  };
}
