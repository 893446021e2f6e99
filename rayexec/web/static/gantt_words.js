/**
 * Facts of a timeline in words: what an attempt did, and what its colours mean.
 */

import { h, replace } from "./dom.js";
import { duration } from "./format.js";
import { limitOf } from "./gantt_scene.js";

/** @typedef {import("./attempt_columns.js").AttemptColumns} AttemptColumns */

/** @type {Record<string, string>} */
const WORDS = { success: "succeeded", failure: "failed", retry: "failed, tried again" };

/**
 * Return what is known about an attempt, for people.
 * @param {AttemptColumns} columns
 * @param {number} row
 * @param {(step: number) => Promise<string>} keyOf
 * @returns {import("./dom.js").Child[]}
 */
export function facts(columns, row, keyOf) {
  const name = h("strong", null, columns.ops[columns.opOf(row)] ?? "");
  void keyOf(columns.step[row]).then((key) => replace(name, key), () => {});
  const outcome = columns.outcomes[columns.outcome[row]] ?? "";
  const lane = columns.lanes[columns.lane[row]];
  const limit = limitOf(columns, row);
  const times = `${duration(columns.length[row])}, at ${duration(columns.start[row])}`;
  return [
    name,
    h("span", { class: `is-${outcome}` }, `${WORDS[outcome] ?? outcome} in ${times}`),
    columns.number[row] > 0 && h("span", null, `attempt ${columns.number[row] + 1}`),
    limit !== null && h("span", null, `waited ${duration(columns.wait[row])} for ${limit}`),
    lane && h("span", { class: "muted" }, lane.label),
  ];
}

/**
 * Return what the colours of a scene mean, as entries of a list.
 * @param {import("./gantt_scene.js").Scene} scene
 * @returns {import("./dom.js").Child[]}
 */
export function legend({ columns, colours, path }) {
  const entry = (/** @type {string} */ color, /** @type {string} */ text, name = "") =>
    h("li", null, h("span", { class: `swatch ${name}`, style: { "--swatch": color } }), text);
  const limits = columns.limits.map((limit, index) =>
    entry(colours.limits[index % colours.limits.length], `waited for ${limit}`, "is-pale"));
  const failed = columns.failureCount > 0;
  return [
    failed && entry(colours.failed, "failed"),
    columns.hasRetries && entry(colours.retried, "failed, tried again"),
    path && entry(colours.accent, "critical path", "is-outline"),
    ...limits,
  ];
}
