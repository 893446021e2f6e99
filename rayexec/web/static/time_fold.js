/** Time axis on which long gaps without an attempt are folded. Pure. */

/** @typedef {import("./attempt_columns.js").AttemptColumns} AttemptColumns */

/** Buckets in which gaps are looked for. */
const BUCKETS = 4096;
/** A gap of this part of the time in which something ran is worth folding. */
const WORTH = 0.15;
/** What a folded gap takes of the axis, as a part of the time in which something ran. */
const FOLDED = 0.02;

/** Maps seconds of the run to seconds on the axis, and back. */
export class TimeFold {
  /** @param {{from: number, to: number}[]} gaps in order, apart from each other
   *  @param {number} width seconds on the axis of a folded gap */
  constructor(gaps = [], width = 0) {
    this.gaps = gaps.filter((gap) => gap.to - gap.from > width);
    this.width = width;
    /** What lies before each gap on the axis. */
    this.at = new Float64Array(this.gaps.length);
    let removed = 0;
    this.gaps.forEach((gap, index) => {
      this.at[index] = gap.from - removed;
      removed += gap.to - gap.from - width;
    });
    this.removed = removed;
  }

  /**
   * Return the place of a time on the axis.
   * @param {number} time
   */
  fold(time) {
    let removed = 0;
    for (const gap of this.gaps) {
      if (time <= gap.from) break;
      const inside = Math.min(time, gap.to) - gap.from;
      const all = gap.to - gap.from;
      removed += (inside / all) * (all - this.width);
    }
    return time - removed;
  }

  /**
   * Return the time at a place of the axis.
   * @param {number} place
   */
  unfold(place) {
    let added = 0;
    for (let i = 0; i < this.gaps.length; i++) {
      if (place <= this.at[i]) break;
      const gap = this.gaps[i];
      const inside = Math.min(place - this.at[i], this.width);
      added += (inside / this.width) * (gap.to - gap.from - this.width);
    }
    return place + added;
  }

  /**
   * Writes the times of the edges of pixels: `edges[i]` is where pixel `i` begins.
   * @param {Float64Array} edges one more than pixels
   * @param {number} from place on the axis of the first edge
   * @param {number} perPixel
   */
  writeEdges(edges, from, perPixel) {
    if (!this.gaps.length) {
      for (let i = 0; i < edges.length; i++) edges[i] = from + i * perPixel;
      return;
    }
    for (let i = 0; i < edges.length; i++) edges[i] = this.unfold(from + i * perPixel);
  }
}

/**
 * Return the gaps in which no attempt ran, waits in front of attempts apart, longest kept.
 * @param {AttemptColumns} columns
 * @param {number} until end of the time that counts; something runs still if it is the present
 */
export function gapsOf(columns, until) {
  if (columns.count < 2 || !(until > 0)) return [];
  const scale = BUCKETS / until;
  const delta = new Int32Array(BUCKETS + 2);
  for (let row = 0; row < columns.count; row++) {
    const start = columns.start[row];
    const first = Math.max(0, Math.min(BUCKETS - 1, Math.floor(start * scale)));
    const end = Math.floor((start + columns.length[row]) * scale);
    delta[first]++;
    delta[Math.max(first, Math.min(BUCKETS - 1, end)) + 1]--;
  }
  /** @type {{from: number, to: number}[]} */
  const gaps = [];
  let running = 0;
  let free = 0;
  let busy = 0;
  for (let bucket = 0; bucket <= BUCKETS; bucket++) {
    running += delta[bucket];
    if (bucket < BUCKETS && running === 0) {
      free++;
      continue;
    }
    if (free > 0) gaps.push({ from: (bucket - free) / scale, to: bucket / scale });
    if (bucket < BUCKETS) busy++;
    free = 0;
  }
  // The last gap may be one that a running step fills: only what an attempt ends is folded.
  const worth = Math.max((busy / scale) * WORTH, until / 100);
  return gaps.filter((gap) => gap.to - gap.from > worth && gap.to < columns.latest);
}

/**
 * Return the axis of a run, with its long gaps folded.
 * @param {AttemptColumns} columns
 * @param {number} until
 */
export function foldOf(columns, until) {
  const gaps = gapsOf(columns, until);
  const lost = gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
  return new TimeFold(gaps, Math.max((until - lost) * FOLDED, 1e-6));
}

/** Steps of an axis that people read. */
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200];

/**
 * Return the seconds between two ticks, so that `most` of them fit.
 * @param {number} seconds
 * @param {number} most
 */
export function tickStep(seconds, most) {
  const least = seconds / Math.max(1, most);
  if (least <= 1) {
    const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-9)));
    for (const factor of [1, 2, 5, 10]) if (power * factor >= least) return power * factor;
  }
  for (const step of TICKS) if (step >= least) return step;
  return Math.ceil(least / 86400) * 86400;
}

/**
 * Return a time of the axis in words that fit a tick.
 * @param {number} time
 * @param {number} step seconds between ticks
 */
export function tickText(time, step) {
  if (step < 1) {
    const digits = Math.min(6, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
    return `${time.toFixed(digits)} s`;
  }
  const whole = Math.round(time);
  if (whole < 60) return `${whole} s`;
  const seconds = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${seconds}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${seconds}`;
}
