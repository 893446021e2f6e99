/**
 * Problems below the editor; a click goes to the line.
 *
 * @import { Problem } from "./types.js"
 */
import { h, icon, replace } from "./dom.js";
import { count } from "./format.js";

const MOST = 50;

export class LaunchProblems {
  /**
   * @param {{goTo: (problem: Problem) => void, mend: (problem: Problem) => void}} options
   */
  constructor(options) {
    this.options = options;
    this.head = h("h2", null, "Problems");
    this.list = h("ul", { class: "launch-problem-list" });
    this.element = h("section", { class: "launch-problems", "aria-label": "Problems" },
      this.head, this.list);
    this.element.hidden = true;
  }

  /** @param {Problem[]} problems @param {string[]} unused */
  show(problems, unused) {
    this.element.hidden = !problems.length && !unused.length;
    this.head.textContent = problems.length ? count(problems.length, "problem")
      : "Without effect";
    replace(
      this.list,
      ...problems.slice(0, MOST).map((problem) => h(
        "li",
        { class: "launch-problem-row" },
        h(
          "button",
          { type: "button", class: "launch-problem", onclick: () => this.options.goTo(problem) },
          icon("cross"),
          h("span", { class: "mono" }, problem.line ? `${problem.line}:${problem.column}` : "–"),
          h("span", null, problem.message),
        ),
        problem.fix && problem.line && h("button", { type: "button", class: "button is-small",
          onclick: () => this.options.mend(problem) }, `Change to ${problem.fix}`),
      )),
      problems.length > MOST && h("li", { class: "muted" },
        `and ${problems.length - MOST} more problems`),
      unused.length > 0 && h("li", { class: "muted launch-unused" },
        `Without effect: ${unused.slice(0, 8).join(", ")}${unused.length > 8 ? ", …" : ""}. `
        + "Remove unused takes them out."),
    );
  }
}
