/**
 * The preview of a run: its steps and what each asks of Ray, limits, the longest path, a bound,
 * problems and notes. The document is that of `rayexec job plan --json`.
 *
 * @typedef {{key: string, op: string, for_each: string[], asks_for: string,
 *   limits: Record<string, number>, tags: Record<string, string>, after: string[]}} PlanStep
 * @typedef {{limit: string, most: number | null, steps: number, mapped: string[],
 *   held_by: string, how: string}} PlanLimit
 * @typedef {{job: string, execution?: Record<string, any>, limits?: PlanLimit[],
 *   steps_at_least?: number, is_exact?: boolean, timings?: any, longest_path?: string[],
 *   longest_path_seconds?: number | null, makespan_bound?: any, problems?: any[], notes?: any[],
 *   steps?: PlanStep[], is_valid: boolean, check: import("./types.js").Check}} PlanDocument
 */
import { h, icon, replace } from "./dom.js";
import { count, duration } from "./format.js";

const MOST_GROUPS = 12;
const MOST_PATH = 8;

export class PlanPanel {
  constructor() {
    this.state = h("span", { class: "muted plan-state" });
    this.body = h("div", { class: "plan-body" }, h("p", { class: "muted" }, "Planning…"));
    this.element = h(
      "section",
      { class: "panel plan", "aria-label": "Plan preview" },
      h("div", { class: "panel-head" }, h("h2", null, "Plan"), this.state),
      this.body,
    );
  }

  /** While a newer text is being planned, the plan on screen is the older one's. */
  pending() {
    this.state.textContent = "updating…";
  }

  /** @param {string} message */
  failed(message) {
    this.state.textContent = "";
    replace(this.body,
      h("p", { class: "plan-problem" }, icon("warning"), h("span", null, message)));
  }

  /** @param {PlanDocument} plan */
  show(plan) {
    this.state.textContent = "";
    this.element.classList.toggle("is-old", false);
    if (!plan.steps) {
      replace(this.body, h("p", { class: "muted" }, "No plan before the problems are mended."));
      return;
    }
    const execution = plan.execution ?? {};
    const total = plan.steps_at_least ?? plan.steps.length;
    replace(
      this.body,
      problems(plan),
      h("dl", { class: "facts" },
        fact("Steps", `${plan.is_exact === false ? "at least " : ""}${count(total)}`),
        fact("Where", execution.where ?? execution.engine),
        fact("At once", atOnce(execution)),
        fact("Longest path", pathInWords(plan)),
        fact("Will take", bound(plan))),
      asks(plan.steps),
      limits(plan.limits ?? []),
      notes(plan.notes ?? []),
    );
  }
}

/** @param {string} name @param {any} value */
function fact(name, value) {
  return value ? [h("dt", null, name), h("dd", null, value)] : [];
}

/** @param {Record<string, any>} execution */
function atOnce(execution) {
  const most = execution.max_concurrent;
  if (!most || typeof most !== "object") return most ? String(most) : null;
  return `${most.limit ?? "no limit"}${most.reason ? ` (${most.reason})` : ""}`;
}

/** @param {PlanDocument} plan */
function pathInWords(plan) {
  const path = plan.longest_path ?? [];
  if (!path.length) return null;
  const shown = path.length <= MOST_PATH ? path
    : [...path.slice(0, MOST_PATH / 2), "…", ...path.slice(-MOST_PATH / 2)];
  const took = plan.longest_path_seconds ? `, ${duration(plan.longest_path_seconds)}` : "";
  return [h("span", { class: "mono plan-path" }, shown.join(" → ")),
    h("span", { class: "muted" }, ` ${count(path.length, "step")}${took}`)];
}

/** @param {PlanDocument} plan */
function bound(plan) {
  const { makespan_bound: least, timings } = plan;
  if (least === null || least === undefined) return null;
  const seconds = typeof least === "number" ? least : least.seconds;
  const by = least.because_of ? `, because of ${least.because_of}` : "";
  const from = typeof timings === "string" ? `; times of ${timings}` : "";
  return seconds === undefined ? null : `at least ${duration(seconds)}${by}${from}`;
}

/** @param {PlanDocument} plan */
function problems(plan) {
  const all = [...(plan.problems ?? [])].map(inWords);
  return all.length > 0 && h("ul", { class: "plan-problems" }, all.slice(0, 20).map((words) => (
    h("li", { class: "plan-problem" }, icon("warning"), h("span", null, words)))));
}

/** @param {any[]} all */
function notes(all) {
  return all.length > 0 && h("div", null, h("h3", null, "Notes"),
    h("ul", { class: "plan-notes" }, all.slice(0, 20).map((note) => h("li", null, inWords(note)))));
}

/** @param {any} one */
function inWords(one) {
  if (typeof one === "string") return one;
  return one?.message ?? one?.text ?? JSON.stringify(one);
}

/** Steps by what they ask for, largest groups first. @param {PlanStep[]} steps */
function asks(steps) {
  /** @type {Map<string, PlanStep[]>} */
  const groups = new Map();
  for (const step of steps) {
    const held = Object.keys(step.limits);
    const key = [step.asks_for, ...held].join(" · ");
    const group = groups.get(key);
    if (group) group.push(step);
    else groups.set(key, [step]);
  }
  const all = [...groups].sort(([, a], [, b]) => b.length - a.length);
  return h(
    "div",
    null,
    h("h3", null, "Each step asks Ray for"),
    h("table", { class: "plan-table" }, h("tbody", null, all.slice(0, MOST_GROUPS).map(
      ([words, group]) => h(
        "tr",
        null,
        h("td", { class: "number" }, count(group.length)),
        h("td", null, words, h("div", { class: "muted mono plan-keys" }, keys(group))),
      ),
    ))),
    all.length > MOST_GROUPS && h("p", { class: "muted" },
      `and ${all.length - MOST_GROUPS} other requests`),
  );
}

/** @param {PlanStep[]} group */
function keys(group) {
  const shown = group.slice(0, 4).map(({ key }) => key).join(", ");
  return group.length > 4 ? `${shown}, …` : shown;
}

/** @param {PlanLimit[]} all */
function limits(all) {
  if (!all.length) return null;
  return h(
    "div",
    null,
    h("h3", null, "Limits"),
    h("table", { class: "plan-table" }, h("tbody", null, all.map((limit) => h(
      "tr",
      null,
      h("td", { class: "mono" }, limit.limit),
      h("td", { class: "number" }, limit.most === null ? "–" : count(limit.most)),
      h("td", null,
        [limit.steps ? count(limit.steps, "step") : "", ...limit.mapped].filter(Boolean)
          .join(", "),
        h("div", { class: "muted" }, limit.how || limit.held_by)),
    )))),
  );
}
