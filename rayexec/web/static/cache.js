/**
 * Cached outputs by op: how many, how large, how old.
 */

import { get, remove, session } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { ago, bytes, count, moment } from "./format.js";
import { watch } from "./live.js";
import { empty, errorView, gauge, skeleton } from "./parts.js";
import { breadcrumb, style, title } from "./router.js";

/** @import { Cache, CacheEntry, PageContext } from "./types.js" */

/**
 * @param {HTMLElement} root
 * @param {PageContext} context
 */
export async function mount(root, { signal }) {
  title("Cache");
  breadcrumb([{ label: "Cache" }]);
  const note = h("span", { class: "muted", role: "status" });
  const actions = h("div", { class: "page-actions" });
  const content = h("div", { class: "cache" }, skeleton(5));
  replace(root, h("div", { class: "page-head" }, h("h1", null, "Cache"), note, actions), content);
  const { read_only: isReadOnly } = await session();
  await style("lists.css");

  /** @param {string | null} op @param {number} number */
  const ask = async (op, number) => {
    const [{ confirm }, { toast, toastError }] = await Promise.all([
      import("./dialog.js"),
      import("./notify.js"),
    ]);
    const what = `${count(number, "cached output")}${op ? ` of ${op}` : ""}`;
    const isSure = await confirm({
      title: `Delete ${what}?`,
      text: "The next run executes these steps again. Runs that reused them stay as they are.",
      action: "Delete",
      isDanger: true,
    });
    if (!isSure) return;
    try {
      await remove("api/cache", op ? { op } : {});
      toast(`Deleted ${what}.`, { kind: "ok" });
      await load();
    } catch (error) {
      toastError(error);
    }
  };
  const load = async () => {
    /** @type {Cache} */
    const { entries, bytes: size } = await get("api/cache", {}, signal);
    if (signal.aborted) return;
    const all = entries.reduce((sum, entry) => sum + entry.count, 0);
    note.textContent = all ? `${count(all, "output")}, ${bytes(size)}` : "";
    replace(actions, all && !isReadOnly
      ? h("button", { class: "button is-danger", type: "button",
          onclick: () => void ask(null, all) }, icon("trash"), "Delete all…")
      : null);
    replace(content, entries.length ? list(entries, isReadOnly ? null : ask) : nothing());
  };
  watch("cache", { onMessage: () => void load().catch(() => {}), poll: load }, signal);
  try {
    await load();
  } catch (error) {
    if (!signal.aborted) replace(content, errorView(error, () => void load().catch(() => {})));
  }
}

/**
 * @param {CacheEntry[]} entries
 * @param {((op: string, count: number) => Promise<void>) | null} ask
 */
function list(entries, ask) {
  const largest = Math.max(...entries.map((entry) => entry.bytes), 1);
  const hasHits = entries.some((entry) => entry.hits !== null);
  return h(
    "div",
    { class: "panel scroll-x" },
    h(
      "table",
      { class: "list" },
      h("thead", null, h("tr", null, h("th", null, "Op"), h("th", { class: "number" }, "Outputs"),
        hasHits ? h("th", { class: "number" }, "Hits") : null,
        h("th", { class: "number" }, "Size"),
        h("th", { class: "wide" }, h("span", { class: "hidden" }, "Share")),
        h("th", null, "Newest"), h("th", { class: "wide" }, "Oldest"),
        h("th", null, h("span", { class: "hidden" }, "Actions")))),
      h("tbody", null, entries.map((entry) =>
        h(
          "tr",
          null,
          h("th", { scope: "row", class: "mono" }, entry.op),
          h("td", { class: "number" }, count(entry.count)),
          hasHits ? h("td", { class: "number" }, entry.hits === null ? "" : count(entry.hits))
            : null,
          h("td", { class: "number" }, bytes(entry.bytes)),
          h("td", { class: "cache-bar wide" },
            gauge(entry.bytes, largest, `${bytes(entry.bytes)}, the largest ${bytes(largest)}`)),
          h("td", { title: moment(entry.newest) }, ago(entry.newest)),
          h("td", { class: "wide", title: moment(entry.oldest) }, ago(entry.oldest)),
          h("td", { class: "number" }, ask
            ? h("button", { class: "button is-small is-quiet", type: "button",
                "aria-label": `Delete cached outputs of ${entry.op}`,
                onclick: () => void ask(entry.op, entry.count) }, icon("trash"))
            : null),
        ))),
    ),
  );
}

function nothing() {
  return empty({
    title: "Nothing is cached",
    icon: "reuse",
    text: ["An op with ", h("code", null, "cache=True"), " stores its outputs, and later steps ",
      "with the same code version, config and inputs reuse them."],
  });
}
