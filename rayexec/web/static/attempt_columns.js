/** Attempts of one run as typed arrays: no object for each attempt. Pure: no DOM, no network. */

/**
 * @typedef {object} RowsHead
 * @property {string} topic
 * @property {number} from first row of this message
 * @property {number} to row behind its last one
 * @property {number} n attempts
 * @property {number} epoch seconds since 1970, from which `start` counts
 * @property {number} w waits
 * @property {number} e steps that ended
 * @property {number} m facts of steps
 * @property {number} steps_from first step of those facts
 * @property {number} steps steps of the run so far
 * @property {boolean} [is_final] true as soon as no mapped step can come any more
 * @property {{id: string|number, label: string, node?: string, pid?: number}[]} lanes
 * @property {[number, number][]} [rehomed]
 * @property {string[]} ops
 * @property {string[]} limits
 * @property {string[]} outcomes
 * @property {string[]} ends
 * @property {boolean} is_over
 */

/**
 * @typedef {object} Rows one message, as views into its buffer
 * @property {RowsHead} head
 * @property {Float64Array} start
 * @property {Float32Array} length
 * @property {Int32Array} step
 * @property {Int32Array} lane
 * @property {Int16Array} number
 * @property {Int8Array} outcome
 * @property {Int32Array} waitRow
 * @property {Float32Array} waitSeconds
 * @property {Int16Array} waitLimit
 * @property {Int32Array} stepOp
 * @property {Int32Array} ended
 * @property {Int8Array} end
 */

/** @typedef {Float64Array | Float32Array | Int32Array | Int16Array | Int8Array} Column */

/**
 * Return the columns of a binary message, without a copy of them.
 * @param {ArrayBuffer} buffer
 * @returns {Rows}
 */
export function decodeRows(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const text = new TextDecoder().decode(new Uint8Array(buffer, 4, size));
  /** @type {RowsHead} */
  const head = JSON.parse(text);
  let offset = 4 + size;
  /**
   * @template {Column} T
   * @param {{new (buffer: ArrayBuffer, offset: number, count: number): T,
   *          BYTES_PER_ELEMENT: number}} type
   * @param {number} count
   * @returns {T}
   */
  const column = (type, count) => {
    offset = Math.ceil(offset / 8) * 8;
    const answer = new type(buffer, offset, count);
    offset += count * type.BYTES_PER_ELEMENT;
    return answer;
  };
  return {
    head,
    start: column(Float64Array, head.n),
    length: column(Float32Array, head.n),
    step: column(Int32Array, head.n),
    lane: column(Int32Array, head.n),
    number: column(Int16Array, head.n),
    outcome: column(Int8Array, head.n),
    waitRow: column(Int32Array, head.w),
    waitSeconds: column(Float32Array, head.w),
    waitLimit: column(Int16Array, head.w),
    stepOp: column(Int32Array, head.m),
    ended: column(Int32Array, head.e),
    end: column(Int8Array, head.e),
  };
}

/**
 * Return a column with room for `count` values: the same one, or a copy of twice its size.
 * @template {Column} T
 * @param {T} column
 * @param {number} count
 * @returns {T}
 */
export function withRoom(column, count) {
  if (column.length >= count) return column;
  const type = /** @type {new (size: number) => T} */ (
    /** @type {unknown} */ (column.constructor)
  );
  // Large columns grow by half, since unused room of a million rows would count.
  const size = column.length > 200_000 ? Math.ceil(column.length * 1.5) : column.length * 2;
  const larger = new type(Math.max(count, size, 16));
  larger.set(column);
  return larger;
}

/** No end of this step is known yet. */
export const OPEN = -1;
/** No limit held this attempt up. */
export const NO_LIMIT = -1;

/** Attempts and steps of one run so far; grows by messages. */
export class AttemptColumns {
  constructor() {
    /** Attempts so far. */
    this.count = 0;
    /** Row to ask for next. */
    this.next = 0;
    /** Seconds since 1970 at which `start` is 0. */
    this.epoch = 0;
    this.start = new Float64Array(0);
    this.length = new Float32Array(0);
    this.step = new Int32Array(0);
    this.lane = new Int32Array(0);
    this.number = new Int16Array(0);
    this.outcome = new Int8Array(0);
    /** Seconds that a row waited for a limit, and the index of that limit. */
    this.wait = new Float32Array(0);
    this.waitLimit = new Int16Array(0);
    /** Steps so far, with the op and the end of each. */
    this.steps = 0;
    this.stepOp = new Int32Array(0);
    this.stepEnd = new Int8Array(0);
    /** @type {RowsHead["lanes"]} */
    this.lanes = [];
    /** @type {string[]} */
    this.ops = [];
    /** @type {string[]} */
    this.limits = [];
    /** @type {string[]} */
    this.outcomes = [];
    /** @type {string[]} */
    this.ends = [];
    this.isOver = false;
    /** Latest end of an attempt, in seconds after `epoch`. */
    this.latest = 0;
    /** Rows of failed attempts, in the order of the log. */
    this.failures = new Int32Array(0);
    this.failureCount = 0;
    /** Whether an attempt failed that was tried again. */
    this.hasRetries = false;
  }

  /**
   * Appends a message. Return whether rows before it moved to another lane, or null if the
   * message does not follow the rows so far (its sender must be asked for `next`).
   * @param {Rows} rows
   * @returns {{from: number, to: number, moved: boolean} | null}
   */
  append(rows) {
    const { head } = rows;
    if (head.from > this.next || head.to < this.next) return null;
    if (head.from < this.next && head.from !== head.to) return null;
    if (this.count === 0) this.epoch = head.epoch;
    const from = this.count;
    const to = from + head.n;
    this.#reserve(to, Math.max(this.steps, head.steps, head.steps_from + head.m));
    const shift = head.epoch - this.epoch;
    this.start.set(rows.start, from);
    this.length.set(rows.length, from);
    this.step.set(rows.step, from);
    this.lane.set(rows.lane, from);
    this.number.set(rows.number, from);
    this.outcome.set(rows.outcome, from);
    const failure = head.outcomes.indexOf("failure");
    const retry = head.outcomes.indexOf("retry");
    for (let row = from; row < to; row++) {
      if (shift) this.start[row] += shift;
      this.waitLimit[row] = NO_LIMIT;
      const end = this.start[row] + this.length[row];
      if (end > this.latest) this.latest = end;
      if (this.outcome[row] === failure) this.#addFailure(row);
      else if (this.outcome[row] === retry) this.hasRetries = true;
    }
    for (let i = 0; i < head.w; i++) {
      const row = rows.waitRow[i];
      if (row < 0 || row >= to) continue;
      this.wait[row] = rows.waitSeconds[i];
      this.waitLimit[row] = rows.waitLimit[i];
    }
    this.stepOp.set(rows.stepOp, head.steps_from);
    for (let i = 0; i < head.e; i++) this.stepEnd[rows.ended[i]] = rows.end[i];
    this.lanes = head.lanes;
    this.ops = head.ops;
    this.limits = head.limits;
    this.outcomes = head.outcomes;
    this.ends = head.ends;
    this.isOver = head.is_over;
    const rehomed = head.rehomed ?? [];
    for (const [row, lane] of rehomed) if (row < to) this.lane[row] = lane;
    this.count = to;
    this.next = head.to;
    return { from, to, moved: rehomed.length > 0 };
  }

  /**
   * Return how many steps have each end, by its name.
   * @returns {Record<string, number>}
   */
  countsByEnd() {
    const counts = new Int32Array(this.ends.length);
    let open = 0;
    for (let step = 0; step < this.steps; step++) {
      const end = this.stepEnd[step];
      if (end === OPEN) open++;
      else counts[end]++;
    }
    /** @type {Record<string, number>} */
    const answer = {};
    this.ends.forEach((name, index) => {
      if (counts[index]) answer[name] = counts[index];
    });
    if (open) answer.open = open;
    return answer;
  }

  /**
   * Return the op of the step of a row.
   * @param {number} row
   */
  opOf(row) {
    return this.stepOp[this.step[row]] ?? 0;
  }

  /** @param {number} row */
  endOf(row) {
    return this.start[row] + this.length[row];
  }

  /**
   * @param {number} rows
   * @param {number} steps
   */
  #reserve(rows, steps) {
    this.start = withRoom(this.start, rows);
    this.length = withRoom(this.length, rows);
    this.step = withRoom(this.step, rows);
    this.lane = withRoom(this.lane, rows);
    this.number = withRoom(this.number, rows);
    this.outcome = withRoom(this.outcome, rows);
    this.wait = withRoom(this.wait, rows);
    this.waitLimit = withRoom(this.waitLimit, rows);
    const known = this.steps;
    this.stepOp = withRoom(this.stepOp, steps);
    this.stepEnd = withRoom(this.stepEnd, steps);
    this.stepEnd.fill(OPEN, known, steps);
    this.steps = steps;
  }

  /** @param {number} row */
  #addFailure(row) {
    this.failures = withRoom(this.failures, this.failureCount + 1);
    this.failures[this.failureCount++] = row;
  }
}
