/**
 * The list of runs: filters in the address, live changes, and what can be done with chosen runs.
 */

import { get, session } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { count } from "./format.js";
import { bind } from "./keys.js";
import { watch } from "./live.js";
import { empty, errorView, skeleton } from "./parts.js";
import { breadcrumb, go, path, setQuery, style, title } from "./router.js";
import { RUN_COLUMNS } from "./runs_columns.js";
import { look } from "./status.js";
import { Table } from "./table.js";

/** @import { ListedRun, PageContext, RunList } from "./types.js" */

const PAGE = 200;
const STATUSES = ["STARTED", "SUCCESS", "FAILURE", "CANCELED", "UNREADABLE"];
const TYPING_MS = 200;
const CHANGE_MS = 250;

/** @typedef {{ job: string, status: string, tag: string, text: string }} Filters */

/**
 * @param {HTMLElement} root
 * @param {PageContext} context
 */
export async function mount(root, { query, signal }) {
  title("Runs");
  breadcrumb([{ label: "Runs" }]);
  root.classList.add("is-full");
  const page = new RunsPage(root, filtersOf(query), signal);
  await style("lists.css");
  if (!signal.aborted) await page.open();
}

/**
 * @param {Record<string, string>} query
 * @returns {Filters}
 */
function filtersOf({ job = "", status = "", tag = "", text = "" }) {
  return { job, status, tag, text };
}

class RunsPage {
  /**
   * @param {HTMLElement} root
   * @param {Filters} filters
   * @param {AbortSignal} signal
   */
  constructor(root, filters, signal) {
    this.root = root;
    this.filters = filters;
    this.signal = signal;
    /** @type {ListedRun[]} */
    this.runs = [];
    this.total = 0;
    /** @type {string | null} */
    this.next = null;
    this.isLoading = false;
    /** @type {Map<string, ListedRun["steps"]>} steps of runs under way, as they were told last */
    this.steps = new Map();
    /** @type {number | null} version of the list that is here; null before any */
    this.version = null;
    /** Counts questions, so that a late answer to an old one changes nothing. */
    this.asked = 0;
    /** @type {number | undefined} */
    this.timer = undefined;
    this.note = h("span", { class: "muted", role: "status" });
    this.filterBar = h("div", { class: "filters", role: "search", "aria-label": "Filter runs" });
    this.actions = h("div", { class: "selection", role: "region", "aria-label": "Chosen runs" });
    this.actions.hidden = true;
    this.content = h("div", { class: "fill" }, skeleton(8));
    replace(
      root,
      h("div", { class: "page-head" }, h("h1", null, "Runs"), this.note),
      this.filterBar,
      this.actions,
      this.content,
    );
  }

  async open() {
    this.table = new Table({
      label: "Runs",
      columns: RUN_COLUMNS,
      key: (run) => run.run_id,
      rowHeight: 38,
      open: (run) => go(path("runs", run.run_id)),
      select: () => void this.showSelection(),
      rowClass: (run) => (run.status === "UNREADABLE" ? "is-dim" : ""),
      signal: this.signal,
    });
    this.drawFilters();
    this.bindKeys();
    watch("runs", { onMessage: ({ kind, data }) => {
      if (kind === "steps") this.counted(data.runs);
      else if (kind === "runs") this.changed(data);
      else if (kind === "version" && this.version !== null && data.version !== this.version) {
        this.changed({});
      }
    }, poll: () => this.load() }, this.signal);
    const clockwork = setInterval(() => this.tick(), 1_000);
    this.signal.addEventListener("abort", () => clearInterval(clockwork));
    await this.load();
  }

  bindKeys() {
    const { signal } = this;
    bind("f", "Filter by text", () => this.root.querySelector("input")?.focus(), signal);
    bind("ArrowDown", "Go to the table", () => this.table?.element.focus(), signal);
    bind("x", "Choose the run under the cursor", () => {
      const row = this.table?.activeRow();
      if (row) this.table?.toggle(row);
    }, signal);
    bind("c", "Compare two chosen runs", () => this.click("compare"), signal);
    bind("Delete", "Delete the chosen runs", () => this.click("delete"), signal);
    bind("Escape", "Choose none", () => this.table?.clearSelection(), signal);
  }

  /** @param {string} action */
  click(action) {
    const button = this.actions.querySelector(`[data-action="${action}"]`);
    if (button instanceof HTMLButtonElement) button.click();
  }

  /** Ask for the first runs again, as many as are here already. */
  async load() {
    const asked = ++this.asked;
    try {
      const answer = await this.ask(null, Math.max(PAGE, Math.min(500, this.runs.length)));
      if (asked !== this.asked || this.signal.aborted) return;
      const last = answer.runs.at(-1);
      const older = this.next && last ? this.runs.slice(answer.runs.length) : [];
      this.runs = older.length && answer.next ? [...answer.runs, ...older] : answer.runs;
      this.next = older.length && answer.next ? this.next : answer.next;
      this.show(answer);
    } catch (error) {
      if (this.signal.aborted) return;
      if (!this.runs.length) replace(this.content, errorView(error, () => void this.load()));
      throw error;
    }
  }

  /**
   * Ask for older runs, where the table is scrolled to them.
   * @param {number} last
   */
  async more(last) {
    if (this.isLoading || !this.next || last <= this.runs.length) return;
    this.isLoading = true;
    const asked = this.asked;
    try {
      const answer = await this.ask(this.next, 500);
      if (asked !== this.asked) return;
      this.runs = [...this.runs, ...answer.runs];
      this.next = answer.next;
      this.total = answer.total;
    } finally {
      this.isLoading = false;
    }
    this.table?.refresh();
  }

  /**
   * @param {string | null} before
   * @param {number} limit
   * @returns {Promise<RunList>}
   */
  ask(before, limit) {
    return get("api/runs", { ...this.filters, before, limit }, this.signal);
  }

  /** @param {RunList} answer */
  show(answer) {
    this.total = Math.max(answer.total, this.runs.length);
    this.version = answer.version;
    this.statuses = answer.statuses;
    this.jobs = answer.jobs;
    this.drawFilters();
    const isFiltered = Object.values(this.filters).some(Boolean);
    this.note.textContent = this.total ? count(this.total, "run") : "";
    if (!this.total) {
      replace(this.content, isFiltered ? this.nothingFits() : noRuns());
      return;
    }
    if (!this.table) return;
    if (this.table.element.parentElement !== this.content) {
      replace(this.content, this.table.element);
    }
    this.table.setSource({
      count: this.total,
      row: (index) => this.withSteps(this.runs[index]),
      need: (_, last) => void this.more(last).catch(() => {}),
    });
  }

  nothingFits() {
    return empty({
      title: "No run fits these filters",
      icon: "search",
      actions: h(
        "button",
        { class: "button", type: "button",
          onclick: () => this.filter({ job: "", status: "", tag: "", text: "" }) },
        "Show all runs",
      ),
    });
  }

  /**
   * Rows that changed, and runs that are gone.
   * @param {{ runs?: ListedRun[], gone?: string[] }} change
   */
  changed({ runs = [], gone = [] }) {
    const fresh = new Map(runs.map((run) => [run.run_id, run]));
    const before = this.runs.length;
    this.runs = this.runs
      .filter((run) => !gone.includes(run.run_id))
      .map((run) => ({ ...run, ...fresh.get(run.run_id) }));
    this.total -= before - this.runs.length;
    for (const id of gone) this.table?.selected.delete(id);
    if (gone.length) void this.showSelection();
    if (this.table) this.table.setSource({ ...this.table.source, count: this.total });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.load().catch(() => {}), CHANGE_MS);
  }

  /**
   * Steps of runs under way; which runs there are stays as it is.
   * @param {ListedRun[]} runs
   */
  counted(runs) {
    const fresh = new Map(runs.map((run) => [run.run_id, run]));
    for (const { run_id: id, steps } of runs) this.steps.set(id, steps);
    this.runs = this.runs.map((run) => (run.is_over ? run : fresh.get(run.run_id) ?? run));
    this.table?.refresh();
  }

  /**
   * Return a run with its steps so far. They are told once, maybe before the list has come that
   * was made without them.
   * @param {ListedRun} run
   */
  withSteps(run) {
    if (!run || run.is_over || Object.keys(run.steps).length) return run;
    return { ...run, steps: this.steps.get(run.run_id) ?? run.steps };
  }

  /** Let the times of running runs go on. */
  tick() {
    if (this.runs.some((run) => !run.is_over) && document.visibilityState === "visible") {
      this.table?.refresh();
    }
  }

  /** @param {Partial<Filters>} change */
  filter(change) {
    this.filters = { ...this.filters, ...change };
    setQuery(this.filters);
    this.runs = [];
    this.next = null;
    this.table?.clearSelection();
    this.table?.activate(0);
    this.drawFilters();
    void this.load().catch(() => {});
  }

  drawFilters() {
    const { job, status, tag, text } = this.filters;
    if (!this.fields) {
      this.fields = {
        text: this.field("Text", text, "Job, run id, tag or error", "text"),
        tag: this.field("Tag", tag, "key=value", "tag"),
        job: h("select", { class: "select", "aria-label": "Job", onchange: () =>
          this.filter({ job: this.fields?.job.value ?? "" }) }),
        statuses: h("div", { class: "choices", role: "group", "aria-label": "Status" }),
      };
      const { statuses, ...rest } = this.fields;
      replace(this.filterBar, rest.text, rest.job, rest.tag, statuses);
    }
    const fields = this.fields;
    for (const [field, value] of [[fields.text, text], [fields.tag, tag]]) {
      const input = /** @type {HTMLElement} */ (field).querySelector("input");
      if (input && document.activeElement !== input) input.value = String(value);
    }
    const jobs = [...new Set([...(this.jobs ?? []), ...(job ? [job] : [])])];
    if (document.activeElement !== fields.job) {
      replace(
        fields.job,
        h("option", { value: "" }, "All jobs"),
        jobs.map((name) => h("option", { value: name, selected: name === job }, name)),
      );
    }
    const focused = /** @type {HTMLElement | null} */ (document.activeElement)?.dataset?.status;
    replace(fields.statuses, STATUSES.map((name) => this.choice(name, status)));
    if (focused) {
      const same = fields.statuses.querySelector(`[data-status="${focused}"]`);
      if (same instanceof HTMLElement) same.focus();
    }
  }

  /**
   * @param {string} name
   * @param {string} chosen
   */
  choice(name, chosen) {
    const number = this.statuses?.[name] ?? 0;
    const isChosen = name === chosen;
    if (name === "UNREADABLE" && !number && !isChosen) return null;
    return h(
      "button",
      {
        class: `choice tone-${look(name).tone}`,
        type: "button",
        "data-status": name,
        "aria-pressed": String(isChosen),
        onclick: () => this.filter({ status: isChosen ? "" : name }),
      },
      icon(look(name).icon),
      look(name).word,
      h("span", { class: "choice-count" }, count(number)),
    );
  }

  /**
   * @param {string} label
   * @param {string} value
   * @param {string} placeholder
   * @param {"text" | "tag"} name
   */
  field(label, value, placeholder, name) {
    const input = h("input", { class: "input", type: "search", value, placeholder,
      "aria-label": label, autocomplete: "off", spellcheck: "false" });
    /** @type {number | undefined} */
    let timer;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.filter({ [name]: input.value.trim() }), TYPING_MS);
    });
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.table?.element.focus();
    });
    return h("span", { class: `filter filter-${name}` }, input);
  }

  async showSelection() {
    const [{ selectionBar }, { read_only: isReadOnly }] = await Promise.all([
      import("./runs_actions.js"),
      session(),
    ]);
    const table = this.table;
    const chosen = this.runs.filter((run) => table?.selected.has(run.run_id));
    this.actions.hidden = !chosen.length;
    replace(
      this.actions,
      selectionBar(chosen, isReadOnly, {
        clear: () => table?.clearSelection(),
        done: (gone) => this.changed({ gone }),
      }),
    );
  }
}

function noRuns() {
  return empty({
    title: "No runs yet",
    icon: "play",
    text: "A run appears here as soon as it starts, whoever starts it.",
    command: "rayexec job execute -f my_job.py",
  });
}
