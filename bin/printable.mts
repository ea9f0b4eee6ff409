// Makes file names and Codex's output safe for terminals: they may contain control and invisible
// characters.

/**
 * Control characters, and characters that reorder text or have no width, except for those that join
 * emoji or letters.
 */
const UNPRINTABLE =
  /(?![\n\t\u200C\u200D\p{Variation_Selector}])[\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029\uFFF9-\uFFFB]/gu;

/** Replaces each unprintable character by U+FFFD. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, '\uFFFD');
}

/** Returns the value as JSON, with unprintable characters escaped. */
export function printableJson(value: object): string {
  return JSON.stringify(value).replaceAll(UNPRINTABLE, escaped);
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
