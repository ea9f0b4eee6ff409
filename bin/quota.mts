// Describes what is left of an account's limits, for people.

import type { Quota, QuotaLimit } from 'codex-image';

/** The lines of a quota, each with its label. */
export function quotaLines({ limits, plan, credits, reached, unknown }: Quota): string[] {
  if (unknown !== undefined) return [`  Quota       unknown: ${unknown.message} ${unknown.fix}`];
  return [
    ...(plan === undefined ? [] : [`  Plan        ${plan}`]),
    ...(limits.length === 0 ? ['  Quota       no limits are reported'] : []),
    ...limits.map((limit) => `  Quota       ${rest(limit)}`),
    ...(credits === undefined ? [] : [`  Credits     ${balance(credits)}`]),
    ...(reached === undefined ? [] : [`  Reached     ${reached}`]),
  ];
}

function rest({ id, name, usedPercent, windowMinutes, resetsAt }: QuotaLimit): string {
  const left = Math.max(0, Math.round(100 - usedPercent));
  const period = windowMinutes === undefined ? '' : ` of ${duration(windowMinutes)}`;
  const subject = id === 'codex' ? '' : ` for ${name ?? id}`;
  const until = resetsAt === undefined ? '' : `, resets at ${localTime(resetsAt)}`;
  return `${left} % left${period}${subject}${until}`;
}

/** Formats a time as `2026-11-27 14:05`, in the time zone of this machine. */
export function localTime(time: Date): string {
  return time.toLocaleString('sv-SE', { dateStyle: 'short', timeStyle: 'short' });
}

/** Returns the largest unit of which the period is a whole number. */
function duration(minutes: number): string {
  const [size, unit] = UNITS.find(([of]) => minutes % of === 0 && minutes >= of) ?? [1, 'minute'];
  const count = Math.round(minutes / size);
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}

const UNITS = [
  [24 * 60, 'day'],
  [60, 'hour'],
] as const;

function balance({ available, unlimited, balance: text }: NonNullable<Quota['credits']>): string {
  if (unlimited) return 'unlimited';
  return available ? (text ?? 'some') : 'none';
}
