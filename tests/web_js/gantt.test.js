import assert from "node:assert/strict";
import { test } from "node:test";

import { AttemptColumns, NO_LIMIT, decodeRows } from "../../rayexec/web/static/attempt_columns.js";
import { Track, paintTrack } from "../../rayexec/web/static/gantt_columns.js";
import { Area, Profile, WorkerLanes, lanesByOp } from "../../rayexec/web/static/gantt_lanes.js";
import {
  TimeFold,
  foldOf,
  gapsOf,
  tickStep,
  tickText,
} from "../../rayexec/web/static/time_fold.js";

const OUTCOMES = ["success", "failure", "retry"];

/** Returns a message as the server writes it. */
function message(attempts, { from = 0, head = {}, ended = [], waits = [] } = {}) {
  const steps = Math.max(0, ...attempts.map((each) => each.step + 1));
  const stepsFrom = head.steps_from ?? 0;
  const facts = Math.max(0, steps - stepsFrom);
  const whole = {
    topic: "run/x", from, to: from + attempts.length, n: attempts.length, epoch: 1000,
    w: waits.length, e: ended.length, m: facts, steps_from: stepsFrom,
    steps, lanes: [{ id: "0", label: "w0" }, { id: "1", label: "w1" }], ops: ["a", "b"],
    limits: ["database=redshift"], outcomes: OUTCOMES, ends: ["success", "failure", "skipped"],
    is_over: false, ...head,
  };
  const text = new TextEncoder().encode(JSON.stringify(whole));
  const size = Math.ceil((text.length + 4) / 8) * 8 - 4;
  const buffer = new ArrayBuffer(1 << 16);
  const view = new DataView(buffer);
  view.setUint32(0, size, true);
  new Uint8Array(buffer).fill(32, 4, 4 + size);
  new Uint8Array(buffer).set(text, 4);
  let offset = 4 + size;
  const write = (Type, values) => {
    offset = Math.ceil(offset / 8) * 8;
    new Type(buffer, offset, values.length).set(values);
    offset += values.length * Type.BYTES_PER_ELEMENT;
  };
  const of = (name, missing = 0) => attempts.map((each) => each[name] ?? missing);
  write(Float64Array, of("start"));
  write(Float32Array, of("length", 1));
  write(Int32Array, of("step"));
  write(Int32Array, of("lane"));
  write(Int16Array, of("number"));
  write(Int8Array, of("outcome"));
  write(Int32Array, waits.map((each) => each.row));
  write(Float32Array, waits.map((each) => each.seconds));
  write(Int16Array, waits.map((each) => each.limit));
  write(Int32Array, Array.from({ length: facts }, (_, i) => (i + stepsFrom) % 2));
  write(Int32Array, ended.map((each) => each.step));
  write(Int8Array, ended.map((each) => each.end));
  return buffer;
}

function columnsOf(attempts, options) {
  const columns = new AttemptColumns();
  columns.append(decodeRows(message(attempts, options)));
  return columns;
}

test("a message is read as columns, and grows the run", () => {
  const columns = columnsOf(
    [{ start: 1, step: 0, lane: 1 }, { start: 2, length: 3, step: 1, outcome: 1 }],
    { waits: [{ row: 1, seconds: 0.5, limit: 0 }], ended: [{ step: 1, end: 1 }] },
  );
  assert.equal(columns.count, 2);
  assert.equal(columns.latest, 5);
  assert.deepEqual([...columns.failures.slice(0, columns.failureCount)], [1]);
  assert.equal(columns.waitLimit[0], NO_LIMIT);
  assert.equal(columns.waitLimit[1], 0);
  assert.equal(columns.wait[1], 0.5);
  assert.deepEqual(columns.countsByEnd(), { failure: 1, open: 1 });
  const change = columns.append(
    decodeRows(message([{ start: 6, step: 2 }], { from: 2, head: { rehomed: [[0, 0]] } })),
  );
  assert.deepEqual(change, { from: 2, to: 3, moved: true });
  assert.equal(columns.lane[0], 0);
  assert.equal(columns.count, 3);
});

test("a message that leaves rows out, or repeats some, is refused", () => {
  const columns = columnsOf([{ start: 1, step: 0 }]);
  assert.equal(columns.append(decodeRows(message([{ start: 3, step: 1 }], { from: 2 }))), null);
  assert.equal(columns.append(decodeRows(message([{ start: 1, step: 0 }], { from: 0 }))), null);
  assert.equal(columns.count, 1);
});

test("a track answers what runs at a time, also when rows come out of order", () => {
  const columns = columnsOf([{ start: 5, step: 0 }, { start: 1, step: 1 }, { start: 3, step: 2 }]);
  const track = new Track();
  for (const row of [0, 1, 2]) track.push(row);
  track.tidy(columns);
  assert.deepEqual([...track.order.slice(0, 3)], [1, 2, 0]);
  assert.equal(track.rowAt(columns, 3.5, 0), 2);
  assert.equal(track.rowAt(columns, 4.5, 0), -1);
  assert.equal(track.rowAt(columns, 4.9, 0.2), 0);
  assert.deepEqual([...track.busy.slice(0, 4)], [0, 1, 2, 3]);
});

test("a track of many rows is the same as a sorted list, whatever the order of its rows", () => {
  const count = 5000;
  const starts = Array.from({ length: count }, (_, i) => (i * 7919) % count);
  const columns = new AttemptColumns();
  columns.start = Float64Array.from(starts);
  columns.length = new Float32Array(count).fill(0.5);
  columns.count = count;
  const track = new Track();
  for (let row = 0; row < count; row++) {
    track.push(row);
    if (row % 700 === 0) track.tidy(columns);
  }
  track.tidy(columns);
  for (let i = 0; i < count; i++) assert.equal(starts[track.order[i]], i);
  for (const time of [0, 0.2, 17.7, 4999.4]) {
    const index = starts.indexOf(Math.floor(time));
    assert.equal(track.rowAt(columns, time, 0), time % 1 < 0.5 ? index : -1);
  }
});

const PAINT = {
  ops: new Uint32Array([0xff000001, 0xff000002]),
  limits: new Uint32Array([0xff000003]),
  failed: 0xff0000ff,
  retried: 0xff000004,
  retry: 2,
};

function painted(attempts, edges, options) {
  const columns = columnsOf(attempts, options);
  const lanes = new WorkerLanes();
  lanes.update(columns);
  const out = new Uint32Array(edges.length - 1);
  paintTrack(out, lanes.lanes[0].tracks[0], columns, Float64Array.from(edges), PAINT);
  return [...out];
}

const opacity = (colour) => colour >>> 24;

test("pixels have the colour of what ran then, as opaque as the part of their time", () => {
  const out = painted([{ start: 1, step: 0 }, { start: 2.5, step: 1 }], [0, 1, 2, 3, 4]);
  assert.equal(out[0], 0);
  assert.equal(out[1], 0xff000001);
  assert.equal(out[2] & 0xffffff, 2);
  assert.equal(opacity(out[2]), 128);
  assert.equal(opacity(out[3]), 128);
});

test("many attempts of a pixel add up", () => {
  const attempts = Array.from({ length: 200 }, (_, i) => (
    { start: i / 100, length: 0.005, step: i }));
  const out = painted(attempts, [0, 1, 2, 3]);
  assert.ok(Math.abs(opacity(out[0]) - 128) <= 3);
  assert.equal(out[2], 0);
});

test("one failure among many attempts of a pixel is seen", () => {
  const attempts = Array.from({ length: 200 }, (_, i) => ({
    start: i / 100, length: 0.005, step: i, outcome: i === 150 ? 1 : 0,
  }));
  const out = painted(attempts, [0, 1, 2]);
  assert.notEqual(out[0], PAINT.failed);
  assert.equal(out[1], PAINT.failed);
});

test("a wait is pale, in front of its attempt, and never over another", () => {
  const out = painted([{ start: 0, step: 0 }, { start: 3, step: 1 }], [0, 1, 2, 3, 4], {
    waits: [{ row: 1, seconds: 2.5, limit: 0 }],
  });
  assert.equal(out[0] & 0xffffff, 1);
  assert.deepEqual(out.slice(1, 3).map((each) => each & 0xffffff), [3, 3]);
  assert.equal(out[3] & 0xffffff, 2);
});

test("ops have a lane each, with what ran at once side by side", () => {
  const columns = columnsOf([
    { start: 0, step: 0 }, { start: 0.5, step: 2 }, { start: 2, step: 4 }, { start: 1, step: 1 },
  ]);
  const lanes = lanesByOp(columns);
  assert.deepEqual(lanes.map((lane) => [lane.label, lane.tracks.length]), [["a", 2], ["b", 1]]);
});

test("an op with too much at once is an area of how much ran", () => {
  const attempts = Array.from({ length: 20 }, (_, i) => (
    { start: i / 10, length: 2, step: i * 2 }));
  const [lane] = lanesByOp(columnsOf(attempts));
  assert.equal(lane.tracks.length, 0);
  assert.equal(lane.area.peak, 20);
  assert.ok(Math.abs(lane.area.atOnce(1.9, 2) - 19.95) < 1.0);
  assert.equal(lane.area.atOnce(10, 11), 0);
  const total = lane.area.spent(100);
  assert.ok(Math.abs(total - 40) < 1e-3);
});

test("an area counts exactly between any two times", () => {
  const columns = columnsOf([{ start: 0, length: 2, step: 0 }, { start: 1, length: 2, step: 2 }]);
  const area = new Area(columns, Int32Array.from([0, 1]));
  assert.equal(area.atOnce(0, 1), 1);
  assert.equal(area.atOnce(1, 2), 2);
  assert.equal(area.atOnce(0, 4), 1);
});

test("a long gap is folded, and times go there and back", () => {
  const columns = columnsOf([
    { start: 0, length: 10, step: 0 }, { start: 3610, length: 10, step: 1 },
  ]);
  const [gap] = gapsOf(columns, 3620);
  assert.ok(gap.from >= 10 && gap.to <= 3610 && gap.to - gap.from > 3500);
  const fold = foldOf(columns, 3620);
  assert.ok(fold.fold(3620) < 60);
  for (const time of [0, 5, 10, 700, 3610, 3615]) {
    assert.ok(Math.abs(fold.unfold(fold.fold(time)) - time) < 1e-6, `${time}`);
  }
});

test("the time behind the last attempt is no gap", () => {
  const columns = columnsOf([{ start: 0, length: 10, step: 0 }, { start: 10, length: 1, step: 1 }]);
  assert.deepEqual(gapsOf(columns, 4000), []);
});

test("without gaps the axis is time", () => {
  const fold = new TimeFold();
  const edges = new Float64Array(3);
  fold.writeEdges(edges, 2, 0.5);
  assert.deepEqual([...edges], [2, 2.5, 3]);
});

test("a profile keeps its sum when a run outgrows it", () => {
  const columns = columnsOf([{ start: 0, length: 4, step: 0 }]);
  const profile = new Profile(8);
  const fold = new TimeFold();
  profile.update(columns, fold, 4);
  assert.deepEqual([...profile.seconds], [1, 1, 1, 1, 1, 1, 1, 1]);
  columns.append(
    decodeRows(message([{ start: 4, length: 4, step: 1, outcome: 1 }], { from: 1 })),
  );
  profile.update(columns, fold, 8);
  assert.deepEqual([...profile.seconds], [1, 1, 1, 1, 1, 1, 1, 1]);
  assert.equal(profile.failed[4], 1);
});

test("ticks are round and few", () => {
  assert.equal(tickStep(10, 10), 1);
  assert.equal(tickStep(0.01, 10), 0.001);
  assert.equal(tickStep(600, 8), 120);
  assert.equal(tickText(90, 30), "1:30");
  assert.equal(tickText(3723, 60), "1:02:03");
  assert.equal(tickText(0.25, 0.05), "0.25 s");
});
