/**
 * The page of a step: its attempts, why it waited, what it got and gave, what it printed.
 */

import { ApiError, get } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { bytes, clock, count, duration, moment } from "./format.js";
import { textNodes } from "./log_lines.js";
import { logView } from "./logs.js";
import { materializationPanel, metadataList } from "./materializations.js";
import { copyButton, empty, errorView, panel, skeleton } from "./parts.js";
import { breadcrumb, href, link, path, reload, runLink, style, title } from "./router.js";
import { action, details as ask, resume } from "./run_actions.js";
import { RunData } from "./run_data.js";
import { chip } from "./status.js";

/** @import { Captured, PageContext, RunDetails, StepAttempt, StepDetails } from "./types.js" */

const MOST_LINKS = 40;
const REFRESH_MS = 1_000;
const OVER = new Set(["succeeded", "failed", "skipped", "reused", "not run"]);

/**
 * @param {HTMLElement} root
 * @param {PageContext} context
 */
export async function mount(root, { params, query, signal }) {
  const { id, key } = params;
  title(`${key} · run ${id.slice(0, 8)}`);
  breadcrumb([{ label: "Runs", path: "/runs" }, { label: id.slice(0, 8), path: path("runs", id) },
    { label: key }]);
  replace(root, skeleton(6));
  const load = () => get(`api/runs/${id}/steps/${encodeURIComponent(key)}`, {}, signal);
  /** @type {StepDetails} */
  let step;
  /** @type {RunDetails} */
  let run;
  try {
    [step, run] = await Promise.all([load(), ask(id, signal), style("run.css")]);
  } catch (error) {
    if (signal.aborted) return;
    const isMissing = error instanceof ApiError && error.status === 404;
    replace(root, isMissing ? empty({ title: "No such step", icon: "question",
      text: error.message, actions: link(path("runs", id), "All of the run") })
      : errorView(error, reload));
    return;
  }
  const head = h("div", { class: "step-head" });
  const body = h("div", { class: "step-body" });
  const log = h("section", { class: "panel" },
    h("div", { class: "panel-head" }, h("h2", null, "Log of this step")));
  const logBody = h("div", { class: "panel-body" });
  log.append(logBody);
  replace(root, head, body, log);
  const data = new RunData(id, signal);
  logView(logBody, { runId: id, query, step: key, data, isOver: () => run.is_over, signal });

  const draw = () => {
    replace(head, headOf(step, run));
    replace(body, bodyOf(step, id));
  };
  draw();
  if (run.is_over) return;
  let asking = false;
  let askedAt = 0;
  const refresh = async () => {
    if (asking || performance.now() - askedAt < REFRESH_MS) return;
    asking = true;
    askedAt = performance.now();
    try {
      const before = JSON.stringify(step);
      step = await load();
      // A selection of text or an open part must not go while nothing changed.
      if (JSON.stringify(step) !== before) draw();
    } finally {
      asking = false;
    }
  };
  data.listen({
    onNow: () => !OVER.has(step.state) && void refresh().catch(() => {}),
    onRun: () => void ask(id, signal).then((next) => {
      run = next;
      askedAt = 0;
      return refresh().then(draw);
    }).catch(() => {}),
  }, signal);
  data.isLoaded = false;
  data.watch();
}

/**
 * @param {StepDetails} step
 * @param {RunDetails} run
 * @returns {Node[]}
 */
function headOf(step, run) {
  const { report, actions } = run;
  const id = report.run_id;
  const reason = run.is_over ? actions.resume ?? null : "The run goes on: it can be resumed "
    + "from a step when it is over.";
  // A run without failures can still be run from a step again.
  const why = run.is_over && reason && /no (step|fail)/i.test(reason) ? null : reason;
  return [
    h("div", { class: "run-line" },
      h("div", { class: "run-name" }, chip(step.state), h("h1", { class: "mono" }, step.key)),
      h("div", { class: "run-actions" },
        action("Run from here", { reason: why, icon: "play",
          run: () => resume(id, { from: "steps", steps: [`${step.key}*`] }) }),
        h("a", { class: "button", href: href(path("runs", id)) }, "All of the run"))),
    h("p", { class: "muted" }, "Op ", h("code", null, step.op), " of ",
      link(path("jobs", report.job), report.job), ", run ", runLink(id), " ",
      chip(report.status),
      cachedFrom(step)),
  ];
}

/** @param {StepDetails} step */
function cachedFrom({ cached_from: from }) {
  if (!from) return null;
  const { run_id: id, step_key: key } = from;
  return h("span", null, " · its output is from ",
    key ? link(path("runs", id, "steps", key), key) : "a step", " of run ", runLink(id));
}

/**
 * @param {StepDetails} step
 * @param {string} id
 * @returns {Node[]}
 */
function bodyOf(step, id) {
  const failed = [...step.attempts].reverse().find((attempt) => attempt.failure);
  return [
    ...(failed?.failure ? [failurePanel(failed.failure)] : []),
    attemptPanel(step, id),
    linkPanel(step, id),
    ...outputPanels(step),
    ...metadataPanels(step, id),
  ];
}

/** @param {import("./types.js").StepFailure} failure */
function failurePanel(failure) {
  const stack = stackOf(failure);
  const head = `${failure.error}: ${failure.message}`.trimEnd();
  return panel("Why it failed", { class: "step-failure",
    actions: copyButton(`${head}\n\n${stack}`) },
  h("p", { class: "failure-title" }, icon("cross"), head),
  stack ? h("pre", { class: "traceback", tabindex: "0" }, stack)
    : h("p", { class: "muted" }, "It has no traceback."),
  (failure.causes ?? []).map((cause) => h("details", null,
    h("summary", null, `caused by ${cause.error}: ${cause.message}`),
    h("pre", { class: "traceback", tabindex: "0" }, stackOf(cause)))));
}

/** @param {import("./types.js").StepFailure} failure */
function stackOf({ stack }) {
  return Array.isArray(stack) ? stack.join("") : stack ?? "";
}

/**
 * @param {StepDetails} step
 * @param {string} id
 */
function attemptPanel(step, id) {
  const { attempts } = step;
  if (!attempts.length) {
    return panel("Attempts", {}, h("p", { class: "muted" }, step.cached_from
      ? "Its output was cached, so nothing ran." : step.state === "reused"
        ? "Its output came from the run before, so nothing ran." : "No attempt began."));
  }
  return panel(attempts.length === 1 ? "Attempt" : `${count(attempts.length)} attempts`, {},
    h("ol", { class: "attempts" }, attempts.map((attempt) => h("li", null,
      attemptView(attempt, id)))));
}

/**
 * @param {StepAttempt} attempt
 * @param {string} id
 */
function attemptView(attempt, id) {
  const holders = (attempt.holders ?? []).map(nameOf).filter(Boolean);
  /** @type {[string, import("./dom.js").Children][]} */
  const facts = [
    ["Started", h("time", { title: moment(attempt.started) }, clock(attempt.started))],
    ["Took", duration(attempt.seconds)],
    ["Waited", attempt.waited_for || attempt.waited_s
      ? [`${duration(attempt.waited_s)} for ${attempt.waited_for ?? "a slot"}`,
        holders.length ? [", held by ", ...holders.flatMap((key, index) =>
          [index ? ", " : "", link(path("runs", id, "steps", key), key)])] : []].flat()
      : ""],
    ["In Ray's queue", duration(attempt.queue_s)],
    ["Loading inputs", duration(attempt.fetch_s)],
    ["Worker", [attempt.node, attempt.pid && `process ${attempt.pid}`].filter(Boolean).join(", ")],
    ["Memory at most", bytes(attempt.peak_rss_bytes)],
    ["Output", bytes(attempt.output_bytes)],
  ];
  return h("div", { class: "attempt" },
    h("h3", null, chip(attempt.outcome), `attempt ${(attempt.attempt ?? 0) + 1}`,
      attempt.error ? h("span", { class: "muted" }, attempt.error) : null),
    h("dl", { class: "facts" }, facts
      .filter(([, value]) => value && (!Array.isArray(value) || value.length))
      .flatMap(([name, value]) => [h("dt", null, name), h("dd", null, value)])));
}

/** @param {unknown} holder */
function nameOf(holder) {
  if (typeof holder === "string") return holder;
  return /** @type {any} */ (holder)?.key ?? "";
}

/**
 * @param {StepDetails} step
 * @param {string} id
 */
function linkPanel(step, id) {
  const keys = (/** @type {string[]} */ list, /** @type {number} */ all) => {
    const shown = list.slice(0, MOST_LINKS).flatMap((key, index) =>
      [index ? ", " : "", link(path("runs", id, "steps", key), key)]);
    const more = Math.max(all, list.length) - Math.min(list.length, MOST_LINKS);
    return more > 0 ? [...shown, ` and ${count(more)} more`] : shown;
  };
  const { after, before } = step;
  // The log tells which step an input came from only where that is certain.
  const side = (/** @type {string} */ name, /** @type {string} */ none,
    /** @type {[string, string[]][]} */ ports, /** @type {string[]} */ all,
    /** @type {number} */ many) => {
    const rows = ports.filter(([, list]) => list.length);
    const isWhole = rows.length === ports.length && rows.length > 0;
    return h("div", null, h("h3", null, name),
      !all.length && !rows.length && h("p", { class: "muted" }, none),
      h("dl", { class: "facts" },
        ports.map(([label, list]) => [h("dt", { class: "mono" }, label),
          h("dd", null, list.length ? keys(list, ports.length === 1 ? many : 0)
            : all.length ? "one of the steps below" : "no step")]).flat(),
        !isWhole && all.length > 0 && [h("dt", null, "steps"), h("dd", null, keys(all, many))]));
  };
  return panel("Inputs and outputs", {}, h("div", { class: "step-links" },
    side("Comes after", "It takes no outputs of other steps.",
      (step.inputs ?? []).map((each) => [each.name, each.from]), after,
      step.after_count ?? after.length),
    side("Goes to", "No step takes its outputs.",
      (step.outputs ?? []).map((each) => [each.name, each.to]), before,
      step.before_count ?? before.length)));
}

/**
 * @param {StepDetails} step
 * @returns {Node[]}
 */
function outputPanels(step) {
  /** @type {[string, Captured | string | null][]} */
  const both = [["Output", step.stdout], ["Error output", step.stderr]];
  return both.flatMap(([name, captured]) => {
    const text = typeof captured === "string" ? captured : captured?.text;
    if (!text) return [];
    const isCut = typeof captured === "object" && captured?.is_cut;
    return [panel(name, { actions: copyButton(text), note: isCut ? "the last part" : "" },
      h("pre", { class: "terminal", tabindex: "0" },
        text.split("\n").flatMap((line, index) => [...(index ? [document.createTextNode("\n")]
          : []), ...textNodes(line)])))];
  });
}

/**
 * @param {StepDetails} step
 * @param {string} id
 * @returns {Node[]}
 */
function metadataPanels({ metadata, materializations }, id) {
  const list = metadataList(metadata);
  const assets = materializationPanel(materializations, id, { hasStep: false });
  return [...(list ? [panel("Metadata", {}, list)] : []), ...(assets ? [assets] : [])];
}
