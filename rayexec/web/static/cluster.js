/**
 * The cluster: its nodes, its limits with their holders and waiters, and findings of the doctor.
 */

import { get, post, session } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { ago, amount, bytes, clock, count } from "./format.js";
import { watch } from "./live.js";
import { toast, toastError } from "./notify.js";
import { commandLine, empty, errorView, gauge, panel, skeleton } from "./parts.js";
import { breadcrumb, href, path, runLink, style, title } from "./router.js";

/** @import { Child } from "./dom.js" */
/** @import { Cluster, ClusterLimit, ClusterNode, PageContext } from "./types.js" */

const FIRST = ["CPU", "GPU", "memory", "object_store_memory"];
/** @type {Record<string, string>} */
const WORDS = { memory: "Memory", object_store_memory: "Object store" };
const WAITERS = 6;
const OTHERS = 20;

/**
 * @param {HTMLElement} root
 * @param {PageContext} context
 */
export async function mount(root, { signal }) {
  title("Cluster");
  breadcrumb([{ label: "Cluster" }]);
  const head = h("div", { class: "page-head" }, h("h1", null, "Cluster"));
  const content = h("div", { class: "cluster" }, skeleton(8));
  replace(root, head, content);
  const facts = await session();
  await style("lists.css");

  /** @param {Cluster} cluster */
  const show = (cluster) => {
    if (signal.aborted) return;
    replace(head, h("h1", null, "Cluster"), heading(cluster),
      facts.read_only ? null : h("div", { class: "page-actions" }, switchOf(cluster, load)));
    replace(content, view(cluster, facts.read_only));
    content.classList.toggle("is-old", cluster.state === "away");
  };
  const load = async () => show(await get("api/cluster", {}, signal));
  watch("cluster", { onMessage: ({ kind, data }) => kind === "cluster" && show(data), poll: load },
    signal);
  try {
    await load();
  } catch (error) {
    if (!signal.aborted) replace(content, errorView(error, () => void load().catch(toastError)));
  }
}

/** @param {Cluster} cluster */
function heading({ state, address, is_own, as_of }) {
  const words = { none: "not running", starting: "starting", up: "up", away: "away" };
  const tones = { none: "skipped", starting: "waiting", up: "ok", away: "failed" };
  const icons = /** @type {const} */ ({ none: "dash", starting: "clock", up: "check",
    away: "warning" });
  return h(
    "div",
    { class: "cluster-head" },
    h("span", { class: `chip tone-${tones[state]}`, "data-state": state }, icon(icons[state]),
      h("span", null, words[state])),
    address ? h("code", { class: "muted" }, address) : null,
    is_own && state !== "none" ? h("span", { class: "muted" }, "started by rayexec") : null,
    state === "away" && as_of
      ? h("span", { class: "muted", title: clock(as_of) }, `as of ${clock(as_of)}, ${ago(as_of)}`)
      : null,
  );
}

/**
 * @param {Cluster} cluster
 * @param {() => Promise<void>} load
 */
function switchOf({ state, is_own }, load) {
  const isUp = state === "up" || state === "starting";
  if (isUp && !is_own) return null;
  const button = h("button", { class: `button ${isUp ? "" : "is-primary"}`, type: "button" },
    icon(isUp ? "stop" : "play"), isUp ? "Stop the cluster" : "Start a cluster here");
  button.addEventListener("click", async () => {
    if (isUp && !(await isSure())) return;
    button.disabled = true;
    try {
      await post(`api/cluster/${isUp ? "stop" : "start"}`);
      toast(isUp ? "The cluster ends." : "The cluster starts; this takes some seconds.");
      await load();
    } catch (error) {
      toastError(error);
      button.disabled = false;
    }
  });
  return button;
}

async function isSure() {
  const { confirm } = await import("./dialog.js");
  return confirm({
    title: "Stop the cluster?",
    text: "Runs on it fail; their finished steps can be resumed.",
    action: "Stop the cluster",
    isDanger: true,
  });
}

/**
 * @param {Cluster} cluster
 * @param {boolean} isReadOnly
 * @returns {Child[]}
 */
function view(cluster, isReadOnly) {
  const { state, error, nodes, limits, findings, runs, holders_unknown: unknown } = cluster;
  const others = cluster.other_runs;
  /** @type {Child[]} */
  const parts = [];
  if (error) {
    parts.push(h("div", { class: "note tone-failed", role: "alert" }, icon("warning"),
      h("div", null, error)));
  }
  if (state === "none") return [...parts, noCluster(isReadOnly)];
  if (state === "starting" && !nodes.length) {
    return [...parts, h("p", { class: "muted", role: "status" }, "Ray starts on this machine…"),
      skeleton(5)];
  }
  return [
    ...parts,
    findings.length ? findingsOf(findings) : null,
    panel("Nodes", { note: count(nodes.length), class: "is-flush" },
      nodes.length
        ? h("ul", { class: "nodes" }, nodes.map(nodeOf))
        : h("p", { class: "note-line muted" }, "No node answers.")),
    panel("Limits and pools", { note: count(limits.length), class: "is-flush" },
      limits.length
        ? h("ul", { class: "limits" }, limits.map((limit) => limitOf(limit, unknown)))
        : h("p", { class: "note-line muted" },
            "The cluster declares none, and no run holds any.")),
    panel("Runs on it", { note: count(runs.length), class: "is-flush" },
      runs.length
        ? h("ul", { class: "cluster-runs" }, runs.map((id) => h("li", null, runLink(id))))
        : h("p", { class: "note-line muted" }, "No run is on it now."),
      others.length > 0 && h("p", { class: "note-line muted", "data-others": "" },
        `${count(others.length, "other run")} under way, elsewhere: `,
        others.slice(0, OTHERS).flatMap((id, index) => [index ? ", " : "", runLink(id)]),
        others.length > OTHERS && `, and ${count(others.length - OTHERS)} more`)),
  ];
}

/** @param {ClusterNode} node */
function nodeOf({ host, node_id, is_head, resources, free }) {
  const names = Object.keys(resources).filter((name) => !name.startsWith("node:"));
  const ordered = [...FIRST.filter((name) => names.includes(name)),
    ...names.filter((name) => !FIRST.includes(name)).sort()];
  return h(
    "li",
    { class: "node" },
    h("div", { class: "node-words" }, h("h3", null, host),
      is_head ? h("span", { class: "tag" }, "head") : null,
      h("span", { class: "mono muted", title: node_id }, node_id.slice(0, 8))),
    h(
      "dl",
      { class: "gauges" },
      ordered.map((name) => {
        const all = resources[name];
        const used = free && Math.max(0, all - (free[name] ?? 0));
        const isBytes = name.includes("memory");
        const inWords = isBytes ? bytes : amount;
        const label = WORDS[name] ?? name;
        if (used === null) {
          return h("div", { class: "gauge-row" }, h("dt", null, label),
            h("dd", null, h("span", { class: "gauge-words" }, inWords(all))));
        }
        const words = `${inWords(used)} of ${inWords(all)}`;
        const tone = used / all > 0.999 ? "waiting" : "accent";
        return h("div", { class: "gauge-row" }, h("dt", null, label),
          h("dd", null, gauge(used, all, `${label}: ${words} in use`, tone),
            h("span", { class: "gauge-words" }, words)));
      }),
    ),
  );
}

/**
 * @param {ClusterLimit} limit
 * @param {string | null} unknown why nobody knows the holders
 */
function limitOf({ name, kind, total, used, nodes, holders, waiters }, unknown) {
  const waiting = waiters.reduce((sum, { size }) => sum + size, 0);
  const isFull = used >= total;
  return h(
    "li",
    { class: "limit" },
    h("div", { class: "limit-head" }, h("h3", { class: "mono" }, name),
      h("span", { class: "tag" }, kind),
      nodes.length ? h("span", { class: "muted" }, `on ${nodes.join(", ")}`) : null),
    h("div", { class: "limit-use" },
      gauge(used, total, `${name}: ${amount(used)} of ${amount(total)} in use`,
        isFull ? "waiting" : "accent"),
      h("span", { class: "gauge-words" }, `${amount(used)} of ${amount(total)}`)),
    h("div", { class: "limit-words" },
      h("p", null, h("span", { class: "muted" }, "held by "), holders.length
        ? joined(holders.map(holderOf))
        : h("span", { class: "muted" }, unknown ? `an unknown holder: ${unknown}` : "nobody")),
      waiting
        ? h("p", null, h("span", { class: "chip tone-waiting" }, icon("clock"),
            h("span", null, waiting === 1 ? "1 waits" : `${count(waiting)} wait`)), " ",
            joined(waiters.map(waiterOf)))
        : null),
  );
}

/** @param {ClusterLimit["holders"][number]} holder */
function holderOf({ name, amount: share, pid, run_id, step }) {
  const times = share === 1 ? "" : ` (${amount(share)})`;
  if (!run_id) {
    return h("span", { title: pid ? `process ${pid}` : null }, h("span", { class: "mono" }, name),
      times);
  }
  const label = step ?? name;
  const to = step ? path("runs", run_id, "steps", step) : path("runs", run_id);
  return h("span", null, h("a", { class: "mono", href: href(to) }, label), times, " in ",
    runLink(run_id));
}

/** @param {ClusterLimit["waiters"][number]} waiter */
function waiterOf({ run_id, job, size, steps }) {
  const shown = steps.slice(0, WAITERS);
  const more = size - shown.length;
  return h("span", null, joined(shown.map((key) => h("a", { class: "mono",
    href: href(path("runs", run_id, "steps", key)) }, key))),
    more > 0 ? ` and ${count(more)} more` : "", ` of ${job} `, runLink(run_id));
}

/**
 * @param {Node[]} parts
 * @returns {Child[]}
 */
function joined(parts) {
  return parts.flatMap((part, index) => (index ? [", ", part] : [part]));
}

/** @param {string[]} findings */
function findingsOf(findings) {
  return h(
    "section",
    { class: "note tone-waiting" },
    icon("warning"),
    h("div", null, h("h2", null, "Findings"),
      h("ul", { class: "findings" }, findings.map((line) => h("li", null, line)))),
  );
}

/** @param {boolean} isReadOnly */
function noCluster(isReadOnly) {
  return empty({
    title: "No cluster is up",
    icon: "screen",
    text: isReadOnly
      ? "Start one on this machine, from a shell:"
      : "A launched run starts one by itself. You can also start it now, here or from a shell:",
    actions: commandLine("rayexec cluster up"),
  });
}
