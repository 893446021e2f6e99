/**
 * Two runs side by side: differences of their config, and the times of their ops.
 */

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { ago, duration, moment } from "./format.js";
import { empty, panel, skeleton } from "./parts.js";
import { breadcrumb, path, runLink, style, title } from "./router.js";
import { chip, inOneLine } from "./status.js";

/** @import { Comparison, PageContext, Row, RunDetails } from "./types.js" */

/**
 * @param {HTMLElement} root
 * @param {PageContext} context
 */
export async function mount(root, { query, signal }) {
  const { a = "", b = "" } = query;
  title("Compare runs");
  breadcrumb([{ label: "Runs", path: "/runs" }, { label: "Compare" }]);
  const content = h("div", { class: "compare" }, skeleton(8));
  replace(root, h("div", { class: "page-head" }, h("h1", null, "Compare runs")), content);
  if (!a || !b) {
    replace(content, empty({
      title: "Choose two runs",
      text: "Choose two runs in the list of runs, then Compare.",
    }));
    return;
  }
  /** @type {[Comparison, RunDetails, RunDetails, void]} */
  const [comparison, first, second] = await Promise.all([
    get("api/runs/compare", { a, b }, signal),
    get(`api${path("runs", a)}`, {}, signal),
    get(`api${path("runs", b)}`, {}, signal),
    style("lists.css"),
  ]);
  if (signal.aborted) return;
  replace(
    content,
    h("div", { class: "compare-runs" }, side("A", first.report), side("B", second.report)),
    panel("Config", { class: "is-flush" }, diff(comparison.config)),
    panel("Times of ops", { class: "is-flush" }, times(comparison)),
  );
}

/**
 * @param {string} letter
 * @param {Row} run
 */
function side(letter, run) {
  return h(
    "section",
    { class: "panel compare-run" },
    h("div", { class: "panel-head" }, h("span", { class: `letter letter-${letter}` }, letter),
      h("h2", null, run.job), runLink(run.run_id), chip(run.status)),
    h(
      "dl",
      { class: "facts panel-body" },
      h("dt", null, "Started"),
      h("dd", { title: moment(run.start_time) }, ago(run.start_time)),
      h("dt", null, "Took"),
      h("dd", null, duration(run.duration) || "still running"),
      h("dt", null, "Steps"),
      h("dd", null, inOneLine(run.steps) || "none yet"),
      h("dt", null, "Tags"),
      h("dd", { class: "tags" }, Object.entries(run.tags).map(([key, value]) =>
        h("span", { class: "tag" }, `${key}=${value}`))),
    ),
  );
}

/**
 * Return a unified diff, its lines marked by sign and colour.
 * @param {string} text
 */
function diff(text) {
  if (!text.trim()) return h("p", { class: "note-line muted" }, "Both runs have the same config.");
  const kinds = new Map([["+", "added"], ["-", "removed"], ["@", "place"]]);
  return h(
    "pre",
    { class: "diff", tabindex: "0", role: "region", "aria-label": "Differences of config" },
    text.replace(/\n$/, "").split("\n").map((line) => {
      const kind = /^(---|\+\+\+) /.test(line) ? "place" : kinds.get(line[0] ?? "") ?? "same";
      return h("span", { class: `diff-line diff-${kind}` }, line || " ");
    }),
  );
}

/** @param {Comparison} comparison */
function times({ ops }) {
  if (!ops.length) return h("p", { class: "note-line muted" }, "No op ran in either run.");
  const longest = Math.max(...ops.map(({ a, b }) => Math.max(a ?? 0, b ?? 0)), 0.001);
  return h(
    "div",
    { class: "scroll-x" },
    h(
      "table",
      { class: "list times" },
      h("thead", null, h("tr", null, h("th", null, "Op"), h("th", { class: "number" }, "A"),
        h("th", { class: "number" }, "B"), h("th", { class: "number" }, "B to A"),
        h("th", null, h("span", { class: "hidden" }, "Bars")))),
      h("tbody", null, ops.map(({ op, a, b }) =>
        h(
          "tr",
          null,
          h("th", { scope: "row", class: "mono" }, op),
          h("td", { class: "number" }, a === null ? "–" : duration(a)),
          h("td", { class: "number" }, b === null ? "–" : duration(b)),
          h("td", { class: "number" }, ratio(a, b)),
          h("td", { class: "times-bars", "aria-hidden": "true" },
            barOf(a, longest, "A"), barOf(b, longest, "B")),
        ))),
    ),
  );
}

/**
 * @param {number | null} value
 * @param {number} longest
 * @param {string} letter
 */
function barOf(value, longest, letter) {
  return h("span", { class: `times-bar letter-${letter}`,
    style: { width: `${((value ?? 0) / longest) * 100}%` } });
}

/**
 * Return how much longer B took, such as "1.8×"; nothing where one of them did not run.
 * @param {number | null} a
 * @param {number | null} b
 * @returns {string}
 */
export function ratio(a, b) {
  if (!a || b === null) return "";
  const share = b / a;
  if (share > 0.95 && share < 1.05) return "same";
  return `${share >= 10 ? share.toFixed(0) : share.toFixed(share < 0.1 ? 2 : 1)}×`;
}
