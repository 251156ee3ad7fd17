// Draws the time chart again as one that can be read point by point and zoomed. Its data is the table below the chart,
// its x axis the points' numbers: the labels come from the server, in the reader's zone.

import uPlot from "uplot";

const HEIGHT = 268;
const AXIS_PX = 40;
const LABEL_PX = 84;
const DRAG_PX = 12;
const ROUND_STEPS = { hour: [1, 2, 3, 6, 12, 24, 48, 72, 168], "15min": [1, 2, 4, 8, 12, 24, 48, 96] };

export function drawCharts() {
  for (const host of document.querySelectorAll("[data-chart]")) {
    const panel = host.closest("section");
    const rows = [...panel.querySelectorAll("[data-chart-points] tbody tr")];
    if (rows.length > 1) draw(host, panel, rows);
  }
}

function draw(host, panel, rows) {
  const points = rows.map((row) => ({
    at: row.dataset.at,
    label: row.cells[0].textContent,
    scans: Number(row.cells[1].firstElementChild.value),
    visitors: Number(row.cells[2].firstElementChild.value),
  }));
  const changes = [...panel.querySelectorAll("[data-chart-changes] li")].map((item) => ({
    index: Number(item.dataset.index),
    number: item.dataset.number,
    text: item.dataset.text,
  }));
  const short = shortLabels(host, points);
  const data = [points.map((_, index) => index), points.map((p) => p.scans), points.map((p) => p.visitors)];

  const drawn = document.createElement("div");
  drawn.className = "chart-drawn";
  drawn.tabIndex = 0;
  drawn.setAttribute("role", "group");
  drawn.setAttribute("aria-roledescription", "chart");
  drawn.setAttribute("aria-label", "Scans and visitors over time. Arrow keys read point by point.");
  const tip = document.createElement("div");
  tip.className = "chart-tip";
  tip.setAttribute("role", "status");
  tip.hidden = true;
  const fallback = [...host.children];

  const make = () => {
    const chart = new uPlot(options(drawn, short, host.dataset.interval, changes), data, drawn);
    chart.hooks.setCursor = [() => showTip(chart, tip, points, changes)];
    chart.hooks.setSelect = [() => zoom(chart, host, points)];
    return chart;
  };

  host.append(drawn, tip);
  for (const node of fallback) node.setAttribute("hidden", "");
  let chart = make();
  panel.querySelector("[data-zoom-hint]").hidden = false;

  drawn.addEventListener("keydown", (event) => moveByKey(event, chart, points.length));
  drawn.addEventListener("blur", () => chart.setCursor({ left: -10, top: -10 }));
  new ResizeObserver(() => chart.setSize({ width: drawn.clientWidth, height: HEIGHT })).observe(drawn);
  document.addEventListener("waymark:colours", () => {
    chart.destroy();
    chart = make();
  });
}

function options(drawn, short, interval, changes) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const font = `12px ${style.fontFamily}`;
  return {
    width: drawn.clientWidth,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 8 }, drag: { x: true, y: false, setScale: false, dist: DRAG_PX } },
    scales: { x: { time: false }, y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.06] } },
    axes: [
      {
        stroke: colour("muted"),
        font,
        size: 28,
        grid: { show: false },
        ticks: { show: false },
        splits: (u) => labelPlaces(u, short, interval),
        values: (_, places) => places.map((index) => short[index]),
      },
      {
        stroke: colour("muted"),
        font,
        size: AXIS_PX,
        gap: 4,
        grid: { stroke: colour("line"), width: 1 },
        ticks: { show: false },
        space: 48,
        incrs: [1, 2, 5].flatMap((f) => Array.from({ length: 10 }, (_, p) => f * 10 ** p)).sort((a, b) => a - b),
        values: (_, places) => places.map((value) => compact.format(value)),
      },
    ],
    series: [
      {},
      { stroke: colour("accent"), width: 2, fill: colour("tint"), points: { show: false } },
      { stroke: colour("blaze-mark"), width: 1.6, dash: [5, 4], points: { show: false } },
    ],
    hooks: { draw: [(u) => drawChanges(u, changes, colour)] },
  };
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** Short axis labels: the hour for hours (the day at midnight), else the label without its weekday and year. */
function shortLabels(host, points) {
  const hours = host.dataset.interval in ROUND_STEPS;
  return points.map(({ label }) => {
    const [date, time] = label.split(", ");
    if (hours && time !== "00:00") return time;
    return /^\D{3} \d{4}$/.test(date) ? date : date.replace(/^(Week of )?\D{3} /, "").replace(/ \d{4}$/, "");
  });
}

/** As many labels as fit; within days on round hours that include midnight, which is the label with a date. */
function labelPlaces(chart, short, interval) {
  const room = Math.max(2, Math.floor(chart.bbox.width / devicePixelRatio / LABEL_PX));
  const rough = Math.ceil(short.length / room);
  const step = (ROUND_STEPS[interval] ?? []).find((round) => round >= rough) ?? rough;
  const midnight = ROUND_STEPS[interval] ? short.findIndex((label) => !label.includes(":")) : 0;
  const places = [];
  for (let index = Math.max(midnight, 0) % step; index < short.length; index += step) places.push(index);
  return places;
}

/** A dashed line with a way mark on top where a new version came into force. */
function drawChanges(chart, changes, colour) {
  const { ctx, bbox } = chart;
  const half = 6 * devicePixelRatio;
  ctx.save();
  for (const { index, number } of changes) {
    const x = chart.valToPos(index, "x", true);
    ctx.strokeStyle = colour("muted");
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([2 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.strokeStyle = colour("ink");
    ctx.fillStyle = colour("surface");
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top - half);
    ctx.lineTo(x + half, bbox.top);
    ctx.lineTo(x, bbox.top + half);
    ctx.lineTo(x - half, bbox.top);
    ctx.closePath();
    ctx.fill();
    ctx.stroke();
    drawNumber(ctx, number, x, bbox, colour);
  }
  ctx.restore();
}

/** Beside the way mark; on its left at the right edge. */
function drawNumber(ctx, number, x, bbox, colour) {
  const gap = 9 * devicePixelRatio;
  const atEdge = x + 3 * gap > bbox.left + bbox.width;
  ctx.font = `600 ${11 * devicePixelRatio}px ${getComputedStyle(document.documentElement).fontFamily}`;
  ctx.fillStyle = colour("muted");
  ctx.textBaseline = "middle";
  ctx.textAlign = atEdge ? "right" : "left";
  ctx.fillText(number, atEdge ? x - gap : x + gap, bbox.top);
}

function showTip(chart, tip, points, changes) {
  const index = chart.cursor.idx;
  const point = chart.cursor.left >= 0 && index != null ? points[index] : undefined;
  tip.hidden = !point;
  if (!point) return;
  const lines = [
    `${point.scans.toLocaleString("en")} scans`,
    `${point.visitors.toLocaleString("en")} visitors`,
    ...changes.filter((change) => change.index === index).map((change) => `New: ${change.text}`),
  ];
  const title = document.createElement("strong");
  title.textContent = point.label;
  tip.replaceChildren(title, ...lines.map((line) => Object.assign(document.createElement("span"), { textContent: line })));
  const x = chart.valToPos(index, "x") + AXIS_PX;
  const onRight = x > chart.width / 2;
  tip.style.left = onRight ? "auto" : `${x + 14}px`;
  tip.style.right = onRight ? `${chart.width - x + 14}px` : "auto";
}

/** A stretch of at least two points becomes the page's range; the server answers with finer points. */
function zoom(chart, host, points) {
  const { left, width } = chart.select;
  if (width < DRAG_PX) return;
  const first = Math.max(0, chart.posToIdx(left));
  const last = Math.min(points.length - 1, chart.posToIdx(left + width));
  if (last <= first) return;
  const address = new URL(host.dataset.zoom, location.href);
  const days = host.dataset.interval === "day";
  const end = days || !points[last + 1] ? points[last].at : points[last + 1].at;
  address.searchParams.set("from", points[first].at.slice(0, days ? 10 : 16));
  address.searchParams.set("to", end.slice(0, days || !points[last + 1] ? 10 : 16));
  location.assign(address);
}

function moveByKey(event, chart, count) {
  const now = chart.cursor.left >= 0 ? chart.cursor.idx : null;
  const moves = { ArrowLeft: (now ?? count) - 1, ArrowRight: (now ?? -1) + 1, Home: 0, End: count - 1, Escape: null };
  if (!(event.key in moves)) return;
  event.preventDefault();
  const index = moves[event.key];
  if (index === null) chart.setCursor({ left: -10, top: -10 });
  else if (index >= 0 && index < count) chart.setCursor({ left: chart.valToPos(index, "x"), top: 20 });
}
