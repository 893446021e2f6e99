/**
 * The frame of all pages: header, connection state, keys, and views of what is wrong.
 */

import { jobs } from "./api.js";
import { h, icon, replace, s } from "./dom.js";
import { bind, listed } from "./keys.js";
import { connection, watch } from "./live.js";
import { errorView } from "./parts.js";
import { breadcrumb, go, here, href, link, path, reload, start, title } from "./router.js";
import { themeButton } from "./theme.js";
import { clock } from "./format.js";

/** @import { ConnectionState } from "./live.js" */

const always = new AbortController().signal;
/** @type {Record<string, string[]>} Pages below each entry of the header. */
const SECTIONS = {
  jobs: ["jobs", "job", "launchpad"],
  runs: ["runs", "run", "step", "compare"],
  cluster: ["cluster"],
  cache: ["cache"],
};
/** @type {Record<ConnectionState, string>} */
const CONNECTION_WORDS = {
  connecting: "connecting",
  live: "live",
  reconnecting: "reconnecting",
  polling: "polling",
};

function header() {
  /** @param {string} section @param {string} to @param {string} label */
  const entry = (section, to, label) => {
    const anchor = link(to, label);
    anchor.dataset.section = section;
    return h("li", null, anchor);
  };
  const bar = h(
    "div",
    { class: "header-inner" },
    h("a", { class: "brand", href: href("/") },
      mark(), "rayexec"),
    h(
      "nav",
      { "aria-label": "Pages" },
      h(
        "ul",
        { class: "nav" },
        entry("jobs", "/", "Jobs"),
        entry("runs", "/runs", "Runs"),
        entry("cluster", "/cluster", "Cluster"),
        entry("cache", "/cache", "Cache"),
      ),
    ),
    h("div", { class: "header-space" }),
    jobSwitcher(),
    h(
      "button",
      { class: "button search-button", type: "button", onclick: search,
        "aria-label": "Search jobs, runs and pages", "aria-keyshortcuts": "/" },
      icon("search"),
      h("span", { class: "search-word" }, "Search"),
      h("kbd", null, "/"),
    ),
    connectionState(),
    themeButton(),
  );
  replace(/** @type {HTMLElement} */ (document.getElementById("header")), bar);
}

/** Return the mark of rayexec, as favicon.svg has it. */
function mark() {
  return s("svg", { class: "brand-mark", viewBox: "0 0 32 32", "aria-hidden": "true" },
    s("rect", { width: 32, height: 32, rx: 7, fill: "#3450c4" }),
    s("path", { d: "M7 10h11M7 16h18M7 22h8", stroke: "#fff", "stroke-width": 3.6,
      "stroke-linecap": "round" }),
    s("circle", { cx: 24, cy: 10, r: 2.2, fill: "#ffd27a" }),
    s("circle", { cx: 21, cy: 22, r: 2.2, fill: "#8ee3b1" }));
}

/** Return a choice of jobs that goes to the chosen one; hidden where there is none. */
function jobSwitcher() {
  const choice = h("select", { class: "select job-switcher", "aria-label": "Go to job" });
  choice.hidden = true;
  choice.addEventListener("change", () => {
    if (choice.value) go(path("jobs", choice.value));
    choice.value = "";
  });
  let version = -1;
  const fill = async () => {
    const answer = await jobs({ isFresh: version >= 0 });
    version = answer.version;
    choice.hidden = answer.jobs.length < 2;
    replace(
      choice,
      h("option", { value: "" }, "Go to job…"),
      answer.jobs.map(({ name }) => h("option", { value: name }, name)),
    );
  };
  const refill = () => fill().catch(() => {});
  watch("jobs", {
    // The first message may tell of the version that is here already.
    onMessage: ({ data }) => version >= 0 && data.version !== version && void refill(),
  }, always);
  void refill();
  return choice;
}

function connectionState() {
  const word = h("span", { class: "connection-word" });
  const box = h("span", { class: "connection", role: "status" },
    h("span", { class: "connection-dot", "aria-hidden": "true" }), word);
  const show = () => {
    const { state, asOf } = connection;
    box.dataset.state = state;
    const isOld = state === "reconnecting" && Date.now() / 1000 - asOf > 5;
    word.textContent = isOld ? `as of ${clock(asOf)}` : CONNECTION_WORDS[state];
    box.title = {
      live: "Changes come as they happen.",
      connecting: "The live channel is not open yet.",
      reconnecting: "The live channel is interrupted; what you see may be old.",
      polling: "No live channel passes here; the page asks each second.",
    }[state];
  };
  connection.addEventListener("change", show);
  setInterval(show, 5_000);
  show();
  return box;
}

async function search() {
  const { openPalette } = await import("./palette.js");
  openPalette();
}

async function help() {
  const { open } = await import("./dialog.js");
  open(
    "Keys",
    h(
      "dl",
      { class: "keys" },
      listed().map(({ keys, description }) => [
        h("dt", null, keys.split(" ").map((key) => h("kbd", null, keyWord(key)))),
        h("dd", null, description),
      ]).flat(),
    ),
    { class: "keys-dialog" },
  );
}

/** @param {string} key */
function keyWord(key) {
  const arrows = { ArrowUp: "↑", ArrowDown: "↓", ArrowLeft: "←", ArrowRight: "→" };
  const isMac = /Mac|iPhone/.test(navigator.userAgent);
  return key
    .replace("Mod+", isMac ? "⌘ " : "Ctrl ")
    .replace(/Arrow\w+/, (arrow) => arrows[/** @type {keyof typeof arrows} */ (arrow)] ?? arrow);
}

/** @param {string} page */
function opened(page) {
  for (const anchor of document.querySelectorAll("[data-section]")) {
    const section = /** @type {HTMLElement} */ (anchor).dataset.section ?? "";
    if (SECTIONS[section]?.includes(page)) anchor.setAttribute("aria-current", "true");
    else anchor.removeAttribute("aria-current");
  }
}

/** @param {string} missing */
function notFound(missing) {
  title("Not here");
  breadcrumb([{ label: "Jobs", path: "/" }, { label: "Not here" }]);
  show(
    h(
      "div",
      { class: "empty" },
      icon("question"),
      h("h1", { class: "empty-title" }, "There is no page here"),
      h("p", { class: "muted" }, "No page has the path ", h("code", null, missing), "."),
      h("div", { class: "empty-actions" }, link("/", "Jobs"), link("/runs", "Runs")),
    ),
  );
}

/** @param {unknown} error */
function failed(error) {
  if (!(error instanceof Error) || error.name !== "ApiError") console.error(error);
  title("Error");
  breadcrumb([{ label: here() }]);
  show(h("div", null, h("h1", { class: "hidden" }, "Error"), errorView(error, reload)));
}

/** @param {HTMLElement} view */
function show(view) {
  const page = document.querySelector("#page > .page");
  if (page) replace(page, view);
}

bind("g j", "Go to jobs", () => go("/"));
bind("g r", "Go to runs", () => go("/runs"));
bind("g c", "Go to cluster", () => go("/cluster"));
bind("g h", "Go to cache", () => go("/cache"));
bind("/", "Search", () => void search());
bind("?", "Show these keys", () => void help());
header();
start({ notFound, failed, opened });
