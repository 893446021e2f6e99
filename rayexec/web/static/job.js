/**
 * The page of a job: its graph, the chosen op, runs so far, and times of ops.
 *
 * @import { JobDetails, PageContext } from "./types.js"
 * @import { Layout, LayoutNode } from "./graph_walk.js"
 */
import { get } from "./api.js";
import { codeState } from "./code_state.js";
import { h, replace } from "./dom.js";
import { count } from "./format.js";
import { graphView } from "./graph.js";
import { historyBars, opTable } from "./job_history.js";
import { byPath, groupPanel, jobPanel, nodePanel } from "./job_panel.js";
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
  // Files of the page and its graph are on their way at once.
  const first = get(`api/jobs/${encodeURIComponent(name)}/graph`, {}, signal);
  first.catch(() => {});
  await Promise.all([style("graph.css"), style("job.css")]);
  replace(root, state, content);
  const launchpad = `${path("jobs", name)}/launch`;
  bind("l", "Open the Launchpad", () => go(launchpad), signal);

  let turn = 0;
  const fill = async () => {
    const own = ++turn;
    const asked = get(`api/jobs/${encodeURIComponent(name)}`, {}, signal);
    asked.catch(() => {});
    try {
      /** @type {Layout} */
      const layout = await (own === 1 ? first : graph({}));
      // The graph comes first, since the details of thousands of ops take their time; a page that
      // shows a job already waits for both.
      /** @type {JobDetails | null} */
      const job = own === 1 ? null : await asked;
      if (own !== turn || signal.aborted) return;
      const complete = show(layout);
      const details = job ?? await asked;
      if (own === turn && !signal.aborted) complete(details);
    } catch (error) {
      if (signal.aborted || own !== turn) return;
      replace(content, h("h1", null, name), errorView(error, () => void fill()));
    }
  };

  /** @param {Record<string, string>} asked @returns {Promise<Layout>} */
  const graph = (asked) => get(`api/jobs/${encodeURIComponent(name)}/graph`, { ...asked }, signal);

  /**
   * Show the graph, and return what adds the details of the job.
   * @param {Layout} layout
   * @returns {(job: JobDetails) => void}
   */
  const show = (layout) => {
    /** @type {JobDetails | null} */
    let job = null;
    /** @type {ReturnType<typeof byPath>} */
    let nodes = new Map();
    /** @type {{id: string, node: LayoutNode | null} | null} */
    let chosen = null;
    const side = h("aside", { class: "job-side", "aria-label": "The chosen op", tabindex: "0" },
      skeleton(6));
    const stage = h("div", { class: "job-graph" });
    const words = h("p", { class: "muted" }, count(layout.total_ops, "op"));
    const below = h("div", { class: "job-below" });
    const tell = () => {
      if (!job) return;
      const id = chosen?.id ?? null;
      const node = id === null ? undefined : nodes.get(id) ?? nodes.get(id.split("*")[0]);
      if (chosen?.node?.kind === "group") replace(side, groupPanel(chosen.node));
      else replace(side, node ? nodePanel(node, job, (to) => view.choose(to)) : jobPanel(job));
      side.scrollTop = 0;
    };
    let isFirst = true;
    const view = graphView(stage, {
      signal,
      hasList: layout.total_ops > 0 && innerWidth > 1100,
      fetchLayout: async (asked) => {
        const isGiven = isFirst && !Object.keys(asked).length;
        isFirst = false;
        return isGiven ? layout : graph(asked);
      },
      onChoose: (id, node) => {
        chosen = id === null ? null : { id, node };
        setQuery({ op: id });
        tell();
      },
    });
    replace(
      content,
      h(
        "div",
        { class: "page-head job-head" },
        h("div", null, h("h1", null, name), words),
        h("a", { class: "button is-primary", href: href(launchpad), "aria-keyshortcuts": "l" },
          "Launchpad"),
      ),
      h("div", { class: "job-main" }, stage, side),
      below,
    );
    void view.ready.then(() => {
      if (query.op) view.choose(query.op);
    });
    return (details) => {
      job = details;
      nodes = byPath(job.nodes);
      if (job.description) words.append(` · ${firstLine(job.description)}`);
      tell();
      const times = opTable(job.statistics, (op) => {
        view.choose(op);
        stage.scrollIntoView({ block: "nearest" });
      });
      replace(
        below,
        panel("Runs", { actions: h("a", { href: href("/runs", { job: job.job }) }, "All runs") },
          historyBars(job.history)),
        times && panel("Times of ops", { class: "is-flush" }, times),
      );
    };
  };
  await fill();
}

/** @param {string} text */
function firstLine(text) {
  return text.trim().split("\n", 1)[0];
}
