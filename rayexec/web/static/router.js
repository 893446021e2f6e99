/**
 * Paths of the pages: which module shows a path, links between pages, title and breadcrumb.
 */

import { base, queryText } from "./api.js";
import { h, icon, replace } from "./dom.js";

/** @import { Children } from "./dom.js" */
/** @import { Params } from "./api.js" */
/** @import { PageModule, Query } from "./types.js" */

/** Path patterns and their modules; the first that fits counts. A last `*` takes slashes too. */
export const ROUTES = [
  { pattern: "/", page: "jobs" },
  { pattern: "/jobs/{job}", page: "job" },
  { pattern: "/jobs/{job}/launch", page: "launchpad" },
  { pattern: "/runs", page: "runs" },
  { pattern: "/runs/compare", page: "compare" },
  { pattern: "/runs/{id}", page: "run" },
  { pattern: "/runs/{id}/steps/{key*}", page: "step" },
  { pattern: "/cluster", page: "cluster" },
  { pattern: "/cache", page: "cache" },
];

/** @typedef {{ page: string, params: Record<string, string> }} Match */
/** @typedef {{ label: string, path?: string }} Crumb */

/**
 * Return the page of a path below the base path, and the named parts of the path.
 * @param {string} path
 * @returns {Match | null}
 */
export function match(path) {
  const parts = path.split("/").filter((part) => part !== "");
  for (const { pattern, page } of ROUTES) {
    const params = fit(pattern.split("/").slice(1).filter(Boolean), parts);
    if (params) return { page, params };
  }
  return null;
}

/**
 * @param {string[]} pattern
 * @param {string[]} parts
 * @returns {Record<string, string> | null}
 */
function fit(pattern, parts) {
  /** @type {Record<string, string>} */
  const params = {};
  for (const [index, piece] of pattern.entries()) {
    if (piece.endsWith("*}")) {
      if (parts.length <= index) return null;
      params[piece.slice(1, -2)] = parts.slice(index).map(decoded).join("/");
      return params;
    }
    if (parts.length <= index) return null;
    if (piece.startsWith("{")) params[piece.slice(1, -1)] = decoded(parts[index]);
    else if (piece !== parts[index]) return null;
  }
  return parts.length === pattern.length ? params : null;
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/**
 * Return a part of a path; half a surrogate pair, which no address has, becomes another character.
 * @param {string} part
 */
function encoded(part) {
  return encodeURIComponent(String(part).replace(/\p{Surrogate}/gu, "\ufffd"));
}

/**
 * Return a path from its parts, each encoded: `path("runs", id, "steps", key)`.
 * @param {...string} parts
 * @returns {string}
 */
export function path(...parts) {
  return `/${parts.map(encoded).join("/")}`;
}

/**
 * Return the address of a page's path.
 * @param {string} to such as "/runs"
 * @param {Params} [query]
 * @returns {string}
 */
export function href(to, query = {}) {
  const text = queryText(query);
  return base() + to.replace(/^\/+/, "") + (text && `?${text}`);
}

/**
 * Return a link to a page.
 * @param {string} to
 * @param {...Children} children
 * @returns {HTMLAnchorElement}
 */
export function link(to, ...children) {
  return h("a", { href: href(to) }, ...children);
}

/**
 * Return a link to a run by the start of its id, in fixed width.
 * @param {string} id
 * @returns {HTMLAnchorElement}
 */
export function runLink(id) {
  return h("a", { class: "mono", href: href(path("runs", id)), title: id }, id.slice(0, 8));
}

/** Return the current path below the base path. */
export function here() {
  const root = base();
  const full = location.pathname;
  return full.startsWith(root) ? `/${full.slice(root.length)}` : full;
}

/** @type {AbortController | null} */
let current = null;
/** @type {(path: string) => void} */
let notFound = () => {};
/** @type {(error: unknown) => void} */
let failed = () => {};
/** @type {(page: string) => void} */
let opened = () => {};

/**
 * Show the page of the current address, and those of links from then on.
 * @param {{
 *   notFound: (path: string) => void,
 *   failed: (error: unknown) => void,
 *   opened: (page: string) => void,
 * }} views
 */
export function start(views) {
  ({ notFound, failed, opened } = views);
  addEventListener("popstate", () => void show());
  document.addEventListener("click", (event) => {
    const target = pageLink(event);
    if (!target) return;
    event.preventDefault();
    if (target.href !== location.href) history.pushState(null, "", target.href);
    void show({ isNew: true });
  });
  void show();
}

/**
 * Go to a path of the pages, such as "/runs".
 * @param {string} to with or without a query
 * @param {{ replace?: boolean }} [options]
 */
export function go(to, { replace: isReplaced = false } = {}) {
  const address = base() + to.replace(/^\/+/, "");
  if (isReplaced) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  void show({ isNew: true });
}

/** Show the current page once more, from the beginning. */
export function reload() {
  void show();
}

/**
 * Write a query into the address; the page stays as it is.
 * @param {Params} query
 */
export function setQuery(query) {
  history.replaceState(null, "", href(here(), query));
}

/**
 * Set the title of the page.
 * @param {string} text
 */
export function title(text) {
  document.title = text ? `${text} · rayexec` : "rayexec";
}

/**
 * Show the way to the page; the last entry is the page itself.
 * @param {Crumb[]} crumbs
 */
export function breadcrumb(crumbs) {
  const list = document.getElementById("breadcrumb");
  if (!list) return;
  const last = crumbs.length - 1;
  // The only entry would repeat the heading.
  if (list.parentElement) list.parentElement.hidden = last < 1;
  replace(
    list,
    crumbs.map(({ label, path: to }, index) =>
      h(
        "li",
        null,
        index > 0 && icon("right"),
        to && index !== last
          ? link(to, label)
          : h("span", { "aria-current": index === last ? "page" : null }, label),
      ),
    ),
  );
}

/** @type {Set<string>} */
const styles = new Set();

/**
 * Load a style sheet of a page once; resolves when it counts.
 * @param {string} name such as "run.css"
 * @returns {Promise<void>}
 */
export function style(name) {
  const address = `${base()}static/${name}`;
  // Those of the first page are in its head.
  if (styles.has(name) || document.querySelector(`link[rel="stylesheet"][href="${address}"]`)) {
    return Promise.resolve();
  }
  styles.add(name);
  return new Promise((resolve) => {
    const sheet = h("link", { rel: "stylesheet", href: address });
    sheet.addEventListener("load", () => resolve());
    sheet.addEventListener("error", () => resolve());
    document.head.append(sheet);
  });
}

/** @param {{ isNew?: boolean }} [options] */
async function show({ isNew = false } = {}) {
  current?.abort();
  const own = (current = new AbortController());
  const found = match(here());
  const root = document.getElementById("page");
  if (!root) return;
  breadcrumb([]);
  const page = h("div", { class: `page page-${found?.page ?? "none"}` });
  replace(root, page);
  if (!found) {
    opened("none");
    notFound(here());
    return;
  }
  opened(found.page);
  try {
    /** @type {PageModule} */
    const module = await import(`./${found.page}.js`);
    if (own.signal.aborted) return;
    /** @type {Query} */
    const query = Object.fromEntries(new URLSearchParams(location.search));
    await module.mount(page, { params: found.params, query, signal: own.signal });
  } catch (error) {
    if (!own.signal.aborted) failed(error);
  }
  if (isNew && !own.signal.aborted) {
    scrollTo(0, 0);
    if (!root.contains(document.activeElement)) root.focus({ preventScroll: true });
  }
}

/**
 * Return the link to a page that a click means; null for all other clicks.
 * @param {MouseEvent} event
 * @returns {HTMLAnchorElement | null}
 */
function pageLink(event) {
  if (event.defaultPrevented || event.button !== 0) return null;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null;
  const from = event.target instanceof Element ? event.target : null;
  const anchor = from?.closest("a[href]");
  if (!(anchor instanceof HTMLAnchorElement)) return null;
  if (anchor.target || anchor.hasAttribute("download")) return null;
  if (anchor.origin !== location.origin || !anchor.pathname.startsWith(base())) return null;
  const below = anchor.pathname.slice(base().length);
  if (below.startsWith("api/") || below.startsWith("static/")) return null;
  if (anchor.hash && anchor.pathname === location.pathname) return null;
  return anchor;
}
