// Finds the name that a mistyped one was meant to be.

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

/** Number of letters to insert, remove or replace (Levenshtein). */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (const letter of from) {
    let [left = 0] = row;
    left += 1;
    const next = [left];
    for (const [at, other] of [...to].entries()) {
      const [above = 0, beside = 0] = row.slice(at, at + 2);
      left = Math.min(above + Number(letter !== other), beside + 1, left + 1);
      next.push(left);
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
