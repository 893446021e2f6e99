/**
 * The panel Now of a run: for each limit who holds it and who waits, retries that wait, slots,
 * mapped steps, and what runs.
 */

import { h } from "./dom.js";
import { count, duration } from "./format.js";
import { keyed, setContent, setText } from "./keyed.js";
import { heldFor, moreOf, nameOf, slotWords, spoken, usedOf, waitOf } from "./now_words.js";
import { gauge, panel } from "./parts.js";
import { link, path, runLink } from "./router.js";

/** @import { Now, WaitQueue } from "./types.js" */

/** A screen reader hears of changes at most this often. */
const SPEAK_MS = 10_000;
const MOST_RUNNING = 24;

/**
 * Return the panel, and what changes it.
 * @param {string} runId
 * @param {AbortSignal} signal
 */
export function nowPanel(runId, signal) {
  const queues = h("ul", { class: "now-queues" });
  const none = h("p", { class: "muted now-none" });
  const slots = h("p", { class: "now-slots" });
  const retries = h("ul", { class: "now-chips" });
  const mapped = h("ul", { class: "now-mapped" });
  const running = h("ul", { class: "now-chips now-running" });
  const runningHead = h("h3", null, "Running");
  const retryBox = section("Wait for their retry", retries);
  const mappedBox = section("Mapped steps", mapped);
  const runningBox = h("div", { class: "now-section" }, runningHead, running);
  const said = h("p", { class: "hidden", "aria-live": "polite" });
  const asOf = h("span", { class: "muted" });
  const element = panel("Now", { class: "now", note: asOf }, queues, none, slots,
    h("div", { class: "now-sections" }, runningBox, retryBox, mappedBox), said);
  element.hidden = true;
  let spokenAt = -Infinity;
  /** @type {Now | null} */
  let last = null;
  let lastAt = 0;
  const step = (/** @type {string} */ key) => link(path("runs", runId, "steps", key), key);

  /** Show seconds that pass between two messages. */
  const tick = () => {
    if (!last || document.visibilityState !== "visible") return;
    draw(last, (performance.now() - lastAt) / 1000);
  };
  const timer = setInterval(tick, 1_000);
  signal.addEventListener("abort", () => clearInterval(timer));

  /**
   * @param {Now} now
   * @param {number} passed seconds since it came
   */
  function draw(now, passed) {
    const later = now.queues.map((queue) => ({
      ...queue,
      holders: queue.holders.map((each) => ({ ...each, seconds: each.seconds + passed })),
    }));
    keyed(queues, later, {
      key: (queue) => `${queue.reason}/${queue.limit}`,
      make: () => h("li", { class: "now-queue" }, h("div", { class: "now-limit" }),
        h("div", { class: "now-held" }), h("div", { class: "now-wait" })),
      update: (row, queue) => drawQueue(row, queue, step),
    });
    setText(none, now.queues.length ? "" : now.running_count
      ? "No step waits for a limit." : "No step runs or waits at this moment.");
    none.hidden = !none.textContent;
    setText(slots, slotWords(now.slots));
    slots.hidden = !slots.textContent;
    retryBox.hidden = !now.retries.length;
    keyed(retries, now.retries, {
      key: (each) => each.key,
      make: (each) => h("li", null, step(each.key), h("span", { class: "muted" })),
      update: (row, each) => setText(/** @type {Element} */ (row.lastElementChild),
        ` in ${duration(Math.max(0, each.in_s - passed))}`),
    });
    mappedBox.hidden = !now.mapped.length;
    keyed(mapped, now.mapped, {
      key: (each) => each.node,
      make: (each) => h("li", null, h("span", { class: "mono" }, each.node), h("span"),
        h("span", { class: "muted" })),
      update: (row, each) => {
        const words = each.total === null ? `${count(each.done)} so far`
          : `${count(each.done)}/${count(each.total)}`;
        setContent(/** @type {HTMLElement} */ (row.children[1]), each,
          () => [gauge(each.done, each.total ?? each.done, words, each.failed ? "failed" : "ok")]);
        setText(row.children[2], words + (each.running ? `, ${count(each.running)} running` : "")
          + (each.failed ? `, ${count(each.failed)} failed` : ""));
      },
    });
    runningBox.hidden = !now.running_count;
    setText(runningHead, `${count(now.running_count)} running`);
    keyed(running, now.running.slice(0, MOST_RUNNING), {
      key: (each) => each.key,
      make: (each) => h("li", null, step(each.key),
        h("span", { class: "muted" })),
      update: (row, each) => setText(/** @type {Element} */ (row.lastElementChild),
        ` ${seconds(each.seconds + passed)}`),
    });
  }

  return {
    element,
    /** @param {Now | null} now null for a run that is over */
    update(now) {
      element.hidden = now === null;
      last = now;
      lastAt = performance.now();
      if (!now) return;
      // What an object store tells is older than what a disk does.
      const age = Math.max(0, (now.as_of ?? now.time) - now.time);
      setText(asOf, age > 2 ? `as of ${duration(age)} ago` : "");
      draw(now, 0);
      if (performance.now() - spokenAt > SPEAK_MS) {
        setText(said, spoken(now));
        spokenAt = performance.now();
      }
    },
  };
}

/**
 * @param {HTMLElement} row
 * @param {WaitQueue} queue
 * @param {(key: string) => Node} step
 */
function drawQueue(row, queue, step) {
  const [limit, held, wait] = /** @type {HTMLElement[]} */ ([...row.children]);
  const used = usedOf(queue);
  setContent(limit, [nameOf(queue), used], () => [
    h("strong", null, nameOf(queue)),
    ...(used ? [h("span", { class: "now-used" }, used)] : []),
    ...(queue.most
      ? [gauge(queue.used ?? 0, queue.most, `${used} used`, "waiting")]
      : []),
  ]);
  const keys = queue.holders.map((each) => each.key);
  const runs = queue.other_runs ?? [];
  const more = Math.max(0, Math.floor(queue.used ?? 0) - keys.length);
  // Links stay while only the seconds change.
  if (!held.firstElementChild) held.append(h("span"), h("span", { class: "muted" }));
  setContent(/** @type {HTMLElement} */ (held.firstElementChild), [keys, runs, queue.others, more],
    () => holders(keys, runs, queue.others, step));
  setText(held.children[1], keys.length ? ` ${heldFor(queue.holders)}` : "");
  setContent(wait, [queue.steps, queue.size], () => [
    h("span", { class: "now-size" }, `${waitOf(queue)}: `),
    ...listed(queue.steps.map(step)),
    document.createTextNode(` ${moreOf(queue.size, queue.steps.length)}`),
  ]);
}

/**
 * @param {string[]} keys
 * @param {{run_id: string, job: string}[]} runs
 * @param {boolean} others
 * @param {(key: string) => Node} step
 * @returns {Node[]}
 */
function holders(keys, runs, others, step) {
  const text = (/** @type {string} */ words) => document.createTextNode(words);
  const parts = [];
  if (keys.length) parts.push(text("held by "), ...listed(keys.map(step)));
  if (runs.length || others) {
    parts.push(text(keys.length ? ", and by " : "held by "));
    parts.push(text(runs.length === 1 ? "another run " : "other runs "));
    parts.push(...listed(runs.map((run) => h("span", null, runLink(run.run_id), ` (${run.job})`))));
  }
  return parts.length ? parts : [text("nobody holds it now")];
}

/**
 * Return nodes with commas between them.
 * @param {Node[]} nodes
 * @returns {Node[]}
 */
function listed(nodes) {
  return nodes.flatMap((node, index) => index ? [document.createTextNode(", "), node] : [node]);
}

/**
 * @param {string} title
 * @param {HTMLElement} content
 */
function section(title, content) {
  return h("div", { class: "now-section" }, h("h3", null, title), content);
}

/** @param {number} span */
function seconds(span) {
  return span < 60 ? `${Math.floor(span)} s` : duration(span);
}
