/** The middle value, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.slice((sorted.length - 1) >> 1, (sorted.length >> 1) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/** Duration of the work in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** The slope of the least-squares line through the points, and its standard error. */
export function trend(points: readonly { x: number; y: number }[]): {
  slope: number;
  error: number;
} {
  const mean = (of: 'x' | 'y'): number =>
    points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean('x'), mean('y')];
  const sum = (of: (dx: number, dy: number) => number): number =>
    points.reduce((total, point) => total + of(point.x - x, point.y - y), 0);
  const spread = sum((dx) => dx * dx);
  const slope = sum((dx, dy) => dx * dy) / spread;
  const residue = sum((dx, dy) => (dy - slope * dx) ** 2);
  return { slope, error: Math.sqrt(residue / (points.length - 2) / spread) };
}
