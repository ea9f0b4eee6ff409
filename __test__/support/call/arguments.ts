// Reads the command line that a stub was given.

/** Returns the values of an option that may be repeated, each in an argument of its own. */
export function valuesOf(option: string, args: readonly string[]): string[] {
  return args.filter((_, at) => args[at - 1] === option);
}
