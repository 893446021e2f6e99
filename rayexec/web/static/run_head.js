/**
 * The head of a run's page: status, progress, times, actions, and the runs that it belongs to.
 */

import { h, icon } from "./dom.js";
import { ago, clock, count, duration, moment, seconds } from "./format.js";
import { setContent, setText } from "./keyed.js";
import { countsNow, countsOf, leftOf } from "./now_words.js";
import { runActions } from "./run_actions.js";
import { runLink } from "./router.js";
import { bar, chip, inOneLine } from "./status.js";

/** @import { Now, RunDetails } from "./types.js" */

/**
 * Return the head, and what changes it.
 * @param {RunDetails} first
 * @param {AbortSignal} signal
 */
export function runHead(first, signal) {
  let details = first;
  /** @type {Now | null} */
  let now = null;
  let isForced = false;
  const status = h("span", { class: "run-status" });
  const heading = h("h1", null, details.report.job, " ",
    h("span", { class: "mono muted run-id" }, details.report.run_id));
  const actions = h("div", { class: "run-actions" });
  const progress = h("div", { class: "run-progress" });
  const words = h("span", { class: "run-words" });
  const times = h("span", { class: "run-times muted" });
  const relatives = h("p", { class: "run-relatives muted" });
  const notes = h("div", { class: "run-notes" });
  const element = h("header", { class: "run-head" },
    h("div", { class: "run-line" }, h("div", { class: "run-name" }, status, heading), actions),
    progress, h("div", { class: "run-facts" }, words, times), relatives, notes);

  const tick = setInterval(() => !details.is_over && drawTimes(), 1_000);
  signal.addEventListener("abort", () => clearInterval(tick));

  function draw() {
    const { report, is_over: isOver } = details;
    const state = isOver ? report.status : isForced ? "CANCELING" : stateOf(details, now);
    setContent(status, state, () => [chip(state)]);
    setContent(actions, [details.actions, isOver, isForced], () =>
      runActions(details, { isForced, canceled: () => {
        isForced = true;
        draw();
      } }));
    const counts = now && !isOver ? countsNow(now) : countsOf(report.steps);
    setContent(progress, counts, () => [bar(counts)]);
    const all = now && !isOver ? `${count(now.over)} of ${count(now.steps, "step")}`
      + (now.is_final ? "" : " so far") : "";
    setText(words, [all, inOneLine(counts)].filter(Boolean).join(": ")
      || (isOver ? "no steps" : "no steps yet"));
    drawTimes();
    const children = details.children ?? [];
    relatives.hidden = !details.parent && !children.length && !report.parent_run_id;
    setContent(relatives, [details.parent?.run_id, children.map((run) => run.status)], () => [
      ...(report.parent_run_id
        ? [h("span", null, "Continues ", runLink(report.parent_run_id), " ",
          details.parent ? chip(details.parent.status) : "(deleted)")]
        : []),
      ...children.map((run) => h("span", null, "Continued by ", runLink(run.run_id), " ",
        chip(run.status))),
    ]);
    setContent(notes, [report.error, report.note, state, details.damage],
      () => noteNodes(details, state));
  }

  function drawTimes() {
    const { report, is_over: isOver } = details;
    const began = seconds(report.start_time);
    const took = report.duration ?? (now ? now.time : Date.now() / 1000) - began;
    const parts = [`started ${clock(began)} (${ago(began)})`];
    if (isOver) parts.push(`took ${duration(took)}`);
    else {
      const elapsed = Math.max(0, Date.now() / 1000 - began);
      parts.push(`running for ${duration(elapsed)}`);
      const left = now && leftOf(now);
      if (left) parts.push(left);
    }
    setText(times, parts.join(" · "));
    times.title = moment(began);
  }

  draw();
  return {
    element,
    /** @param {RunDetails} next */
    setDetails(next) {
      details = next;
      if (next.is_over) now = null;
      draw();
    },
    /**
     * Take what the list of runs knows too: it comes also where no driver tells its state.
     * @param {{steps?: Record<string, number>, actions?: RunDetails["actions"]}} light
     */
    setLight({ steps, actions: allowed }) {
      const report = { ...details.report, steps: steps ?? details.report.steps };
      details = { ...details, report, actions: allowed ?? details.actions };
      draw();
    },
    /** @param {Now} next */
    setNow(next) {
      now = next;
      draw();
    },
    draw,
  };
}

/**
 * @param {RunDetails} details
 * @param {Now | null} now
 */
function stateOf({ report }, now) {
  if (report.status === "STARTED" && !now && !Object.keys(report.steps ?? {}).length) {
    const driver = /** @type {any} */ (report).driver;
    return driver ? "STARTED" : "QUEUED";
  }
  return report.status;
}

/**
 * @param {RunDetails} details
 * @param {string} state
 * @returns {Node[]}
 */
function noteNodes(details, state) {
  const { damage, report, is_over: isOver } = details;
  const nodes = [];
  const note = (/** @type {string} */ tone, /** @type {import("./dom.js").IconName} */ sign,
    /** @type {import("./dom.js").Child[]} */ ...text) =>
    h("div", { class: `note tone-${tone}`, role: tone === "failed" ? "alert" : null }, icon(sign),
      h("div", null, text));
  if (state === "QUEUED") {
    const phase = report.note && report.note !== "about to begin" ? ` (${report.note})` : "";
    nodes.push(note("waiting", "clock",
      `The driver of this run starts${phase}. Its steps show as soon as it runs.`));
  }
  const error = report.error;
  if (error && isOver) {
    const text = typeof error === "string" ? error : `${error.error}: ${error.message}`;
    nodes.push(note("failed", "warning", text));
  }
  if (damage) nodes.push(note("waiting", "warning", damage));
  if (report.note && state !== "QUEUED") nodes.push(note("waiting", "warning", report.note));
  return nodes;
}
