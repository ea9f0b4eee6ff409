// The types of a measurement, and BENCHMARKS.md made from them.

import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg } from 'node:os';

import { format, resolveConfig } from 'prettier';

import { type Plot, toHtml } from './plots.js';

export interface Section {
  title: string;
  /** Says what was measured, and how. */
  text: string;
  rows: Row[];
  /** Shown in the summary. */
  plot?: Plot;
}

export interface Row {
  what: string;
  /** Puts the row into the summary, under this name. */
  headline?: string;
  /** Of all figures except a ratio; a count has none. */
  unit?: 'ms' | 's' | 'KB' | 'MB' | 'calls/s';
  ours: number;
  peer: { name: string; value: number };
  compared: 'ratio' | 'difference';
  /** The least and the greatest comparison within one run, if every run has its own. */
  spread?: [number, number];
  /** The largest value allowed, of ours or of the comparison. */
  limit?: { of: 'ours' | 'comparison'; most: number };
  /** Number of runs. The figures are their medians, unless `what` says otherwise. */
  runs: number;
}

export function isBroken(row: Row): boolean {
  if (row.limit === undefined) return false;
  const value = row.limit.of === 'ours' ? row.ours : comparison(row);
  // Not `value > most`: NaN breaks a limit.
  return !(value <= row.limit.most);
}

export function toMarkdown({ title, text, rows }: Section): string {
  const table = [
    '| what | ours | against | ratio or difference | of single runs | limit | runs |',
    '| - | - | - | - | - | - | - |',
    ...rows.map((row) => `| ${cells(row).join(' | ')} |`),
  ];
  return [`## ${title}`, text, table.join('\n')].join('\n\n');
}

/** Shows the rows that have a headline, with links to their sections, and the plots. */
export function summary(sections: readonly Section[]): string {
  const table = ['| what | ours | against | limit |', '| - | - | - | - |'];
  for (const { title, rows } of sections) {
    const anchor = title.toLowerCase().replaceAll(' ', '-');
    for (const row of rows) {
      if (row.headline === undefined) continue;
      const [, ours, against, difference, , limit] = cells(row);
      table.push(
        `| [${row.headline}](#${anchor}) | ${ours} | ${against} (${difference}) | ${limit} |`,
      );
    }
  }
  const plots = sections.flatMap(({ plot }) => (plot === undefined ? [] : [toHtml(plot)]));
  return [table.join('\n'), ...plots].join('\n\n');
}

/** Formats Markdown as `npm run check` wants it, with lines of at most 100 columns. */
export async function formatted(markdown: string, file: string): Promise<string> {
  const options = { parser: 'markdown', proseWrap: 'always' } as const;
  return format(markdown, { ...(await resolveConfig(file)), ...options });
}

/** Says when and where the figures were measured, and how busy the machine is now. */
export function circumstances(): string {
  const now = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const [load = NaN] = loadavg();
  return [
    `- ${now} UTC, ${commit()}`,
    `- Node ${process.version}, ${process.platform} ${process.arch}`,
    `- ${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${availableParallelism()} cores`,
    `- load average before the first run: ${load.toFixed(2)}`,
  ].join('\n');
}

/** The commit, unless there is no history, as in an unpacked archive. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const changed =
      git('status', '--porcelain', '--', '../src', '../Cargo.lock', '.', ':!plots') !== '';
    return `commit ${git('rev-parse', '--short', 'HEAD')}${changed ? ' with changes' : ''}`;
  } catch {
    return 'commit unknown';
  }
}

function cells(row: Row): string[] {
  const { what, ours, peer, spread, limit, runs } = row;
  return [
    what,
    amount(ours, row),
    `${peer.name}: ${amount(peer.value, row)}`,
    compared(row, comparison(row)),
    spread === undefined ? '' : spread.map((value) => compared(row, value)).join(' to '),
    limit === undefined ? '' : `${limitText(row, limit)}, ${isBroken(row) ? '**broken**' : 'kept'}`,
    String(runs),
  ];
}

function comparison({ ours, peer, compared: how }: Row): number {
  return how === 'ratio' ? ours / peer.value : ours - peer.value;
}

function compared(row: Row, value: number): string {
  if (row.compared === 'ratio') return `× ${number(value)}`;
  return `${value < 0 ? '−' : '+'}${amount(Math.abs(value), row)}`;
}

function limitText(row: Row, { of, most }: NonNullable<Row['limit']>): string {
  if (of === 'ours') return `≤ ${amount(most, row)}`;
  return row.compared === 'ratio' ? `≤ × ${number(most)}` : `≤ +${amount(most, row)}`;
}

function amount(value: number, { unit }: Row): string {
  return unit === undefined ? number(value) : `${number(value)} ${unit}`;
}

function number(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}
