// Renders plots as SVG, each for GitHub's light and dark theme. echarts writes SVG without a DOM
// and brings two packages along; Vega brings thirty, and Observable Plot needs a DOM.

import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { type EChartsOption, init } from 'echarts';

/** A baseline is what ours could reach at best. */
export type Role = 'ours' | 'peer' | 'baseline';

export type Plot = {
  /** Base name of the files. */
  file: string;
  title: string;
  /** Says what the plot shows, for readers who do not see it. */
  alt: string;
} & (Bars | Lines);

export interface Bars {
  kind: 'bars';
  /** Of the axis of values, which all have this unit. */
  axisTitle: string;
  unit: string;
  groups: { name: string; bars: { name: string; role: Role; value: number }[] }[];
}

/** Both axes are logarithmic. */
export interface Lines {
  kind: 'lines';
  x: { title: string; ticks: { value: number; label: string }[] };
  y: { title: string; unit: string };
  lines: { name: string; role: Role; points: [x: number, y: number][] }[];
}

const DIRECTORY = fileURLToPath(new URL('plots/', import.meta.url));
const WIDTH = 800;
const FONT = 'system-ui, -apple-system, Segoe UI, Noto Sans, Helvetica, Arial, sans-serif';
const LABEL = 14;
const LINES_HEIGHT = 420;
/** Above and below the lines. */
const MARGIN = 64;

/**
 * Text and background are those of GitHub's themes. Data has the colours of Okabe and Ito, which
 * colour-blind readers can tell apart.
 */
const THEMES = {
  light: {
    background: '#ffffff',
    text: '#1f2328',
    muted: '#59636e',
    grid: '#d1d9e0',
    bars: { ours: '#0072b2', peer: '#bcc4cc', baseline: '#bcc4cc' },
    lines: { ours: '#0072b2', peer: '#d55e00', baseline: '#59636e' },
  },
  dark: {
    background: '#0d1117',
    text: '#f0f6fc',
    muted: '#9198a1',
    grid: '#3d444d',
    bars: { ours: '#56b4e9', peer: '#57606a', baseline: '#57606a' },
    lines: { ours: '#56b4e9', peer: '#e69f00', baseline: '#9198a1' },
  },
};
type Theme = (typeof THEMES)['light'];

/** Writes the SVG files that {@link toHtml} shows. */
export async function writePlots(plots: readonly Plot[]): Promise<void> {
  await mkdir(DIRECTORY, { recursive: true });
  for (const plot of plots) {
    for (const [name, theme] of Object.entries(THEMES)) {
      await writeFile(path.join(DIRECTORY, `${plot.file}.${name}.svg`), render(plot, theme));
    }
  }
}

/** Shows a plot in Markdown, in the reader's theme. */
export function toHtml(plot: Plot): string {
  const source = `bench/plots/${plot.file}`;
  const size = `width="${WIDTH}" height="${heightOf(plot)}"`;
  return [
    '<picture>',
    `  <source media="(prefers-color-scheme: dark)" srcset="${source}.dark.svg">`,
    `  <img src="${source}.light.svg" ${size} alt="${plot.alt}">`,
    '</picture>',
  ].join('\n');
}

function heightOf(plot: Plot): number {
  if (plot.kind === 'lines') return LINES_HEIGHT;
  const rows = plot.groups.reduce((sum, { bars }) => sum + bars.length + 2, -1);
  return 108 + rows * 29;
}

function render(plot: Plot, theme: Theme): string {
  const chart = init(undefined, undefined, {
    renderer: 'svg',
    ssr: true,
    width: WIDTH,
    height: heightOf(plot),
  });
  try {
    chart.setOption({
      animation: false,
      backgroundColor: theme.background,
      textStyle: { fontFamily: FONT, color: theme.text },
      title: {
        text: plot.title,
        left: 16,
        top: 14,
        textStyle: { fontSize: 17, fontWeight: 600, color: theme.text, fontFamily: FONT },
      },
      ...(plot.kind === 'bars' ? barOptions(plot, theme) : lineOptions(plot, theme)),
    });
    return `${chart.renderToSVGString()}\n`;
  } finally {
    // Its timer would keep the process alive.
    chart.dispose();
  }
}

/** One row for each bar, one with the name of each group, and an empty one between groups. */
function barOptions({ axisTitle, unit, groups }: Bars, theme: Theme): EChartsOption {
  const rows = groups.flatMap(({ name, bars }, n) => [
    ...(n > 0 ? [{ heading: '' }] : []),
    { heading: name },
    ...bars,
  ]);
  return {
    grid: { left: 210, right: 80, top: 52, bottom: 56 },
    xAxis: {
      type: 'value',
      name: axisTitle,
      ...axisText(theme, 32),
      splitLine: { lineStyle: { color: theme.grid } },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: rows.map((_, index) => String(index)),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: {
        interval: 0,
        fontSize: LABEL,
        formatter: (_value, index) => {
          const row = rows[index];
          if (row === undefined) return '';
          if ('heading' in row) return `{heading|${row.heading}}`;
          return row.role === 'ours' ? `{ours|${row.name}}` : row.name;
        },
        rich: {
          heading: { fontSize: LABEL, fontWeight: 600, color: theme.text },
          ours: { fontSize: LABEL, fontWeight: 600, color: theme.bars.ours },
        },
        color: theme.text,
      },
    },
    series: [
      {
        type: 'bar',
        silent: true,
        emphasis: { disabled: true },
        barWidth: 20,
        data: rows.map((row) =>
          'heading' in row
            ? { value: '-' }
            : { value: row.value, itemStyle: { color: theme.bars[row.role] } },
        ),
        label: {
          show: true,
          position: 'right',
          fontSize: LABEL,
          color: theme.text,
          ...halo(theme),
          formatter: ({ value }) => withUnit(Number(value), unit),
        },
      },
    ],
  };
}

/** Labels each line at its end, and each point of a line that is no baseline with its value. */
function lineOptions({ x, y, lines }: Lines, theme: Theme): EChartsOption {
  const [left = NaN, right = NaN] = [x.ticks.at(0)?.value, x.ticks.at(-1)?.value];
  const values = lines.flatMap(({ points }) => points.map(([, value]) => value));
  const least = Math.floor(Math.log10(Math.min(...values)));
  const most = Math.ceil(Math.log10(Math.max(...values)));
  const offsets = endOffsets(lines, (LINES_HEIGHT - 2 * MARGIN) / (most - least));
  const labelText = (role: Role): object => ({
    fontSize: LABEL,
    color: theme.lines[role],
    ...halo(theme),
  });
  const valueOf = (point: unknown): string => withUnit(Number((point as number[])[1]), y.unit);
  const symbols = { ours: 'circle', peer: 'rect', baseline: 'none' };
  const widths = { ours: 3, peer: 2, baseline: 2 };
  const labels = new Map(x.ticks.map(({ value, label }) => [value, label]));
  return {
    grid: { left: 84, right: 200, top: MARGIN, bottom: MARGIN },
    xAxis: {
      type: 'log',
      name: x.title,
      // Space for the labels of the first points.
      min: left / 1.5,
      max: right,
      ...axisText(theme, 36),
      axisLine: { show: true, lineStyle: { color: theme.muted } },
      axisTick: { show: true, customValues: [...labels.keys()] },
      axisLabel: {
        customValues: [...labels.keys()],
        fontSize: LABEL,
        color: theme.muted,
        formatter: (value: number) => labels.get(value) ?? '',
      },
      splitLine: { show: false },
    },
    yAxis: {
      type: 'log',
      name: y.title,
      min: 10 ** least,
      max: 10 ** most,
      ...axisText(theme, 56),
      axisLabel: {
        fontSize: LABEL,
        color: theme.muted,
        formatter: (value: number) => String(value),
      },
      splitLine: { lineStyle: { color: theme.grid } },
    },
    series: lines.map(({ name, role, points }) => ({
      type: 'line',
      name,
      silent: true,
      emphasis: { disabled: true },
      data: points.map((value, n) => ({
        value,
        label: { show: role !== 'baseline' && n < points.length - 1 },
      })),
      symbol: symbols[role],
      symbolSize: 9,
      lineStyle: {
        width: widths[role],
        color: theme.lines[role],
        type: role === 'baseline' ? 'dashed' : 'solid',
      },
      itemStyle: { color: theme.lines[role] },
      // Beside a rising line, not on it.
      label: {
        position: 'top',
        offset: [-20, -2],
        ...labelText(role),
        formatter: ({ value }) => valueOf(value),
      },
      endLabel: {
        show: true,
        distance: 12,
        offset: [0, offsets.get(name) ?? 0],
        fontWeight: role === 'ours' ? 600 : 400,
        ...labelText(role),
        formatter: ({ value }) => `${name}: ${valueOf(value)}`,
      },
    })),
  };
}

/**
 * Moves down the labels at the ends of the lines where they would overlap, in pixels. echarts' own
 * `moveOverlap` also moves labels that are beside one another.
 */
function endOffsets(lines: Lines['lines'], pixelsPerDecade: number): Map<string, number> {
  const ends = lines
    .map(({ name, points }) => ({ name, value: points.at(-1)?.[1] ?? NaN }))
    .toSorted((a, b) => b.value - a.value);
  const offsets = new Map<string, number>();
  let free = -Infinity;
  for (const { name, value } of ends) {
    const position = -Math.log10(value) * pixelsPerDecade;
    const moved = Math.max(position, free);
    offsets.set(name, moved - position);
    free = moved + LABEL + 4;
  }
  return offsets;
}

function axisText(theme: Theme, gap: number) {
  return {
    nameLocation: 'middle' as const,
    nameGap: gap,
    nameTextStyle: { fontSize: LABEL, color: theme.muted },
    axisLabel: { fontSize: LABEL, color: theme.muted },
  };
}

/** Keeps a label legible where it crosses a line. */
function halo({ background }: Theme) {
  return { textBorderColor: background, textBorderWidth: 4 };
}

function withUnit(value: number, unit: string): string {
  return `${value.toLocaleString('en', { maximumSignificantDigits: 3 })} ${unit}`;
}
