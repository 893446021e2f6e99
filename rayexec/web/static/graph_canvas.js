/**
 * Painter on a canvas, for views with thousands of nodes: one pass over what is in view.
 *
 * @typedef {import("./graph_svg.js").Scene} Scene
 * @typedef {import("./graph_walk.js").LayoutNode} LayoutNode
 * @typedef {import("./graph_camera.js").Camera} Camera
 * @typedef {import("./graph_camera.js").Size} Size
 */
import { h } from "./dom.js";
import { cut, tone } from "./graph_face.js";
import { overlap, visible } from "./graph_camera.js";
import { SUB_FONT, TITLE_FONT } from "./graph_svg.js";

const TOKENS = [
  "--bg", "--surface", "--raised", "--text", "--muted", "--line", "--accent", "--ok", "--failed",
  "--running", "--waiting", "--skipped", "--canceled", "--retried",
];
const LEAST_TEXT_ZOOM = 0.45;
const PAD = 10;

export class CanvasPainter {
  constructor() {
    this.element = /** @type {HTMLCanvasElement} */ (
      h("canvas", { class: "graph-canvas", "aria-hidden": "true" })
    );
    this.context = this.element.getContext("2d");
  }

  /** @param {Scene} scene @param {Camera} camera @param {Size} view */
  draw(scene, camera, view) {
    const context = this.context;
    if (!context) return;
    const dots = window.devicePixelRatio || 1;
    const width = Math.round(view.width * dots);
    const height = Math.round(view.height * dots);
    if (this.element.width !== width) this.element.width = width;
    if (this.element.height !== height) this.element.height = height;
    const colours = read(this.element);
    const k = camera.k * dots;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    context.setTransform(k, 0, 0, k, -camera.x * k, -camera.y * k);
    const box = visible(camera, view);
    const { nodes } = scene.layout;
    for (const node of nodes) {
      if (node.is_open && overlap(node, box)) this.node(context, node, scene, colours, camera.k);
    }
    this.edges(context, scene, colours, camera, view);
    for (const node of nodes) {
      if (!node.is_open && overlap(node, box)) this.node(context, node, scene, colours, camera.k);
    }
    context.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {Scene} scene
   * @param {Record<string, string>} colours @param {Camera} camera @param {Size} view
   */
  edges(context, scene, colours, camera, view) {
    const box = visible(camera, view);
    for (const isLit of [false, true]) {
      context.beginPath();
      scene.layout.edges.forEach((edge, index) => {
        const lit = edge.from === scene.chosen || edge.to === scene.chosen;
        if (lit !== isLit || !overlap(scene.boxes[index], box)) return;
        let [x, y] = edge.points[0];
        context.moveTo(x, y);
        for (const [nx, ny] of edge.points.slice(1)) {
          const half = (y + ny) / 2;
          if (x === nx || camera.k < 0.2) context.lineTo(nx, ny);
          else context.bezierCurveTo(x, half, nx, half, nx, ny);
          [x, y] = [nx, ny];
        }
        if (camera.k < LEAST_TEXT_ZOOM) return;
        context.moveTo(x - 3.5, y - 6);
        context.lineTo(x, y);
        context.lineTo(x + 3.5, y - 6);
      });
      context.lineWidth = (isLit ? 2 : 1.2) / Math.min(1, camera.k * 1.6);
      context.strokeStyle = colours[isLit ? "--accent" : "--muted"];
      context.globalAlpha = isLit ? 1 : 0.5;
      context.stroke();
    }
    context.globalAlpha = 1;
  }

  /**
   * @param {CanvasRenderingContext2D} context @param {LayoutNode} node @param {Scene} scene
   * @param {Record<string, string>} colours @param {number} zoom
   */
  node(context, node, scene, colours, zoom) {
    const face = scene.face(node);
    const { x, y, w, h: height } = node;
    const isChosen = node.id === scene.chosen;
    context.globalAlpha = scene.lit && !scene.lit.has(node.id) ? 0.3 : 1;
    context.lineWidth = (isChosen ? 2.5 : 1) / Math.min(1, zoom);
    context.strokeStyle = colours[
      isChosen || scene.linked.has(node.id) ? "--accent" : face.tone === "--line" ? "--muted"
        : face.tone
    ];
    context.fillStyle = colours[node.is_open ? "--bg" : "--surface"];
    if (face.isStack && zoom > 0.2) {
      context.fillRect(x + 4, y + 4, w, height);
      context.strokeRect(x + 4, y + 4, w, height);
    }
    context.fillRect(x, y, w, height);
    context.strokeRect(x, y, w, height);
    let at = x + 1;
    const tall = zoom < 0.3 ? height : 4;
    for (const { state, share } of node.is_open ? [] : face.bars) {
      context.fillStyle = colours[tone(state)];
      context.fillRect(at, y + height - tall, share * (w - 2), tall);
      at += share * (w - 2);
    }
    if (zoom < LEAST_TEXT_ZOOM) return;
    context.fillStyle = colours["--text"];
    context.font = TITLE_FONT;
    const isTwo = !node.is_open && face.sub && height >= 32;
    const line = node.is_open ? y + 17 : y + height / 2 + (isTwo ? -3 : 4.5);
    context.fillText(cut(face.title, w - 2 * PAD, TITLE_FONT), x + PAD, line);
    if (!isTwo) return;
    context.fillStyle = colours["--muted"];
    context.font = SUB_FONT;
    context.fillText(cut(face.sub, w - 2 * PAD, SUB_FONT), x + PAD, y + height / 2 + 12);
  }
}

/** @param {Element} element @returns {Record<string, string>} */
function read(element) {
  const style = getComputedStyle(element);
  return Object.fromEntries(TOKENS.map((token) => [token, style.getPropertyValue(token).trim()]));
}
