/**
 * The table of all steps of a run: filtered and sorted by the server, a page at a time.
 */

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { bytes, count, duration } from "./format.js";
import { toastError } from "./notify.js";
import { go, link, path } from "./router.js";
import { STATES, chip, look } from "./status.js";
import { Table } from "./table.js";

/** @import { StepPage, StepRow } from "./types.js" */

const PAGE = 200;
/** Pages that stay here: 100,000 rows are as many as 8,000 for the memory of a tab. */
const MOST_PAGES = 40;
const REFRESH_MS = 1_000;

/** @typedef {{state: string, op: string, text: string, waited_for: string, sort: string,
 *   desc: string}} Filter */

/**
 * @param {HTMLElement} root
 * @param {{
 *   runId: string,
 *   query: Record<string, string>,
 *   ops: () => string[],
 *   limits: () => string[],
 *   onQuery: (query: Record<string, string>) => void,
 *   signal: AbortSignal,
 * }} options
 */
export function stepsView(root, { runId, query, ops, limits, onQuery, signal }) {
  /** @type {Filter} */
  const filter = {
    state: query.state ?? "", op: query.op ?? "", text: query.text ?? "",
    waited_for: query.waited_for ?? "", sort: query.sort ?? "", desc: query.desc ?? "",
  };
  /** @type {Map<number, StepRow[]>} */
  const pages = new Map();
  /** @type {Set<number>} */
  const wanted = new Set();
  let total = 0;
  let version = 0;
  let loadedAt = 0;
  /** @type {number | undefined} */
  let later;

  const table = new Table({
    label: "Steps of the run",
    columns: [
      { key: "key", label: "Step", width: "minmax(140px, 2fr)", sort: true,
        cell: (row) => link(path("runs", runId, "steps", row.key), row.key) },
      { key: "state", label: "State", width: "104px", sort: true,
        cell: (row) => chip(row.state) },
      { key: "attempts", label: "Attempts", width: "70px", align: "right", from: 760, sort: true,
        cell: (row) => (row.attempts ? count(row.attempts) : "") },
      { key: "seconds", label: "Took", width: "84px", align: "right", sort: true,
        cell: (row) => duration(row.seconds) },
      { key: "queue", label: "In queue", width: "84px", align: "right", from: 900, sort: true,
        cell: (row) => duration(row.queue_s) },
      { key: "waited", label: "Waited", width: "minmax(90px, 1fr)", from: 620, sort: true,
        cell: (row) => row.waited_for || row.waited_s
          ? `${duration(row.waited_s)} for ${row.waited_for ?? ""}` : "" },
      { key: "memory", label: "Memory", width: "84px", align: "right", from: 1040, sort: true,
        cell: (row) => bytes(row.memory) },
      { key: "bytes", label: "Output", width: "84px", align: "right", from: 1040, sort: true,
        cell: (row) => bytes(row.bytes) },
    ],
    key: (row) => row.key,
    open: (row) => go(path("runs", runId, "steps", row.key)),
    sorted: filter.sort ? { key: filter.sort, desc: filter.desc === "true" } : undefined,
    sort: (key, desc) => {
      filter.sort = key;
      filter.desc = String(desc);
      changed();
    },
    signal,
  });

  const states = h("div", { class: "filter-states", role: "group", "aria-label": "State" });
  const words = h("span", { class: "muted", role: "status" });
  const field = (/** @type {"op" | "text" | "waited_for"} */ name, /** @type {string} */ label,
    /** @type {() => string[]} */ options) => {
    const list = h("datalist", { id: `steps-${name}` });
    const input = h("input", { class: "input", type: "search", value: filter[name],
      placeholder: label, "aria-label": label, list: list.id, spellcheck: "false" });
    input.addEventListener("focus", () => replace(list,
      options().slice(0, 500).map((value) => h("option", { value }))));
    let timer = 0;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        filter[name] = input.value.trim();
        changed();
      }, 200);
    });
    return [input, list];
  };
  const bar = h("div", { class: "filter" }, states, field("text", "Part of a key", () => []),
    field("op", "Op", ops), field("waited_for", "Waited for limit", limits), words);
  replace(root, bar, h("div", { class: "steps-table" }, table.element));

  function changed() {
    onQuery({ ...filter });
    version++;
    pages.clear();
    wanted.clear();
    table.active = 0;
    table.body.scrollTop = 0;
    void load(0).catch(toastError);
  }

  /** @param {number} page */
  async function load(page) {
    if (wanted.has(page)) return;
    wanted.add(page);
    const own = version;
    try {
      /** @type {StepPage} */
      const answer = await get(`api/runs/${runId}/steps`, {
        ...filter, desc: filter.sort ? filter.desc : "", from: page * PAGE, count: PAGE,
      }, signal);
      if (own !== version || signal.aborted) return;
      if (pages.size > MOST_PAGES) pages.clear();
      pages.set(page, answer.rows);
      total = answer.total;
      loadedAt = performance.now();
      drawStates(answer.by_state);
      words.textContent = total ? count(total, "step") : "No step fits.";
      table.setSource({
        count: total,
        row: (index) => pages.get(Math.floor(index / PAGE))?.[index % PAGE],
        need: (first, last) => {
          const until = Math.floor(Math.max(first, last - 1) / PAGE);
          for (let each = Math.floor(first / PAGE); each <= until; each++) {
            if (!pages.has(each) && each * PAGE < total) void load(each).catch(toastError);
          }
        },
      });
    } finally {
      if (own === version) wanted.delete(page);
    }
  }

  /** @param {Record<string, number>} counts */
  function drawStates(counts) {
    const shown = JSON.stringify([counts, filter.state]);
    if (states.dataset.shown === shown) return;
    states.dataset.shown = shown;
    const focused = states.contains(document.activeElement)
      ? /** @type {HTMLElement} */ (document.activeElement).dataset.state : undefined;
    const names = [...STATES, ...Object.keys(counts)]
      .filter((state, index, all) => all.indexOf(state) === index)
      .filter((state) => counts[state] || filter.state === state);
    replace(states, ["", ...names].map((state) =>
      h("button", { class: `button is-small tone-${state ? look(state).tone : "accent"}`,
        type: "button", "data-state": state, "aria-pressed": String(filter.state === state),
        onclick: () => {
          filter.state = state;
          changed();
        } },
      state ? look(state).word : "all",
      state && h("span", { class: "muted" }, count(counts[state] ?? 0)))));
    if (focused !== undefined) {
      const again = [...states.querySelectorAll("button")]
        .find((button) => button.dataset.state === focused);
      again?.focus();
    }
  }

  void load(0).catch((error) => {
    words.textContent = error instanceof Error ? error.message : String(error);
  });
  signal.addEventListener("abort", () => clearTimeout(later));
  return {
    /** Ask again for what is in view; a run that goes on changes it. */
    refresh() {
      if (later) return;
      const delay = Math.max(0, REFRESH_MS - (performance.now() - loadedAt));
      later = setTimeout(() => {
        later = undefined;
        const page = Math.floor(table.body.scrollTop / table.rowHeight / PAGE);
        for (const each of [...pages.keys()]) if (each !== page) pages.delete(each);
        void load(page).catch(() => {});
      }, delay);
    },
  };
}
