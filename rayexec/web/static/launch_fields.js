/**
 * Fields of a launch below the editor: ops, tags, where to run, steps at once, the run to resume.
 *
 * @import { Draft } from "./launch_text.js"
 */
import { h, replace } from "./dom.js";
import { SelectionBox } from "./selection_box.js";

export class LaunchFields {
  /** @param {{onChange: (fields: Partial<Draft>) => void}} options */
  constructor(options) {
    const { onChange } = options;
    this.selection = new SelectionBox({ onChange: (selection) => onChange({ selection }) });
    /**
     * @param {"tags" | "address" | "most" | "resumeFrom" | "steps"} key
     * @param {object} attributes
     */
    const field = (key, attributes) => {
      const input = h("input", {
        class: "input", type: "text", spellcheck: "false", autocomplete: "off", ...attributes,
        oninput: () => onChange({ [key]: input.value }),
      });
      return input;
    };
    this.tags = field("tags", { placeholder: "key=value, key=value", list: "launch-tag-names" });
    this.tagNames = h("datalist", { id: "launch-tag-names" });
    this.where = h(
      "select",
      { class: "select", onchange: () => {
        onChange({ where: this.where.value });
        this.address.parentElement?.toggleAttribute("hidden", this.where.value !== "address");
        if (this.where.value === "address") this.address.focus();
      } },
      h("option", { value: "" }, "as the config says"),
      h("option", { value: "ray" }, "on Ray, this machine"),
      h("option", { value: "in_process" }, "in one process"),
      h("option", { value: "address" }, "on a cluster…"),
    );
    this.address = field("address", { placeholder: "auto, HOST:PORT, http://HOST:8265" });
    this.most = field("most", { inputmode: "numeric", placeholder: "as the config says" });
    this.resumeFrom = field("resumeFrom", { placeholder: "no earlier run", list: "launch-runs" });
    this.steps = field("steps", { placeholder: "what has not succeeded", title: "Keys of steps; "
      + "load* is load with all after it" });
    this.runs = h("datalist", { id: "launch-runs" });
    this.note = h("p", { class: "muted launch-kept", id: "launch-kept", role: "status" });
    this.element = h(
      "div",
      { class: "launch-fields" },
      this.selection.element,
      labelled("Tags", this.tags),
      labelled("Where to run", this.where),
      labelled("Address", this.address),
      labelled("Steps at once", this.most),
      labelled("Resume from run", this.resumeFrom),
      labelled("Steps to run again", this.steps),
      this.note,
      this.tagNames,
      this.runs,
    );
  }

  /** @param {Draft} draft */
  show(draft) {
    this.selection.set(draft.selection);
    this.tags.value = draft.tags;
    this.where.value = draft.where;
    this.address.value = draft.address;
    this.address.parentElement?.toggleAttribute("hidden", draft.where !== "address");
    this.most.value = draft.most;
    this.resumeFrom.value = draft.resumeFrom;
    this.steps.value = draft.steps;
  }

  /** Takes away what a resumed run keeps of the former one. @param {boolean} isResumed */
  resumes(isResumed) {
    for (const field of [this.selection.input, this.tags, this.where, this.address, this.most]) {
      field.disabled = isResumed;
    }
    this.steps.parentElement?.toggleAttribute("hidden", !isResumed);
    const words = isResumed ? "A resumed run keeps the ops and tags of the former run, and runs "
      + "again what has not succeeded, or the named steps. Where it runs and how many steps at "
      + "once, its config says." : "";
    if (this.note.textContent !== words) this.note.textContent = words;
  }

  /** @param {string[]} names */
  setTags(names) {
    replace(this.tagNames, ...names.map((name) => h("option", { value: name })));
  }

  /** @param {import("./types.js").Row[]} rows */
  setRuns(rows) {
    replace(this.runs, ...rows.slice(0, 20).map((row) => (
      h("option", { value: row.run_id, label: row.status.toLowerCase() }))));
  }
}

/** @param {string} words @param {HTMLElement} input */
function labelled(words, input) {
  return h("label", { class: "field" }, h("span", null, words), input);
}
