/**
 * Columns of the list of runs.
 */

import { h, icon } from "./dom.js";
import { ago, count, duration, moment, seconds } from "./format.js";
import { runLink } from "./router.js";
import { bar, chip, inOneLine } from "./status.js";

/** @import { Column } from "./table.js" */
/** @import { ListedRun } from "./types.js" */

/** @type {Column<ListedRun>[]} */
export const RUN_COLUMNS = [
  { key: "select", label: "Chosen", hideLabel: true, width: "18px", cell: tick },
  { key: "status", label: "Status", width: "var(--status-width, 104px)", cell: statusOf },
  { key: "job", label: "Job", width: "minmax(110px, 2fr)", cell: jobOf },
  { key: "id", label: "Run", width: "76px", from: 520, cell: (run) => runLink(run.run_id) },
  { key: "started", label: "Started", width: "76px", cell: startOf },
  { key: "took", label: "Took", width: "92px", align: "right", from: 640, cell: tookOf },
  { key: "steps", label: "Steps", width: "minmax(190px, 1fr)", from: 760, cell: stepsOf },
  { key: "tags", label: "Tags", width: "minmax(120px, 1.6fr)", from: 1000, cell: tagsOf },
  { key: "selection", label: "Ops", width: "minmax(80px, 0.8fr)", from: 1180, cell: opsOf },
  { key: "where", label: "Driver", width: "minmax(70px, 0.6fr)", from: 1380, cell: whereOf },
  { key: "parent", label: "Resumes", width: "76px", from: 1100, cell: parentOf },
];

function tick() {
  return h("span", { class: "tick", "aria-hidden": "true" }, icon("check"));
}

/** @param {ListedRun} run */
function statusOf(run) {
  const isDead = run.note === "driver died";
  return chip(isDead ? "DRIVER_DIED" : run.status, { title: run.note ?? undefined });
}

/** @param {ListedRun} run */
function jobOf(run) {
  if (run.status === "UNREADABLE") return h("span", { class: "muted", title: run.note }, run.note);
  const error = typeof run.error === "string" ? run.error : run.error?.message;
  return [
    h("span", { class: "run-job", title: run.job }, run.job),
    error ? h("span", { class: "run-error", title: error }, error) : null,
  ];
}

/** @param {ListedRun} run */
function startOf(run) {
  return h("span", { title: moment(run.start_time) }, seconds(run.start_time)
    ? ago(run.start_time) : "");
}

/** @param {ListedRun} run */
function tookOf(run) {
  if (run.duration !== null) return duration(run.duration);
  if (run.is_over || !seconds(run.start_time)) return "";
  return duration(Math.max(0, Date.now() / 1000 - seconds(run.start_time)));
}

/** @param {ListedRun} run */
function stepsOf(run) {
  const all = Object.values(run.steps).reduce((sum, number) => sum + number, 0);
  if (!all) {
    return run.is_over ? "" : h("span", { class: "bar is-busy", role: "img",
      "aria-label": "running" });
  }
  const done = (run.steps.succeeded ?? 0) + (run.steps.reused ?? 0);
  const failed = run.steps.failed ?? 0;
  const words = done === all ? count(all) : `${count(done)}/${count(all)}`;
  return h("span", { class: "steps", title: inOneLine(run.steps) }, bar(run.steps),
    h("span", { class: "steps-words" }, words, failed
      ? h("span", { class: "steps-failed" }, ` ${count(failed)} failed`) : null));
}

/** @param {ListedRun} run */
function tagsOf(run) {
  const tags = Object.entries(run.tags).map(([key, value]) => `${key}=${value}`);
  return h("span", { class: "tags", title: tags.join("\n") },
    tags.map((tag) => h("span", { class: "tag" }, tag)));
}

/** @param {ListedRun} run */
function opsOf(run) {
  const ops = run.op_selection?.join(", ");
  return ops ? h("span", { class: "mono", title: ops }, ops) : h("span", { class: "muted" }, "all");
}

/** @param {ListedRun} run */
function whereOf(run) {
  const host = run.driver?.host;
  const words = host ? `process ${run.driver?.pid} on ${host}` : "launched elsewhere";
  return h("span", { class: "muted", title: words }, host ? String(host) : "elsewhere");
}

/** @param {ListedRun} run */
function parentOf(run) {
  return run.parent_run_id ? runLink(run.parent_run_id) : "";
}
