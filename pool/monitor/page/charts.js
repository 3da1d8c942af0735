// What is drawn: small curves, bars, the lanes of the workers, and the two large charts. Nothing here knows where figures come from.
"use strict";
const charts = (() => {
  const ns = "http://www.w3.org/2000/svg";
  const svg = (tag, attributes = {}, ...children) => {
    const e = document.createElementNS(ns, tag);
    for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
    e.append(...children);
    return e;
  };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const narrow = () => window.innerWidth < 620;
  const hint = (text) => { const t = svg("title"); t.textContent = text; return t; };

  // A curve without axes. Where a value is null there is none.
  const spark = (values) => {
    const known = values.filter((v) => v !== null), most = Math.max(...known, 1e-12);
    const root = svg("svg", { class: "spark", viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" });
    if (known.length < 2) return root;
    const x = (i) => 100 * i / (values.length - 1), y = (v) => 26 - 24 * v / most;
    let run = [];
    const flush = () => {
      if (run.length > 1) {
        const line = run.map(([i, v]) => `${x(i).toFixed(2)},${y(v).toFixed(2)}`).join(" ");
        root.append(svg("polygon", { points: `${x(run[0][0])},28 ${line} ${x(run.at(-1)[0])},28` }), svg("polyline", { points: line }));
      }
      run = [];
    };
    values.forEach((v, i) => { if (v === null) flush(); else run.push([i, v]); });
    flush();
    return root;
  };

  // One bar of parts: [class, share, text].
  const bar = (parts, label) => {
    const root = svg("svg", { class: "bar", viewBox: "0 0 1000 20", preserveAspectRatio: "none", ...(label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" }) });
    let x = 0;
    for (const [name, share, text] of parts) {
      if (share <= 0) continue;
      root.append(svg("rect", { class: "fill-" + name, x: 1000 * x, y: 0, width: 1000 * share, height: 20 }, hint(text)));
      x += share;
    }
    return root;
  };

  // A lane for each worker, from a time to another in ms: {label, spans: [{from, to, class, text}]}.
  const lanes = (place, rows, from, to, ago) => {
    const width = Math.max(240, place.clientWidth), left = narrow() ? 46 : 62, high = rows.length > 12 ? 16 : 24, gap = 5, room = width - left - 4;
    const bottom = rows.length * (high + gap);
    const root = svg("svg", { class: "lanes", width, height: bottom + 22, role: "img", "aria-label": `What ${rows.length} workers did in the last ${ago(to - from)}` });
    const x = (t) => left + room * Math.min(1, Math.max(0, (t - from) / (to - from)));
    const ticks = narrow() ? 3 : 6;
    for (let i = 0; i <= ticks; i++) {
      const at = left + room * i / ticks, text = svg("text", { x: at, y: bottom + 16, "text-anchor": i === 0 ? "start" : i === ticks ? "end" : "middle" });
      text.textContent = i === ticks ? "now" : "−" + ago((to - from) * (1 - i / ticks));
      root.append(svg("line", { class: "grid", x1: at, x2: at, y1: 0, y2: bottom }), text);
    }
    rows.forEach((row, i) => {
      const y = i * (high + gap), text = svg("text", { x: 0, y: y + high / 2 + 4 });
      text.textContent = row.label;
      root.append(text, svg("rect", { class: "lane", x: left, y, width: room, height: high, rx: 3 }));
      for (const s of row.spans) {
        if (s.to < from) continue;
        root.append(svg("rect", { class: s.class, x: x(s.from), y, width: Math.max(1, x(s.to) - x(s.from)), height: high, rx: 2 }, hint(s.text)));
      }
    });
    place.replaceChildren(root);
  };

  // A point whose neighbours are both missing is no line: it gets a dot.
  const dotted = (values) => values.map((v, i) => {
    const there = (at) => values[at] !== undefined && values[at][1] !== null;
    return { value: v, symbol: v[1] !== null && !there(i - 1) && !there(i + 1) ? "circle" : "none" };
  });

  // The times that are labelled: full ones, few enough that their labels do not touch.
  const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400].map((s) => 1000 * s);
  const labelled = (from, to, most) => {
    const step = steps.find((s) => (to - from) / s <= most) || (to - from) / most, all = [];
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) all.push(t);
    return all;
  };

  // A chart over time with a line for each of lines: {name, colour, fill, values: [[time, value or null]]}. Its tooltip is drawn and not written as HTML: whatever a
  // name contains stays text.
  const shown = new Map();
  const time = (id, lines, format, log) => {
    const place = document.getElementById(id);
    if (!shown.has(id)) shown.set(id, echarts.init(place));
    const times = lines[0].values.map((v) => v[0]), room = Math.max(2, Math.floor(place.clientWidth / 110));
    const labels = labelled(times[0], times.at(-1), room);
    const axis = (more) => ({ axisLine: { lineStyle: { color: css("line") } }, axisTick: { show: false }, splitLine: { lineStyle: { color: css("grid") } }, ...more });
    shown.get(id).setOption({
      animation: false, textStyle: { fontFamily: "system-ui, sans-serif" },
      grid: { left: 4, right: 14, top: 30, bottom: 4, containLabel: true },
      legend: { data: lines.map((l) => l.name), top: 0, left: 0, itemWidth: 14, itemHeight: 8, icon: "roundRect", textStyle: { color: css("ink"), fontSize: narrow() ? 11 : 12 } },
      tooltip: {
        trigger: "axis", confine: true, renderMode: "richText", backgroundColor: css("card"), borderColor: css("line"), textStyle: { color: css("ink"), fontSize: 12 },
        valueFormatter: (v) => v === null || v === undefined ? "–" : format(v),
      },
      xAxis: axis({ type: "time", splitLine: { show: false }, axisLabel: { color: css("soft"), hideOverlap: true, customValues: labels, formatter: (t) => new Date(t).toLocaleTimeString([], { hour12: false }) } }),
      yAxis: axis({ type: log ? "log" : "value", min: log ? undefined : 0, axisLabel: { color: css("soft"), formatter: (v) => format(v, true), hideOverlap: true }, splitNumber: 4 }),
      series: lines.map((l) => ({
        name: l.name, type: "line", showSymbol: true, showAllSymbol: true, symbolSize: 6, data: dotted(l.values), color: css(l.colour), lineStyle: { width: 2 }, areaStyle: l.fill ? { opacity: 0.14 } : undefined,
      })),
    });
  };
  window.addEventListener("resize", () => shown.forEach((c) => c.resize()));

  return { spark, bar, lanes, time };
})();
