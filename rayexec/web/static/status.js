/**
 * Statuses of runs and states of steps: their words, icons and colours, and chips of them.
 */

import { h, icon } from "./dom.js";
import { count as inWords } from "./format.js";

/** @import { IconName } from "./dom.js" */
/** @import { StepCounts } from "./types.js" */

/**
 * `tone` is the name of a colour in base.css.
 * @typedef {{ word: string, icon: IconName, tone: string }} Look
 */

/** @type {Record<string, Look>} */
const LOOKS = {
  STARTED: { word: "Running", icon: "play", tone: "running" },
  QUEUED: { word: "Queued", icon: "clock", tone: "waiting" },
  CANCELING: { word: "Canceling", icon: "ban", tone: "canceled" },
  SUCCESS: { word: "Success", icon: "check", tone: "ok" },
  FAILURE: { word: "Failure", icon: "cross", tone: "failed" },
  CANCELED: { word: "Canceled", icon: "ban", tone: "canceled" },
  UNREADABLE: { word: "Unreadable", icon: "question", tone: "skipped" },
  DRIVER_DIED: { word: "Driver died", icon: "warning", tone: "failed" },
  succeeded: { word: "succeeded", icon: "check", tone: "ok" },
  reused: { word: "reused", icon: "reuse", tone: "reused" },
  failed: { word: "failed", icon: "cross", tone: "failed" },
  skipped: { word: "skipped", icon: "skip", tone: "skipped" },
  "not run": { word: "not run", icon: "dash", tone: "skipped" },
  running: { word: "running", icon: "play", tone: "running" },
  waiting: { word: "waiting", icon: "clock", tone: "waiting" },
  retrying: { word: "retrying", icon: "retry", tone: "retried" },
  success: { word: "succeeded", icon: "check", tone: "ok" },
  failure: { word: "failed", icon: "cross", tone: "failed" },
  retry: { word: "retried", icon: "retry", tone: "retried" },
};

/** Ends and states of steps in the order of a bar. */
export const STATES = [
  "succeeded",
  "reused",
  "failed",
  "skipped",
  "running",
  "retrying",
  "waiting",
  "not run",
];

/**
 * Return the look of a status of a run or a state of a step; an unknown one shows its own name.
 * @param {string} state
 * @returns {Look}
 */
export function look(state) {
  return LOOKS[state] ?? { word: state, icon: "question", tone: "skipped" };
}

/**
 * Return a chip: icon and word of a status or state.
 * @param {string} state
 * @param {{ word?: string, title?: string }} [options]
 * @returns {HTMLElement}
 */
export function chip(state, { word, title } = {}) {
  const its = look(state);
  return h(
    "span",
    { class: `chip tone-${its.tone}`, "data-state": state, title },
    icon(its.icon),
    h("span", null, word ?? its.word),
  );
}

/**
 * Return counts of steps as parts of a whole, in the order of a bar.
 * @param {StepCounts} counts
 * @returns {{ state: string, count: number, share: number }[]} shares add up to 1, or to nothing
 */
export function shares(counts) {
  const order = [...STATES, ...Object.keys(counts).filter((state) => !STATES.includes(state))];
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return order
    .filter((state) => counts[state])
    .map((state) => ({ state, count: counts[state], share: counts[state] / all }));
}

/**
 * Return counts in words, such as "12 succeeded, 1 failed".
 * @param {StepCounts} counts
 * @returns {string}
 */
export function inOneLine(counts) {
  return shares(counts)
    .map(({ state, count }) => `${inWords(count)} ${look(state).word}`)
    .join(", ");
}

/**
 * Return a bar of counts by state; its words are its label.
 * @param {StepCounts} counts
 * @returns {HTMLElement}
 */
export function bar(counts) {
  const words = inOneLine(counts) || "no steps";
  return h(
    "span",
    { class: "bar", role: "img", "aria-label": words, title: words },
    shares(counts).map(({ state, share }) =>
      h("span", {
        class: `bar-part tone-${look(state).tone} ${state === "not run" ? "is-open" : ""}`,
        style: { "flex-grow": share },
      }),
    ),
  );
}
