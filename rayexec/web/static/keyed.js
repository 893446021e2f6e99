/**
 * Lists that change in place: a row stays the same element while its key stays, so that nothing
 * flickers, and the focus and a selection of text survive.
 */

/**
 * Make the children of a list those of its items.
 * @template T
 * @param {Element} list
 * @param {T[]} items
 * @param {{
 *   key: (item: T) => string,
 *   make: (item: T) => HTMLElement,
 *   update?: (element: HTMLElement, item: T) => void,
 * }} how
 */
export function keyed(list, items, { key, make, update }) {
  /** @type {Map<string, HTMLElement>} */
  const old = new Map();
  for (const child of list.children) {
    if (child instanceof HTMLElement && child.dataset.key !== undefined) {
      old.set(child.dataset.key, child);
    }
  }
  /** @type {Element | null} */
  let next = list.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let element = old.get(name);
    if (element) old.delete(name);
    else {
      element = make(item);
      element.dataset.key = name;
    }
    update?.(element, item);
    if (element === next) next = next.nextElementSibling;
    else list.insertBefore(element, next);
  }
  for (const element of old.values()) element.remove();
}

/**
 * Write a text where it differs.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Replace what is inside of an element where its facts differ from those it shows.
 * @param {HTMLElement} element
 * @param {unknown} facts anything that JSON can have
 * @param {() => Node[]} content
 */
export function setContent(element, facts, content) {
  const text = JSON.stringify(facts);
  if (element.dataset.shown === text) return;
  element.dataset.shown = text;
  element.replaceChildren(...content());
}
