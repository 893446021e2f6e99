/**
 * Search over pages, jobs and runs: type, choose by arrows, Enter opens.
 */

import { get } from "./api.js";
import { open } from "./dialog.js";
import { h, icon, replace } from "./dom.js";
import { ago } from "./format.js";
import { go, path } from "./router.js";
import { chip } from "./status.js";

/** @import { Child } from "./dom.js" */
/** @import { Jobs, RunList } from "./types.js" */

/** @typedef {{ label: string, kind: string, to: string, more?: Child | Child[] }} Entry */

/** @type {Entry[]} */
const PAGES = [
  { label: "Jobs", kind: "page", to: "/" },
  { label: "Runs", kind: "page", to: "/runs" },
  { label: "Failed runs", kind: "page", to: "/runs?status=FAILURE" },
  { label: "Cluster", kind: "page", to: "/cluster" },
  { label: "Cache", kind: "page", to: "/cache" },
];
const WAIT_MS = 120;

/** Open the search. */
export function openPalette() {
  const input = h("input", {
    class: "palette-input",
    type: "text",
    role: "combobox",
    placeholder: "Job, run or page",
    "aria-label": "Search jobs, runs and pages",
    "aria-expanded": "true",
    "aria-controls": "palette-list",
    "aria-autocomplete": "list",
    autocomplete: "off",
    spellcheck: "false",
  });
  const list = h("ul", { class: "palette-list", id: "palette-list", role: "listbox",
    "aria-label": "Results" });
  const { dialog, closed } = open("Search", [
    h("div", { class: "palette-field" }, icon("search"), input),
    list,
  ], { class: "palette" });
  /** @type {Entry[]} */
  let entries = [];
  let active = 0;
  /** @type {Jobs["jobs"]} */
  let jobs = [];
  /** @type {number | undefined} */
  let timer;
  const asking = new AbortController();
  void closed.then(() => asking.abort());

  const draw = () => {
    active = Math.max(0, Math.min(active, entries.length - 1));
    replace(
      list,
      entries.map((entry, index) =>
        h(
          "li",
          {
            class: "palette-entry",
            role: "option",
            id: `palette-${index}`,
            "aria-selected": String(index === active),
            onclick: () => choose(index),
          },
          h("span", { class: "palette-label" }, entry.label),
          h("span", { class: "palette-more" }, entry.more ?? null),
          h("span", { class: "palette-kind" }, entry.kind),
        ),
      ),
      entries.length ? null : h("li", { class: "palette-none", role: "option",
        "aria-selected": "false" }, "Nothing has this in its name."),
    );
    input.setAttribute("aria-activedescendant", entries.length ? `palette-${active}` : "");
    list.children[active]?.scrollIntoView({ block: "nearest" });
  };
  /** @param {number} index */
  const choose = (index) => {
    const entry = entries[index];
    if (!entry) return;
    dialog.close("");
    go(entry.to);
  };
  const local = () => {
    const text = input.value.trim().toLowerCase();
    const named = jobs.map((job) => ({ label: job.name, kind: "job", to: path("jobs", job.name) }));
    entries = [...named, ...PAGES].filter(({ label }) => label.toLowerCase().includes(text));
    draw();
  };
  const ask = async () => {
    const text = input.value.trim();
    try {
      /** @type {RunList} */
      const found = await get("api/runs", { text, limit: 12 }, asking.signal);
      if (text !== input.value.trim()) return;
      const runs = found.runs.map((run) => ({
        label: `${run.job} ${run.run_id.slice(0, 8)}`,
        kind: "run",
        to: path("runs", run.run_id),
        more: [chip(run.status), h("span", { class: "muted" }, ago(run.start_time))],
      }));
      entries = [...entries.filter(({ kind }) => kind !== "run"), ...runs];
      draw();
    } catch {
      // The list stays without runs.
    }
  };
  input.addEventListener("input", () => {
    active = 0;
    local();
    clearTimeout(timer);
    timer = setTimeout(ask, WAIT_MS);
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") active += 1;
    else if (event.key === "ArrowUp") active -= 1;
    else if (event.key === "Enter") choose(active);
    else return;
    event.preventDefault();
    draw();
  });
  input.focus();
  local();
  void ask();
  void get("api/jobs", {}, asking.signal).then(
    (/** @type {Jobs} */ answer) => {
      jobs = answer.jobs;
      const runs = entries.filter(({ kind }) => kind === "run");
      local();
      entries = [...entries, ...runs];
      draw();
    },
    () => {},
  );
}
