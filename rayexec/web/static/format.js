/**
 * Durations, sizes, counts and moments in words of a few characters, the same that the command
 * line prints (`views/quantities.py`): halves are rounded up, and to the unit that shows them.
 */

/** @import { Time } from "./types.js" */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/**
 * Return a moment of the API as seconds since 1970; NaN for none.
 * @param {Time | null | undefined} time
 * @returns {number}
 */
export function seconds(time) {
  if (time === null || time === undefined) return NaN;
  return typeof time === "number" ? time : Date.parse(time) / 1000;
}

/**
 * Return a time span, such as "1.4 s" or "2 min 05 s".
 * @param {number | null | undefined} span in seconds
 * @returns {string}
 */
export function duration(span) {
  if (span === null || span === undefined || Number.isNaN(span)) return "";
  const milliseconds = rounded(span * 1000);
  if (milliseconds < 1000) return `${milliseconds} ms`;
  const tenths = rounded(span * 10);
  if (tenths < 10 * MINUTE) return `${(tenths / 10).toFixed(1)} s`;
  const whole = rounded(span);
  const hours = Math.floor(whole / HOUR);
  const minutes = Math.floor((whole % HOUR) / MINUTE);
  return hours ? `${count(hours)} h ${two(minutes)} min`
    : `${minutes} min ${two(whole % MINUTE)} s`;
}

/**
 * Return a size, such as "1.4 GiB".
 * @param {number | null | undefined} size in bytes
 * @returns {string}
 */
export function bytes(size) {
  if (size === null || size === undefined || Number.isNaN(size)) return "";
  let rest = size;
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    const tenths = rounded(rest * 10);
    if (unit !== "B" && tenths < 1000) return `${(tenths / 10).toFixed(1)} ${unit}`;
    if (rounded(rest) < 1024) return `${rounded(rest)} ${unit}`;
    rest /= 1024;
  }
  return `${grouped(rounded(rest * 10) / 10, 1)} TiB`;
}

/**
 * Return a count with commas, such as "12,345".
 * @param {number} number
 * @param {string} [noun] in the singular; it follows the count
 * @returns {string}
 */
export function count(number, noun) {
  const digits = grouped(number, 0);
  return noun ? `${digits} ${noun}${number === 1 ? "" : "s"}` : digits;
}

/**
 * Return an amount of a resource: up to two decimals, without zeros at the end.
 * @param {number} number
 * @returns {string}
 */
export function amount(number) {
  const hundredths = rounded(number * 100) / 100;
  return new Intl.NumberFormat("en-US", { maximumFractionDigits: 2 }).format(hundredths);
}

/**
 * Return how long ago a moment is, such as "3 min ago".
 * @param {Time | null | undefined} time
 * @param {number} [now] in seconds since 1970
 * @returns {string}
 */
export function ago(time, now = Date.now() / 1000) {
  const span = now - seconds(time);
  if (Number.isNaN(span)) return "";
  if (span < 2) return "now";
  return `${rough(span)} ago`;
}

/**
 * Return a time span in its largest unit, such as "3 min".
 * @param {number} span in seconds
 * @returns {string}
 */
export function rough(span) {
  if (span < MINUTE) return `${Math.floor(span)} s`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)} min`;
  if (span < 2 * DAY) return `${Math.floor(span / HOUR)} h`;
  return `${count(Math.floor(span / DAY))} days`;
}

/**
 * Return a moment in local time: "14:03:22" today, else with its day.
 * @param {Time | null | undefined} time
 * @param {number} [now] in seconds since 1970
 * @returns {string}
 */
export function clock(time, now = Date.now() / 1000) {
  const at = seconds(time);
  if (Number.isNaN(at)) return "";
  const moment = new Date(at * 1000);
  const today = new Date(now * 1000);
  const hours = `${two(moment.getHours())}:${two(moment.getMinutes())}`;
  if (moment.toDateString() === today.toDateString()) return `${hours}:${two(moment.getSeconds())}`;
  const month = moment.toLocaleString("en-US", { month: "short" });
  const year = moment.getFullYear() === today.getFullYear() ? "" : ` ${moment.getFullYear()}`;
  return `${month} ${moment.getDate()}${year} ${hours}`;
}

/**
 * Return a moment in full, for titles: local date, time and zone.
 * @param {Time | null | undefined} time
 * @returns {string}
 */
export function moment(time) {
  const at = seconds(time);
  if (Number.isNaN(at)) return "";
  return new Date(at * 1000).toLocaleString("en-GB", {
    dateStyle: "medium",
    timeStyle: "long",
  });
}

/** @param {number} number */
function rounded(number) {
  return Math.floor(number + 0.5);
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}

/**
 * @param {number} number
 * @param {number} decimals
 */
function grouped(number, decimals) {
  return number.toLocaleString("en-US", {
    minimumFractionDigits: decimals,
    maximumFractionDigits: decimals,
  });
}
