/**
 * The page of a run.
 */

import { ApiError } from "./api.js";
import { h, replace } from "./dom.js";
import { count } from "./format.js";
import { failurePanel } from "./failures.js";
import { nowPanel } from "./now.js";
import { empty, errorView, skeleton, tabs } from "./parts.js";
import { breadcrumb, go, path, reload, setQuery, style, title } from "./router.js";
import { details as ask } from "./run_actions.js";
import { RunData } from "./run_data.js";
import { runHead } from "./run_head.js";
import { toastError } from "./notify.js";

/** @import { PageContext, RunDetails } from "./types.js" */

/** After a run's end its record may come a moment later. */
const AGAIN_MS = 400;
/** Between two looks for the record of a run that was launched. */
const AWAIT_MS = 1_000;

/**
 * @param {HTMLElement} root
 * @param {PageContext} context
 */
export async function mount(root, { params, query, signal }) {
  const { id } = params;
  title(`Run ${id.slice(0, 8)}`);
  breadcrumb([{ label: "Runs", path: "/runs" }, { label: id.slice(0, 8) }]);
  replace(root, skeleton(6));
  const data = new RunData(id, signal);
  const rows = data.load();
  rows.catch(() => {});
  /** @type {RunDetails} */
  let details;
  try {
    [details] = await Promise.all([ask(id, signal), style("run.css")]);
  } catch (error) {
    if (signal.aborted) return;
    replace(root, notFound(error));
    return;
  }
  if (details.report.run_id !== id) {
    // A beginning of an id names a run too; its page has the whole id.
    go(path("runs", details.report.run_id), { replace: true });
    return;
  }
  title(`${details.report.job} ${id.slice(0, 8)}`);
  breadcrumb([
    { label: "Runs", path: "/runs" },
    { label: details.report.job, path: path("jobs", details.report.job) },
    { label: id.slice(0, 8) },
  ]);
  new RunPage(root, details, data, rows, query, signal);
}

/** @param {unknown} error */
function notFound(error) {
  if (error instanceof ApiError && error.status === 404) {
    return empty({ title: "This run is not in the run store", icon: "question",
      isPage: true, text: error.message,
      actions: h("button", { class: "button", type: "button", onclick: () => go("/runs") },
        "All runs") });
  }
  return errorView(error, reload);
}

class RunPage {
  /**
   * @param {HTMLElement} root
   * @param {RunDetails} details
   * @param {RunData} data
   * @param {Promise<void>} rows
   * @param {Record<string, string>} query
   * @param {AbortSignal} signal
   */
  constructor(root, details, data, rows, query, signal) {
    this.id = details.report.run_id;
    this.details = details;
    this.data = data;
    this.rows = rows;
    this.query = query;
    this.signal = signal;
    /** @type {import("./gantt.js").Timeline | null} */
    this.timeline = null;
    /** @type {{refresh: () => void} | null} what the chosen tab asks again while the run goes on */
    this.live = null;
    this.head = runHead(details, signal);
    this.now = nowPanel(this.id, signal);
    this.failed = h("div", { class: "run-failed" });
    this.tabs = tabs("Parts of the run", [
      { id: "timeline", label: "Timeline" },
      { id: "graph", label: "Graph" },
      { id: "steps", label: "Steps" },
      { id: "log", label: "Log" },
      { id: "config", label: "Config and plan" },
    ], { chosen: query.tab, show: (tab, panel, own) => this.show(tab, panel, own), signal });
    replace(root, this.head.element, this.now.element, this.failed, this.tabs.element);
    this.drawFailures();
    this.drawCounts();
    data.listen({
      onRows: (change) => this.timeline?.update(change),
      onNow: (now) => this.hearNow(now),
      onRun: (light) => this.hearRun(light),
      onGone: (message) => replace(root, notFound(new ApiError(404, message))),
    }, signal);
    if (details.is_recorded === false) {
      if (!details.is_over) this.awaitRecord();
      return;
    }
    rows.then(() => this.loaded(), (error) => !signal.aborted && toastError(error));
    if (!details.is_over) data.watch();
  }

  /** A run that was launched just now has no record yet: its page begins anew with it. */
  awaitRecord() {
    const timer = setInterval(() => void ask(this.id, this.signal).then((next) => {
      if (!next.is_recorded && !next.is_over) return;
      clearInterval(timer);
      if (!this.signal.aborted) reload();
    }, () => {}), AWAIT_MS);
    this.signal.addEventListener("abort", () => clearInterval(timer));
  }

  loaded() {
    this.timeline?.update({ moved: false });
    this.drawPath();
  }

  /** @param {import("./types.js").Now} now */
  hearNow(now) {
    this.now.update(now);
    this.head.setNow(now);
    this.timeline?.setNow({ time: now.time, running: this.runningBars(now) });
    this.live?.refresh();
    this.tabs.setCount("steps", count(now.steps));
  }

  /**
   * Return what runs, by the clock of the columns.
   * @param {import("./types.js").Now} now
   */
  runningBars(now) {
    const present = now.time - this.data.columns.epoch;
    return now.running.map(({ key, seconds }) => ({ key, start: present - seconds }));
  }

  /** @param {any} light */
  hearRun(light) {
    if (light && !light.is_over && light.status === this.details.report.status) {
      this.head.setLight(light);
      return;
    }
    if (light?.is_over && this.details.is_over) return;
    clearTimeout(this.again);
    this.again = setTimeout(() => void this.refresh(light?.is_over),
      light?.is_over ? 0 : AGAIN_MS);
  }

  /**
   * Ask for the details again: the run ended, or its status changed.
   * @param {boolean} [isOver] whether the server has said already that it is over
   */
  async refresh(isOver) {
    try {
      const details = await ask(this.id, this.signal);
      this.details = details;
      if (isOver && !details.is_over) {
        // The server says it only once.
        this.again = setTimeout(() => void this.refresh(isOver), AGAIN_MS);
      }
      if (details.is_over) {
        await this.data.load();
        this.now.update(null);
        this.timeline?.setNow(null);
        this.timeline?.update({ moved: false });
        this.drawPath();
      }
      this.head.setDetails(details);
      this.drawFailures();
      this.drawCounts();
      this.live?.refresh();
    } catch (error) {
      if (!this.signal.aborted) toastError(error);
    }
  }

  drawFailures() {
    const shown = JSON.stringify(this.details.failures);
    if (this.failed.dataset.shown === shown) return;
    this.failed.dataset.shown = shown;
    replace(this.failed, failurePanel(this.details));
  }

  drawCounts() {
    const { steps } = this.details.report;
    const all = steps?.total ?? Object.values(steps ?? {}).reduce((sum, each) => sum + each, 0);
    if (all) this.tabs.setCount("steps", count(all));
  }

  /** Mark the rows of the critical path, as soon as both are here. */
  drawPath() {
    const steps = this.details.critical_path?.steps;
    if (!steps?.length || !this.timeline || !this.data.isLoaded) return;
    const rows = steps.map((each) => each.row)
      .filter((row) => Number.isInteger(row) && row < this.data.columns.count);
    this.timeline.setPath(rows.length ? Int32Array.from(rows) : null);
  }

  /**
   * Write the chosen tab and its filters into the address.
   * @param {string} tab
   * @param {Record<string, string>} [filters]
   */
  remember(tab, filters = {}) {
    const shown = Object.fromEntries(Object.entries(filters).filter(([, value]) => value));
    this.query = { ...(tab === "timeline" ? {} : { tab }), ...shown };
    setQuery(this.query);
  }

  /** @param {string} op */
  showOp(op) {
    this.query = { tab: "steps", op };
    this.tabs.choose("steps");
  }

  /**
   * @param {string} tab
   * @param {HTMLElement} panel
   * @param {AbortSignal} own
   */
  show(tab, panel, own) {
    this.timeline = null;
    this.live = null;
    const query = this.query.tab === tab || (tab === "timeline" && !this.query.tab)
      ? this.query : {};
    // The first tab shows while the page is made: its address has the tab already.
    if (this.tabs) this.remember(tab, Object.fromEntries(
      Object.entries(query).filter(([name]) => name !== "tab")));
    replace(panel, skeleton());
    void this.fill(tab, panel, query, own).catch((error) => {
      if (!own.aborted) replace(panel, errorView(error, () => this.tabs.choose(tab)));
    });
  }

  /**
   * @param {string} tab
   * @param {HTMLElement} panel
   * @param {Record<string, string>} query
   * @param {AbortSignal} own
   */
  async fill(tab, panel, query, own) {
    const runId = this.id;
    const onQuery = (/** @type {Record<string, string>} */ filters) =>
      this.remember(tab, filters);
    if (this.details.is_recorded === false && tab !== "config") {
      replace(panel, empty({ title: "Nothing is recorded yet", icon: "clock",
        text: "The driver of this run starts. Its steps show as soon as it records them." }));
    } else if (tab === "timeline") {
      // A new choice of the tab asks once more for what failed.
      this.rows = this.rows.catch(() => this.data.load());
      const [{ Timeline }] = await Promise.all([import("./gantt.js"), this.rows]);
      if (own.aborted) return;
      if (!this.data.columns.count && this.details.is_over) {
        replace(panel, empty({ title: "No step began", icon: "clock",
          text: "This run ended before an attempt of a step. Its log says why." }));
        return;
      }
      this.timeline = new Timeline({
        columns: this.data.columns, by: query.by, signal: own,
        keyOf: (step) => this.data.keyOf(step),
        onChoose: (step) => void this.data.keyOf(step)
          .then((key) => go(path("runs", runId, "steps", key)), toastError),
        onOp: (op) => this.showOp(op),
        onKey: (key) => go(path("runs", runId, "steps", key)),
        onBy: (by) => onQuery(by === "op" ? { by } : {}),
      });
      replace(panel, this.timeline.element);
      this.timeline.update({ moved: false });
      if (this.data.now && !this.details.is_over) this.hearNow(this.data.now);
      this.drawPath();
    } else if (tab === "graph") {
      const { runGraph } = await import("./run_graph.js");
      if (own.aborted) return;
      this.live = runGraph(panel, { runId, signal: own, onOp: (op) => this.showOp(op) });
    } else if (tab === "steps") {
      const { stepsView } = await import("./steps.js");
      if (own.aborted) return;
      this.live = stepsView(panel, { runId, query, onQuery, signal: own,
        ops: () => this.data.columns.ops, limits: () => this.data.columns.limits });
    } else if (tab === "log") {
      const { logView } = await import("./logs.js");
      if (own.aborted) return;
      logView(panel, { runId, query, onQuery, signal: own, data: this.data,
        isOver: () => this.details.is_over });
    } else {
      const { configPanels } = await import("./run_config.js");
      if (own.aborted) return;
      replace(panel, h("div", { class: "config-panels" }, configPanels(this.details)));
    }
  }
}
