// Reads members of the caller's objects, even if `Object.prototype` is polluted.

/** A Proxy can have an endless chain of prototypes. */
const MAX_PROTOTYPES = 100;

/**
 * Returns `object[key]`, own or inherited, but never from `Object.prototype`. The addon reads its
 * options in the same way.
 */
export function read<T extends object, K extends keyof T>(object: T, key: K): T[K] | undefined {
  let holder: object | null = object;
  for (let depth = 0; depth < MAX_PROTOTYPES; depth += 1) {
    // No object of the chain has the property, but a Proxy may still return a value.
    if (holder === null) return object[key];
    if (isObjectPrototype(holder)) return Object.hasOwn(holder, key) ? undefined : object[key];
    if (Object.hasOwn(holder, key)) return object[key];
    holder = Reflect.getPrototypeOf(holder);
  }
  return undefined;
}

/** Whether `object` is the `Object.prototype` of any realm, such as a vm context. */
function isObjectPrototype(object: object): boolean {
  return (
    object === Object.prototype ||
    (Reflect.getPrototypeOf(object) === null &&
      ['hasOwnProperty', 'isPrototypeOf', 'propertyIsEnumerable'].every((name) =>
        Object.hasOwn(object, name),
      ))
  );
}
