/**
 * Elements from data. Text becomes text nodes only, never markup.
 */

/** @typedef {Node | string | number | null | undefined | false} Child */
/** @typedef {Child | Child[]} Children */
/**
 * Attributes of an element: `on…` with a function listens, `style` takes an object, true is an
 * attribute without a value, and false, null and undefined leave it out.
 * @typedef {Record<string, any>} Attributes
 */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Return a new HTML element.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes | null} [attributes]
 * @param {...Children} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  fill(element, attributes, children);
  return element;
}

/**
 * Return a new SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Attributes | null} [attributes]
 * @param {...Children} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function s(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  fill(element, attributes, children);
  return /** @type {any} */ (element);
}

/**
 * Replace what is inside of a node.
 * @param {Element} node
 * @param {...Children} children
 */
export function replace(node, ...children) {
  node.replaceChildren(...nodes(children));
}

// They show text in another order: a name of a file that seems to end in .txt.
const DIRECTIONS = /[\u202a-\u202e\u2066-\u2069]/g;

/**
 * Return a text with escapes that one sees for the characters that turn its direction.
 * @param {string} text
 */
function shown(text) {
  return text.replace(DIRECTIONS, (each) => `\\u${each.charCodeAt(0).toString(16)}`);
}

/**
 * Return the children as nodes, flat, without those that are nothing.
 * @param {Children[]} children
 * @returns {Node[]}
 */
function nodes(children) {
  /** @type {Node[]} */
  const flat = [];
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue;
    flat.push(child instanceof Node ? child : document.createTextNode(shown(String(child))));
  }
  return flat;
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {Attributes | null | undefined} attributes
 * @param {Children[]} children
 */
function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) {
      element.addEventListener(name.slice(2), value);
    } else if (name === "style") {
      // A style attribute is against the policy of the pages; properties are not.
      for (const [property, text] of Object.entries(value)) {
        element.style.setProperty(property, String(text));
      }
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...nodes(children));
}

/** Outlines of icons in a box of 16 by 16. */
const ICONS = {
  check: "M3 8.5l3.2 3.2L13 5",
  cross: "M4 4l8 8M12 4l-8 8",
  play: "M5 3.5v9l7-4.5z",
  clock: "M8 4.5V8l2.5 1.5M8 2a6 6 0 100 12A6 6 0 008 2z",
  skip: "M3 4l5 4-5 4zM9 4l5 4-5 4z",
  ban: "M8 2a6 6 0 100 12A6 6 0 008 2zM3.8 3.8l8.4 8.4",
  retry: "M13 8a5 5 0 11-1.5-3.6M13 2.5v3h-3",
  reuse: "M3 6h8l-2.5-2.5M13 10H5l2.5 2.5",
  dash: "M4 8h8",
  warning: "M8 2.5l6 11H2zM8 6.5v3.5M8 11.7v.3",
  question: "M6 6a2 2 0 113 1.7c-.7.4-1 .8-1 1.6M8 11.7v.3M8 2a6 6 0 100 12A6 6 0 008 2z",
  search: "M7 2.5a4.5 4.5 0 100 9 4.5 4.5 0 000-9zM10.4 10.4L14 14",
  sun: "M8 5a3 3 0 100 6 3 3 0 000-6zM8 1.5v1M8 13.5v1M1.5 8h1M13.5 8h1M3.4 3.4l.7.7M11.9 11.9l"
    + ".7.7M3.4 12.6l.7-.7M11.9 4.1l.7-.7",
  moon: "M13 9.5A5.5 5.5 0 016.5 3 5.5 5.5 0 1013 9.5z",
  screen: "M2 3h12v8H2zM6 14h4M8 11v3",
  chevron: "M4 6l4 4 4-4",
  right: "M6 4l4 4-4 4",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  copy: "M6 6h7v7H6zM10 6V3H3v7h3",
  download: "M8 2.5v7M5 7l3 3 3-3M3 13h10",
  file: "M4 2h5l3 3v9H4zM9 2v3h3",
  trash: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5",
  stop: "M4 4h8v8H4z",
  external: "M9 3h4v4M13 3L7.5 8.5M11 9.5V13H3V5h3.5",
  inbox: "M2.5 9.5l2-6h7l2 6v3.5h-11zM2.5 9.5H6l1 1.5h2l1-1.5h3.5",
};

/** @typedef {keyof typeof ICONS} IconName */

/**
 * Return an icon; screen readers pass over it, so a word must be beside it.
 * @param {IconName} name
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  return s(
    "svg",
    { class: `icon icon-${name}`, viewBox: "0 0 16 16", "aria-hidden": "true" },
    s("path", { d: ICONS[name] }),
  );
}

/**
 * Mark a finished drawing in the browser's own timing, which its tools and measurements read; the
 * last one of a name stays.
 * @param {string} name
 * @param {Record<string, number>} detail
 */
export function drawn(name, detail) {
  performance.clearMarks(name);
  performance.mark(name, { detail });
}
