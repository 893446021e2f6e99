/**
 * Lines of a log as elements: time, level, step, and a text whose colours are classes.
 */

import { cutLine, foldReturns, pieces, plainText, withLinks } from "./ansi.js";
import { h } from "./dom.js";
import { count, moment, seconds } from "./format.js";
import { link, path } from "./router.js";

/** @import { LogLine } from "./types.js" */

const WHOLE = "The run store has the whole line: rayexec run events prints it.";
const FAILURES = new Set(["ERROR", "CRITICAL"]);

/**
 * Return a line of the log.
 * @param {LogLine} line
 * @param {string} runId
 * @param {{hasStep?: boolean}} [options]
 */
export function logLine(line, runId, { hasStep = true } = {}) {
  const level = (line.level ?? "").toUpperCase();
  const isFailure = FAILURES.has(level) || (line.event_type ?? "").includes("FAILURE");
  const tone = isFailure ? "is-failed" : level === "WARNING" ? "is-warning" : "";
  return h("li", { class: `log-line kind-${line.kind} ${tone}`, "data-n": line.n },
    h("time", { class: "log-time", title: moment(line.time) }, timeOf(line.time)),
    h("span", { class: "log-kind" }, line.kind === "log" ? level.toLowerCase() || "log"
      : line.kind),
    hasStep && line.step !== null
      ? h("span", { class: "log-step" }, link(path("runs", runId, "steps", line.step), line.step))
      : hasStep && h("span", { class: "log-step" }),
    h("span", { class: "log-text" },
      line.event_type && h("span", { class: "log-event" }, line.event_type, " "),
      textNodes(line.text, line.left_out)));
}

/**
 * Return a text of a terminal as nodes; a long one shows its beginning, and says how much it lacks.
 * @param {string} text
 * @param {number} [leftOut] characters that the server left out behind the text
 * @returns {Node[]}
 */
export function textNodes(text, leftOut = 0) {
  // What a line wrote over itself goes first: a bar of 10 MB may have one short last state.
  const folded = text.split("\n").map(foldReturns).join("\n");
  const { text: shown, left } = cutLine(folded);
  const nodes = withLinks(pieces(shown)).map(({ text: part, classes, href }) => {
    if (href) {
      return h("a", { href, rel: "noopener noreferrer", target: "_blank",
        class: classes.join(" ") || null }, part);
    }
    if (!classes.length) return document.createTextNode(part);
    return h("span", { class: classes.join(" ") }, part);
  });
  const lacks = left + leftOut;
  if (lacks) nodes.push(h("span", { class: "log-cut", title: WHOLE }, cutWords(lacks)));
  return nodes;
}

/** @param {number} lacks */
function cutWords(lacks) {
  return ` … cut, ${count(lacks, "more character")}; rayexec run events has all`;
}

/**
 * Return the time of a line, with milliseconds.
 * @param {import("./types.js").Time} time
 */
export function timeOf(time) {
  const at = seconds(time);
  if (Number.isNaN(at)) return "";
  const date = new Date(at * 1000);
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const millis = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${millis}`;
}

/**
 * Return lines as text, for a copy or a file.
 * @param {LogLine[]} lines
 */
export function asText(lines) {
  return lines.map((line) => {
    const at = seconds(line.time);
    const time = Number.isNaN(at) ? "" : new Date(at * 1000).toISOString();
    const parts = [time, line.level ?? line.kind, line.step ?? "", plainText(line.text)];
    return `${parts.filter(Boolean).join(" ")}${line.left_out ? cutWords(line.left_out) : ""}`;
  }).join("\n");
}
