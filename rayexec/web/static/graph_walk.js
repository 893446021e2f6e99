/**
 * Ways through a layout: along edges, by text, and as a tree.
 *
 * @typedef {{id: string, label: string, kind: "op" | "graph" | "stack" | "group", x: number,
 *   y: number, w: number, h: number, is_open: boolean, inner: number, is_mapped: boolean,
 *   marks: string[], depth: number, members?: string[], is_selected?: boolean}} LayoutNode
 * @typedef {{from: string, to: string, points: [number, number][], label?: string | null,
 *   is_dynamic?: boolean, is_collected?: boolean}} LayoutEdge
 * @typedef {{width: number, height: number, nodes: LayoutNode[], edges: LayoutEdge[],
 *   folded: string[], total_ops: number}} Layout
 * @typedef {{node: LayoutNode, level: number, position: number, size: number, from: string[],
 *   to: string[]}} TreeRow
 * @typedef {{nodes: Map<string, LayoutNode>, into: Map<string, string[]>,
 *   out: Map<string, string[]>, parents: Map<string, string>}} Ways
 */

/** @param {Layout} layout @returns {Ways} */
export function ways(layout) {
  const nodes = new Map(layout.nodes.map((node) => [node.id, node]));
  /** @type {Map<string, string[]>} */
  const into = new Map();
  /** @type {Map<string, string[]>} */
  const out = new Map();
  for (const { from, to } of layout.edges) {
    add(into, to, from);
    add(out, from, to);
  }
  /** @type {Map<string, string>} */
  const parents = new Map();
  /** @type {string[]} */
  const above = [];
  for (const { id, depth } of layout.nodes) {
    above.length = Math.min(above.length, depth);
    if (above.length) parents.set(id, above[above.length - 1]);
    above.push(id);
  }
  return { nodes, into, out, parents };
}

/** @param {Map<string, string[]>} map @param {string} key @param {string} value */
function add(map, key, value) {
  const list = map.get(key);
  if (!list) map.set(key, [value]);
  else if (!list.includes(value)) list.push(value);
}

/**
 * Returns the nodes with an op of these paths inside, and the boxes around them.
 * @param {Layout} layout @param {Iterable<string>} paths @returns {Set<string>}
 */
export function holding(layout, paths) {
  const ops = new Set(paths);
  /** @type {Set<string>} */
  const around = new Set();
  for (const path of ops) {
    for (let dot = path.lastIndexOf("."); dot > 0; dot = path.lastIndexOf(".", dot - 1)) {
      around.add(path.slice(0, dot));
    }
  }
  /** @param {string} id */
  const isHeld = (id) => ops.has(id) || around.has(id);
  return new Set(layout.nodes
    .filter(({ id, members }) => isHeld(id) || members?.some(isHeld))
    .map(({ id }) => id));
}

/**
 * Returns the node that an arrow key leads to: down and up along edges, left and right along the
 * row. Without an edge the nearest node that way counts.
 * @param {Layout} layout @param {Ways} way @param {string | null} from
 * @param {"up" | "down" | "left" | "right"} arrow @returns {string | null}
 */
export function neighbour(layout, way, from, arrow) {
  const node = from === null ? undefined : way.nodes.get(from);
  if (!node) return layout.nodes.length ? first(layout).id : null;
  if (arrow === "down" || arrow === "up") {
    const along = (arrow === "down" ? way.out : way.into).get(node.id) ?? [];
    const next = nearest(node, along.flatMap((id) => way.nodes.get(id) ?? []));
    if (next) return next.id;
  }
  return nearest(node, layout.nodes.filter((one) => isThatWay(node, one, arrow)))?.id ?? null;
}

/** @param {Layout} layout @returns {LayoutNode} */
function first(layout) {
  return layout.nodes.reduce((best, node) => (
    node.y < best.y || (node.y === best.y && node.x < best.x) ? node : best
  ));
}

/** @param {LayoutNode} node @param {LayoutNode} one @param {string} arrow @returns {boolean} */
function isThatWay(node, one, arrow) {
  if (one.id === node.id || one.is_open) return false;
  const isBeside = one.y < node.y + node.h && node.y < one.y + one.h;
  if (arrow === "left") return isBeside && one.x + one.w <= node.x + 1;
  if (arrow === "right") return isBeside && one.x >= node.x + node.w - 1;
  const isInLine = one.x < node.x + node.w && node.x < one.x + one.w;
  if (arrow === "up") return isInLine && one.y + one.h <= node.y + 1;
  return isInLine && one.y >= node.y + node.h - 1;
}

/** @param {LayoutNode} node @param {LayoutNode[]} others @returns {LayoutNode | undefined} */
function nearest(node, others) {
  const x = node.x + node.w / 2;
  const y = node.y + node.h / 2;
  let best;
  let least = Infinity;
  for (const one of others) {
    const far = Math.hypot(one.x + one.w / 2 - x, one.y + one.h / 2 - y);
    if (far < least) [best, least] = [one, far];
  }
  return best;
}

/**
 * Returns the ids of nodes that a text fits: labels that begin with it first, then paths with it,
 * then closed groups and stacks with such a path inside.
 * @param {Layout} layout @param {string} text @returns {string[]}
 */
export function finds(layout, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const starts = [];
  const holds = [];
  const closed = [];
  for (const node of layout.nodes) {
    const label = node.label.toLowerCase();
    if (label.startsWith(wanted)) starts.push(node.id);
    else if (label.includes(wanted) || node.id.toLowerCase().includes(wanted)) holds.push(node.id);
    else if (node.marks.some((mark) => mark.toLowerCase().includes(wanted))) holds.push(node.id);
    else if (!node.is_open && node.members?.some((path) => path.toLowerCase().includes(wanted))) {
      closed.push(node.id);
    }
  }
  return [...starts, ...holds, ...closed];
}

/**
 * Returns the nodes as rows of a tree: each graph before its nodes, in reading order.
 * @param {Layout} layout @param {Ways} way @returns {TreeRow[]}
 */
export function treeRows(layout, way) {
  /** @type {Map<string, LayoutNode[]>} */
  const inside = new Map();
  for (const node of layout.nodes) {
    const parent = way.parents.get(node.id) ?? "";
    const list = inside.get(parent);
    if (list) list.push(node);
    else inside.set(parent, [node]);
  }
  /** @type {TreeRow[]} */
  const rows = [];
  /** @param {string} parent @param {number} level */
  const visit = (parent, level) => {
    const list = (inside.get(parent) ?? []).sort((a, b) => a.y - b.y || a.x - b.x);
    list.forEach((node, index) => {
      rows.push({
        node,
        level,
        position: index + 1,
        size: list.length,
        from: way.into.get(node.id) ?? [],
        to: way.out.get(node.id) ?? [],
      });
      if (node.is_open) visit(node.id, level + 1);
    });
  };
  visit("", 1);
  return rows;
}

/**
 * Returns the nodes that lie on paths through a node, itself included.
 * @param {Ways} way @param {string} id @returns {Set<string>}
 */
export function linked(way, id) {
  const all = new Set([id]);
  for (const map of [way.into, way.out]) {
    const open = [id];
    const seen = new Set(open);
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const one of map.get(next) ?? []) {
        if (seen.has(one)) continue;
        seen.add(one);
        all.add(one);
        open.push(one);
      }
    }
  }
  return all;
}
