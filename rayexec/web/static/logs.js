/**
 * Events, logs and output of a run: pages from the server, filtered there, followed while it runs.
 */

import { get } from "./api.js";
import { h, icon, replace } from "./dom.js";
import { count } from "./format.js";
import { follow } from "./live.js";
import { asLine, keepingFocus, walkLines } from "./log_keys.js";
import { asText, logLine } from "./log_lines.js";
import { toastError } from "./notify.js";
import { copyButton } from "./parts.js";

/** @import { LogLine, LogPage } from "./types.js" */

const PAGE = 500;
/** From the last key in a field to the question. */
const TYPING_MS = 120;
/** Lines in the page; the oldest go first, and come back by a button. */
const MOST_LINES = 2_000;
/** @type {[string, string][]} */
const KINDS = [["", "All"], ["event", "Events"], ["log", "Logs"], ["stdout", "Output"],
  ["stderr", "Error output"]];
const LEVELS = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"];

/**
 * @param {HTMLElement} root
 * @param {{
 *   runId: string,
 *   query: Record<string, string>,
 *   isOver: () => boolean,
 *   data?: import("./run_data.js").RunData,
 *   step?: string,
 *   onQuery?: (query: Record<string, string>) => void,
 *   signal: AbortSignal,
 * }} options
 */
export function logView(root, { runId, query, isOver, data, step, onQuery, signal }) {
  const filter = {
    kind: query.kind ?? "", level: query.level ?? "", text: query.text ?? "",
    step: step ?? query.step ?? "",
  };
  /** @type {LogLine[]} */
  let lines = [];
  /** @type {number | null} */
  let next = 0;
  /** @type {number | null} where the lines before the first one begin, going back */
  let before = null;
  let isFollowing = !isOver();
  let version = 0;
  let isLoading = false;

  const list = h("ol", { class: `log ${step === undefined ? "" : "is-narrow"}` });
  const box = h("div", { class: "log-box", tabindex: "0", role: "region",
    "aria-label": "Lines of the log: arrows walk them, Enter opens the first link of one" });
  walkLines(box, list);
  const earlier = h("button", { class: "button is-small", type: "button", hidden: true,
    onclick: () => void loadEarlier().catch(toastError) }, "Earlier lines");
  const more = h("button", { class: "button is-small", type: "button", hidden: true,
    onclick: () => void loadMore().catch(toastError) }, "Later lines");
  const none = h("p", { class: "muted log-none" });
  box.append(earlier, list, more, none);
  const words = h("span", { class: "muted", role: "status" });
  const kinds = h("div", { class: "segmented", role: "group", "aria-label": "Kind of lines" },
    KINDS.map(([kind, label]) => h("button", { class: "button is-small", type: "button",
      "data-kind": kind, "aria-pressed": String(kind === filter.kind),
      onclick: () => {
        filter.kind = kind;
        for (const each of kinds.children) {
          each.setAttribute("aria-pressed",
            String(/** @type {HTMLElement} */ (each).dataset.kind === kind));
        }
        changed();
      } }, label)));
  const level = h("select", { class: "select", "aria-label": "Least level",
    onchange: () => {
      filter.level = level.value;
      changed();
    } },
  h("option", { value: "" }, "any level"),
  LEVELS.map((each) => h("option", { value: each, selected: each === filter.level },
    `${each.toLowerCase()} and above`)));
  const followBox = h("input", { type: "checkbox", checked: isFollowing,
    onchange: () => {
      isFollowing = followBox.checked;
      changed();
    } });
  const followLabel = h("label", { class: "check" }, followBox, "Follow");
  followLabel.hidden = isOver();
  const field = (/** @type {"text" | "step"} */ name, /** @type {string} */ label) => {
    const input = h("input", { class: "input", type: "search", value: filter[name],
      placeholder: label, "aria-label": label, spellcheck: "false" });
    let timer = 0;
    input.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        filter[name] = input.value;
        changed();
      }, TYPING_MS);
    });
    return input;
  };
  const bar = h("div", { class: "filter" }, kinds, field("text", "Text"),
    step === undefined ? field("step", "Step") : null, level, followLabel, words,
    h("span", { class: "filter-end" },
      h("button", { class: "button is-quiet", type: "button", onclick: () => void save()
        .catch(toastError) }, icon("download"), "Save"),
      copyButton(() => asText(lines))));
  replace(root, bar, box);
  box.addEventListener("scroll", () => {
    const left = box.scrollHeight - box.scrollTop - box.clientHeight;
    if (left < 200 && next !== null && !isFollowing) void loadMore().catch(toastError);
  }, { passive: true });

  const params = () => ({ ...filter, limit: PAGE });

  function changed() {
    onQuery?.({ ...filter });
    void begin().catch(toastError);
  }

  /**
   * Ask for lines; a page may end after a while without any, and then names where it goes on.
   * @param {number | null} from
   * @param {boolean} desc
   * @returns {Promise<LogPage | null>} null if the filters changed meanwhile
   */
  async function ask(from, desc) {
    const own = version;
    for (;;) {
      /** @type {LogPage} */
      const page = await get(`api/runs/${runId}/log`, { ...params(), from, desc }, signal);
      if (own !== version || signal.aborted) return null;
      if (page.lines.length || page.next === null || page.next === from) return page;
      from = page.next;
    }
  }

  async function begin() {
    version++;
    const page = await ask(null, isFollowing);
    if (!page) return;
    lines = isFollowing ? page.lines.reverse() : page.lines;
    next = isFollowing ? null : page.next;
    before = isFollowing ? page.next : null;
    keepingFocus(box, () => replace(list, lines.map(draw)));
    show(page.total);
    if (isFollowing) box.scrollTop = box.scrollHeight;
    else box.scrollTop = 0;
    follow(`run/${runId}`, isFollowing
      ? { step: filter.step || null, kind: filter.kind || null } : null);
  }

  async function loadMore() {
    if (isLoading || next === null) return;
    isLoading = true;
    try {
      const page = await ask(next, false);
      if (!page) return;
      next = page.next;
      append(page.lines);
      show(page.total);
    } finally {
      isLoading = false;
    }
  }

  async function loadEarlier() {
    if (before === null) return;
    const page = await ask(before, true);
    if (!page) return;
    const older = page.lines.reverse();
    before = page.next;
    lines = [...older, ...lines];
    const height = box.scrollHeight;
    list.prepend(...older.map(draw));
    box.scrollTop += box.scrollHeight - height;
    show(page.total);
  }

  /** @param {LogLine[]} added */
  function append(added) {
    lines.push(...added);
    list.append(...added.map(draw));
    const over = lines.length - MOST_LINES;
    if (over <= 0) return;
    const height = box.scrollHeight;
    lines.splice(0, over);
    keepingFocus(box, () => {
      for (let i = 0; i < over; i++) list.firstElementChild?.remove();
    });
    box.scrollTop -= height - box.scrollHeight;
    before = Math.max(0, lines[0].n - 1);
  }

  /** @param {LogLine} line */
  function draw(line) {
    return asLine(logLine(line, runId, { hasStep: step === undefined }));
  }

  /** @param {number | null | undefined} total */
  function show(total) {
    words.textContent = typeof total === "number" ? count(total, "line")
      : lines.length ? `${count(lines.length, "line")} here` : "";
    for (const [button, isGone] of /** @type {const} */ ([[more, next === null],
      [earlier, before === null]])) {
      // A button that goes must not take the focus with it.
      if (isGone && document.activeElement === button) box.focus({ preventScroll: true });
      button.hidden = isGone;
    }
    const isFiltered = filter.text || filter.kind || filter.level || (filter.step && !step);
    none.textContent = lines.length ? "" : isFiltered ? "No line fits these filters."
      : isOver() ? "This run wrote no lines." : "No lines yet.";
    none.hidden = lines.length > 0;
  }

  /** Save all lines that fit the filters, also those that are not here. */
  async function save() {
    /** @type {string[]} */
    const parts = [];
    /** @type {number | null} */
    let from = 0;
    while (from !== null) {
      const page = await ask(from, false);
      if (!page) return;
      parts.push(asText(page.lines), "\n");
      from = page.next === from ? null : page.next;
    }
    const address = URL.createObjectURL(new Blob(parts, { type: "text/plain" }));
    h("a", { href: address, download: `${runId.slice(0, 8)}.log` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  }

  data?.listen({
    onLines: (added) => {
      if (!isFollowing) return;
      const last = lines.length ? lines[lines.length - 1].n : -1;
      const text = filter.text.toLowerCase();
      const fits = added.filter((/** @type {LogLine} */ line) => line.n > last
        && (!filter.kind || line.kind === filter.kind)
        && (!text || line.text.toLowerCase().includes(text))
        && (!filter.step || line.step === filter.step)
        && (!filter.level || LEVELS.indexOf(line.level ?? "") >= LEVELS.indexOf(filter.level)));
      if (!fits.length) return;
      const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
      append(fits);
      show(null);
      if (isAtEnd) box.scrollTop = box.scrollHeight;
    },
  }, signal);
  signal.addEventListener("abort", () => follow(`run/${runId}`, null));
  void begin().catch((error) => {
    if (!signal.aborted) none.textContent = error instanceof Error ? error.message : String(error);
    none.hidden = false;
  });
}
