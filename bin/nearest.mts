// Finds the name that a mistyped one was meant to be.

import { distance } from 'fastest-levenshtein';

/** Returns the known name that is at most two letters away, or that shares its whole beginning. */
export function nearest(typed: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((name) => ({ name, letters: distance(typed, name) }))
    .filter(({ name, letters }) => {
      const shorter = Math.min(typed.length, name.length);
      const isBeginning = typed.slice(0, shorter) === name.slice(0, shorter);
      return isBeginning ? shorter > 2 : letters <= 2 && letters < typed.length / 2;
    })
    .toSorted((one, other) => one.letters - other.letters);
  return best?.name;
}
