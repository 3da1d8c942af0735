"use strict";
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const stages = [ // name, text, where, group
    ["encode_arg", "encode argument", "parent", "encode"], ["queued", "pool's queue", "parent", "queue"],
    ["write", "write to the pipe", "between", "there"], ["pipe", "pipe, worker wakes", "between", "there"],
    ["waiting", "worker's queue", "worker", "queue"], ["decode_arg", "decode argument", "worker", "encode"],
    ["run", "the function", "worker", "run"], ["encode_result", "encode result", "worker", "encode"],
    ["held", "waits for others", "worker", "queue"], ["return", "pipe, parent wakes", "between", "return"],
    ["pickup", "caller wakes up", "parent", "wake"], ["decode_result", "decode result", "parent", "encode"],
  ];
  const groups = [
    ["encode", "encoding, decoding"], ["there", "write and pipe, there"], ["run", "the function"], ["return", "write and pipe, back"],
    ["wake", "caller wakes up"], ["queue", "queues, other tasks"],
  ];
  const colours = {
    "procpool": "procpool", "procpool Call": "call", "goroutines": "goroutines", "plain loop": "loop", "bare pipe": "pipe",
    "Python Pool": "pool", "Python Executor": "executor", "Python imap_unordered": "pool", "Python fork": "pool", "Python spawn": "executor",
    "msgpack alone": "msgpack", "gob alone": "gob", "JSON alone": "json", "program alone": "loop",
  };
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
  const colour = (contender) => css(colours[contender] || "loop");
  const narrow = () => window.innerWidth < 620;

  const figures = (f) => Math.abs(f) >= 100 ? f.toFixed(0) : Math.abs(f) >= 10 ? f.toFixed(1) : f.toFixed(2);
  const scaled = (f, base, units) => {
    let i = 0;
    while (f >= base && i + 1 < units.length) { f /= base; i++; }
    return figures(f) + " " + units[i];
  };
  const span = (ns) => scaled(ns, 1000, ["ns", "µs", "ms", "s"]);
  const size = (b) => scaled(b, 1024, ["B", "KiB", "MiB", "GiB"]);
  const tick = (format) => (v) => format(v).replace(/\.0+(?= )/, "").replace(/\.0+$/, "");
  const format = (s) => s.unit === "bytes" ? size : s.unit === "ratio" ? (v) => v.toFixed(2) : span;

  const section = (name) => report.sections.find((s) => s.name === name);
  const good = (s) => s.rows.filter((r) => !r.error);
  const distinct = (list) => [...new Set(list)];
  const row = (s, name, contender) => good(s).find((r) => r.case === name && r.contender === contender);

  // What all charts have in common.
  const base = () => ({
    animation: false,
    textStyle: { color: css("ink"), fontFamily: "system-ui, sans-serif" },
    grid: { left: 8, right: narrow() ? 14 : 24, top: 12, bottom: 8, containLabel: true },
    tooltip: {
      trigger: "axis", confine: true, axisPointer: { type: "line" },
      backgroundColor: css("card"), borderColor: css("line"), textStyle: { color: css("ink"), fontSize: 13 },
    },
  });
  const axis = (more) => ({
    nameTextStyle: { color: css("soft") }, axisLabel: { color: css("soft"), hideOverlap: true, ...more.axisLabel },
    axisLine: { lineStyle: { color: css("line") } }, axisTick: { show: false }, splitLine: { lineStyle: { color: css("grid") } },
    ...Object.fromEntries(Object.entries(more).filter(([k]) => k !== "axisLabel")),
  });
  const legend = (names) => ({
    data: names, top: 0, left: 0, itemWidth: 14, itemHeight: 10, itemGap: narrow() ? 8 : 14,
    textStyle: { color: css("ink"), fontSize: narrow() ? 11 : 13 },
  });
  const legendRoom = (names) => {
    const letter = narrow() ? 5.8 : 7, room = Math.min(window.innerWidth, 990) - 70;
    let lines = 1, used = 0;
    for (const name of names) {
      const width = name.length * letter + (narrow() ? 27 : 33);
      if (used + width > room) { lines++; used = 0; }
      used += width;
    }
    return 12 + 20 * lines;
  };
  const axisName = (text) => ({ name: text, nameLocation: "middle", nameGap: 28 });

  // All cases below an axis; on a phone long ones are turned, and take the place of the axis's name.
  const cases = (names, text) => {
    const turned = narrow() && Math.max(...names.map((n) => n.length)) * names.length > 45;
    return {
      type: "category", data: names, ...(turned ? {} : axisName(text)),
      axisLabel: { hideOverlap: false, interval: 0, fontSize: narrow() ? 10 : 12, rotate: turned ? 35 : 0 },
    };
  };

  // A bar for each row, the fastest first, with its value beside it.
  const bars = (s, rows, label, log) => {
    const f = format(s), sorted = [...rows].sort((a, b) => b.median - a.median);
    const low = Math.min(...sorted.map((r) => r.median)), high = Math.max(...sorted.map((r) => r.median));
    const wide = log && high / low > 30;
    return {
      height: 60 + 34 * sorted.length,
      option: {
        ...base(),
        grid: { left: 8, right: narrow() ? 70 : 90, top: 4, bottom: 4, containLabel: true },
        tooltip: { ...base().tooltip, trigger: "item", formatter: (p) => `${p.name}<br><b>${f(p.value)}</b><br>half of the blocks: ${f(p.data.low)} to ${f(p.data.high)}` },
        xAxis: axis({ type: wide ? "log" : "value", min: wide ? 10 ** Math.floor(Math.log10(low) - 0.3) : 0, axisLabel: { formatter: tick(f) } }),
        yAxis: axis({ type: "category", data: sorted.map(label), axisLabel: { color: css("ink"), hideOverlap: false } }),
        series: [{
          type: "bar", barMaxWidth: 22,
          data: sorted.map((r) => ({ value: r.median, low: r.low, high: r.high, itemStyle: { color: colour(r.contender), borderRadius: 3 } })),
          label: { show: true, position: "right", color: css("ink"), formatter: (p) => f(p.value) },
        }],
      },
    };
  };

  // A line for each contender over the cases.
  const lines = (s, { x, y, yAxis, xAxis, names, extra = [], value = span }) => {
    names = names || distinct(good(s).map((r) => r.contender));
    const all = distinct(names.concat(extra.map((e) => e.name)));
    return {
      height: (narrow() ? 330 : 380) + legendRoom(all),
      option: {
        ...base(),
        legend: legend(all),
        grid: { left: 8, right: narrow() ? 16 : 30, top: legendRoom(all) + 8, bottom: 26, containLabel: true },
        tooltip: { ...base().tooltip, valueFormatter: value },
        xAxis: axis(xAxis), yAxis: axis(yAxis),
        series: names.map((name) => ({
          name, type: "line", symbolSize: 7, color: colour(name), lineStyle: { width: name === "procpool" ? 3.5 : 2 }, z: name === "procpool" ? 5 : 3,
          data: good(s).filter((r) => r.contender === name).map((r) => [x(r), y(r)]).filter((p) => p[0] !== null && p[1] !== null),
        })).concat(extra),
      },
    };
  };

  // The stages one after the other, as on a clock.
  const timeline = (split) => {
    let at = 0;
    const items = stages.map(([name, text, where]) => {
      const d = split.stages_ns[name] || 0, item = { text, where, from: at, d };
      at += d;
      return item;
    });
    const share = (d) => `${(100 * d / split.total_ns).toFixed(0)} %`;
    return {
      height: 50 + 29 * items.length,
      option: {
        ...base(),
        grid: { left: 8, right: narrow() ? 12 : 20, top: 4, bottom: 4, containLabel: true },
        tooltip: { ...base().tooltip, trigger: "item", formatter: (p) => `${items[p.dataIndex].text}<br><b>${span(items[p.dataIndex].d)}</b>, ${share(items[p.dataIndex].d)}<br>from ${span(items[p.dataIndex].from)} on` },
        xAxis: axis({ type: "value", min: 0, max: at, axisLabel: { formatter: tick(span) } }),
        yAxis: axis({ type: "category", inverse: true, data: items.map((i) => i.text), axisLabel: { color: css("ink"), hideOverlap: false, fontSize: narrow() ? 11 : 12, interval: 0 } }),
        series: [
          { type: "bar", stack: "t", silent: true, itemStyle: { color: "transparent" }, data: items.map((i) => i.from) },
          {
            type: "bar", stack: "t", barMaxWidth: 18, barMinHeight: 2,
            data: items.map((i) => ({
              value: i.d, itemStyle: { color: css(i.where), borderRadius: 2 },
              label: {
                show: true, color: css("ink"), fontSize: 11, formatter: `${span(i.d)}`,
                position: i.from + i.d / 2 > at * 0.6 ? "left" : "right",
              },
            })),
          },
        ],
      },
    };
  };

  // Shares of the groups of stages, a bar for each case.
  const shares = (s, axisText) => {
    const rows = good(s).filter((r) => r.split);
    const sum = (r, group) => stages.filter((st) => st[3] === group).reduce((n, st) => n + (r.split.stages_ns[st[0]] || 0), 0);
    const names = groups.map((g) => g[1]);
    return {
      height: (narrow() ? 300 : 310) + legendRoom(names),
      option: {
        ...base(),
        legend: legend(names),
        grid: { left: 8, right: 12, top: legendRoom(names) + 6, bottom: 26, containLabel: true },
        tooltip: {
          ...base().tooltip, axisPointer: { type: "shadow" },
          formatter: (ps) => `<b>${ps[0].name}</b>: ${span(rows[ps[0].dataIndex].split.total_ns)}` +
            ps.map((p) => `<br>${p.marker}${p.seriesName}: ${span(sum(rows[p.dataIndex], groups[p.seriesIndex][0]))}, ${p.value.toFixed(0)} %`).join(""),
        },
        xAxis: axis(cases(rows.map((r) => r.case), axisText)),
        yAxis: axis({ type: "value", min: 0, max: 100, axisLabel: { formatter: "{value} %" } }),
        series: groups.map(([group, name]) => ({
          name, type: "bar", stack: "all", barMaxWidth: 60, color: css(group), data: rows.map((r) => 100 * sum(r, group) / r.split.total_ns),
        })),
      },
    };
  };

  const pays = (s) => {
    const loop = (r) => row(s, r.case, "plain loop");
    const from = report.pays ? report.pays.map_beats_loop_ns : 0;
    const xs = good(s).map((r) => r.x).filter((x) => x > 0);
    const drawn = lines(s, {
      names: ["procpool", "goroutines", "procpool Call"],
      x: (r) => r.x > 0 ? r.x : null, y: (r) => loop(r) ? loop(r).median / r.median : null,
      xAxis: { type: "log", min: Math.min(...xs), max: Math.max(...xs), ...axisName("work in a task"), axisLabel: { formatter: tick(span) } },
      yAxis: { type: "log", axisLabel: { formatter: (v) => v + " ×" } },
      value: (v) => figures(v) + " × a plain loop",
    });
    const lines0 = [{ yAxis: 1, lineStyle: { color: css("loop"), type: "solid", width: 2 }, label: { formatter: "plain loop", position: "insideEndTop", color: css("soft") } }];
    if (from > Math.min(...xs)) {
      lines0.push({ xAxis: from, lineStyle: { color: css("procpool"), type: "dashed", width: 1.5 }, label: { formatter: "processes pay from " + span(from) + " on", position: "end", align: from < 30 * Math.min(...xs) ? "left" : "center", color: css("procpool"), fontWeight: "bold" } });
      drawn.option.grid.top += 14;
    }
    drawn.option.series[0].markLine = { silent: true, symbol: "none", data: lines0 };
    drawn.option.series[0].markArea = { silent: true, itemStyle: { color: css("slow") }, label: { show: true, position: "insideBottomRight", color: css("bad"), formatter: "slower than a plain loop" }, data: [[{ yAxis: 0.0001 }, { yAxis: 1 }]] };
    const speeds = drawn.option.series.flatMap((one) => one.data.map((p) => p[1]));
    drawn.option.yAxis.min = 10 ** Math.floor(Math.log10(Math.min(...speeds)));
    drawn.option.yAxis.max = Math.max(10, 10 ** Math.ceil(Math.log10(Math.max(...speeds))));
    return drawn;
  };

  // What is untuned is no size among the others: its points stand alone.
  const batches = (s) => lines(s, {
    x: (r) => r.case === "untuned" ? null : r.case, y: (r) => r.median,
    xAxis: cases(distinct(s.rows.map((r) => r.case)), "tasks in a batch"),
    yAxis: { type: "log", axisLabel: { formatter: tick(span) } },
    extra: good(s).filter((r) => r.case === "untuned").map((r) => ({
      name: r.contender, type: "line", symbol: "diamond", symbolSize: 13, color: colour(r.contender), data: [[r.case, r.median]],
    })),
  });

  const speedUp = (s) => {
    const one = row(s, "1", "goroutines") || row(s, "1", "procpool"), cpus = report.machine.gomaxprocs;
    const xs = distinct(good(s).map((r) => r.x));
    return lines(s, {
      x: (r) => String(r.x), y: (r) => one.median / r.median,
      xAxis: { type: "category", data: xs.map(String), ...axisName("workers") },
      yAxis: { type: "value", min: 0, axisLabel: { formatter: (v) => v + " ×" } },
      extra: [{ name: "ideal here", type: "line", symbol: "none", color: css("soft"), lineStyle: { type: "dashed", width: 1.5 }, data: xs.map((x) => [String(x), Math.min(x, cpus)]) }],
      value: (v) => figures(v) + " × one goroutine",
    });
  };

  const skew = (s) => {
    const names = distinct(good(s).map((r) => r.contender)), cases = distinct(good(s).map((r) => r.case));
    return {
      height: 290 + legendRoom(names),
      option: {
        ...base(), legend: legend(names), grid: { left: 8, right: 12, top: legendRoom(names) + 14, bottom: 26, containLabel: true },
        tooltip: { ...base().tooltip, axisPointer: { type: "shadow" }, valueFormatter: (v) => figures(v) + " × a perfect queue" },
        xAxis: axis({ type: "category", data: cases.map((c) => c), ...axisName("where the long task stands") }),
        yAxis: axis({ type: "value", min: 0, axisLabel: { formatter: (v) => v + " ×" } }),
        series: names.map((name) => ({
          name, type: "bar", barMaxWidth: 44, color: colour(name), data: cases.map((c) => (row(s, c, name) || {}).median),
          label: { show: true, position: "top", color: css("ink"), formatter: (p) => p.value === undefined ? "" : p.value.toFixed(2) },
        })),
      },
    };
  };

  // Charts by the id of their element; each returns {height, option}.
  const charts = {
    "roundtrip-timeline": () => timeline(good(section("roundtrip")).find((r) => r.split).split),
    "roundtrip-bars": () => bars(section("roundtrip"), good(section("roundtrip")), (r) => r.contender, true),
    "pays-lines": () => pays(section("pays")),
    "batch-lines": () => batches(section("batch")),
    "batch-shares": () => shares(section("batch"), "tasks in a batch"),
    "payload-lines": () => lines(section("payload"), {
      x: (r) => r.case, y: (r) => r.median,
      xAxis: cases(distinct(section("payload").rows.map((r) => r.case)), "bytes there, and back"),
      yAxis: { type: "log", axisLabel: { formatter: tick(span) } },
    }),
    "payload-shares": () => shares(section("payload"), "bytes there, and back"),
    "records-bars": () => bars(section("records"), good(section("records")), (r) => r.contender, true),
    "cpu-lines": () => speedUp(section("cpu")),
    "skew-bars": () => skew(section("skew")),
    "start-bars": () => bars(section("start"), good(section("start")), (r) => r.contender, false),
    "memory-bars": () => bars(section("memory"), good(section("memory")), (r) => r.contender + ", " + r.case, false),
  };

  const shown = new Map();
  const draw = () => {
    for (const element of document.querySelectorAll(".chart")) {
      const { height, option } = charts[element.id]();
      element.style.height = height + "px";
      if (!shown.has(element)) shown.set(element, echarts.init(element, null, { renderer: "svg" }));
      const chart = shown.get(element);
      chart.resize();
      chart.setOption(option, true);
    }
  };
  draw();
  let width = window.innerWidth;
  window.addEventListener("resize", () => { if (window.innerWidth !== width) { width = window.innerWidth; draw(); } });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
