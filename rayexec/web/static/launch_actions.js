/**
 * Actions of the Launchpad: a file of this computer, the config of an earlier run, copied texts.
 *
 * @import { Draft } from "./launch_text.js"
 */
import { get } from "./api.js";
import { h } from "./dom.js";
import { open } from "./dialog.js";
import { tagsText } from "./launch_text.js";
import { toast } from "./notify.js";

const MOST_BYTES = 1 << 20;

/** @returns {Promise<Partial<Draft> | null>} */
export function openFile() {
  return new Promise((resolve) => {
    const field = h("input", { type: "file", accept: ".yaml,.yml,.json,text/yaml" });
    field.addEventListener("cancel", () => resolve(null));
    field.addEventListener("change", async () => {
      const file = field.files?.[0];
      if (!file) resolve(null);
      else if (file.size > MOST_BYTES) {
        toast(`${file.name} has more than 1 MiB.`, { kind: "failed" });
        resolve(null);
      } else resolve({ yaml: await file.text(), name: file.name });
    });
    field.click();
  });
}

/**
 * Returns the draft of an earlier run: its config, selection and tags.
 * @param {string} run @param {AbortSignal} signal @returns {Promise<Partial<Draft>>}
 */
export async function earlier(run, signal) {
  const { report, config_yaml: yaml, op_selection: selection } = await get(
    `api/runs/${encodeURIComponent(run)}`, {}, signal);
  const tags = Object.entries(report.tags ?? {}).filter(([key]) => (
    !/^(?:rayexec|dagster|\.dagster)\//.test(key)));
  return {
    name: `from run ${run.slice(0, 8)}`,
    yaml: yaml ?? "",
    selection: (selection ?? []).join(", "),
    tags: tagsText(Object.fromEntries(tags)),
  };
}

/**
 * Copies a text; where the browser forbids that, shows it to be copied by hand.
 * @param {string} text @param {string} what
 */
export async function copyText(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    toast(`${what} copied.`, { kind: "ok" });
  } catch {
    open(what, h("pre", { class: "launch-copied", tabindex: "0" }, text));
  }
}
