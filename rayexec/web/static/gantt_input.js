/** What pointers, wheels and keys do to a timeline. */

/**
 * @typedef {object} Moves
 * @property {(factor: number, x?: number) => void} zoom around a place in pixels
 * @property {(pixels: number) => void} pan
 * @property {(pixels: number) => void} scroll
 * @property {() => void} fit
 * @property {(x: number, y: number) => void} hover
 * @property {() => void} leave
 * @property {(x: number, y: number) => void} click
 * @property {(direction: 1 | -1) => void} failure goes to the next or previous one
 * @property {() => void} open opens the selected step
 */

const CLICK = 4;

/**
 * Listens on a canvas, and on its frame for keys.
 * @param {HTMLElement} frame
 * @param {HTMLCanvasElement} canvas
 * @param {Moves} moves
 * @param {AbortSignal} signal
 */
export function listen(frame, canvas, moves, signal) {
  /** @type {Map<number, {x: number, y: number}>} */
  const pointers = new Map();
  let travelled = 0;

  canvas.addEventListener("wheel", (event) => {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 16 : 1;
      moves.zoom(Math.exp(event.deltaY * lines * 0.002), event.offsetX);
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      event.preventDefault();
      moves.pan(event.deltaX || event.deltaY);
    }
  }, { signal, passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    travelled = 0;
  }, { signal });

  canvas.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) {
      moves.hover(event.offsetX, event.offsetY);
      return;
    }
    const dx = event.offsetX - before.x;
    const dy = event.offsetY - before.y;
    if (pointers.size === 2) {
      const [a, b] = [...pointers.values()];
      const apart = Math.abs(a.x - b.x);
      pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
      const [c, d] = [...pointers.values()];
      if (apart > 8 && Math.abs(c.x - d.x) > 8) {
        moves.zoom(apart / Math.abs(c.x - d.x), (c.x + d.x) / 2);
      }
      travelled = CLICK;
      return;
    }
    travelled += Math.abs(dx) + Math.abs(dy);
    if (travelled < CLICK) return;
    canvas.classList.add("is-dragged");
    pointers.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    moves.pan(-dx);
    if (event.pointerType === "mouse") moves.scroll(-dy);
  }, { signal });

  canvas.addEventListener("pointerup", (event) => {
    if (!pointers.delete(event.pointerId)) return;
    canvas.classList.remove("is-dragged");
    if (travelled < CLICK) moves.click(event.offsetX, event.offsetY);
  }, { signal });
  canvas.addEventListener("pointercancel", (event) => {
    pointers.delete(event.pointerId);
    canvas.classList.remove("is-dragged");
  }, { signal });
  canvas.addEventListener("pointerleave", () => moves.leave(), { signal });
  canvas.addEventListener("dblclick", (event) => moves.zoom(0.4, event.offsetX), { signal });

  frame.addEventListener("keydown", (event) => {
    if (event.target !== frame || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = event.shiftKey ? 400 : 80;
    /** @type {Record<string, () => void>} */
    const keys = {
      "+": () => moves.zoom(1 / 1.6),
      "=": () => moves.zoom(1 / 1.6),
      "-": () => moves.zoom(1.6),
      "0": () => moves.fit(),
      ArrowLeft: () => moves.pan(-step),
      ArrowRight: () => moves.pan(step),
      ArrowUp: () => moves.scroll(-60),
      ArrowDown: () => moves.scroll(60),
      n: () => moves.failure(1),
      p: () => moves.failure(-1),
      Enter: () => moves.open(),
      Escape: () => moves.leave(),
    };
    const key = keys[event.key];
    if (!key) return;
    event.preventDefault();
    event.stopPropagation();
    key();
  }, { signal });
}
