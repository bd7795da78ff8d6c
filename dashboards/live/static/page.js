// What the server cannot know: the reader's time zone, theme and screen. Everything else comes ready-made.
"use strict";

window.tidegate = (() => {
  let ahead = 0; // server clock less ours, ms
  const drawn = {}; // chart id -> newest data, to draw again when the theme changes

  const now = () => Date.now() + ahead;
  const clock = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

  function span(ms) {
    const s = Math.max(0, Math.round(ms / 1000));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, "0")} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d`;
  }

  const forms = {
    clock: (at) => clock.format(at),
    ago: (at) => (now() - at < 1500 ? "just now" : `${span(now() - at)} ago`),
    for: (at) => `for ${span(now() - at)}`,
    in: (at) => (at > now() ? `in ${span(at - now())}` : "any moment"),
  };

  function tellTime(root) {
    for (const el of root.querySelectorAll("time[data-at]")) {
      const text = forms[el.dataset.as](Number(el.dataset.at));
      if (el.textContent !== text) el.textContent = text;
    }
    for (const el of root.querySelectorAll(".due")) {
      const { from, until } = el.dataset;
      el.style.setProperty("--done", Math.min(1, Math.max(0, (now() - from) / (until - from))).toFixed(3));
    }
  }

  // ---- fragments -----------------------------------------------------------------------------

  function put(id, html) {
    const el = document.getElementById(id);
    if (!el) return;
    const open = new Map([...el.querySelectorAll("details[data-key]")].map((d) => [d.dataset.key, d.open]));
    const focused = el.contains(document.activeElement) ? document.activeElement.dataset.ask : null;
    const scrolled = el.scrollTop;
    const sent = new Set([...el.querySelectorAll("button.is-sent")].map((b) => b.dataset.ask));
    el.innerHTML = html;
    for (const d of el.querySelectorAll("details[data-key]")) if (open.has(d.dataset.key)) d.open = open.get(d.dataset.key);
    for (const b of el.querySelectorAll("button[data-ask]")) {
      if (b.dataset.ask === focused) b.focus();
      if (sent.has(b.dataset.ask)) b.classList.add("is-sent");
    }
    el.scrollTop = scrolled;
    tellTime(el);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-ask]");
    if (button && !button.disabled) ask(button);
  });

  // ---- why an anomaly is one: asked for when somebody wants to know -----------------------------

  const reasons = {}; // path -> HTML, made and escaped by the server

  function explain(details) {
    const path = details.dataset.why;
    const into = details.querySelector("div");
    if (!details.open) return;
    if (reasons[path]) {
      if (into.innerHTML !== reasons[path]) into.innerHTML = reasons[path];
      return;
    }
    fetch(path)
      .then((answer) => (answer.ok ? answer.text() : Promise.reject(new Error(answer.statusText))))
      .then((html) => { reasons[path] = html; })
      .catch((error) => say(`why: ${error.message}`, false))
      .finally(() => {
        const shown = document.querySelector(`details[data-why="${path}"] > div`);
        if (shown && reasons[path]) shown.innerHTML = reasons[path];
      });
  }

  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details[data-why]")) explain(event.target);
  }, true);

  // Asked of the control API like by any other client: checked, put on record, published.
  async function ask(button) {
    const { path, ...body } = JSON.parse(button.dataset.ask);
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json", "If-Match": "*" }, body: JSON.stringify({ actor: "live page", ...body }),
    }).catch((error) => ({ ok: false, statusText: String(error) }));
    const problem = answer.ok ? null : (await answer.json?.().catch(() => null))?.detail || answer.statusText;
    for (const b of document.querySelectorAll("button[data-ask]")) {
      if (b.dataset.ask !== button.dataset.ask) continue;
      b.classList.toggle("is-sent", answer.ok);
      b.classList.toggle("is-refused", !answer.ok);
      b.title = problem || "accepted";
    }
    say(answer.ok ? `${button.textContent.trim()}: accepted` : `${button.textContent.trim()}: ${problem}`, answer.ok);
  }

  let hush;
  function say(text, good) {
    const el = document.getElementById("notice");
    el.textContent = text;
    el.className = good ? "is-shown" : "is-shown is-refused";
    clearTimeout(hush);
    hush = setTimeout(() => (el.className = ""), 5000);
  }

  // ---- theme ---------------------------------------------------------------------------------

  const root = document.documentElement;
  const wish = () => localStorage.getItem("tidegate-theme") || "auto";

  function wear(theme) {
    if (theme === "auto") delete root.dataset.theme;
    else root.dataset.theme = theme;
    for (const b of document.querySelectorAll("[data-theme-wish]")) b.setAttribute("aria-pressed", b.dataset.themeWish === theme);
    for (const [id, data] of Object.entries(drawn)) draw(id, data);
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-theme-wish]");
    if (!button) return;
    localStorage.setItem("tidegate-theme", button.dataset.themeWish);
    wear(button.dataset.themeWish);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => wear(wish()));
  wear(wish());

  // ---- charts --------------------------------------------------------------------------------

  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const three = (value) => (value == null ? "–" : Number(value.toPrecision(3)).toString());
  const seconds = (value) => (value == null ? "–" : value < 1 ? `${Math.round(value * 1000)} ms` : `${three(value)} s`);

  function frameOf(from, to, write) {
    const faint = colour("--faint"), line = colour("--line");
    return {
      animation: false,
      textStyle: { fontFamily: getComputedStyle(document.body).fontFamily, color: colour("--soft") },
      grid: { left: 4, right: 12, top: 12, bottom: 8, containLabel: true },
      xAxis: {
        type: "time", min: from, max: to, splitNumber: 4, axisLine: { lineStyle: { color: line } }, axisTick: { show: false },
        splitLine: { show: false }, axisLabel: { color: faint, fontSize: 11, hideOverlap: true, formatter: (at) => clock.format(at).slice(0, 5) },
      },
      yAxis: {
        type: "value", min: 0, splitNumber: 3, axisLabel: { color: faint, fontSize: 11, formatter: write },
        splitLine: { lineStyle: { color: line } }, axisLine: { show: false },
      },
      tooltip: {
        trigger: "axis", confine: true, transitionDuration: 0, backgroundColor: colour("--surface"), borderColor: line, padding: [6, 10],
        textStyle: { color: colour("--ink"), fontSize: 12 }, axisPointer: { lineStyle: { color: faint, type: "dotted" } },
        formatter: (points) => {
          const rows = points.filter((p) => !p.seriesName.startsWith("_") && p.value[1] != null);
          return [clock.format(points[0].axisValue), ...rows.map((p) => `${p.seriesName} <b>${write(p.value[1])}</b>`)].join("<br>");
        },
      },
    };
  }

  const curve = (name, data, more) => ({ name, type: "line", data, showSymbol: false, emphasis: { disabled: true }, ...more });

  function band(name, at, low, high, fill) {
    const under = { stack: name, stackStrategy: "all", lineStyle: { width: 0 }, tooltip: { show: false } };
    return [
      curve(`_${name} from`, at.map((t, i) => [t, low[i]]), under),
      curve(`_${name} to`, at.map((t, i) => [t, high[i] == null ? null : high[i] - low[i]]), { ...under, areaStyle: { color: fill } }),
    ];
  }

  const nowLine = (at) => ({
    silent: true, symbol: "none", animation: false, label: { show: false },
    lineStyle: { color: colour("--faint"), type: "dotted" }, data: [{ xAxis: at }],
  });

  const kinds = {
    demand(d) {
      const zip = (values) => d.t.map((t, i) => [t, values[i]]);
      const last = d.forecast.length ? d.forecast[d.forecast.length - 1][0] : d.now;
      const ahead = d.forecast.map((f) => f[0]);
      return {
        ...frameOf(d.from, Math.max(last, d.now + 15000), three),
        series: [
          curve("capacity", zip(d.capacity), { step: "end", z: 1, lineStyle: { color: colour("--chart-capacity"), width: 1.5 }, areaStyle: { color: colour("--chart-band") } }),
          curve("wanted", zip(d.wanted), { step: "end", z: 1, lineStyle: { color: colour("--chart-capacity"), width: 1.5, type: [3, 3] } }),
          ...band("forecast", ahead, d.forecast.map((f) => f[1]), d.forecast.map((f) => f[2]), colour("--chart-forecast")),
          curve("demand", zip(d.demand), { z: 3, lineStyle: { color: colour("--chart-demand"), width: 2 }, markLine: nowLine(d.now) }),
        ],
      };
    },
    load(d) {
      const zip = (values) => values.map((value, i) => [d.from + i * d.step, value]);
      return {
        ...frameOf(d.from, d.now, three),
        series: [
          curve("waiting", zip(d.waiting), { z: 1, lineStyle: { color: colour("--chart-capacity"), width: 1.5 } }),
          curve("running", zip(d.running), { z: 3, lineStyle: { color: colour("--chart-demand"), width: 2 } }),
        ],
      };
    },
    latency(d) {
      const at = d.value.map((_, i) => d.from + i * d.step);
      const write = d.unit === "s" ? seconds : three;
      const marks = d.marks.map(([from, until]) => [{ xAxis: from }, { xAxis: until }]);
      return {
        ...frameOf(d.from, d.now, write),
        series: [
          ...band("usual", at, d.low, d.high, colour("--chart-usual")),
          curve(d.title, at.map((t, i) => [t, d.value[i]]), {
            z: 3, showSymbol: d.value.filter((v) => v != null).length < d.value.length / 2, symbolSize: 5, itemStyle: { color: colour("--chart-value") }, lineStyle: { color: colour("--chart-value"), width: 1.8 },
            markArea: { silent: true, animation: false, itemStyle: { color: colour("--chart-mark") }, data: marks },
          }),
        ],
      };
    },
  };

  function draw(id, data) {
    drawn[id] = data;
    const host = document.getElementById(id);
    const title = document.getElementById(`${id}-title`);
    const vue = host && getElement(Number(host.dataset.element));
    if (!vue || !vue.chart) return void setTimeout(() => drawn[id] === data && draw(id, data), 60);
    if (title && data.title && title.firstChild.textContent !== data.title) title.firstChild.textContent = data.title;
    vue.chart.setOption(kinds[data.kind](data), { replaceMerge: ["series"] });
  }

  // ---- what the server calls -----------------------------------------------------------------

  function apply(frame) {
    ahead = frame.now - Date.now();
    for (const [id, html] of Object.entries(frame.fragments)) put(id, html);
    for (const [id, data] of Object.entries(frame.charts)) draw(id, data);
  }

  setInterval(() => document.hidden || tellTime(document), 1000);
  return { apply, settle: () => { wear(wish()); tellTime(document); } };
})();
