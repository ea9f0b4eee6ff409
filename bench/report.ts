// What a measurement is, and how it is shown.

import { execFileSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg } from 'node:os';

import { format, resolveConfig } from 'prettier';

export interface Section {
  title: string;
  /** What was measured, and how. */
  text: string;
  rows: Row[];
}

export interface Row {
  what: string;
  /** Of all figures but a ratio; none for a count. */
  unit?: 'ms' | 's' | 'KB' | 'MB' | 'calls/s';
  ours: number;
  peer: { name: string; value: number };
  compared: 'ratio' | 'difference';
  /** The least and the greatest comparison of any one run, where each run has a comparison of its own. */
  spread?: [number, number];
  /** The largest value allowed, either of ours or of the comparison. */
  limit?: { of: 'ours' | 'comparison'; most: number };
  /** How many of each. The figures are their medians, unless `what` says otherwise. */
  runs: number;
}

export function isBroken(row: Row): boolean {
  if (row.limit === undefined) return false;
  const value = row.limit.of === 'ours' ? row.ours : comparison(row);
  // Put this way round, a figure that is not a number breaks its limit.
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

/** The way the repository's own check wants it. */
export async function formatted(markdown: string, file: string): Promise<string> {
  return format(markdown, { ...(await resolveConfig(file)), parser: 'markdown' });
}

/** Where and when the figures come from, the load being that of this moment. */
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

/** A package that was unpacked from an archive has no history. */
function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8', stdio: 'pipe' }).trim();
  try {
    const changed = git('status', '--porcelain', '--', '../src', '../Cargo.lock', '.') !== '';
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
