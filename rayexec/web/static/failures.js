/**
 * Failures of a run, grouped by message: the first thing that somebody wants to see.
 */

import { h, icon } from "./dom.js";
import { count } from "./format.js";
import { copyButton, panel } from "./parts.js";
import { href, link, path } from "./router.js";

/** @import { FailureGroup, RunDetails } from "./types.js" */

const MOST_GROUPS = 5;
const MOST_NAMED = 6;

/**
 * Return the panel of failures; null for a run without any.
 * @param {RunDetails} details
 * @returns {HTMLElement | null}
 */
export function failurePanel(details) {
  const groups = details.failures ?? [];
  if (!groups.length) return null;
  const failed = groups.reduce((sum, group) => sum + group.count, 0);
  const stacks = stacksOf(details);
  const rest = groups.slice(MOST_GROUPS);
  const list = h("ul", { class: "failures" },
    groups.slice(0, MOST_GROUPS).map((group, index) =>
      h("li", null, groupView(details.report.run_id, group, stacks, index === 0))));
  const more = rest.length && h("button", { class: "button is-small", type: "button",
    onclick: () => {
      list.append(...rest.map((group) =>
        h("li", null, groupView(details.report.run_id, group, stacks, false))));
      /** @type {HTMLElement} */ (more).remove();
    } }, `Show ${count(rest.length, "other message")}`);
  const note = groups.length === 1 ? "" : `${count(groups.length)} different messages`;
  return panel(`${count(failed, "step")} failed`, { class: "run-failures", note }, list,
    more || null);
}

/**
 * Return the traceback of each step that the report has one of.
 * @param {RunDetails} details
 * @returns {Map<string, string>}
 */
function stacksOf(details) {
  const failed = details.report.failed_steps ?? [];
  return new Map(failed.map((/** @type {any} */ each) => [each.step_key, each.stack ?? ""]));
}

/**
 * @param {string} id
 * @param {FailureGroup} group
 * @param {Map<string, string>} stacks
 * @param {boolean} isOpen
 */
function groupView(id, group, stacks, isOpen) {
  const { error, message, count: many, steps } = group;
  const stack = steps.map((key) => stacks.get(key)).find(Boolean) ?? "";
  const title = `${error}${message ? `: ${firstLine(message)}` : ""}`;
  const named = steps.slice(0, MOST_NAMED).flatMap((key, index) =>
    [index ? ", " : "", link(path("runs", id, "steps", key), key)]);
  const others = many > MOST_NAMED ? [" and ",
    h("a", { href: href(path("runs", id), { tab: "steps", state: "failed" }) },
      `${count(many - Math.min(many, MOST_NAMED))} more`)] : [];
  const text = [message.includes("\n") ? message : "", stack].filter(Boolean).join("\n");
  return h("details", { class: "failure", open: isOpen },
    h("summary", null, icon("cross"), h("span", { class: "failure-title" }, title),
      h("span", { class: "failure-count" }, count(many, "step"))),
    h("p", { class: "failure-steps" }, named, others),
    text ? h("div", { class: "traceback" }, copyButton(`${title}\n\n${text}`),
      h("pre", { tabindex: "0" }, text)) : h("p", { class: "muted" }, "It has no traceback."));
}

/** @param {string} text */
function firstLine(text) {
  const line = text.trim().split("\n", 1)[0] ?? "";
  return line.length > 300 ? `${line.slice(0, 300)}…` : line;
}
