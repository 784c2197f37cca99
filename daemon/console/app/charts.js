// <dw-usage> draws what a container used over the last minutes.

import uPlot from "../vendor/uPlot.esm.js";
import { bytes, percent } from "./format.js";

const POWERS = Array.from({ length: 50 }, (_, i) => 2 ** i); // so that the ticks of sizes are round

const CHARTS = [
  { title: "CPU, of one core", value: (v) => (v == null ? "–" : percent(v)), series: [["CPU", "cpu"]], least: 5 },
  { title: "Memory", value: (v) => (v == null ? "–" : bytes(v)), series: [["Memory", "memory"]], least: 1 << 20, incrs: POWERS },
  { title: "Network, per second", value: (v) => (v == null ? "–" : bytes(v)), series: [["Received", "received"], ["Sent", "sent"]], least: 1024, incrs: POWERS },
];

class UsageCharts extends HTMLElement {
  #plots = [];
  #observer = new ResizeObserver(() => this.#resize());
  #scheme = matchMedia("(prefers-color-scheme: dark)");

  connectedCallback() {
    this.#observer.observe(this);
    this.#scheme.onchange = () => this.#rebuild();
    this.#rebuild();
  }
  disconnectedCallback() {
    this.#observer.disconnect();
    this.#scheme.onchange = null;
  }

  set usage(usage) {
    if (usage === this.current) return;
    this.current = usage;
    if (this.isConnected) this.#rebuild();
  }
  // count changes when there is a sample more.
  set count(_) { this.#update(); }

  #rebuild() {
    for (const plot of this.#plots) plot.destroy();
    this.replaceChildren();
    if (!this.current?.last) {
      const words = this.appendChild(document.createElement("p"));
      words.className = "quiet";
      words.textContent = this.current ? "Waiting for the first sample…" : "It does not run, so it uses nothing.";
      this.#plots = [];
      return;
    }
    const css = getComputedStyle(this), colour = (name) => css.getPropertyValue(name).trim();
    this.#plots = CHARTS.map((chart) => {
      const box = this.appendChild(document.createElement("section"));
      const title = box.appendChild(document.createElement("h2"));
      title.textContent = chart.title;
      const plot = new uPlot(options(chart, this.#width(), colour), null, box);
      this.#feed(plot, chart);
      return plot;
    });
  }

  // feed shows the samples, and says the newest values unless one points at others.
  #feed(plot, chart) {
    plot.setData(this.#data(chart));
    this.#say(plot);
  }

  // say comes after what the plot does by itself once this task is over: it forgets the values.
  #say(plot) {
    queueMicrotask(() => plot.cursor.idx == null && plot.setLegend({ idx: this.current.samples.length - 1 }));
  }

  #width() { return Math.max(280, this.clientWidth - 34); }

  #data({ series }) {
    const { samples } = this.current;
    return [samples.map(({ at }) => at), ...series.map(([, key]) => samples.map((sample) => sample[key]))];
  }

  #update() {
    if (!this.isConnected) return;
    if (!this.#plots.length) return this.#rebuild();
    this.#plots.forEach((plot, i) => this.#feed(plot, CHARTS[i]));
  }

  #resize() {
    for (const plot of this.#plots) {
      plot.setSize({ width: this.#width(), height: 190 });
      this.#say(plot);
    }
  }
}

function options({ value, series, least, incrs }, width, colour) {
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "12px system-ui" };
  const lines = series.map(([label], i) => ({
    label, value: (_, v) => value(v), width: 2, stroke: colour(i ? "--second" : "--accent"), fill: i ? undefined : colour("--accent-wash"), points: { show: false },
  }));
  return {
    width, height: 190, series: [{ label: "Time", value: "{HH}:{mm}:{ss}" }, ...lines], cursor: { y: false },
    axes: [{ ...axis, values: "{HH}:{mm}:{ss}", space: 90 }, { ...axis, size: 76, ...(incrs && { incrs }), values: (_, ticks) => ticks.map(value) }],
    scales: { y: { range: (_, min, max) => [0, Math.max(least, max * 1.15)] } },
  };
}

customElements.define("dw-usage", UsageCharts);
