/**
 * The present of a run in words: what waits for what, who holds it, and why workers are idle. Pure.
 */

import { amount, count, duration } from "./format.js";

/** @import { Now, WaitQueue } from "./types.js" */

/**
 * Return what a queue waits for, such as "database=redshift".
 * @param {WaitQueue} queue
 */
export function nameOf(queue) {
  return queue.limit || queue.reason || "a free slot";
}

/**
 * Return how much of it is used, such as "2/2"; nothing where it has no bound.
 * @param {WaitQueue} queue
 */
export function usedOf({ used, most }) {
  if (most === null || most === undefined) return used ? amount(used) : "";
  return `${amount(used ?? 0)}/${amount(most)}`;
}

/**
 * Return for how long the holders have held: "4 s", or "from 2 s to 40 s".
 * @param {{seconds: number}[]} holders
 */
export function heldFor(holders) {
  if (!holders.length) return "";
  const seconds = holders.map((each) => each.seconds);
  const least = Math.min(...seconds);
  const most = Math.max(...seconds);
  const short = (/** @type {number} */ span) =>
    span < 60 ? `${Math.floor(span)} s` : duration(span);
  if (short(least) === short(most)) return `for ${short(most)}`;
  return `for ${short(least)} to ${short(most)}`;
}

/**
 * Return how many steps wait, such as "38 wait".
 * @param {WaitQueue} queue
 */
export function waitOf({ size }) {
  return size === 1 ? "1 waits" : `${count(size)} wait`;
}

/**
 * Return how many steps are not named, such as "and 36 more".
 * @param {number} size
 * @param {number} named
 */
export function moreOf(size, named) {
  return size > named ? `and ${count(size - named)} more` : "";
}

/**
 * Return why workers are idle, or how busy they are.
 * @param {Now["slots"] | null | undefined} slots
 */
export function slotWords(slots) {
  if (!slots || !slots.most) return "";
  const busy = `${count(slots.busy)} of ${count(slots.most)} slots busy`;
  if (!slots.idle) return busy;
  return `${busy}, ${count(slots.idle)} idle${slots.why ? `: ${slots.why}` : ""}`;
}

/**
 * Return the bounds that are full, for a screen reader: it hears about changes of them only.
 * @param {Now} now
 */
export function spoken(now) {
  const full = now.queues.map((queue) => `${nameOf(queue)} ${usedOf(queue)}`.trim());
  if (!full.length) return "No step waits for a limit.";
  return `Steps wait for ${full.join(" and for ")}.`;
}

/**
 * Return counts by state of the whole run, for its bar.
 * @param {Now} now
 * @returns {Record<string, number>}
 */
export function countsNow(now) {
  const counts = { ...now.ends };
  const retrying = now.retries.length;
  if (now.running_count) counts.running = now.running_count;
  if (retrying) counts.retrying = retrying;
  const waiting = Math.max(0, now.waiting - retrying);
  if (waiting) counts.waiting = waiting;
  const open = now.steps - now.over - now.running_count - retrying - waiting;
  if (open > 0) counts["not run"] = open;
  return counts;
}

/**
 * Return counts of steps without their total.
 * @param {Record<string, number> | null | undefined} steps
 * @returns {Record<string, number>}
 */
export function countsOf(steps) {
  const counts = { ...steps };
  delete counts.total;
  return counts;
}

/**
 * Return the least time that a run needs on, as `rayexec run show` prints it; nothing where no
 * time is known.
 * @param {Now} now
 */
export function leftOf({ remaining: rest }) {
  if (!rest) return "";
  const unknown = rest.unknown_ops.join(", ");
  return `at least ${duration(rest.seconds)} left, because of ${rest.because_of}${
    unknown && `; no time is known of ${unknown}`}`;
}
