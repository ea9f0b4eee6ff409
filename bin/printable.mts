// Names of files and words of Codex may hold what a terminal acts on, or what its reader does not see.

/** Controls, and characters that reorder text or have no width; not those that join emoji or letters. */
const UNPRINTABLE =
  /(?![\n\t\u200C\u200D\p{Variation_Selector}])[\p{Cc}\p{Default_Ignorable_Code_Point}\u2028\u2029\uFFF9-\uFFFB]/gu;

/** The text with a replacement character for each that cannot be shown. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, '\uFFFD');
}

/** The value as JSON that can be shown, and means the same. */
export function printableJson(value: object): string {
  return JSON.stringify(value).replaceAll(UNPRINTABLE, escaped);
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
