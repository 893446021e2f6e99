"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const OUTCOMES = ["succeeded", "failed", "retried", "skipped"];
  const HEAD = 24, ROW = 20, BAR = 14, LABELS = 190, LEAST = 1e-6;

  const column = (name, type) => {
    const text = atob(data.attempts[name]);
    const bytes = new Uint8Array(text.length);
    for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
    return new type(bytes.buffer);
  };
  const step = column("step", Int32Array), attemptNumber = column("number", Int32Array), outcome = column("outcome", Uint8Array);
  const start = column("start", Float64Array), length = column("length", Float64Array);
  const batch = column("batch", Int32Array), size = column("size", Float64Array);
  // A worker row is [node, worker, first attempt, end]; its attempts are neighbours, in the order of their starts.
  const workerRows = data.workerRows;
  const onPath = new Set(data.path);

  const seconds = (value) => {
    if (value === null) return "unknown";
    if (value >= 3600) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
    if (value >= 60) return `${Math.floor(value / 60)} min ${(value % 60).toFixed(0)} s`;
    if (value >= 1) return `${value.toFixed(2)} s`;
    if (value >= 1e-3) return `${(value * 1e3).toFixed(value >= 0.1 ? 0 : 1)} ms`;
    return `${(value * 1e6).toFixed(0)} µs`;
  };
  const bytes = (value) => {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
    return `${unit && value < 100 ? value.toFixed(1) : value.toFixed(0)} ${units[unit]}`;
  };
  const workerRowOf = (attempt) => workerRows.findIndex((workerRow) => attempt >= workerRow[2] && attempt < workerRow[3]);
  const facts = (attempt) => {
    const lines = [];
    const [node, worker] = workerRows[workerRowOf(attempt)];
    lines.push(`${data.keys[step[attempt]]}`);
    const tries = attemptNumber[attempt] ? `, attempt ${attemptNumber[attempt] + 1}` : "";
    lines.push(`op ${data.ops[data.opOf[step[attempt]]]}${tries}: ${OUTCOMES[outcome[attempt]]}`);
    lines.push(`took ${seconds(length[attempt])}, from ${seconds(Math.max(0, start[attempt]))} on`);
    lines.push([node, worker].filter(Boolean).join(", "));
    const batchFacts = data.batches[batch[attempt]];
    if (batchFacts) {
      const [id, queued, loading, memory, inputs, calls] = batchFacts;
      if (id >= 0) lines.push(`batch ${id}, of ${calls} call${calls === 1 ? "" : "s"}`);
      if (queued !== null) lines.push(`queued ${seconds(queued)}`);
      if (loading) lines.push(`large inputs loaded in ${seconds(loading)}`);
      if (inputs >= 0) lines.push(`inputs of the batch ${bytes(inputs)}`);
      if (memory >= 0) lines.push(`peak memory of the process ${bytes(memory)}`);
    }
    if (size[attempt] >= 0) lines.push(`outputs ${bytes(size[attempt])}`);
    const wait = data.blocked[attempt];
    if (wait) lines.push(`waited ${seconds(wait[1])} for ${wait[0]}${wait[2] ? `, held by ${wait[2]}` : ""}`);
    if (onPath.has(attempt)) lines.push("on the critical path");
    return lines.join("\n");
  };

  // The chart.
  const chart = document.getElementById("chart"), canvas = chart.querySelector("canvas");
  const tip = document.getElementById("tip"), chosen = document.getElementById("chosen");
  const showPath = document.getElementById("show-path");
  const whole = [Math.min(0, data.first), Math.max(data.last, data.first + LEAST)];
  const rows = workerRows.length + (data.skipped.length ? 1 : 0);
  let from = whole[0], to = whole[1], wide = 0, picked = -1, isDue = false;
  const height = HEAD + rows * ROW + 6;
  const labels = () => Math.min(LABELS, wide * 0.3);
  const x = (time) => labels() + ((time - from) / (to - from)) * (wide - labels());
  const timeAt = (position) => from + ((position - labels()) / (wide - labels())) * (to - from);
  // Returns the last attempt of a worker row before a time, or its first.
  const firstFrom = (workerRow, time) => {
    let low = workerRow[2], high = workerRow[3];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (start[middle] < time) low = middle + 1; else high = middle;
    }
    return Math.max(workerRow[2], low - 1);
  };
  const colour = (style, name) => style.getPropertyValue(`--${name}`).trim();

  const draw = () => {
    isDue = false;
    const ratio = window.devicePixelRatio || 1, style = getComputedStyle(document.documentElement);
    wide = chart.clientWidth;
    canvas.width = wide * ratio;
    canvas.height = height * ratio;
    canvas.style.height = `${height}px`;
    const pen = canvas.getContext("2d");
    pen.scale(ratio, ratio);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const colours = OUTCOMES.map((name) => colour(style, name));
    const dim = colour(style, "dim"), line = colour(style, "line");
    drawAxis(pen, dim, line);
    let before = null;
    workerRows.forEach((workerRow, row) => {
      const top = HEAD + row * ROW;
      pen.fillStyle = dim;
      pen.fillText(workerRow[0] === before ? workerRow[1] : `${workerRow[0]} ${workerRow[1]}`.trim(), 6, top + ROW / 2, labels() - 12);
      if (workerRow[0] !== before) { pen.fillStyle = line; pen.fillRect(0, top, wide, 1); }
      before = workerRow[0];
    });
    if (data.skipped.length) {
      pen.fillStyle = dim;
      pen.fillText("skipped", 6, HEAD + workerRows.length * ROW + ROW / 2);
    }
    pen.save();
    pen.beginPath();
    pen.rect(labels(), 0, wide - labels(), height);
    pen.clip();
    workerRows.forEach((workerRow, row) => drawRow(pen, workerRow, HEAD + row * ROW + (ROW - BAR) / 2, colours));
    pen.fillStyle = colours[3];
    for (const [, moment] of data.skipped) {
      const left = x(moment);
      if (left >= labels() && left <= wide) pen.fillRect(left, HEAD + workerRows.length * ROW + (ROW - BAR) / 2, 2, BAR);
    }
    if (showPath.checked) drawPath(pen, colour(style, "path"));
    if (picked >= 0) {
      pen.strokeStyle = colour(style, "text");
      pen.lineWidth = 2;
      pen.strokeRect(x(start[picked]) - 1, topOf(picked) - 1, Math.max(2, widthOf(picked)) + 2, BAR + 2);
    }
    pen.restore();
  };
  const topOf = (attempt) => HEAD + workerRowOf(attempt) * ROW + (ROW - BAR) / 2;
  const widthOf = (attempt) => (length[attempt] / (to - from)) * (wide - labels());
  const drawAxis = (pen, dim, line) => {
    const rough = (to - from) / Math.max(2, (wide - labels()) / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const unit = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    for (let tick = Math.ceil(from / unit); tick * unit <= to; tick++) {
      const left = x(tick * unit);
      pen.fillStyle = line;
      pen.fillRect(left, HEAD - 4, 1, height - HEAD + 4);
      pen.fillStyle = dim;
      pen.fillText(tick ? (tick < 0 ? "−" : "") + shortly(Math.abs(tick * unit), unit) : "0", left + 3, HEAD / 2);
    }
  };
  const shortly = (value, unit) => {
    const [scale, name] = unit >= 1 ? [1, "s"] : unit >= 1e-3 ? [1e3, "ms"] : [1e6, "µs"];
    return `${(value * scale).toLocaleString("en", { maximumFractionDigits: 1 })} ${name}`;
  };
  const drawRow = (pen, workerRow, top, colours) => {
    // Attempts that share a pixel are drawn once for each outcome, so that a failure among them shows.
    const ends = [-1, -1, -1];
    const scale = (wide - labels()) / (to - from), left = labels();
    for (const kind of [0, 2, 1]) {
      pen.fillStyle = colours[kind];
      for (let attempt = firstFrom(workerRow, from); attempt < workerRow[3] && start[attempt] <= to; attempt++) {
        if (outcome[attempt] !== kind) continue;
        const begin = left + (start[attempt] - from) * scale, end = begin + Math.max(1, length[attempt] * scale);
        if (end - ends[kind] < 0.5) continue;
        pen.fillRect(begin, top, Math.max(kind ? 2 : 1, end - begin - (end - begin > 4 ? 1 : 0)), BAR);
        ends[kind] = end;
      }
    }
  };
  const drawPath = (pen, colour) => {
    pen.strokeStyle = pen.fillStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    let last = null;
    for (const attempt of data.path) {
      const y = topOf(attempt) + BAR + 1, left = x(start[attempt]), right = left + Math.max(1, widthOf(attempt));
      if (last) { pen.moveTo(...last); pen.lineTo(left, y); }
      pen.moveTo(left, y);
      pen.lineTo(right, y);
      last = [right, y];
    }
    pen.stroke();
  };
  const redraw = () => { if (!isDue) { isDue = true; requestAnimationFrame(draw); } };
  const view = (begin, end) => {
    const span = Math.min(Math.max(end - begin, LEAST), whole[1] - whole[0]);
    from = Math.min(Math.max(begin, whole[0]), whole[1] - span);
    to = from + span;
    redraw();
  };
  const zoom = (factor, around = (from + to) / 2) => view(around - (around - from) * factor, around + (to - around) * factor);
  const move = (share) => view(from + share * (to - from), to + share * (to - from));
  const ACTIONS = {
    in: () => zoom(0.5), out: () => zoom(2), left: () => move(-0.25), right: () => move(0.25), all: () => view(...whole),
  };
  const KEYS = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all" };
  document.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", ACTIONS[button.dataset.do]));
  chart.addEventListener("keydown", (event) => {
    const action = event.ctrlKey || event.metaKey ? undefined : ACTIONS[KEYS[event.key]];
    if (action) { event.preventDefault(); action(); }
  });
  const attemptAt = (event) => {
    const box = canvas.getBoundingClientRect();
    const workerRow = workerRows[Math.floor((event.clientY - box.top - HEAD) / ROW)];
    if (!workerRow || event.clientX - box.left < labels()) return -1;
    const time = timeAt(event.clientX - box.left), slack = (2 * (to - from)) / (wide - labels());
    let nearest = -1, best = slack;
    for (let attempt = firstFrom(workerRow, time - slack); attempt < workerRow[3] && start[attempt] <= time + slack; attempt++) {
      const away = Math.max(start[attempt] - time, time - start[attempt] - length[attempt], 0);
      if (away <= best) { nearest = attempt; best = away; }
    }
    return nearest;
  };
  let drag = null;
  chart.addEventListener("pointerdown", (event) => { drag = { at: event.clientX, from, to, moved: false }; });
  window.addEventListener("pointerup", (event) => {
    const was = drag;
    drag = null;
    if (was && !was.moved && chart.contains(event.target)) pick(attemptAt(event));
  });
  window.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const away = event.clientX - drag.at;
    if (Math.abs(away) > 3) drag.moved = true;
    const time = (away / (wide - labels())) * (drag.to - drag.from);
    if (drag.moved) view(drag.from - time, drag.to - time);
  });
  chart.addEventListener("pointermove", (event) => {
    const attempt = drag ? -1 : attemptAt(event);
    tip.hidden = attempt < 0;
    if (attempt < 0) return;
    tip.textContent = facts(attempt);
    const right = event.clientX + 16 + tip.offsetWidth > window.innerWidth;
    tip.style.left = `${right ? Math.max(0, event.clientX - 12 - tip.offsetWidth) : event.clientX + 14}px`;
    tip.style.top = `${Math.max(0, Math.min(event.clientY + 14, window.innerHeight - tip.offsetHeight - 4))}px`;
  });
  chart.addEventListener("pointerleave", () => { tip.hidden = true; });
  chart.addEventListener("wheel", (event) => {
    const box = canvas.getBoundingClientRect();
    if (event.ctrlKey || event.metaKey) zoom(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event.clientX - box.left));
    else if (event.shiftKey) move((event.deltaY || event.deltaX) / 1000);
    else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) move(event.deltaX / 1000);
    else return;
    event.preventDefault();
  }, { passive: false });
  showPath.addEventListener("change", redraw);
  window.addEventListener("resize", redraw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // The logs.
  const STEPWISE = 300;
  const ofStep = document.getElementById("of-step"), ofText = document.getElementById("of-text");
  const ofKind = document.getElementById("of-kind"), lines = document.getElementById("lines");
  const more = document.getElementById("more"), count = document.getElementById("count");
  const keyOf = (line) => (line[1] < 0 ? "" : data.keys[line[1]]);
  let matches = [], shown = 0;
  for (const kind of new Set(data.logs.map((line) => line[2]))) ofKind.add(new Option(kind, kind));
  const cell = (name, text) => {
    const made = document.createElement("span");
    made.className = name;
    made.textContent = text;
    return made;
  };
  const show = () => {
    for (const line of matches.slice(shown, shown + STEPWISE)) {
      const item = document.createElement("li");
      if (["ERROR", "CRITICAL", "failure"].includes(line[2])) item.className = "grave";
      item.append(cell("at", `${line[0].toFixed(6)} s`), cell("step", keyOf(line)), cell("kind", line[2]), cell("text", line[3]));
      lines.append(item);
    }
    shown = Math.min(matches.length, shown + STEPWISE);
    more.hidden = shown >= matches.length;
  };
  const search = () => {
    const key = ofStep.value.trim().toLowerCase(), text = ofText.value.toLowerCase(), kind = ofKind.value;
    matches = data.logs.filter((line) => (!kind || line[2] === kind)
      && (!key || keyOf(line).toLowerCase().includes(key)) && (!text || line[3].toLowerCase().includes(text)));
    count.textContent = `${matches.length.toLocaleString("en")} of ${data.logs.length.toLocaleString("en")}`;
    lines.replaceChildren();
    shown = 0;
    show();
  };
  let later = 0;
  const soon = () => { clearTimeout(later); later = setTimeout(search, 120); };
  const pick = (attempt) => {
    picked = attempt;
    chosen.textContent = attempt < 0 ? "" : facts(attempt);
    ofStep.value = attempt < 0 ? "" : data.keys[step[attempt]];
    search();
    redraw();
  };
  ofStep.addEventListener("input", soon);
  ofText.addEventListener("input", soon);
  ofKind.addEventListener("change", search);
  more.addEventListener("click", show);
  document.getElementById("search").addEventListener("submit", (event) => event.preventDefault());
  search();
  draw();
})();
