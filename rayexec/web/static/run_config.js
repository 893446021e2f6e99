/**
 * Config and plan of a run: what it was given, which limits counted, and where its time went.
 */

import { h } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import { materializationPanel } from "./materializations.js";
import { copyButton, panel } from "./parts.js";
import { link, path } from "./router.js";

/** @import { RunDetails } from "./types.js" */

/**
 * Return the panels of this tab.
 * @param {RunDetails} details
 * @returns {HTMLElement[]}
 */
export function configPanels(details) {
  const assets = materializationPanel(details.materializations, details.report.run_id);
  return [timePanel(details), ...(assets ? [assets] : []), limitPanel(details),
    configPanel(details), placePanel(details)];
}

/** @param {RunDetails} details */
function configPanel({ config_yaml: yaml, report }) {
  /** @type {string[]} */
  const selection = report.op_selection ?? [];
  const tags = Object.entries(report.tags ?? {});
  return panel("Run config", {
    actions: yaml.trim() ? copyButton(yaml) : undefined,
  },
  yaml.trim() ? h("pre", { class: "code", tabindex: "0" }, yaml)
    : h("p", { class: "muted" }, "This run had no config of its own."),
  yaml.trim() && h("p", { class: "muted" }, "The job's own config is merged in, and what nobody "
    + "wrote has its default. Secrets are masked."),
  h("dl", { class: "facts" },
    h("dt", null, "Selection"),
    h("dd", null, selection.length ? selection.flatMap((op) => [tag(op), " "]) : "all ops"),
    h("dt", null, "Tags"),
    h("dd", null, tags.length
      ? tags.flatMap(([name, value]) => [tag(`${name}=${value}`), " "]) : "none")));
}

/** @param {string} text */
function tag(text) {
  return h("code", { class: "tag" }, text);
}

/** @param {RunDetails} details */
function limitPanel({ limits, waited }) {
  const waits = Object.entries(waited ?? {});
  const most = Math.max(...waits.map(([, seconds]) => seconds), 1e-9);
  return panel("Limits", {},
    limits.length ? h("table", { class: "list" },
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Limit"),
        h("th", { scope: "col", class: "number" }, "Most at once"),
        h("th", { scope: "col" }, "Held by"))),
      h("tbody", null, limits.map((limit) => h("tr", null,
        h("th", { scope: "row" }, h("code", null, limit.limit)),
        h("td", { class: "number" }, String(limit.most)),
        h("td", { class: "muted" }, limit.how || limit.held_by)))))
      : h("p", { class: "muted" }, "No limit of tags, pools or steps at once counted in this run."),
    waits.length > 0 && h("div", { class: "waits" }, h("h3", null, "What steps waited for"),
      h("ul", null, waits.map(([reason, seconds]) => h("li", null,
        h("span", null, reason),
        h("span", { class: "gauge tone-waiting" },
          h("span", { class: "gauge-part", style: { width: `${(seconds / most) * 100}%` } })),
        h("span", { class: "number" }, duration(seconds)))))));
}

/** @param {RunDetails} details */
function timePanel({ report, limits, critical_path: critical }) {
  const ops = Object.entries(report.ops ?? {});
  const spent = ops.reduce((sum, [, op]) => sum + (/** @type {any} */ (op).seconds ?? 0), 0);
  const nodes = report.nodes ?? [];
  const workers = nodes.reduce((/** @type {number} */ sum, /** @type {any} */ node) =>
    sum + node.workers, 0);
  const facts = [
    ["Took", report.duration === null ? "not over yet" : duration(report.duration)],
    ["At least possible", leastInWords(critical, limits, spent)],
    ["Work of all steps", duration(spent)],
    ["Work over time", report.duration ? `${(spent / report.duration).toFixed(1)} steps at once`
      : ""],
    ["Workers", workers ? `${count(workers)} on ${count(nodes.length, "node")}` : ""],
    ["Critical path", critical ? duration(critical.seconds) : "not recorded"],
    ["Longest in queue", report.longest_queue
      ? `${duration(report.longest_queue.seconds)}, ${report.longest_queue.step_key}` : ""],
    ["Most memory of a worker", bytes(report.peak_rss_bytes)],
  ].filter(([, value]) => value);
  const links = critical?.steps ?? [];
  return panel("Where the time went", {},
    h("dl", { class: "facts" }, facts.flatMap(([name, value]) =>
      [h("dt", null, name), h("dd", null, value)])),
    links.length > 0 && h("details", null,
      h("summary", null, `The critical path has ${count(links.length, "step")}`),
      h("ol", { class: "path-list" }, links.slice(0, 200).map((each) => h("li", null,
        link(path("runs", report.run_id, "steps", each.key), each.key),
        h("span", { class: "number" }, duration(each.seconds)),
        h("span", { class: "muted" }, each.waited > 0.001
          ? `after ${duration(each.waited)}${each.waited_for ? ` for ${each.waited_for}` : ""}`
          : "")))),
      links.length > 200 ? h("p", { class: "muted" },
        `and ${count(links.length - 200)} more`) : null));
}

/**
 * Says how long these attempts take at least: one after the other on a path, and side by side in
 * the slots of the run.
 * @param {RunDetails["critical_path"]} critical @param {RunDetails["limits"]} limits
 * @param {number} spent seconds of all attempts
 */
function leastInWords(critical, limits, spent) {
  if (!critical) return "";
  const path = critical.steps.reduce((sum, { seconds }) => sum + seconds, 0);
  const slots = limits.find(({ limit }) => limit === "max_concurrent")?.most;
  const side = slots ? spent / slots : 0;
  return side > path ? `${duration(side)}, by ${count(slots ?? 0, "slot")}`
    : `${duration(path)}, by the critical path without its waits`;
}

/** @param {RunDetails} details */
function placePanel({ report, retention, runtime_env: environment }) {
  const names = Object.entries(environment ?? {}).map(([key, all]) => (
    [key, all.length ? all.join(", ") : "given"]));
  /** @type {[string, any][]} */
  const groups = [["Versions", report.versions],
    ["Environment of the workers (runtime_env, names only)", Object.fromEntries(names)],
    ["Where it was started", report.origin],
    ["Driver", report.driver],
    ["Its stored outputs are in use by", (retention?.in_use_by ?? []).join(", ")]];
  const shown = groups.filter(([, facts]) =>
    facts && (typeof facts !== "object" || Object.keys(facts).length));
  return panel("Surroundings", {},
    shown.length ? shown.map(([name, facts]) => h("div", { class: "surroundings" },
      h("h3", null, name), typeof facts === "object"
        ? h("dl", { class: "facts" }, Object.entries(facts).flatMap(([key, value]) =>
          [h("dt", null, key.replaceAll("_", " ")), h("dd", { class: "mono" }, inWords(value))]))
        : h("p", null, String(facts))))
      : h("p", { class: "muted" }, "Nothing is recorded about them."));
}

/** @param {unknown} value */
function inWords(value) {
  if (value === null || value === undefined || value === "") return "none";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
