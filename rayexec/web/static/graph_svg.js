/**
 * Painter in SVG: elements for what is in view, and a little around it.
 *
 * @typedef {import("./graph_walk.js").Layout} Layout
 * @typedef {import("./graph_walk.js").LayoutNode} LayoutNode
 * @typedef {import("./graph_camera.js").Camera} Camera
 * @typedef {import("./graph_camera.js").Box} Box
 * @typedef {import("./graph_camera.js").Size} Size
 * @typedef {{layout: Layout, chosen: string | null, lit: Set<string> | null,
 *   linked: Set<string>, boxes: Box[], face: (node: LayoutNode) =>
 *   import("./graph_face.js").Face}} Scene
 */
import { replace, s } from "./dom.js";
import { cut, curve, tone } from "./graph_face.js";
import { overlap, visible } from "./graph_camera.js";

export const TITLE_FONT = '500 13px system-ui, "Segoe UI", Roboto, sans-serif';
export const SUB_FONT = '11px system-ui, "Segoe UI", Roboto, sans-serif';
const PAD = 10;

export class SvgPainter {
  constructor() {
    this.edges = s("g", {});
    this.nodes = s("g", {});
    this.camera = s("g", {}, this.edges, this.nodes);
    this.element = s(
      "svg",
      { class: "graph-svg", "aria-hidden": "true" },
      s("defs", {}, arrow("graph-arrow", "graph-arrow"), arrow("graph-arrow-lit", "is-lit")),
      this.camera,
    );
    /** @type {Scene | null} */
    this.scene = null;
    /** @type {Box | null} */
    this.drawn = null;
  }

  /** @param {Scene} scene @param {Camera} camera @param {Size} view */
  draw(scene, camera, view) {
    this.camera.setAttribute(
      "transform",
      `translate(${-camera.x * camera.k},${-camera.y * camera.k}) scale(${camera.k})`,
    );
    const box = visible(camera, view);
    if (this.scene === scene && this.drawn && holds(this.drawn, box)) return;
    this.scene = scene;
    this.drawn = { x: box.x - box.w / 2, y: box.y - box.h / 2, w: box.w * 2, h: box.h * 2 };
    const inView = this.drawn;
    const { layout } = scene;
    const groups = layout.nodes.filter((node) => node.is_open && overlap(node, inView));
    const rest = layout.nodes.filter((node) => !node.is_open && overlap(node, inView));
    const boxes = scene.boxes;
    /** @type {SVGElement[]} */
    const edges = [];
    layout.edges.forEach((edge, index) => {
      if (overlap(boxes[index], inView)) edges.push(...drawEdge(edge, scene));
    });
    replace(this.edges, ...groups.map((node) => drawNode(node, scene)), ...edges);
    replace(this.nodes, ...rest.map((node) => drawNode(node, scene)));
  }

  clear() {
    this.scene = null;
    replace(this.edges);
    replace(this.nodes);
  }
}

/** @param {Box} outer @param {Box} inner @returns {boolean} */
function holds(outer, inner) {
  return inner.x >= outer.x && inner.y >= outer.y && inner.x + inner.w <= outer.x + outer.w
    && inner.y + inner.h <= outer.y + outer.h && outer.w <= inner.w * 4;
}

/** @param {string} id @param {string} name @returns {SVGElement} */
function arrow(id, name) {
  return s(
    "marker",
    {
      id, viewBox: "0 0 8 8", refX: "7", refY: "4", markerWidth: "7", markerHeight: "7",
      orient: "auto-start-reverse",
    },
    s("path", { d: "M0,0.5L8,4L0,7.5z", class: `graph-arrow ${name}` }),
  );
}

/**
 * @param {import("./graph_walk.js").LayoutEdge} edge @param {Scene} scene
 * @returns {SVGElement[]}
 */
function drawEdge(edge, scene) {
  const isLit = edge.from === scene.chosen || edge.to === scene.chosen;
  const isFaded = scene.lit !== null && !(scene.lit.has(edge.from) && scene.lit.has(edge.to));
  const names = ["graph-edge"];
  if (edge.is_dynamic) names.push("is-dynamic");
  if (edge.is_collected) names.push("is-collected");
  if (isLit) names.push("is-lit");
  else if (isFaded) names.push("is-faded");
  const end = `url(#graph-arrow${isLit ? "-lit" : ""})`;
  const line = s("path", { class: names.join(" "), d: curve(edge.points), "marker-end": end });
  if (!edge.label) return [line];
  const [x, y] = edge.points[edge.points.length - 1];
  const text = s("text", { class: `${names.join(" ")} graph-edge-label`, x: x + 6, y: y - 8 });
  text.textContent = edge.label;
  return [line, text];
}

/** @param {LayoutNode} node @param {Scene} scene @returns {SVGElement} */
function drawNode(node, scene) {
  const face = scene.face(node);
  const names = ["graph-node", `is-${node.kind}`];
  if (node.is_open) names.push("is-open");
  if (node.id === scene.chosen) names.push("is-chosen");
  else if (scene.linked.has(node.id)) names.push("is-linked");
  if (scene.lit && !scene.lit.has(node.id)) names.push("is-faded");
  const { x, y, w, h } = node;
  const box = { rx: "5", width: w, height: h };
  const parts = [];
  if (face.isStack) {
    parts.push(s("rect", { ...box, class: "graph-box is-behind", x: x + 6, y: y + 6 }));
    parts.push(s("rect", { ...box, class: "graph-box is-behind", x: x + 3, y: y + 3 }));
  }
  parts.push(s("rect", { ...box, class: "graph-box", x, y }));
  let at = x + 1.5;
  for (const { state, share } of node.is_open ? [] : face.bars) {
    const width = Math.max(1.5, share * (w - 3));
    const bar = s("rect", { x: at, y: y + h - 5, width, height: 3.5 });
    bar.style.fill = `var(${tone(state)})`;
    parts.push(bar);
    at += width;
  }
  const isTwo = !node.is_open && face.sub && h >= 32;
  const title = s("text", {
    class: "graph-title",
    x: x + PAD,
    y: node.is_open ? y + 17 : y + h / 2 + (isTwo ? -3 : 4.5),
  });
  title.textContent = cut(face.title, w - 2 * PAD, TITLE_FONT);
  parts.push(title);
  if (isTwo) {
    const sub = s("text", { class: "graph-sub", x: x + PAD, y: y + h / 2 + 12 });
    sub.textContent = cut(face.sub, w - 2 * PAD, SUB_FONT);
    parts.push(sub);
  }
  const whole = s("title", {});
  whole.textContent = face.sub ? `${node.id}\n${face.sub}` : node.id;
  return s("g", { class: names.join(" "), "data-id": node.id }, whole, ...parts);
}
