/**
 * Pointer and wheel on a stage: drag pans, Ctrl-wheel and pinch zoom, a press chooses.
 *
 * @typedef {{pan: (dx: number, dy: number) => void,
 *   zoom: (factor: number, x: number, y: number) => void,
 *   press: (x: number, y: number, isDouble: boolean) => void}} PointerActions
 */

const LEAST_DRAG = 4;

/** @param {HTMLElement} stage @param {PointerActions} actions */
export function watchPointer(stage, actions) {
  /** @type {Map<number, {x: number, y: number}>} */
  const down = new Map();
  let moved = 0;
  let lastPress = 0;

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    if (!down.size) moved = 0;
    down.set(event.pointerId, at(event));
  });
  stage.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return;
    const now = at(event);
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1] ?? now;
      const far = Math.hypot(before.x - other.x, before.y - other.y);
      const near = Math.hypot(now.x - other.x, now.y - other.y);
      if (far > 0 && near > 0) {
        actions.zoom(near / far, (now.x + other.x) / 2, (now.y + other.y) / 2);
      }
      moved = LEAST_DRAG;
    } else {
      moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
      if (moved >= LEAST_DRAG) {
        stage.classList.add("is-dragged");
        actions.pan(now.x - before.x, now.y - before.y);
      }
    }
    down.set(event.pointerId, now);
  });
  /** @param {PointerEvent} event */
  const end = (event) => {
    if (!down.delete(event.pointerId)) return;
    stage.classList.remove("is-dragged");
    if (moved >= LEAST_DRAG || event.type === "pointercancel") return;
    const { x, y } = at(event);
    const isDouble = event.timeStamp - lastPress < 350;
    lastPress = isDouble ? 0 : event.timeStamp;
    actions.press(x, y, isDouble);
  };
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = at(event);
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.ctrlKey || event.metaKey) {
      actions.zoom(Math.exp((-event.deltaY * unit) / 300), x, y);
    } else if (event.shiftKey) actions.pan(-event.deltaY * unit, -event.deltaX * unit);
    else actions.pan(-event.deltaX * unit, -event.deltaY * unit);
  }, { passive: false });

  /** @param {MouseEvent} event */
  function at(event) {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }
}
