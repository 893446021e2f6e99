/**
 * The graph of a run with the counts of each op's steps by state.
 */

import { get } from "./api.js";
import { graphView } from "./graph.js";
import { toastError } from "./notify.js";
import { countsOf } from "./now_words.js";

/** @import { LayoutNode } from "./types.js" */

/** @typedef {{path: string, op: string, counts: Record<string, number>}} OpCounts */

const REFRESH_MS = 1_000;

/**
 * @param {HTMLElement} root
 * @param {{runId: string, onOp: (op: string) => void, signal: AbortSignal}} options
 */
export function runGraph(root, { runId, onOp, signal }) {
  /** @type {OpCounts[]} */
  let ops = [];
  let loadedAt = 0;
  /** @type {number | undefined} */
  let later;
  const view = graphView(root, {
    label: "Graph of the run",
    fetchLayout: (params) => get(`api/runs/${runId}/graph`, params, signal),
    onChoose: (id, node) => {
      if (id && node?.kind === "op") onOp(id);
    },
    marks: (node) => markOf(countsBelow(ops, node)),
    signal,
  });
  const load = async () => {
    const answer = await get(`api/runs/${runId}/ops`, {}, signal);
    ops = answer.ops;
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
 * Return the counts of the steps of a node, or of all ops below a graph.
 * @param {OpCounts[]} ops
 * @param {Pick<LayoutNode, "id">} node
 * @returns {Record<string, number>}
 */
export function countsBelow(ops, { id }) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const op of ops) {
    if (op.path !== id && !op.path.startsWith(`${id}.`)) continue;
    for (const [state, many] of Object.entries(op.counts)) {
      counts[state] = (counts[state] ?? 0) + many;
    }
  }
  return counts;
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
