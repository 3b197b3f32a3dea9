// SPDX-License-Identifier: MIT
// Draws the report from the data that stand in the page. Nothing is fetched.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
const charts = [];
// Told apart in both schemes, and by eyes that see red and green alike.
const COLORS = ["#4e9bd8", "#e69f00", "#2fa884", "#cc79a7", "#d8603a", "#8f83d8", "#b0a31e", "#7f8c99", "#58c4c4", "#a0785a", "#e377c2", "#6b8e23"];
const named = new Map();
// What bears the same name has the same colour in every plot.
function colorOf(name) {
  if (!named.has(name)) named.set(name, COLORS[named.size % COLORS.length]);
  return named.get(name);
}
const SOFTER = (color) => color + "66";

function size(kb) {
  return kb < 1024 ? kb + " KiB" : kb < 1048576 ? (kb / 1024).toFixed(1) + " MiB" : (kb / 1048576).toFixed(2) + " GiB";
}

function element(name, text, className) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (className) e.className = className;
  return e;
}

// Steps of 1, 2 or 5 of a unit that people count in, at most eight of them.
function step(most) {
  const unit = most < 2048 ? 1 : most < 2097152 ? 1024 : 1048576;
  for (let ten = 1; ; ten *= 10)
    for (const n of [1, 2, 5]) if (most / (n * ten * unit) <= 8) return n * ten * unit;
}

function section(title, note, wide) {
  const s = element("section", undefined, wide ? "wide" : "");
  s.append(element("h2", title));
  if (note) s.append(element("p", note, "note"));
  document.getElementById("main").append(s);
  return s;
}

function style(options) {
  const css = getComputedStyle(document.documentElement);
  const text = css.getPropertyValue("--text").trim(), line = css.getPropertyValue("--line").trim();
  for (const axis of Object.values(options.scales)) {
    axis.ticks = { ...axis.ticks, color: text };
    axis.grid = { ...axis.grid, color: line };
    if (axis.title) axis.title.color = text;
  }
  options.plugins.legend.labels = { color: text, boxWidth: 14 };
  return options;
}

function most(datasets, stacked) {
  const value = (v) => typeof v === "number" ? v : v.y;
  if (!stacked) return Math.max(1, ...datasets.flatMap((d) => d.data.map(value)));
  return Math.max(1, ...datasets[0].data.map((_, i) => datasets.reduce((sum, d) => sum + value(d.data[i]), 0)));
}

function plot(parent, id, type, labels, datasets, options) {
  const box = element("div", undefined, "plot" + (options.tall ? " tall" : ""));
  const canvas = element("canvas");
  canvas.id = id;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", parent.querySelector("h2").textContent);
  box.append(canvas);
  parent.append(box);
  const stacked = Boolean(options.stacked), horizontal = Boolean(options.horizontal);
  const value = { beginAtZero: true, stacked, ticks: { callback: options.format, stepSize: options.format === size ? step(most(datasets, stacked)) : undefined }, title: { display: Boolean(options.unit), text: options.unit } };
  const label = { stacked, ticks: { maxRotation: 0, autoSkip: !horizontal, autoSkipPadding: 12, maxTicksLimit: horizontal ? 99 : 10 },
                  title: { display: !horizontal, text: "ms since the start" } };
  if (type === "line") Object.assign(label, { type: "linear", min: 0 });
  const config = {
    type,
    data: { labels, datasets },
    options: style({
      animation: false, responsive: true, maintainAspectRatio: false, indexAxis: horizontal ? "y" : "x",
      interaction: { mode: "index", intersect: false, axis: horizontal ? "y" : "x" },
      scales: horizontal ? { x: value, y: label } : { x: label, y: value },
      plugins: { legend: { position: "bottom" },
                 tooltip: { callbacks: { label: (c) => ` ${c.dataset.label}: ${options.format(horizontal ? c.parsed.x : c.parsed.y)}` } } },
    }),
  };
  charts.push(new Chart(canvas, config));
}

function lines(names, rows, columns) {
  return names.map((name, i) => ({ label: name, data: rows.map((r) => ({ x: r[0], y: r[columns[i]] })), borderColor: COLORS[i], backgroundColor: SOFTER(COLORS[i]),
                                   borderWidth: 2, pointRadius: 0, tension: 0 }));
}

function bars(series) {
  return Object.entries(series).map(([name, values]) => ({ label: name, data: values, backgroundColor: colorOf(name) }));
}

function table(parent, columns, rows, formats = {}) {
  const scroll = element("div", undefined, "scroll");
  const t = element("table"), head = element("tr");
  columns.forEach((c, i) => head.append(element("th", c, rows.length && typeof rows[0][i] === "number" ? "number" : "")));
  const thead = element("thead"), body = element("tbody");
  thead.append(head);
  for (const row of rows) {
    const tr = element("tr");
    row.forEach((cell, i) => tr.append(element("td", formats[i] ? formats[i](cell) : typeof cell === "number" ? cell.toLocaleString("en") : cell, typeof cell === "number" ? "number" : "")));
    body.append(tr);
  }
  t.replaceChildren(thead, body);
  scroll.append(t);
  parent.append(scroll);
}

const whole = (n) => Number(n).toLocaleString("en");

document.getElementById("command").textContent = data.command;
document.getElementById("headline").textContent = data.headline;
document.getElementById("facts").textContent = data.facts;
if (data.lost) {
  document.querySelector("header").append(element("p", `${whole(data.lost)} records were lost: what is counted below is too small. A larger --ring loses less.`, "warn"));
}
if (data.fit) {
  const s = section("How little would do", data.fit.note, true);
  table(s, ["Limit", "Page faults", "against no limit", "from disk or swap", "Time (s)", "Ended"], data.fit.rows, { 0: (v) => typeof v === "number" ? size(v) : v });
}

let s = section("Memory over time", "The program with all that it started; cache and free are the machine's.", true);
plot(s, "memory", "line", undefined, lines(["resident", "in swap", "cache", "free"], data.samples, [1, 2, 3, 4]), { format: size, tall: true });

s = section("Page faults over time", `${whole(data.nrFaults)} faults, ${whole(data.nrMajor)} of them waited for a disk; all together took ${data.faultMs.toFixed(1)} ms.`);
plot(s, "faults", "bar", data.faults.ms.map((t) => t.toFixed(0)), bars(data.faults.series), { stacked: true, format: whole, unit: `faults in ${data.faults.step} ms` });

s = section("Page faults by region", "Where the touched addresses lay, and what the kernel did.");
const causes = [...new Set(data.regions.flatMap(([, c]) => Object.keys(c)))];
plot(s, "regions", "bar", data.regions.map(([label]) => label.length > 28 ? label.slice(0, 27) + "…" : label),
     bars(Object.fromEntries(causes.map((c) => [c, data.regions.map(([, by]) => by[c] || 0)]))), { stacked: true, horizontal: true, format: whole, tall: true });

s = section("Page-table memory", "What translating the addresses costs. All: every process of the machine.");
plot(s, "tables", "line", undefined, lines(["the program's", "all"], data.samples, [5, 6]), { format: size });

if (data.workingSet.length) {
  s = section("What is in use", "Pages that were touched since the look before (accessed bits): the working set.");
  plot(s, "working", "line", undefined, lines(["used"], data.workingSet, [1]), { format: size });

  s = section("Hottest and coldest regions", "Means over all looks. Used: touched since the look before; the rest lay idle.");
  const rows = data.heat, shown = rows.length > 16 ? [...rows.slice(0, 8), ...rows.slice(-8)] : rows;
  plot(s, "heat", "bar", shown.map((r) => r[0].length > 28 ? r[0].slice(0, 27) + "…" : r[0]),
       bars({ used: shown.map((r) => r[2]), idle: shown.map((r) => Math.max(0, r[1] - r[2])), "in swap": shown.map((r) => r[3]) }),
       { stacked: true, horizontal: true, format: size, tall: true });
}

if (data.nrRounds) {
  s = section("Reclaim", `${whole(data.nrRounds)} rounds took ${data.reclaimMs.toFixed(1)} ms. Each with its cause` +
              (data.nrRounds > data.rounds.length ? `; the first ${whole(data.rounds.length)} are shown.` : "."), true);
  plot(s, "reclaim", "bar", data.reclaimed.ms.map((t) => t.toFixed(0)), bars(data.reclaimed.series), { stacked: true, format: whole, unit: `pages in ${data.reclaimed.step} ms` });
  table(s, ["ms", "who", "cause", "wanted (pages)", "freed (pages)", "cost (ms)"], data.rounds);
  s = section("What was chosen, and what became of it", "A victim that is dirty, busy or in use again stays.");
  table(s, ["pages of", "outcome", "pages"], data.evicted);
}

for (const kill of data.kills) {
  s = section(`Killed: ${kill.name} (${kill.pid})`, `After ${kill.ms} ms memory was used up, when ${kill.by} asked for some. It held ${size(kill.kb)} and had the most points:`);
  table(s, ["pid", "name", "points", "memory", "oom_score_adj"], kill.candidates, { 0: String, 3: size });
}

if (data.files.length) {
  s = section("Files", "What went between disk and cache" + (data.nrFiles > data.files.length ? `; the ${data.files.length} with most.` : "."));
  table(s, ["file", "read", "dirtied", "written", "evicted"], data.files, { 1: size, 2: size, 3: size, 4: size });
}

s = section("The record", "Events of each kind. ./quire trace prints them one by one.");
table(s, ["event", "how many"], Object.entries(data.counts).sort((a, b) => b[1] - a[1]));

dark.addEventListener("change", () => charts.forEach((c) => { style(c.options); c.update(); }));
