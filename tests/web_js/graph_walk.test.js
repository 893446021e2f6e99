import assert from "node:assert/strict";
import { test } from "node:test";

import {
  bounded, fitted, opening, overlap, showing, visible, zoomed,
} from "../../rayexec/web/static/graph_camera.js";
import {
  finds, holding, linked, neighbour, treeRows, ways,
} from "../../rayexec/web/static/graph_walk.js";

const node = (id, x, y, more = {}) => ({
  id, label: id, kind: "op", x, y, w: 100, h: 40, is_open: false, inner: 1, is_mapped: false,
  marks: [], depth: 0, ...more,
});
const edge = (from, to) => ({ from, to, points: [[0, 0], [0, 1]] });
// a above b and c, both above d; g is an open graph with g.x, s a stack.
const LAYOUT = {
  width: 400,
  height: 400,
  nodes: [
    node("a", 100, 0),
    node("b", 0, 100),
    node("c", 200, 100, { marks: ["pool:db"] }),
    node("d", 100, 200),
    node("g", 300, 200, { kind: "graph", is_open: true, inner: 1, w: 140, h: 90 }),
    node("g.x", 320, 230, { depth: 1 }),
    node("s1*3", 0, 300, { kind: "stack", inner: 3, members: ["s1", "s2", "s3"] }),
  ],
  edges: [edge("a", "b"), edge("a", "c"), edge("b", "d"), edge("c", "d"), edge("d", "g.x")],
  folded: ["s1*3"],
  total_ops: 8,
};
const WAY = ways(LAYOUT);
const go = (from, arrow) => neighbour(LAYOUT, WAY, from, arrow);

test("arrows move along edges and rows", () => {
  assert.equal(go(null, "down"), "a");
  assert.equal(go("b", "down"), "d");
  assert.equal(go("d", "up"), "b");
  assert.equal(go("b", "right"), "c");
  assert.equal(go("c", "left"), "b");
  assert.equal(go("b", "left"), null);
  assert.equal(go("d", "down"), "g.x");
});

test("the tree lists boxes before what they hold, with links", () => {
  const rows = treeRows(LAYOUT, WAY);
  assert.deepEqual(rows.map((row) => row.node.id), ["a", "b", "c", "d", "g", "g.x", "s1*3"]);
  const inner = rows[5];
  assert.deepEqual([inner.level, inner.position, inner.size, inner.from], [2, 1, 1, ["d"]]);
});

test("paths through a node, texts and selections find their nodes", () => {
  assert.deepEqual([...linked(WAY, "b")].sort(), ["a", "b", "d", "g.x"]);
  assert.deepEqual(finds(LAYOUT, "DB"), ["c"]);
  assert.deepEqual(finds(LAYOUT, "g"), ["g", "g.x"]);
  assert.deepEqual(finds(LAYOUT, "s3"), ["s1*3"]); // inside of a closed stack
  assert.deepEqual([...holding(LAYOUT, ["g.x", "s2"])], ["g", "g.x", "s1*3"]);
});

test("the camera zooms about a point, fits, shows, and never loses the graph", () => {
  const view = { width: 800, height: 600 };
  const camera = zoomed({ x: 0, y: 0, k: 1 }, 2, 100, 50);
  assert.deepEqual([camera.x + 100 / camera.k, camera.y + 50 / camera.k], [100, 50]);
  const whole = fitted({ x: 0, y: 0, w: 4000, h: 400 }, view);
  assert.ok(whole.k < 0.2 && overlap({ x: 0, y: 0, w: 4000, h: 400 }, visible(whole, view)));
  assert.equal(opening({ width: 400, height: 400 }, view).k, 1);
  const far = bounded({ x: 1e6, y: -1e6, k: 1 }, { width: 400, height: 400 }, view);
  assert.ok(overlap({ x: 0, y: 0, w: 400, h: 400 }, visible(far, view)));
  const shown = showing({ x: 0, y: 0, k: 1 }, { x: 900, y: 0, w: 100, h: 40 }, view);
  assert.ok(shown.x + 800 >= 1000);
});
