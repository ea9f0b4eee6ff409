// The functions that the addon needs of its JavaScript environment. Evaluated once, when the addon
// is loaded, so that later replacements, such as of `Reflect.get`, have no effect.
//
// Only `contained` functions run the caller's code, and they catch what it throws: napi would read
// the `cause` and the `toString` of an error, which may throw again, or recurse without end.
(() => {
  'use strict';
  const { apply, getPrototypeOf } = Reflect;
  const { hasOwn, keys, prototype: objectPrototype } = Object;
  const { Error, Promise, TypeError, process } = globalThis;
  const { captureStackTrace } = Error;
  const { then } = Promise.prototype;
  const ignore = () => {};

  /** A string: it leaves no references behind, and reading it runs no code. */
  const UNREADABLE = 'unreadable';

  const contained = (work) =>
    function call(...args) {
      try {
        return apply(work, undefined, args);
      } catch {
        throw UNREADABLE;
      }
    };

  /** A Proxy can have an endless chain of prototypes. */
  const MAX_PROTOTYPES = 100;

  /** Whether it is the `Object.prototype` of this or of another realm, such as a vm context. */
  const isObjectPrototype = (object) =>
    object === objectPrototype ||
    (getPrototypeOf(object) === null &&
      hasOwn(object, 'hasOwnProperty') &&
      hasOwn(object, 'isPrototypeOf') &&
      hasOwn(object, 'propertyIsEnumerable'));

  /** `object[key]`, own or inherited, but never from `Object.prototype`. */
  const read = (object, key) => {
    let holder = object;
    for (let depth = 0; depth < MAX_PROTOTYPES; depth += 1) {
      if (holder === null) return object[key];
      if (isObjectPrototype(holder)) {
        // No object of the chain has it, but a Proxy may still return a value.
        return hasOwn(holder, key) ? undefined : object[key];
      }
      if (hasOwn(holder, key)) return object[key];
      holder = getPrototypeOf(holder);
    }
    throw UNREADABLE;
  };

  const method = (object, name, args) => apply(read(object, name), object, args);

  /** An error whose stack begins with the caller of the addon. */
  const trace = () => {
    const made = new Error();
    try {
      captureStackTrace(made, trace);
    } catch {
      // The stack then begins with this function.
    }
    return made;
  };

  /** An error without a stack: V8 calls `Error.prepareStackTrace` when it formats one. */
  const error = (isCallers) => {
    const made = isCallers ? new TypeError() : new Error();
    try {
      made.stack = '';
    } catch {
      // It has no stack of its own, so there is none to format.
    }
    return made;
  };

  return {
    __proto__: null,
    process,
    trace,
    error,
    read: contained(read),
    /** `object[key]`, if the property is its own: for elements and entries. */
    own: contained((object, key) => (hasOwn(object, key) ? object[key] : undefined)),
    keys: contained((object) => keys(object)),
    onExit: contained((listener) => void method(process, 'once', ['exit', listener])),
    listen: contained((signal, listener) => {
      method(signal, 'addEventListener', ['abort', listener]);
    }),
    unlisten: contained((signal, listener) => {
      method(signal, 'removeEventListener', ['abort', listener]);
    }),
    /** Handles the rejection of a promise by ignoring it. */
    ignoreRejection: contained((promise) => void apply(then, promise, [undefined, ignore])),
  };
})();
