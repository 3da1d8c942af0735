// The page: it listens to the events, keeps what it heard, and shows it. Whatever comes from the pool is put in as text and never as HTML.
"use strict";
(() => {
  const byID = (id) => document.getElementById(id);
  const el = (tag, attributes = {}, ...children) => {
    const e = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === "onclick") e.addEventListener("click", value); else if (value !== null) e.setAttribute(name, value);
    }
    e.append(...children);
    return e;
  };
  // put shows a text where it differs, so that what is selected stays selected.
  const put = (e, text) => { if (e.textContent !== text) e.textContent = text; };

  // Figures in words.
  const figures = (f) => f >= 100 ? f.toFixed(0) : f >= 10 ? f.toFixed(1) : f.toFixed(2);
  const bare = (f) => String(parseFloat(f.toPrecision(3)));
  const span = (s, short) => {
    const write = short ? bare : figures;
    if (s === 0) return "0 s";
    if (s < 1e-6) return write(s * 1e9) + " ns";
    if (s < 1e-3) return write(s * 1e6) + " µs";
    if (s < 1) return write(s * 1e3) + " ms";
    if (s < 100) return write(s) + " s";
    return long(s);
  };
  const long = (s) => {
    const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
    return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min ${Math.floor(s) % 60} s` : `${Math.floor(s)} s`;
  };
  const scaled = (f, base, units, short) => {
    let i = 0;
    while (f >= base && i + 1 < units.length) { f /= base; i++; }
    return (short ? bare(f) : i === 0 && Number.isInteger(f) ? String(f) : figures(f)) + units[i];
  };
  const size = (b) => scaled(b, 1024, [" B", " KiB", " MiB", " GiB", " TiB"]);
  const count = (n) => n < 100000 ? Math.round(n).toLocaleString("en") : scaled(n, 1000, ["", " k", " M", " G"]);
  const rate = (n, short) => n === 0 ? "0" : scaled(n, 1000, ["", " k", " M", " G"], short || n < 1000);
  const percent = (f) => (100 * f).toFixed(0) + " %";
  const share = (f) => f > 0 && f < 0.001 ? "less than 0.1 %" : (100 * f).toFixed(f < 0.1 ? 1 : 0) + " %";
  const clock = (t) => new Date(t).toLocaleTimeString([], { hour12: false });
  const taskName = (r) => r.index >= 0 ? `${r.func} #${r.index}` : r.func;
  const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

  // What was heard.
  let points = [], last = null, paused = false, ended = false;
  const seen = new Map(); // the spans of each slot, oldest first
  const whole = new Map(); // since when nothing is missing there, in ms
  const keepFor = 60000, keepPoints = 300;

  // Functions get their colours in the order in which they appear.
  const colours = new Map();
  const colour = (name) => {
    if (!colours.has(name)) colours.set(name, "c" + Math.min(colours.size, 6));
    return colours.get(name);
  };

  const hear = (s) => {
    last = s;
    if (s.now.time > (points.at(-1)?.time ?? "") && !s.now.time.startsWith("0001")) {
      points.push(s.now);
      points = points.slice(-keepPoints);
    }
    s.functions.forEach((f) => colour(f.func));
    for (const w of s.workers) if (w.slot >= 0) hearSpans(w, Date.parse(s.taken));
  };

  // A worker tells of the last things that it did. If all of them are new, others may have come between them and those that are known.
  const hearSpans = (w, taken) => {
    const known = seen.get(w.slot) || [], latest = known.at(-1)?.to ?? 0;
    const fresh = w.spans.map((s) => ({ ...s, from: Date.parse(s.began), to: Date.parse(s.ended) })).filter((s) => s.to > latest);
    if (fresh.length && fresh.length === w.spans.length && w.spans.length >= 4 && known.length) whole.set(w.slot, fresh[0].from);
    if (fresh.length && !known.length) whole.set(w.slot, w.spans.length < 4 ? 0 : fresh[0].from);
    seen.set(w.slot, known.concat(fresh).filter((s) => s.to > taken - keepFor).slice(-2000));
  };

  // The curves on the cards: a point where nobody looked is a gap.
  const curve = (of) => {
    const values = [];
    points.forEach((p, i) => {
      if (i && Date.parse(p.time) - Date.parse(points[i - 1].time) > 3000) values.push(null);
      values.push(of(p));
    });
    return values.slice(-120);
  };

  const endedTasks = (s) => s.totals.completed + s.totals.failed;
  const cards = [
    ["throughput", "Tasks per second", (s) => rate(s.rates.completed + s.rates.failed), (s) => `${count(endedTasks(s))} have ended`, (p) => p.completed + p.failed],
    ["latency", "Median latency", (s) => s.latency.count ? span(s.latency.p50 || s.latency.mean) : "–", (s) => s.latency.count ? `99 % below ${span(s.latency.p99)}` : "no task ended lately", (p) => p.p50 || p.mean],
    ["workers", "Workers busy", (s) => s.ended ? `none of ${count(s.workers.length)}` : `${s.queue.busy} of ${s.queue.workers}`, (s) => s.ended ? "the pool has ended" : s.queue.spares ? `and ${plural(s.queue.spares, "spare")}` : "", (p) => p.busy],
    ["queue", "Tasks waiting", (s) => count(s.queue.queued), (s) => `${count(s.queue.running)} with workers`, (p) => p.queued],
    ["cpu", "Processors in use", (s) => { const known = s.workers.filter((w) => w.cpu_share !== undefined); return known.length ? known.reduce((sum, w) => sum + w.cpu_share, 0).toFixed(2) : "–"; }, (s) => s.ended ? "when they were last seen" : "by all workers together", (p) => p.cpu],
    ["memory", "Memory of the workers", (s) => size(s.workers.reduce((sum, w) => sum + w.rss, 0)), (s) => s.ended ? "when they were last seen" : `${size(s.rates.sent + s.rates.received)}/s through pipes`, (p) => p.rss],
    ["failed", "Tasks failed", (s) => count(s.totals.failed), (s) => [s.totals.failed && `${share(s.totals.failed / endedTasks(s))} of all`, s.totals.timed_out && `${count(s.totals.timed_out)} too slow`, s.totals.retried && `${count(s.totals.retried)} retried`].filter(Boolean).join(", "), (p) => p.failed],
    ["restarts", "Workers that died", (s) => count(s.totals.restarts), (s) => s.totals.recycles ? `${count(s.totals.recycles)} renewed on purpose` : s.totals.restarts ? "and were replaced" : "", null],
  ].map(([id, label, value, more, point]) => {
    const b = el("b"), m = el("span", { class: "more" }), place = el("div"), card = el("div", { class: "card", id: "card-" + id }, el("span", {}, label), b, m, ...(point ? [place] : []));
    byID("cards").append(card);
    return (s) => {
      put(b, value(s));
      put(m, more(s));
      card.classList.toggle("bad", (id === "failed" && s.totals.failed > 0) || (id === "restarts" && s.totals.restarts > 0));
      if (point) place.replaceChildren(charts.spark(curve(point)));
    };
  });

  const showHead = (s) => {
    put(byID("name"), s.pool || "procpool");
    document.title = (s.pool || "procpool") + (s.ended ? " – ended" : "");
    const program = s.program.split(/[\\/]/).at(-1);
    put(byID("about"), `A pool of ${program || "a program"} (pid ${s.pid}), ${long(Math.max(0, (Date.parse(s.taken) - Date.parse(s.began)) / 1000))} old. ${plural(s.totals.submitted, "task")} submitted.`);
    byID("advice-box").hidden = s.advice.length === 0;
    const list = byID("advice");
    if (list.children.length !== s.advice.length || s.advice.some((a, i) => list.children[i].textContent !== a)) list.replaceChildren(...s.advice.map((a) => el("li", {}, a)));
  };

  // Lines over time, broken where nobody looked.
  const line = (of) => {
    const values = [];
    points.forEach((p, i) => {
      const at = Date.parse(p.time);
      if (i && at - Date.parse(points[i - 1].time) > 3000) values.push([at - 1, null]);
      values.push([at, of(p)]);
    });
    return values;
  };
  const showCharts = () => {
    charts.time("throughput", [
      { name: "completed", colour: "p50", fill: true, values: line((p) => p.completed) },
      { name: "failed", colour: "fail", values: line((p) => p.failed) },
    ], rate);
    const positive = (v) => v > 0 ? v : null;
    charts.time("latency", [
      { name: "half below", colour: "p50", values: line((p) => positive(p.p50 || p.mean)) },
      { name: "90 % below", colour: "p90", values: line((p) => positive(p.p90)) },
      { name: "99 % below", colour: "p99", values: line((p) => positive(p.p99)) },
    ], span, true);
    const now = points.at(-1);
    if (now) {
      byID("throughput").setAttribute("aria-label", `Throughput over time; now ${rate(now.completed)} tasks completed per second, ${rate(now.failed)} failed`);
      byID("latency").setAttribute("aria-label", `Latency over time; now half of the tasks below ${span(now.p50 || now.mean)}, 99 % below ${span(now.p99)}`);
    }
  };

  const maxLanes = 32;
  const swatch = (name, text) => el("span", {}, el("i", { class: "swatch " + name }), text);
  const showTimeline = (s) => {
    if (!s.workers.length) return; // it has ended: what was there stays
    const to = Date.parse(s.taken), workers = s.workers.filter((w) => w.slot >= 0).sort((a, b) => a.slot - b.slot), shown = workers.slice(0, maxLanes);
    const first = shown.map((w) => Math.max(whole.get(w.slot) ?? 0, to - keepFor)), began = Date.parse(s.began);
    const from = Math.min(to - 1, Math.max(began, ...first));
    const rows = shown.map((w) => {
      const spans = (seen.get(w.slot) || []).map((t) => ({
        from: t.from, to: t.to, class: t.failed ? "failed" : colour(t.func),
        text: `${taskName(t)}${t.tasks > 1 ? ` and ${t.tasks - 1} more` : ""}: ${span((t.to - t.from) / 1000)}, ${clock(t.from)}${t.failed ? `, ${t.failed} failed` : ""}`,
      }));
      if (w.func) spans.push({ from: to - 1000 * w.task_time, to, class: colour(w.func) + " running", text: `${taskName(w)}: has run for ${span(w.task_time)}` });
      return { label: narrow() ? String(w.slot) : `slot ${w.slot}`, spans };
    });
    charts.lanes(byID("timeline"), rows, from, to, (ms) => span(ms / 1000, true));
    const more = workers.length > maxLanes ? ` The first ${maxLanes} of ${workers.length} workers.` : "";
    put(byID("timeline-about"), `The last ${span((to - from) / 1000, true)}. Each bar is a task, or several short ones in a row; a gap is time in which the worker ran nothing.${more}`);
    const names = new Set(rows.flatMap((r, i) => (seen.get(shown[i].slot) || []).filter((t) => t.to > from).map((t) => t.func).concat(shown[i].func || [])));
    const key = [...names].slice(0, 7).map((n) => swatch(colour(n), n));
    byID("timeline-key").replaceChildren(...key, swatch("bg-fail", "a task failed"), el("span", {}, "paler: still running"));
  };
  const narrow = () => window.innerWidth < 620;

  // The stages of a task in its order, each in a group that has a colour.
  const stages = [
    ["EncodeArg", "encode", "encode the argument"], ["Queued", "queue", "wait in the pool's queue"], ["Write", "there", "write to the pipe"], ["Pipe", "there", "pipe, until the worker has read it"],
    ["Waiting", "queue", "wait in the worker's queue"], ["DecodeArg", "encode", "decode the argument"], ["Run", "run", "the function"], ["EncodeResult", "encode", "encode the result"],
    ["Held", "queue", "result waits for others"], ["Return", "return", "pipe back, until the parent has read it"], ["Pickup", "wake", "the result is there, until the caller took it; a Map takes results when it gets to them, so that is not lost time"], ["DecodeResult", "encode", "decode the result"],
  ];
  const groups = { encode: "encoding and decoding", queue: "waiting in queues", there: "pipe to the worker", run: "the function", return: "pipe back", wake: "until the caller took it", transfer: "encoding, pipes, waiting for others" };
  const partsOf = (f) => f.samples > 0
    ? stages.map(([name, group, text]) => [group, f.stages[name] || 0, text])
    : [["queue", f.queue.mean, "from its submission until it was sent"], ["run", f.run.mean, "in the worker"], ["transfer", f.transfer.mean, groups.transfer]];
  const showStages = (s) => {
    const functions = [...s.functions].filter((f) => f.tasks > 0).sort((a, b) => b.exec - a.exec).slice(0, 12), used = new Set();
    byID("stages").replaceChildren(...functions.map((f) => {
      const parts = partsOf(f), total = parts.reduce((sum, p) => sum + p[1], 0) || 1;
      parts.forEach((p) => { if (p[1] / total > 0.003) used.add(p[0]); });
      const by = new Map();
      parts.forEach(([group, value]) => by.set(group, (by.get(group) || 0) + value));
      const words = [...by].sort((a, b) => b[1] - a[1]).slice(0, 3).filter((g) => g[1] / total >= 0.01).map(([group, v]) => `${groups[group]} ${percent(v / total)}`).join(", ");
      return el("div", { class: "bar-row" },
        el("p", {}, el("strong", {}, f.func), el("span", { class: "soft" }, `${plural(f.tasks, "task")}${f.failed ? `, ${count(f.failed)} failed` : ""} · ${f.samples > 0 ? `mean of ${plural(f.samples, "sampled task")}` : "mean of all"}: ${span(total)} · ${size(f.arg_bytes / f.tasks)} there, ${size(f.result_bytes / f.tasks)} back`)),
        charts.bar(parts.map(([group, v, text]) => [group, v / total, `${text}: ${span(v)} (${percent(v / total)})`]), `${f.func}: ${words}`),
        el("p", { class: "small soft" }, words));
    }));
    byID("stages-key").replaceChildren(...Object.entries(groups).filter(([g]) => used.has(g)).map(([g, text]) => swatch("bg-" + g, text)));
    put(byID("stages-about"), functions.length ? "A task's way from submission to result, in the mean of the tasks of each function that were sampled, or of all where none was. The largest in all come first." : "No task has ended yet.");
  };

  // The tables keep their rows, so that what has the focus keeps it.
  const rows = new Map();
  const say = (text) => put(byID("said"), text);
  const kill = async (w) => {
    if (!confirm(`Kill process ${w.pid} of slot ${w.slot}? Its running task fails; the slot gets another process.`)) return;
    const answer = await fetch(`workers/${w.slot}/kill?pid=${w.pid}`, { method: "POST" }).catch((e) => ({ ok: false, json: async () => ({ error: String(e) }) }));
    const said = await answer.json().catch(() => ({ error: "no answer that can be read" }));
    say(answer.ok ? `Process ${w.pid} of slot ${w.slot} was killed.` : `Process ${w.pid} lives: ${said.error}`);
  };
  const columns = ["slot", "state", "task", "running for", "tasks done", "CPU", "memory", "restarts", "PID"];
  const workerRow = (w, readOnly) => {
    const cells = columns.map((name, i) => el("td", { "data-name": name, class: i === 2 ? "left task" : null }));
    const spent = el("td", { "data-name": "its time so far", class: "left spent" }), look = el("td", { class: "left look" });
    if (w.slot >= 0) {
      look.append(el("a", { href: `workers/${w.slot}/goroutines`, target: "_blank", rel: "noopener" }, "goroutines"),
        el("a", { href: `workers/${w.slot}/profile?kind=cpu&seconds=5` }, "CPU profile"), el("a", { href: `workers/${w.slot}/profile?kind=heap` }, "heap profile"));
      if (!readOnly) look.append(el("button", { type: "button", class: "danger", "aria-label": `Kill the worker of slot ${w.slot}`, onclick: () => kill(row.worker) }, "Kill"));
    }
    const row = { element: el("tr", {}, ...cells, spent, look), cells, spent, look, worker: w };
    return row;
  };
  const spentBar = (t) => {
    const other = t.start + t.init + t.exit, total = t.working + t.waiting + t.idle + other;
    if (!total) return "–";
    const parts = [["run", t.working, "in tasks"], ["there", t.waiting, "had tasks, ran none"], ["queue", t.idle, "nothing to do"], ["encode", other, "starting and ending"]];
    return charts.bar(parts.map(([name, v, text]) => [name, v / total, `${text}: ${span(v)} (${percent(v / total)})`]), parts.map(([, v, text]) => `${text} ${percent(v / total)}`).join(", "));
  };
  const showWorkers = (s) => {
    const now = new Set();
    s.workers.forEach((w, i) => {
      const key = w.slot >= 0 ? "slot " + w.slot : `spare ${i}`;
      now.add(key);
      if (!rows.has(key)) rows.set(key, workerRow(w, s.read_only));
      const row = rows.get(key);
      row.worker = w;
      [w.slot >= 0 ? String(w.slot) : "spare", w.state, w.func ? taskName(w) : "–", w.func ? span(w.task_time) : "–", count(w.tasks), w.cpu_share === undefined ? "–" : percent(w.cpu_share), w.rss ? size(w.rss) : "–", String(w.restarts), w.pid ? String(w.pid) : "–"].forEach((text, c) => put(row.cells[c], text));
      row.cells[1].className = w.state;
      if (s.ended) row.look.replaceChildren("–"); // there is nobody to ask
      row.spent.replaceChildren(spentBar(w.time));
      if (byID("workers").children[i] !== row.element) byID("workers").insertBefore(row.element, byID("workers").children[i] || null);
    });
    for (const [key, row] of rows) if (!now.has(key)) { row.element.remove(); rows.delete(key); }
  };

  const showSlowest = (s) => {
    byID("slowest-none").hidden = s.slowest.length > 0;
    const most = Math.max(...s.slowest.map((r) => r.exec), 1e-9);
    byID("slowest").replaceChildren(...s.slowest.map((r) => el("li", {},
      el("p", {}, el("strong", {}, taskName(r)), el("span", {}, `${span(r.exec)} in the worker`, el("span", { class: "soft" }, `${r.total > r.exec ? `, ${span(r.total)} in all` : ""} · slot ${r.slot} · ended ${clock(r.ended)}`))),
      charts.bar([["run", r.exec / most, span(r.exec)]], ""), ...(r.arg ? [el("code", {}, r.arg)] : []))));
  };

  const kinds = { returned: "returned an error", panic: "panicked", exit: "worker died", timeout: "too slow", encode: "not encodable", decode: "not decodable", unregistered: "not registered" };
  const failureKey = (r) => `${r.ended} ${r.func} ${r.index} ${r.pid} ${r.attempt}`;
  const failures = new Map();
  const failure = (r) => {
    const facts = el("dl");
    const fact = (name, value) => { if (value) facts.append(el("dt", {}, name), el("dd", {}, value)); };
    fact("when", new Date(r.ended).toLocaleString([], { hour12: false }));
    fact("worker", r.slot >= 0 ? `slot ${r.slot}, pid ${r.pid}, attempt ${r.attempt}` : "none");
    fact("ran for", r.exec ? span(r.exec) : "");
    fact("argument", r.arg);
    fact("error", r.error);
    const box = el("details", {}, el("summary", {}, el("span", { class: "tag" }, kinds[r.kind] || r.kind || "failed"), el("strong", {}, taskName(r)), " ", el("span", { class: "soft" }, clock(r.ended)), " ", r.error || ""), facts);
    for (const [name, text] of [["What it wrote to standard error", r.stderr], ["Where it was", r.stack]]) {
      if (text) box.append(el("p", { class: "small soft" }, name), el("pre", { tabindex: "0" }, text));
    }
    return box;
  };
  const showFailures = (s) => {
    byID("failures-none").hidden = s.failures.length > 0;
    put(byID("failure-count"), s.totals.failed > s.failures.length && s.failures.length ? `the last ${s.failures.length} of ${count(s.totals.failed)}` : "");
    const now = new Set(s.failures.map(failureKey)), place = byID("failures");
    for (const [key, box] of failures) if (!now.has(key)) { box.remove(); failures.delete(key); }
    s.failures.forEach((r, i) => {
      const key = failureKey(r);
      if (!failures.has(key)) failures.set(key, failure(r));
      const box = failures.get(key);
      if (place.children[i] !== box) place.insertBefore(box, place.children[i] || null);
      box.hidden = i >= fewFailures && !allFailures && !box.open;
    });
    byID("failures-more").hidden = s.failures.length <= fewFailures;
    put(byID("failures-more"), allFailures ? "Show fewer" : `Show all ${s.failures.length}`);
  };
  const fewFailures = 8;
  let allFailures = false;
  byID("failures-more").addEventListener("click", () => { allFailures = !allFailures; showFailures(last); });

  const show = () => {
    if (!last) return;
    showHead(last);
    cards.forEach((c) => c(last));
    showCharts();
    showTimeline(last);
    showStages(last);
    showWorkers(last);
    showFailures(last);
    showSlowest(last);
  };
  const refresh = () => { if (!paused) show(); };

  // The line to the pool.
  const state = (name, text, banner) => {
    byID("link").className = "badge " + name;
    put(byID("link"), text);
    byID("banner").hidden = !banner;
    byID("banner").className = "banner" + (ended ? " calm" : "");
    put(byID("banner"), banner || "");
  };
  const patience = 6000; // a snapshot comes each second
  let quiet = 0, events = null;
  const wait = () => {
    clearTimeout(quiet);
    quiet = setTimeout(() => { connect(); lost(); }, patience);
  };
  const lost = () => {
    if (ended) return;
    const since = last ? ` The figures are those of ${clock(last.taken)}.` : "";
    state("bad", "disconnected", `There is no connection to the pool.${since} Trying again.`);
  };
  const connect = () => {
    if (events) events.close();
    events = new EventSource("events");
    events.addEventListener("history", (e) => { points = JSON.parse(e.data).points; });
    events.addEventListener("snapshot", (e) => {
      const s = JSON.parse(e.data);
      if (last && last.began !== s.began) { seen.clear(); whole.clear(); } // another pool
      hear(s);
      wait();
      if (s.ended) finish(); else state("good", paused ? "paused" : "live", "");
      refresh();
    });
    events.addEventListener("end", finish);
    events.addEventListener("error", () => {
      if (ended) return;
      lost();
      if (events.readyState === EventSource.CLOSED) { clearTimeout(quiet); quiet = setTimeout(connect, 3000); } // the browser has given up
    });
    wait();
  };
  const finish = () => {
    ended = true;
    clearTimeout(quiet);
    events.close();
    state("", "ended", "The pool has ended. What you see is how it was at the end.");
  };

  byID("pause").addEventListener("click", () => {
    paused = !paused;
    byID("pause").setAttribute("aria-pressed", String(paused));
    put(byID("pause"), paused ? "Go on" : "Pause");
    if (!ended && byID("link").classList.contains("good")) put(byID("link"), paused ? "paused" : "live");
    refresh();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  window.addEventListener("resize", () => { if (last) showTimeline(last); });
  connect();
})();
