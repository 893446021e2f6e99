/**
 * The page of a job: its graph, the chosen op, runs so far, and times of ops.
 *
 * @import { JobDetails, PageContext } from "./types.js"
 */
import { get } from "./api.js";
import { codeState } from "./code_state.js";
import { h, replace } from "./dom.js";
import { count } from "./format.js";
import { graphView } from "./graph.js";
import { historyBars, opTable } from "./job_history.js";
import { byPath, jobPanel, nodePanel } from "./job_panel.js";
import { bind } from "./keys.js";
import { errorView, panel, skeleton } from "./parts.js";
import { breadcrumb, go, href, path, setQuery, style, title } from "./router.js";

/** @param {HTMLElement} root @param {PageContext} context */
export async function mount(root, { params, query, signal }) {
  const name = params.job;
  title(name);
  breadcrumb([{ label: "Jobs", path: "/" }, { label: name }]);
  const content = h("div", { class: "job-content" }, skeleton(8));
  const state = codeState({ onVersion: () => void fill(), signal });
  // The graph needs no facts of the job, so both are on their way at once.
  const first = get(`api/jobs/${encodeURIComponent(name)}/graph`, {}, signal);
  first.catch(() => {});
  await Promise.all([style("graph.css"), style("job.css")]);
  replace(root, state, content);
  const launchpad = `${path("jobs", name)}/launch`;
  bind("l", "Open the Launchpad", () => go(launchpad), signal);

  let turn = 0;
  const fill = async () => {
    const own = ++turn;
    try {
      /** @type {JobDetails} */
      const job = await get(`api/jobs/${encodeURIComponent(name)}`, {}, signal);
      if (own === turn && !signal.aborted) show(job, own === 1);
    } catch (error) {
      if (signal.aborted || own !== turn) return;
      replace(content, h("h1", null, name), errorView(error, () => void fill()));
    }
  };

  /** @param {JobDetails} job @param {boolean} isFirst */
  const show = (job, isFirst) => {
    const nodes = byPath(job.nodes);
    const side = h("aside", { class: "job-side", "aria-label": "The chosen op", tabindex: "0" });
    const stage = h("div", { class: "job-graph" });
    /** @param {string | null} id */
    const choose = (id) => {
      const node = id === null ? undefined : nodes.get(id) ?? nodes.get(id.split("*")[0]);
      replace(side, node ? nodePanel(node, job, (to) => view.choose(to)) : jobPanel(job));
      side.scrollTop = 0;
      setQuery({ op: id });
    };
    const view = graphView(stage, {
      signal,
      hasList: job.ops > 0 && innerWidth > 1100,
      fetchLayout: (asked) => (isFirst && !Object.keys(asked).length ? first
        : get(`api/jobs/${encodeURIComponent(name)}/graph`, { ...asked }, signal)),
      onChoose: choose,
    });
    replace(side, jobPanel(job));
    const times = opTable(job.statistics, (op) => {
      view.choose(op);
      stage.scrollIntoView({ block: "nearest" });
    });
    replace(
      content,
      h(
        "div",
        { class: "page-head job-head" },
        h("div", null, h("h1", null, job.job), h("p", { class: "muted" },
          `${count(job.ops, "op")}${job.description ? ` · ${firstLine(job.description)}` : ""}`)),
        h("a", { class: "button is-primary", href: href(launchpad), "aria-keyshortcuts": "l" },
          "Launchpad"),
      ),
      h("div", { class: "job-main" }, stage, side),
      h("div", { class: "job-below" },
        panel("Runs", { actions: h("a", { href: href("/runs", { job: job.job }) }, "All runs") },
          historyBars(job.history)),
        times && panel("Times of ops", { class: "is-flush" }, times)),
    );
    void view.ready.then(() => {
      if (query.op) view.choose(query.op);
    });
  };
  await fill();
}

/** @param {string} text */
function firstLine(text) {
  return text.trim().split("\n", 1)[0];
}
