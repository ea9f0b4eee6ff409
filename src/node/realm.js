// What the addon needs of its JavaScript environment. Evaluated once, when the addon is loaded: what
// a program replaces later, such as `Reflect.get` or `Promise.prototype.then`, is not looked up.
//
// Code of the caller's runs only below `contained`. What it throws ends there: napi would read the
// `cause` and the `toString` of an error, which can throw again, or recurse without end.
(() => {
  'use strict';
  const { apply, getPrototypeOf } = Reflect;
  const { hasOwn, keys, prototype: objectPrototype } = Object;
  const { Error, Promise, TypeError, process } = globalThis;
  const { captureStackTrace } = Error;
  const { then } = Promise.prototype;
  const ignore = () => {};

  /** A string leaves no references behind, and nothing of it runs code. */
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

  /** `Object.prototype` of this realm or of another, such as a vm context's. */
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
        // Where it has no such property either, a Proxy in front of it may still have an answer.
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
      // The stack then begins here.
    }
    return made;
  };

  /** An error whose stack is free to be defined: V8 would call `Error.prepareStackTrace` for one. */
  const error = (isCallers) => {
    const made = isCallers ? new TypeError() : new Error();
    try {
      made.stack = '';
    } catch {
      // Without a stack of its own it has none to format either.
    }
    return made;
  };

  return {
    __proto__: null,
    process,
    trace,
    error,
    read: contained(read),
    /** `object[key]` if it is its own: for elements and entries. */
    own: contained((object, key) => (hasOwn(object, key) ? object[key] : undefined)),
    keys: contained((object) => keys(object)),
    onExit: contained((listener) => void method(process, 'once', ['exit', listener])),
    listen: contained((signal, listener) => {
      method(signal, 'addEventListener', ['abort', listener]);
    }),
    unlisten: contained((signal, listener) => {
      method(signal, 'removeEventListener', ['abort', listener]);
    }),
    /** Gives a promise a handler of its rejection, and does not wait for it. */
    forgive: contained((promise) => void apply(then, promise, [undefined, ignore])),
  };
})();
