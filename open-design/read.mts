// Reading what a caller has given, whatever other code of the daemon has put on `Object.prototype`.

/** A Proxy can have an endless chain of prototypes. */
const MAX_PROTOTYPES = 100;

/** `object[key]`, own or inherited, but never from `Object.prototype`. The addon reads its options in the same way. */
export function read<T extends object, K extends keyof T>(object: T, key: K): T[K] | undefined {
  let holder: object | null = object;
  for (let depth = 0; depth < MAX_PROTOTYPES; depth += 1) {
    // Where nothing has it, a Proxy may still have an answer.
    if (holder === null) return object[key];
    if (isObjectPrototype(holder)) return Object.hasOwn(holder, key) ? undefined : object[key];
    if (Object.hasOwn(holder, key)) return object[key];
    holder = Reflect.getPrototypeOf(holder);
  }
  return undefined;
}

/** `Object.prototype` of this realm or of another, such as a vm context's. */
function isObjectPrototype(object: object): boolean {
  return (
    object === Object.prototype ||
    (Reflect.getPrototypeOf(object) === null &&
      ['hasOwnProperty', 'isPrototypeOf', 'propertyIsEnumerable'].every((name) =>
        Object.hasOwn(object, name),
      ))
  );
}
