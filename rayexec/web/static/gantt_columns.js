/**
 * Tracks of a timeline: rows that follow each other, found and painted by binary search, so that
 * a frame costs as much for a million attempts as for a thousand. Pure.
 */

import { NO_LIMIT, withRoom } from "./attempt_columns.js";

/** @typedef {import("./attempt_columns.js").AttemptColumns} AttemptColumns */

/** Attempts that ran one after another, sorted by their start. */
export class Track {
  constructor() {
    this.count = 0;
    this.order = new Int32Array(0);
    /** Seconds of all attempts before each of `order`, and of all of them at the end. */
    this.busy = new Float64Array(1);
    this.failed = new Int32Array(0);
    this.failedCount = 0;
    this.tidyTo = 0;
    this.tidyFailedTo = 0;
  }

  /**
   * Appends a row; `tidy` must follow before anybody looks.
   * @param {number} row
   */
  push(row) {
    this.order = withRoom(this.order, this.count + 1);
    this.order[this.count++] = row;
  }

  /** @param {number} row */
  pushFailed(row) {
    this.failed = withRoom(this.failed, this.failedCount + 1);
    this.failed[this.failedCount++] = row;
  }

  /**
   * Sorts what was appended, and adds up its seconds.
   * @param {AttemptColumns} columns
   */
  tidy(columns) {
    const { start, length } = columns;
    if (this.tidyFailedTo < this.failedCount) {
      sortTail(this.failed, this.tidyFailedTo, this.failedCount, start);
      this.tidyFailedTo = this.failedCount;
    }
    if (this.tidyTo === this.count) return;
    let index = sortTail(this.order, this.tidyTo, this.count, start);
    this.busy = withRoom(this.busy, this.count + 1);
    for (; index < this.count; index++) {
      this.busy[index + 1] = this.busy[index] + length[this.order[index]];
    }
    this.tidyTo = this.count;
  }

  /**
   * Return the index of the attempt that runs at a time, or of the next one.
   * @param {AttemptColumns} columns
   * @param {number} time
   * @param {number} begin index before which none can be
   * @returns {number}
   */
  seek(columns, time, begin = 0) {
    const { start, length } = columns;
    const { order, count } = this;
    // Gallops first: the answer is near where the search for the pixel before ended.
    let step = 1;
    let low = begin;
    let high = begin;
    while (high < count && start[order[high]] + length[order[high]] <= time) {
      low = high + 1;
      high += step;
      step *= 2;
    }
    high = Math.min(high, count);
    while (low < high) {
      const middle = (low + high) >> 1;
      const row = order[middle];
      if (start[row] + length[row] <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * Return the row at a time, give or take some seconds; -1 if there is none.
   * @param {AttemptColumns} columns
   * @param {number} time
   * @param {number} slack
   */
  rowAt(columns, time, slack) {
    for (let i = 0; i < this.failedCount; i++) {
      const row = this.failed[i];
      if (columns.start[row] - slack > time) break;
      if (columns.endOf(row) + slack >= time) return row;
    }
    const index = this.seek(columns, time - slack);
    if (index >= this.count) return -1;
    const row = this.order[index];
    return columns.start[row] - slack <= time ? row : -1;
  }
}

/**
 * Sorts the end of a list of rows by start into the rest; returns the first index that changed.
 * @param {Int32Array} list
 * @param {number} from
 * @param {number} to
 * @param {Float64Array} start
 */
function sortTail(list, from, to, start) {
  let changed = from;
  let sorted = true;
  for (let i = Math.max(1, from); i < to; i++) {
    if (start[list[i]] < start[list[i - 1]]) {
      sorted = false;
      break;
    }
  }
  if (sorted) return changed;
  if (to - from < 32) {
    for (let i = Math.max(1, from); i < to; i++) {
      const row = list[i];
      let at = i;
      while (at > 0 && start[list[at - 1]] > start[row]) {
        list[at] = list[at - 1];
        at--;
      }
      list[at] = row;
      if (at < changed) changed = at;
    }
    return changed;
  }
  list.subarray(0, to).sort((a, b) => start[a] - start[b]);
  return 0;
}

/**
 * @typedef {object} Paint colours as 0xAABBGGRR, as the pixels of a canvas have them
 * @property {Uint32Array} ops by op, over and over
 * @property {Uint32Array} limits by limit, over and over
 * @property {number} failed
 * @property {number} retried
 * @property {number} retry index of the outcome "retry"
 */

/**
 * Paints one track: each pixel has the colour of what ran then, as opaque as the part of its time.
 * @param {Uint32Array} out a pixel for each column
 * @param {Track} track
 * @param {AttemptColumns} columns
 * @param {Float64Array} edges times at which pixels begin, one more than pixels
 * @param {Paint} paint
 */
export function paintTrack(out, track, columns, edges, paint) {
  const { start, length, outcome, wait, waitLimit } = columns;
  const { order, busy, count } = track;
  out.fill(0);
  let index = track.seek(columns, edges[0]);
  for (let x = 0; x < out.length; x++) {
    const from = edges[x];
    const to = edges[x + 1];
    index = track.seek(columns, from, index);
    if (index >= count) break;
    const first = order[index];
    if (start[first] >= to) {
      if (waitLimit[first] !== NO_LIMIT && start[first] - wait[first] < to) {
        out[x] = withAlpha(paint.limits[waitLimit[first] % paint.limits.length], 0.5);
      }
      continue;
    }
    // Last attempt that starts within the pixel.
    let low = index;
    let high = index + 1;
    let step = 1;
    while (high < count && start[order[high]] < to) {
      low = high;
      high += step;
      step *= 2;
    }
    high = Math.min(high, count);
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (start[order[middle]] < to) low = middle;
      else high = middle;
    }
    const last = order[low];
    let seconds = busy[low + 1] - busy[index];
    seconds -= Math.max(0, from - start[first]);
    seconds -= Math.max(0, start[last] + length[last] - to);
    const part = to > from ? Math.min(1, Math.max(0.3, seconds / (to - from))) : 1;
    let shown = first;
    if (low > index) {
      const middle = order[(index + low) >> 1];
      if (length[middle] > length[shown]) shown = middle;
      if (length[last] > length[shown]) shown = last;
    }
    const op = columns.stepOp[columns.step[shown]];
    const colour =
      outcome[shown] === paint.retry ? paint.retried : paint.ops[op % paint.ops.length];
    out[x] = withAlpha(colour, part);
  }
  if (track.failedCount) paintFailed(out, track, columns, edges, paint.failed);
}

/**
 * Paints failed attempts over the others: each has at least a pixel.
 * @param {Uint32Array} out
 * @param {Track} track
 * @param {AttemptColumns} columns
 * @param {Float64Array} edges
 * @param {number} colour
 */
function paintFailed(out, track, columns, edges, colour) {
  const { failed, failedCount } = track;
  let x = 0;
  for (let i = firstFailedIn(track, columns, edges[0]); i < failedCount; i++) {
    const row = failed[i];
    if (columns.start[row] >= edges[out.length]) break;
    if (columns.endOf(row) < edges[0]) continue;
    while (x < out.length - 1 && edges[x + 1] <= columns.start[row]) x++;
    out[x] = colour;
    const end = columns.endOf(row);
    while (x + 1 < out.length && edges[x + 1] < end) out[++x] = colour;
    // All other failures of this pixel look the same.
    while (i + 1 < failedCount && columns.endOf(failed[i + 1]) < edges[x + 1]) i++;
  }
}

/**
 * @param {Track} track
 * @param {AttemptColumns} columns
 * @param {number} time
 */
function firstFailedIn(track, columns, time) {
  let low = 0;
  let high = track.failedCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (columns.endOf(track.failed[middle]) < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param {number} colour
 * @param {number} part from 0 to 1
 */
export function withAlpha(colour, part) {
  return ((colour & 0x00ffffff) | (Math.round(part * 255) << 24)) >>> 0;
}
