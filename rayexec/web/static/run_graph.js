/**
 * The graph of a run with the counts of each op's steps by state.
 */

import { get } from "./api.js";
import { h, replace } from "./dom.js";
import { count, duration } from "./format.js";
import { graphView } from "./graph.js";
import { toastError } from "./notify.js";
import { countsOf } from "./now_words.js";
import { inOneLine } from "./status.js";

/** @typedef {{path: string, op: string, counts: Record<string, number>, attempts: number,
 *   seconds: number, longest: number}} OpCounts */

const REFRESH_MS = 1_000;

/**
 * @param {HTMLElement} root
 * @param {{runId: string, onOp: (op: string) => void, signal: AbortSignal}} options
 */
export function runGraph(root, { runId, onOp, signal }) {
  /** @type {Map<string, Record<string, number>>} */
  let byPath = new Map();
  /** @type {OpCounts[]} */
  let ops = [];
  let loadedAt = 0;
  /** @type {number | undefined} */
  let later;
  /** @type {{id: string, label: string} | null} */
  let chosen = null;
  const words = h("div", { class: "graph-chosen", role: "status" });
  const stage = h("div", { class: "graph-stage-box" });
  replace(root, words, stage);
  const drawChosen = () => {
    const counts = chosen && byPath.get(chosen.id);
    const op = ops.find(({ path }) => path === chosen?.id);
    replace(words, chosen ? [h("strong", { class: "mono" }, chosen.label),
      h("span", null, counts ? inOneLine(countsOf(counts)) : "several ops"),
      op && h("span", { class: "muted" },
        `${count(op.attempts, "attempt")}, ${duration(op.seconds)} in all, `
        + `${duration(op.longest)} the longest`),
      op && h("button", { class: "button is-small", type: "button",
        onclick: () => onOp(op.path) }, "Show its steps")]
      : h("span", { class: "muted" }, "Choose an op to see its steps."));
  };
  drawChosen();
  const view = graphView(stage, {
    label: "Graph of the run",
    fetchLayout: (params) => get(`api/runs/${runId}/graph`, params, signal),
    onChoose: (id, node) => {
      chosen = id && node ? { id, label: node.label } : null;
      drawChosen();
    },
    marks: (node) => {
      const members = /** @type {{members?: string[]}} */ (node).members;
      if (!members?.length) return markOf(byPath.get(node.id) ?? {});
      return markOf(members.reduce((sum, path) => added(sum, byPath.get(path)), {}));
    },
    signal,
  });
  const load = async () => {
    const answer = await get(`api/runs/${runId}/ops`, {}, signal);
    ops = answer.ops;
    byPath = countsByPath(ops);
    drawChosen();
    loadedAt = performance.now();
    view.redraw();
  };
  void load().catch(toastError);
  signal.addEventListener("abort", () => clearTimeout(later));
  return {
    /** Ask again for the counts; the layout stays. */
    refresh() {
      later ??= setTimeout(() => {
        later = undefined;
        void load().catch(() => {});
      }, Math.max(0, REFRESH_MS - (performance.now() - loadedAt)));
    },
  };
}

/**
 * Return counts by the path of each op, and of each graph that ops are in.
 * @param {OpCounts[]} ops
 */
export function countsByPath(ops) {
  /** @type {Map<string, Record<string, number>>} */
  const byPath = new Map();
  for (const { path, counts } of ops) {
    const parts = path.split(".");
    for (let depth = 1; depth <= parts.length; depth++) {
      const name = parts.slice(0, depth).join(".");
      byPath.set(name, added(byPath.get(name) ?? {}, counts));
    }
  }
  return byPath;
}

/**
 * @param {Record<string, number>} sum
 * @param {Record<string, number> | undefined} counts
 */
function added(sum, counts) {
  for (const [state, many] of Object.entries(counts ?? {})) sum[state] = (sum[state] ?? 0) + many;
  return sum;
}

/**
 * Return counts as a mark of a node; null for a node without steps so far.
 * @param {Record<string, number>} counts
 */
function markOf(counts) {
  const states = countsOf(counts);
  const total = Object.values(states).reduce((sum, many) => sum + many, 0);
  return total ? { counts: states, total } : null;
}
