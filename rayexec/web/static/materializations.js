/**
 * What steps say that they wrote: assets with their metadata, as text whatever it contains.
 */

import { h } from "./dom.js";
import { count, moment } from "./format.js";
import { textNodes, timeOf } from "./log_lines.js";
import { panel } from "./parts.js";
import { link, path } from "./router.js";

/** @import { Materialization, Metadata } from "./types.js" */

const MOST_SHOWN = 100;

/**
 * Return the panel of materializations; null for none.
 * @param {Materialization[] | undefined} all
 * @param {string} runId
 * @param {{hasStep?: boolean}} [options]
 * @returns {HTMLElement | null}
 */
export function materializationPanel(all, runId, { hasStep = true } = {}) {
  if (!all?.length) return null;
  const shown = all.slice(0, MOST_SHOWN);
  const note = all.length > shown.length ? `the first ${count(shown.length)} of them` : "";
  return panel(count(all.length, "materialization"), { class: "materializations", note },
    shown.map((each) => h("section", null,
      h("h3", null, h("span", { class: "mono" }, each.asset_key.join("/")),
        each.partition !== null && h("span", { class: "tag" }, each.partition)),
      h("p", { class: "muted" },
        h("time", { title: moment(each.time) }, timeOf(each.time)),
        hasStep && each.step !== null
          && h("span", null, " by ", link(path("runs", runId, "steps", each.step), each.step)),
        Object.entries(each.tags).map(([key, value]) =>
          h("span", { class: "tag" }, `${key}=${value}`))),
      each.description && h("p", null, textNodes(each.description)),
      metadataList(each.metadata))));
}

/**
 * Return pieces of metadata by name; null for none.
 * @param {Record<string, Metadata> | null | undefined} metadata
 * @returns {HTMLElement | null}
 */
export function metadataList(metadata) {
  const entries = Object.entries(metadata ?? {});
  if (!entries.length) return null;
  return h("dl", { class: "facts" }, entries.flatMap(([name, entry]) =>
    [h("dt", null, name), h("dd", null, valueOf(entry))]));
}

/**
 * Return a piece of metadata: links of the web link, and tables and objects are code.
 * @param {any} entry
 */
function valueOf(entry) {
  const value = entry && typeof entry === "object" && "value" in entry ? entry.value : entry;
  if (value !== null && typeof value === "object") {
    return h("pre", { class: "code", tabindex: "0" }, JSON.stringify(value, null, 2));
  }
  if (typeof value === "string" && entry.kind === "md" && value.includes("\n")) {
    return h("pre", { class: "code", tabindex: "0" }, value);
  }
  return h("span", { class: entry?.kind === "path" ? "metadata mono" : "metadata" },
    textNodes(String(value)));
}
