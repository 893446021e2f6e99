/**
 * Runs of a job as bars by duration with their outcome, and times of its ops.
 *
 * @import { JobDetails, Row } from "./types.js"
 */
import { h, icon } from "./dom.js";
import { ago, count, duration } from "./format.js";
import { empty } from "./parts.js";
import { href, path } from "./router.js";
import { look } from "./status.js";

const HIGH = 72;
const MOST_OPS = 100;

/** @param {Row[]} rows newest first @returns {HTMLElement} */
export function historyBars(rows) {
  if (!rows.length) {
    return empty({ title: "No run yet", text: "Launch one from the Launchpad." });
  }
  const longest = Math.max(...rows.map((row) => row.duration ?? 0), 1e-9);
  const bars = [...rows].reverse().map((row) => {
    const its = look(row.status);
    const took = duration(row.duration) || "not over";
    const words = `${row.run_id.slice(0, 8)}: ${its.word}, ${took}, ${ago(row.start_time)}`;
    const bar = h("span", { class: `history-bar tone-${its.tone}` }, icon(its.icon));
    bar.style.height = `${18 + ((row.duration ?? 0) / longest) * (HIGH - 18)}px`;
    return h("li", null, h("a", { href: href(path("runs", row.run_id)), title: words,
      "aria-label": words }, bar));
  });
  return h(
    "div",
    { class: "history" },
    h("ol", { class: "history-bars" }, bars),
    h("p", { class: "muted" }, `Last ${count(rows.length, "run")}, oldest left; longest ${
      duration(longest)}.`),
  );
}

/**
 * @param {JobDetails["statistics"]} statistics @param {(op: string) => void} onChoose
 * @returns {HTMLElement | null}
 */
export function opTable(statistics, onChoose) {
  const all = Object.entries(statistics).sort(([, a], [, b]) => b.seconds - a.seconds);
  if (!all.length) return null;
  const most = Math.max(...all.map(([, { seconds }]) => seconds), 1e-9);
  return h(
    "table",
    { class: "list job-ops" },
    h("thead", null, h("tr", null, ["Op", "Attempts", "Mean", "Longest", "In all"].map((words) => (
      h("th", { scope: "col", class: words === "Op" ? "" : "number" }, words))))),
    h("tbody", null, all.slice(0, MOST_OPS).map(([op, { attempts, seconds, longest }]) => {
      const share = h("span", { class: "job-share", "aria-hidden": "true" });
      share.style.width = `${(seconds / most) * 100}%`;
      return h(
        "tr",
        null,
        h("td", null, h("button", { type: "button", class: "job-source mono",
          onclick: () => onChoose(op) }, op), share),
        h("td", { class: "number" }, count(attempts)),
        h("td", { class: "number" }, duration(seconds / Math.max(1, attempts))),
        h("td", { class: "number" }, duration(longest)),
        h("td", { class: "number" }, duration(seconds)),
      );
    })),
    all.length > MOST_OPS && h("caption", { class: "muted" },
      `The ${MOST_OPS} longest of ${count(all.length)} ops.`),
  );
}
