// Names the files of several pictures.

import path from 'node:path';

/**
 * Returns the file of picture `number` of `count`: `fox-2.png` for `fox.png`. Zeros in front give
 * all numbers of one call the same length, so that listings have them in order: `fox-02.png` of 12.
 * A single picture keeps the name.
 */
export function numbered(file: string, number: number, count: number): string {
  if (count === 1) return file;
  const { dir, name, ext } = path.parse(file);
  return path.join(dir, `${name}-${String(number).padStart(String(count).length, '0')}${ext}`);
}
