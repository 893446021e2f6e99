/**
 * The view of a graph: pan and zoom, a choice by mouse or arrows, nested graphs that open, focus on
 * neighbours, and a list beside it with the same facts.
 *
 * @typedef {import("./graph_walk.js").Layout} Layout
 * @typedef {import("./graph_walk.js").LayoutNode} LayoutNode
 * @typedef {import("./graph_face.js").Mark} Mark
 * @typedef {{open?: string, focus?: string, depth?: string}} LayoutParams
 * @typedef {{
 *   fetchLayout: (params: LayoutParams) => Promise<Layout>,
 *   onChoose?: (id: string | null, node: LayoutNode | null) => void,
 *   marks?: (node: LayoutNode) => Mark | null | undefined,
 *   signal?: AbortSignal,
 *   label?: string,
 *   hasList?: boolean,
 * }} GraphOptions
 * @typedef {{
 *   element: HTMLElement,
 *   ready: Promise<void>,
 *   refresh: () => Promise<void>,
 *   redraw: () => void,
 *   choose: (id: string | null, isQuiet?: boolean) => void,
 *   highlight: (ids: Iterable<string> | null) => void,
 *   fit: () => void,
 * }} GraphView
 */
import { drawn, h, replace } from "./dom.js";
import { CanvasPainter } from "./graph_canvas.js";
import {
  bounded, fitted, opening, panned, showing, visible, overlap, zoomed,
} from "./graph_camera.js";
import { faceOf, inWords } from "./graph_face.js";
import { watchPointer } from "./graph_pointer.js";
import { SvgPainter } from "./graph_svg.js";
import { toolbar } from "./graph_toolbar.js";
import { GraphTree } from "./graph_tree.js";
import { finds, holding, linked, neighbour, treeRows, ways } from "./graph_walk.js";
import { style } from "./router.js";

/** Nodes and edges in view above which the canvas paints. */
const MOST_ELEMENTS = 900;

/**
 * Shows a graph in `root`. Layouts come from `fetchLayout`, the server's or a fixture's.
 * @param {HTMLElement} root @param {GraphOptions} options @returns {GraphView}
 */
export function graphView(root, options) {
  void style("graph.css");
  const view = new View(options);
  replace(root, view.element);
  const watcher = new ResizeObserver(() => view.resized());
  watcher.observe(view.stage);
  options.signal?.addEventListener("abort", () => watcher.disconnect());
  return {
    element: view.element,
    ready: view.load(),
    refresh: () => view.load(),
    redraw: () => view.redraw(),
    choose: (id, isQuiet) => view.choose(id, isQuiet),
    highlight: (ids) => view.highlight(ids),
    fit: () => view.fit(),
  };
}

class View {
  /** @param {GraphOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Layout} */
    this.layout = { width: 1, height: 1, nodes: [], edges: [], folded: [], total_ops: 0 };
    this.way = ways(this.layout);
    /** @type {import("./graph_camera.js").Camera} */
    this.camera = { x: 0, y: 0, k: 1 };
    this.size = { width: 0, height: 0 };
    /** @type {string | null} */
    this.chosen = null;
    /** @type {Set<string> | null} */
    this.lit = null;
    /** @type {string[] | null} */
    this.wanted = null;
    /** @type {import("./graph_walk.js").TreeRow[] | null} */
    this.rows = null;
    /** @type {Layout | null} */
    this.rowsOf = null;
    /** @type {string | undefined} */
    this.open = undefined;
    this.focus = 0;
    /** @type {import("./graph_svg.js").Scene | null} */
    this.scene = null;
    this.isFirst = true;
    /** Whether the user moved the camera; until then it follows the size of the view. */
    this.isMoved = false;
    this.isFitted = false;
    this.asked = 0;
    this.frame = 0;
    this.svg = new SvgPainter();
    this.canvas = new CanvasPainter();
    this.said = h("div", { class: "hidden", "aria-live": "polite" });
    this.message = h("div", { class: "graph-message", role: "status" }, "Loading the graph…");
    this.stage = h("div", {
      class: "graph-stage",
      tabindex: "0",
      role: "application",
      "aria-label": options.label
        ?? "Graph: arrows move along edges, Enter opens a graph, f finds, + - 0 zoom",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.key(event),
    }, this.canvas.element, this.svg.element, this.message);
    this.tree = new GraphTree({
      onChoose: (id) => this.choose(id),
      onToggle: (id) => this.toggle(id),
      words: ({ node, from, to }) => inWords(node, this.mark(node), from, to),
      sub: ({ node }) => faceOf(node, this.mark(node)).sub,
    });
    this.tools = toolbar({
      zoom: (factor) => this.zoom(factor),
      fit: () => this.fit(),
      find: (text, isNext) => this.find(text, isNext),
      leave: () => this.stage.focus(),
      openAll: () => this.openAll(),
      foldAll: () => this.setOpen([]),
      focus: (depth) => this.setFocus(depth),
      list: (isShown) => this.element.classList.toggle("has-list", isShown),
    }, options.hasList ?? false);
    this.element = h(
      "div",
      { class: `graph${options.hasList ? " has-list" : ""}` },
      this.tools.element,
      h("div", { class: "graph-body" }, this.stage, this.tree.element),
      this.said,
    );
    watchPointer(this.stage, {
      pan: (dx, dy) => this.move(panned(this.camera, dx, dy)),
      zoom: (factor, x, y) => this.move(zoomed(this.camera, factor, x, y)),
      press: (x, y, isDouble) => this.press(x, y, isDouble),
    });
  }

  /** @param {LayoutNode} node */
  mark(node) {
    return this.options.marks?.(node);
  }

  async load() {
    const turn = ++this.asked;
    /** @type {LayoutParams} */
    const params = {};
    if (this.open !== undefined) params.open = this.open;
    if (this.focus && this.chosen) {
      params.focus = this.chosen;
      params.depth = String(this.focus);
    }
    let layout;
    try {
      layout = await this.options.fetchLayout(params);
    } catch (error) {
      if (this.options.signal?.aborted || turn !== this.asked) return;
      this.message.textContent = `The graph could not be loaded: ${
        error instanceof Error ? error.message : String(error)}`;
      this.message.hidden = false;
      return;
    }
    if (turn === this.asked) this.take(layout);
  }

  /** @param {Layout} layout */
  take(layout) {
    const before = this.chosen ? this.way.nodes.get(this.chosen) : undefined;
    this.layout = layout;
    this.way = ways(layout);
    this.lit = this.wanted && holding(layout, this.wanted);
    const after = this.chosen ? this.way.nodes.get(this.chosen) : undefined;
    if (this.isFirst && layout.nodes.length) {
      this.isMoved = this.isFitted = false;
      this.resized(false);
    } else if (before && after) {
      // The chosen node stays where it is on the screen while others open or fold around it.
      this.camera = {
        x: this.camera.x + after.x - before.x,
        y: this.camera.y + after.y - before.y,
        k: this.camera.k,
      };
      // A box that opened is shown from its head.
      if (after.is_open && !before.is_open) this.camera = showing(this.camera, after, this.size);
    }
    this.message.textContent = layout.nodes.length ? "" : "No ops.";
    this.message.hidden = layout.nodes.length > 0;
    this.tools.show(layout);
    this.redraw();
  }

  redraw() {
    const { layout, chosen, lit } = this;
    this.scene = {
      layout,
      chosen,
      lit,
      linked: chosen && this.way.nodes.has(chosen) ? linked(this.way, chosen) : new Set(),
      boxes: this.scene?.layout === layout ? this.scene.boxes : layout.edges.map(boxOf),
      face: (node) => faceOf(node, this.mark(node)),
    };
    this.rows = this.rowsOf === layout && this.rows ? this.rows : treeRows(layout, this.way);
    this.rowsOf = layout;
    this.tree.show(this.rows, chosen, lit);
    this.paint();
  }

  paint() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      const { scene, camera, size } = this;
      if (!scene || !size.width) return;
      const box = visible(camera, size);
      let inView = 0;
      for (const node of this.layout.nodes) if (overlap(node, box)) inView += 1;
      for (const edge of scene.boxes) if (overlap(edge, box)) inView += 1;
      const isCanvas = inView > MOST_ELEMENTS;
      if (isCanvas) this.svg.clear();
      this.svg.element.toggleAttribute("hidden", isCanvas);
      this.canvas.element.hidden = !isCanvas;
      (isCanvas ? this.canvas : this.svg).draw(scene, camera, size);
      if (this.layout.nodes.length) drawn("graph", { nodes: this.layout.nodes.length });
    });
  }

  resized(isPainted = true) {
    const before = this.size;
    this.size = { width: this.stage.clientWidth, height: this.stage.clientHeight };
    const isNew = this.size.width !== before.width || this.size.height !== before.height;
    if (this.size.width && this.layout.nodes.length && (this.isFirst || (isNew && !this.isMoved))) {
      this.frameAll();
      this.isFirst = false;
    }
    if (isPainted) {
      this.tree.draw();
      this.paint();
    }
  }

  /** Shows all of the graph after Fit; else its beginning, and the chosen node. */
  frameAll() {
    const { layout, size } = this;
    const node = this.chosen && !this.isFitted ? this.way.nodes.get(this.chosen) : undefined;
    this.camera = this.isFitted ? fitted({ x: 0, y: 0, w: layout.width, h: layout.height }, size)
      : opening(layout, size);
    if (node) this.camera = bounded(showing(this.camera, node, size), layout, size);
  }

  /** @param {import("./graph_camera.js").Camera} camera */
  move(camera) {
    this.isMoved = true;
    this.camera = bounded(camera, this.layout, this.size);
    this.paint();
  }

  /** @param {number} factor */
  zoom(factor) {
    const node = this.chosen ? this.way.nodes.get(this.chosen) : undefined;
    const x = node ? (node.x + node.w / 2 - this.camera.x) * this.camera.k : this.size.width / 2;
    const y = node ? (node.y + node.h / 2 - this.camera.y) * this.camera.k : this.size.height / 2;
    const isIn = x >= 0 && y >= 0 && x <= this.size.width && y <= this.size.height;
    this.move(zoomed(
      this.camera, factor, isIn ? x : this.size.width / 2, isIn ? y : this.size.height / 2,
    ));
  }

  fit() {
    this.isMoved = false;
    this.isFitted = true;
    this.frameAll();
    this.paint();
  }

  /** @param {string | null} id @param {boolean} [isQuiet] */
  choose(id, isQuiet = false) {
    this.chosen = id;
    const node = id === null ? undefined : this.way.nodes.get(id);
    if (node && this.size.width) {
      this.camera = bounded(showing(this.camera, node, this.size), this.layout, this.size);
      this.said.textContent = inWords(
        node, this.mark(node), this.way.into.get(node.id) ?? [], this.way.out.get(node.id) ?? [],
      );
    }
    this.redraw();
    if (!isQuiet) this.options.onChoose?.(id, node ?? null);
    if (this.focus && !isQuiet && id !== null) void this.load();
  }

  /** @param {Iterable<string> | null} ids */
  highlight(ids) {
    this.wanted = ids === null ? null : [...ids];
    this.lit = this.wanted && holding(this.layout, this.wanted);
    this.redraw();
  }

  /** @param {string} id */
  toggle(id) {
    const node = this.way.nodes.get(id);
    if (!node || node.kind === "op") return;
    this.chosen = id;
    const open = this.layout.nodes.filter((one) => one.is_open).map((one) => one.id);
    void this.setOpen(
      node.is_open ? open.filter((one) => one !== id && !one.startsWith(`${id}.`)) : [...open, id],
    );
    this.options.onChoose?.(id, node);
  }

  openAll() {
    const open = this.layout.nodes.filter((one) => one.is_open).map((one) => one.id);
    void this.setOpen([...open, ...this.layout.folded]);
  }

  /** @param {string[]} open */
  async setOpen(open) {
    // A comma alone says that nothing is open; without the parameter the server decides.
    this.open = [...new Set(open)].join(",") || ",";
    await this.load();
  }

  /** @param {number} depth */
  setFocus(depth) {
    this.focus = depth;
    if (depth && !this.chosen && this.layout.nodes.length) {
      this.chosen = neighbour(this.layout, this.way, null, "down");
    }
    this.isFirst = true;
    void this.load();
  }

  /** @param {string} text @param {boolean} isNext @returns {string} */
  find(text, isNext) {
    const all = finds(this.layout, text);
    if (!all.length) return text ? "nothing" : "";
    const at = this.chosen === null ? -1 : all.indexOf(this.chosen);
    const next = isNext ? (at + 1) % all.length : Math.max(0, at);
    if (all[next] !== this.chosen) this.choose(all[next]);
    return `${next + 1} of ${all.length}`;
  }

  /** @param {number} x @param {number} y @param {boolean} isDouble */
  press(x, y, isDouble) {
    const px = this.camera.x + x / this.camera.k;
    const py = this.camera.y + y / this.camera.k;
    /** @type {LayoutNode | null} */
    let hit = null;
    for (const node of this.layout.nodes) {
      const isInside = px >= node.x && px <= node.x + node.w && py >= node.y
        && py <= node.y + node.h;
      if (isInside && (!hit || node.depth > hit.depth || hit.is_open)) hit = node;
    }
    const isBox = hit !== null && hit.kind !== "op";
    // A press on the sign of a graph, or on the head of an open one, opens or folds it.
    if (hit && isBox && (isDouble || (px < hit.x + 26 && py < hit.y + 48))) this.toggle(hit.id);
    else this.choose(hit?.id ?? null);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = /** @type {"up" | "down" | "left" | "right" | undefined} */ (
      /** @type {Record<string, string>} */ ({
        ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
      })[event.key]
    );
    if (arrow && event.shiftKey) {
      const dx = arrow === "left" ? 80 : arrow === "right" ? -80 : 0;
      this.move(panned(this.camera, dx, arrow === "up" ? 80 : arrow === "down" ? -80 : 0));
    } else if (arrow) {
      const next = neighbour(this.layout, this.way, this.chosen, arrow);
      if (next) this.choose(next);
    } else if (event.key === "+" || event.key === "=") this.zoom(1.25);
    else if (event.key === "-") this.zoom(0.8);
    else if (event.key === "0") this.fit();
    else if (event.key === "f") this.tools.toFind();
    else if (event.key === "Enter" && this.chosen) this.toggle(this.chosen);
    else if (event.key === "Escape" && this.chosen) this.choose(null);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}

/** @param {import("./graph_walk.js").LayoutEdge} edge */
function boxOf(edge) {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [x, y] of edge.points) {
    left = Math.min(left, x);
    top = Math.min(top, y);
    right = Math.max(right, x);
    bottom = Math.max(bottom, y);
  }
  return { x: left - 4, y: top - 4, w: right - left + 8, h: bottom - top + 8 };
}
