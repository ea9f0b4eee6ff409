// Defines the JavaScript functions that the addon calls. Evaluated once, when the addon is loaded,
// so that replacing a global later, such as `Reflect.apply`, has no effect.
//
// Only `guarded` functions run the caller's code, and they catch what it throws: napi would read
// the `cause` and the `toString` of an error, which may throw again, or recurse endlessly.
(() => {
  'use strict';
  const { apply, getPrototypeOf } = Reflect;
  const { defineProperty, hasOwn, keys, prototype: objectPrototype } = Object;
  const { Error, Promise, TypeError, process } = globalThis;
  const { captureStackTrace } = Error;
  const { then } = Promise.prototype;
  const ignore = () => {};

  /** Thrown instead of the caller's error. A string, since reading it runs no code. */
  const UNREADABLE = 'unreadable';

  const guarded = (work) =>
    function call(...args) {
      try {
        return apply(work, undefined, args);
      } catch {
        throw UNREADABLE;
      }
    };

  /** A Proxy can have an endless chain of prototypes. */
  const MAX_PROTOTYPES = 100;

  /** Whether `object` is the `Object.prototype` of any realm, such as a vm context. */
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
        // No object of the chain has the property, but a Proxy may still return a value.
        return hasOwn(holder, key) ? undefined : object[key];
      }
      if (hasOwn(holder, key)) return object[key];
      holder = getPrototypeOf(holder);
    }
    throw UNREADABLE;
  };

  const method = (object, name, args) => apply(read(object, name), object, args);

  /** Returns an error whose stack begins with the caller of the addon. */
  const trace = () => {
    const made = new Error();
    try {
      captureStackTrace(made, trace);
    } catch {
      // The stack then begins with this function instead.
    }
    return made;
  };

  /** `toJSON` of an error: its members but the stack, as data. */
  function toJSON() {
    const { name, message } = this;
    return { name, message, ...this };
  }

  /** Returns an error without a stack: V8 calls `Error.prepareStackTrace` to format one. */
  const error = (isUsageError) => {
    const made = isUsageError ? new TypeError() : new Error();
    try {
      made.stack = '';
    } catch {
      // The error has no own stack, so there is none to format.
    }
    // Not enumerable, as a method of a class.
    const hidden = { __proto__: null, value: toJSON, writable: true, configurable: true };
    return defineProperty(made, 'toJSON', hidden);
  };

  return {
    __proto__: null,
    process,
    trace,
    error,
    read: guarded(read),
    /** Returns `object[key]` if it is an own property: for array elements and entries. */
    own: guarded((object, key) => (hasOwn(object, key) ? object[key] : undefined)),
    keys: guarded((object) => keys(object)),
    onExit: guarded((listener) => void method(process, 'once', ['exit', listener])),
    listen: guarded((signal, listener) => {
      method(signal, 'addEventListener', ['abort', listener]);
    }),
    unlisten: guarded((signal, listener) => {
      method(signal, 'removeEventListener', ['abort', listener]);
    }),
    /** Ignores the rejection of a promise. */
    ignoreRejection: guarded((promise) => void apply(then, promise, [undefined, ignore])),
  };
})();
