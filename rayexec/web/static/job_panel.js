/**
 * What is known of one op, graph or job, beside the graph.
 *
 * @import { ConfigField, JobDetails, OutlineNode } from "./types.js"
 * @import { LayoutNode } from "./graph_walk.js"
 */
import { h } from "./dom.js";
import { count, duration } from "./format.js";

const SHOWN_MEMBERS = 200;

/** @typedef {{name: string, type: string | null, from?: string[] | string | null,
 *   default?: string | null, dynamic?: boolean, required?: boolean}} Port */

/**
 * Returns the nodes of a job by path, and in order.
 * @param {OutlineNode[]} nodes @param {Map<string, OutlineNode>} [found]
 * @returns {Map<string, OutlineNode>}
 */
export function byPath(nodes, found = new Map()) {
  for (const node of nodes) {
    found.set(node.path, node);
    if (node.nodes) byPath(node.nodes, found);
  }
  return found;
}

/** @param {OutlineNode} node @returns {number} */
export function opsIn(node) {
  return node.nodes ? node.nodes.reduce((sum, inner) => sum + opsIn(inner), 0) : 1;
}

/** @param {JobDetails} job @returns {HTMLElement} */
export function jobPanel(job) {
  const inputs = /** @type {string[]} */ (/** @type {any} */ (job).inputs ?? []);
  return h(
    "div",
    { class: "job-panel" },
    h("h2", null, job.job),
    h("p", { class: job.description ? "job-doc" : "muted" }, job.description ?? "No description."),
    facts([
      ["Ops", count(job.ops)],
      ["Inputs", inputs.join(", ")],
      ["Code", where(job.file, job.line)],
    ]),
    h("p", { class: "muted" }, "Choose an op in the graph, by click or by arrow keys."),
  );
}

/** @param {LayoutNode} group @returns {HTMLElement} */
export function groupPanel({ label, inner, members = [] }) {
  return h(
    "div",
    { class: "job-panel" },
    h("h2", { class: "mono" }, label),
    h("p", null, `${count(inner, "op")} that follow each other in a graph of too many to draw. `
      + "Enter opens the group."),
    h("p", { class: "muted mono" }, members.slice(0, SHOWN_MEMBERS).join(", "),
      members.length > SHOWN_MEMBERS && `, and ${count(members.length - SHOWN_MEMBERS)} more`),
  );
}

/**
 * @param {OutlineNode} node @param {JobDetails} job @param {(path: string) => void} onChoose
 * @returns {HTMLElement}
 */
export function nodePanel(node, job, onChoose) {
  const isGraph = Boolean(node.nodes);
  const inputs = /** @type {Port[]} */ (node.inputs ?? []);
  const outputs = /** @type {Port[]} */ (node.outputs ?? []);
  const forEach = /** @type {string[]} */ (node.for_each ?? []);
  const prefix = node.path.slice(0, node.path.length - node.name.length);
  const limits = Object.entries(/** @type {Record<string, number>} */ (
    /** @type {unknown} */ (node.limits ?? {})));
  const statistics = job.statistics[node.path];
  const { definition } = /** @type {{definition?: string}} */ (node);
  return h(
    "div",
    { class: "job-panel" },
    h("h2", { class: "mono" }, node.name,
      forEach.length > 0 && h("span", { class: "muted", title: "once for each value" }, "[?]")),
    h("p", { class: "muted mono job-path" }, node.path,
      definition && definition !== node.name && ` · ${isGraph ? "graph" : "op"} ${definition}`),
    h("p", { class: node.description ? "job-doc" : "muted" },
      node.description || "No description."),
    ports("Inputs", inputs, prefix, onChoose),
    ports("Outputs", outputs, `${node.path}.`, onChoose),
    node.config && configTable(node.config),
    facts([
      ["Ops", isGraph ? count(opsIn(node)) : null],
      ["Runs", forEach.length ? `once for each value of ${forEach.join(", ")}` : null],
      ["Asks Ray for", /** @type {string} */ (node.asks_for)],
      ["Limits", limits.map(([name, share]) => (
        share === 1 ? name : `${name} (${share})`)).join(", ")],
      ["Pool", node.pool],
      ["Cached", node.is_cached ? "yes: equal inputs, config and code reuse the output" : null],
      ["Retries", retries(node.retry)],
      ["Timeout", node.timeout ? duration(node.timeout) : null],
      ["Tags", tags(node.tags)],
      ["Code", isGraph ? null : where(node.file, node.line)],
    ]),
    statistics && h("h3", null, "Over its runs"),
    statistics && facts([
      ["Attempts", `${count(statistics.attempts)} in ${count(statistics.runs, "run")}`],
      ["In all", duration(statistics.seconds)],
      ["Each, mean", duration(statistics.seconds / Math.max(1, statistics.attempts))],
      ["Longest", duration(statistics.longest)],
    ]),
  );
}

/** @param {[string, any][]} pairs */
function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  if (!shown.length) return null;
  return h("dl", { class: "facts" },
    shown.flatMap(([name, value]) => [h("dt", null, name), h("dd", null, value)]));
}

/** @param {Record<string, string> | undefined} all */
function tags(all) {
  const pairs = Object.entries(all ?? {});
  return pairs.length
    ? h("span", { class: "job-tags" }, pairs.map(([key, value]) => (
      h("span", { class: "tag", title: `${key}=${value}` }, `${key}=${value}`))))
    : null;
}

/** @param {unknown} retry */
function retries(retry) {
  if (!retry || typeof retry !== "object") return null;
  const { max_retries: most, delay, backoff } = /** @type {any} */ (retry);
  return [`up to ${most}`, delay ? `after ${duration(delay)}` : "", backoff
    ? `backoff ${String(backoff).toLowerCase()}` : ""].filter(Boolean).join(", ");
}

/** @param {string | null | undefined} file @param {number | null | undefined} line */
function where(file, line) {
  if (!file) return null;
  const short = file.split("/").slice(-2).join("/");
  return h("span", { class: "mono", title: `${file}:${line ?? 1}` }, `${short}:${line ?? 1}`);
}

/**
 * @param {string} heading @param {Port[]} all @param {string} prefix
 * @param {(path: string) => void} onChoose
 */
function ports(heading, all, prefix, onChoose) {
  if (!all.length) return null;
  return h(
    "div",
    null,
    h("h3", null, heading),
    h("ul", { class: "job-ports" }, all.map((port) => {
      const from = port.from === null || port.from === undefined ? [] : [port.from].flat();
      return h(
        "li",
        null,
        h("span", { class: "mono" }, port.name),
        port.type && h("span", { class: "job-type" }, port.type),
        port.dynamic && h("span", { class: "tag" }, "dynamic"),
        port.required === false && h("span", { class: "tag" }, "optional"),
        port.default !== null && port.default !== undefined
          && h("span", { class: "muted" }, `= ${port.default}`),
        from.length > 0 && h("span", { class: "muted" }, "from "),
        from.slice(0, 6).map((source) => {
          const node = source.split(/[.[]/)[0];
          return h("button", { type: "button", class: "job-source mono",
            onclick: () => onChoose(prefix + node) }, source);
        }),
        from.length > 6 && h("span", { class: "muted" }, `and ${from.length - 6} more`),
      );
    })),
  );
}

/** @param {ConfigField[]} fields */
function configTable(fields) {
  if (!fields.length) return null;
  return h(
    "div",
    null,
    h("h3", null, "Config"),
    h("ul", { class: "job-ports" }, fields.map((field) => h(
      "li",
      null,
      field.name && h("span", { class: "mono" }, field.name),
      h("span", { class: "job-type" }, field.type),
      field.required ? h("span", { class: "job-required" }, "required")
        : field.default !== null && field.default !== undefined
          && h("span", { class: "muted mono" }, `= ${field.default}`),
      field.description && h("div", { class: "muted" }, field.description),
    ))),
  );
}
