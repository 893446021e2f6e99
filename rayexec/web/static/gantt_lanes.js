/** Lanes of a timeline: by worker, or by op with what ran at once side by side. Pure. */

import { Track } from "./gantt_columns.js";

/** @typedef {import("./attempt_columns.js").AttemptColumns} AttemptColumns */

/** Most tracks of one op; with more at once its lane is an area of how many ran. */
export const MOST_TRACKS = 8;

/**
 * @typedef {object} Lane
 * @property {string} label
 * @property {string} more what a hover adds to the label
 * @property {Track[]} tracks
 * @property {Area | null} area instead of tracks, where too many attempts run at once
 * @property {number} op index of the op, or -1 for a worker
 * @property {number} [id] of the worker's lane in the columns
 */

/** How many attempts ran at once at any time, in two binary searches. */
export class Area {
  /**
   * @param {AttemptColumns} columns
   * @param {Int32Array} rows
   */
  constructor(columns, rows) {
    this.count = rows.length;
    this.starts = new Float64Array(rows.length);
    this.ends = new Float64Array(rows.length);
    rows.forEach((row, index) => {
      this.starts[index] = columns.start[row];
      this.ends[index] = columns.start[row] + columns.length[row];
    });
    this.starts.sort();
    this.ends.sort();
    this.startSum = sums(this.starts);
    this.endSum = sums(this.ends);
    this.peak = 0;
    for (let i = 0, j = 0; i < this.count; i++) {
      while (this.ends[j] <= this.starts[i]) j++;
      this.peak = Math.max(this.peak, i + 1 - j);
    }
    /** @type {Int32Array} */
    this.failed = rows.filter((row) => columns.outcome[row] === 1);
  }

  /**
   * Return the seconds that attempts have spent until a time, all together.
   * @param {number} time
   */
  spent(time) {
    const begun = below(this.starts, time);
    const over = below(this.ends, time);
    return time * (begun - over) - this.startSum[begun] + this.endSum[over];
  }

  /**
   * Return how many ran at once between two times, on average.
   * @param {number} from
   * @param {number} to
   */
  atOnce(from, to) {
    if (to <= from) return below(this.starts, from) - below(this.ends, from);
    return (this.spent(to) - this.spent(from)) / (to - from);
  }
}

/** @param {Float64Array} values */
function sums(values) {
  const answer = new Float64Array(values.length + 1);
  for (let i = 0; i < values.length; i++) answer[i + 1] = answer[i] + values[i];
  return answer;
}

/**
 * Return how many of sorted values are below a bound.
 * @param {Float64Array} values
 * @param {number} bound
 */
export function below(values, bound) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Lanes by worker: grow with the columns. */
export class WorkerLanes {
  constructor() {
    /** @type {Lane[]} */
    this.lanes = [];
    this.rows = 0;
  }

  /**
   * Takes the rows that came since the last call.
   * @param {AttemptColumns} columns
   * @param {boolean} [moved] whether rows changed their lane, so that all begins again
   */
  update(columns, moved = false) {
    if (moved) {
      this.rows = 0;
      this.lanes = [];
    }
    for (let i = this.lanes.length; i < columns.lanes.length; i++) {
      this.lanes.push({ label: "", more: "", tracks: [new Track()], area: null, op: -1, id: i });
    }
    const nodes = new Set(columns.lanes.map((lane) => lane.node || ""));
    columns.lanes.forEach((lane, index) => {
      this.lanes[index].label = shortLabel(lane, nodes.size > 1);
      this.lanes[index].more = [lane.node, lane.pid && `process ${lane.pid}`]
        .filter(Boolean)
        .join(", ");
    });
    /** @type {Set<Track>} */
    const touched = new Set();
    const failure = columns.outcomes.indexOf("failure");
    for (let row = this.rows; row < columns.count; row++) {
      const track = this.lanes[columns.lane[row]]?.tracks[0];
      if (!track) continue;
      track.push(row);
      if (columns.outcome[row] === failure) track.pushFailed(row);
      touched.add(track);
    }
    for (const track of touched) track.tidy(columns);
    this.rows = columns.count;
  }
}

/**
 * Return the name of a worker for a narrow column: its node only where there are several.
 * @param {{label: string, node?: string, pid?: number | null}} lane
 * @param {boolean} hasNode
 */
function shortLabel({ label, node, pid }, hasNode) {
  if (!pid) return label;
  return hasNode && node ? `${pid} ${node}` : `pid ${pid}`;
}

/**
 * Return a lane for each op that has attempts, in the order of their first start.
 * @param {AttemptColumns} columns
 * @returns {Lane[]}
 */
export function lanesByOp(columns) {
  const counts = new Int32Array(columns.ops.length + 1);
  for (let row = 0; row < columns.count; row++) counts[columns.opOf(row) + 1]++;
  for (let op = 0; op < columns.ops.length; op++) counts[op + 1] += counts[op];
  const next = counts.slice();
  const rows = new Int32Array(columns.count);
  for (let row = 0; row < columns.count; row++) rows[next[columns.opOf(row)]++] = row;
  /** @type {{lane: Lane, first: number}[]} */
  const lanes = [];
  for (let op = 0; op < columns.ops.length; op++) {
    const own = rows.subarray(counts[op], counts[op + 1]);
    if (!own.length) continue;
    sortByStart(own, columns.start);
    const packed = pack(own, columns);
    const lane = {
      label: columns.ops[op],
      more: own.length === 1 ? "1 attempt" : `${own.length.toLocaleString("en")} attempts`,
      tracks: packed ?? [],
      area: packed ? null : new Area(columns, own),
      op,
    };
    lanes.push({ lane, first: columns.start[own[0]] });
  }
  return lanes.sort((a, b) => a.first - b.first).map(({ lane }) => lane);
}

/**
 * Puts rows side by side that ran at once; null if that takes too many tracks.
 * @param {Int32Array} rows sorted by start
 * @param {AttemptColumns} columns
 */
function pack(rows, columns) {
  /** @type {Track[]} */
  const tracks = [];
  const until = new Float64Array(MOST_TRACKS);
  const failure = columns.outcomes.indexOf("failure");
  for (const row of rows) {
    let at = 0;
    while (at < tracks.length && until[at] > columns.start[row] + 1e-9) at++;
    if (at === MOST_TRACKS) return null;
    if (at === tracks.length) tracks.push(new Track());
    tracks[at].push(row);
    if (columns.outcome[row] === failure) tracks[at].pushFailed(row);
    until[at] = columns.endOf(row);
  }
  for (const track of tracks) track.tidy(columns);
  return tracks;
}

/**
 * @param {Int32Array} rows
 * @param {Float64Array} start
 */
function sortByStart(rows, start) {
  for (let i = 1; i < rows.length; i++) {
    if (start[rows[i]] < start[rows[i - 1]]) {
      rows.sort((a, b) => start[a] - start[b]);
      return;
    }
  }
}

/** How much ran at once over the whole run, in a fixed number of buckets. */
export class Profile {
  /** @param {number} buckets */
  constructor(buckets) {
    this.seconds = new Float32Array(buckets);
    this.failed = new Uint8Array(buckets);
    /** Seconds of the axis that the buckets cover; doubles when a run outgrows it. */
    this.span = 1;
    this.rows = 0;
  }

  /** Begins again, for another axis. */
  clear() {
    this.seconds.fill(0);
    this.failed.fill(0);
    this.rows = 0;
  }

  /**
   * Adds the rows that came since the last call.
   * @param {AttemptColumns} columns
   * @param {import("./time_fold.js").TimeFold} fold
   * @param {number} span seconds of the axis that must fit
   */
  update(columns, fold, span) {
    if (!this.rows) this.span = Math.max(span, 1e-6);
    while (span > this.span) this.#double();
    const size = this.seconds.length;
    const scale = size / this.span;
    const failure = columns.outcomes.indexOf("failure");
    for (let row = this.rows; row < columns.count; row++) {
      const from = Math.max(0, fold.fold(columns.start[row])) * scale;
      const to = Math.min(size, fold.fold(columns.endOf(row)) * scale);
      const first = Math.min(size - 1, Math.floor(from));
      const last = Math.min(size - 1, Math.floor(to));
      if (first === last) this.seconds[first] += Math.max(0, to - from);
      else {
        this.seconds[first] += first + 1 - from;
        for (let i = first + 1; i < last; i++) this.seconds[i] += 1;
        this.seconds[last] += to - last;
      }
      if (columns.outcome[row] === failure) this.failed[first] = 1;
    }
    this.rows = columns.count;
  }

  #double() {
    const { seconds, failed } = this;
    const half = seconds.length / 2;
    for (let i = 0; i < half; i++) {
      seconds[i] = (seconds[2 * i] + seconds[2 * i + 1]) / 2;
      failed[i] = failed[2 * i] | failed[2 * i + 1];
    }
    seconds.fill(0, half);
    failed.fill(0, half);
    this.span *= 2;
  }
}
