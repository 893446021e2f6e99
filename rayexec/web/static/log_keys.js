/**
 * Keys of a log, which is one stop of Tab: hundreds of links in it would be hundreds of stops.
 */

/** Keep a line and its links out of the way of Tab. @param {HTMLElement} line */
export function asLine(line) {
  line.tabIndex = -1;
  for (const link of line.querySelectorAll("a")) link.tabIndex = -1;
  return line;
}

/**
 * Let arrows, Home and End walk lines, Left and Right the links of a line, Enter open its first
 * link, and Escape leave the lines.
 * @param {HTMLElement} box what Tab stops at
 * @param {HTMLElement} list the lines
 */
export function walkLines(box, list) {
  /** @type {Element | null} */
  let last = null;

  /** @param {Element | null | undefined} element */
  const to = (element) => {
    if (!(element instanceof HTMLElement)) return;
    last = element.closest("li");
    element.focus();
  };

  /** The line of before, or the first one in view. */
  const start = () => {
    const { top, bottom } = box.getBoundingClientRect();
    const isSeen = (/** @type {Element} */ line) => {
      const rect = line.getBoundingClientRect();
      return rect.bottom > top + 1 && rect.top < bottom - 1;
    };
    return last?.isConnected && isSeen(last) ? last : [...list.children].find(isSeen);
  };

  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const here = /** @type {Element} */ (event.target);
    const line = here.closest("li");
    if (!line && here !== box) return; // a button above or below the lines
    const links = line ? [...line.querySelectorAll("a")] : [];
    const at = links.findIndex((link) => link === here);
    switch (event.key) {
      case "ArrowDown": to(line ? line.nextElementSibling : start()); break;
      case "ArrowUp": to(line ? line.previousElementSibling : start()); break;
      case "Home": to(list.firstElementChild); break;
      case "End": to(list.lastElementChild); break;
      case "ArrowRight": to(links[at + 1]); break;
      case "ArrowLeft": if (line) to(links[at - 1] ?? line); break;
      case "Enter":
        if (at >= 0 || !links.length) return;
        links[0].click();
        break;
      case "Escape":
        if (!line) return;
        box.focus({ preventScroll: true });
        break;
      default: return;
    }
    event.preventDefault();
    event.stopPropagation();
  });
}

/** Keep the focus in the log while lines go. @param {HTMLElement} box @param {() => void} change */
export function keepingFocus(box, change) {
  const hadFocus = box !== document.activeElement && box.contains(document.activeElement);
  change();
  if (hadFocus && !box.contains(document.activeElement)) box.focus({ preventScroll: true });
}
