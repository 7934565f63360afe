// A program's value as JSON text. JSON rules, and what JSON cannot hold
// becomes something readable instead of a failure:
//   undefined, NaN, Infinity   null (an undefined property is left out)
//   bigint                     its decimal digits, as a string
//   Date                       ISO 8601; an invalid date is null
//   Map                        an object when all keys are strings, else pairs
//   Set, typed arrays          an array
//   Error                      {name, message, stack} with cause and own fields
//   function, symbol, RegExp   as text: "[Function: f]", "Symbol(x)", "/x/g"
//   a circular reference       "[Circular]"
//   a getter that throws       "[Thrown: …]"
// Every step runs inside the program's deadline: getters, toJSON and proxy
// traps are the program's code.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_exceeded } from "ext:core/ops";
const {
  ArrayBufferIsView,
  ArrayIsArray,
  ArrayPrototypePush,
  BigIntPrototypeToString,
  BigIntPrototypeValueOf,
  BooleanPrototypeValueOf,
  DatePrototypeGetTime,
  DatePrototypeToISOString,
  JSONStringify,
  MapPrototypeForEach,
  NumberIsFinite,
  NumberPrototypeValueOf,
  ObjectKeys,
  ObjectSetPrototypeOf,
  RegExpPrototypeToString,
  SafeSet,
  SetPrototypeForEach,
  SetPrototypeAdd,
  SetPrototypeDelete,
  SetPrototypeHas,
  String,
  StringPrototypeToWellFormed,
  StringPrototypeValueOf,
  SymbolPrototypeToString,
  TypedArrayPrototypeGetLength,
  Uint8Array,
} = primordials;
const {
  isAnyArrayBuffer,
  isBigIntObject,
  isBooleanObject,
  isDataView,
  isDate,
  isMap,
  isNativeError,
  isNumberObject,
  isPromise,
  isRegExp,
  isSet,
  isStringObject,
  isWeakMap,
  isWeakSet,
} = core;

const DEPTH = "depth";
const SIZE = "size";
const OMIT = undefined;

// A list that calls no setter of Array.prototype or Object.prototype.
const list = () => ObjectSetPrototypeOf([], null);

class Writer {
  #left;
  #maxDepth;
  #open = new SafeSet();

  constructor(maxBytes, maxDepth) {
    this.#left = maxBytes;
    this.#maxDepth = maxDepth;
  }

  // JSON text grows only here, so that a value stops at its limit and not after.
  text(text) {
    this.#left -= text.length;
    if (this.#left < 0) op_conductor_exceeded(SIZE);
    return text;
  }

  string(value) {
    return this.text(JSONStringify(StringPrototypeToWellFormed(value)));
  }

  value(value, key, depth) {
    switch (typeof value) {
      case "undefined":
        return OMIT;
      case "string":
        return this.string(value);
      case "number":
        return this.text(NumberIsFinite(value) ? String(value) : "null");
      case "boolean":
        return this.text(value ? "true" : "false");
      case "bigint":
        return this.string(BigIntPrototypeToString(value));
      case "symbol":
        return this.string(SymbolPrototypeToString(value));
      case "function":
        return this.string(describeFunction(value));
      default:
        return value === null ? this.text("null") : this.object(value, key, depth);
    }
  }

  object(value, key, depth) {
    if (SetPrototypeHas(this.#open, value)) return this.string("[Circular]");
    if (depth >= this.#maxDepth) op_conductor_exceeded(DEPTH);
    SetPrototypeAdd(this.#open, value);
    try {
      return this.contents(value, key, depth + 1);
    } catch (error) {
      return this.string(new Thrown(error).text);
    } finally {
      SetPrototypeDelete(this.#open, value);
    }
  }

  contents(value, key, depth) {
    if (isDate(value)) {
      const time = DatePrototypeGetTime(value);
      return NumberIsFinite(time)
        ? this.string(DatePrototypeToISOString(value))
        : this.text("null");
    }
    const read = (get) => {
      try {
        return get();
      } catch (error) {
        return new Thrown(error);
      }
    };
    const toJSON = read(() => value.toJSON);
    if (typeof toJSON === "function") {
      const replaced = read(() => value.toJSON(key));
      if (replaced instanceof Thrown) return this.string(replaced.text);
      if (replaced !== value) return this.value(replaced, key, depth);
    }
    if (ArrayIsArray(value)) return this.array(read(() => value.length), (i) => value[i], depth);
    if (isNativeError(value)) return this.error(value, read, depth);
    if (isMap(value)) return this.map(value, depth);
    if (isSet(value)) {
      const items = list();
      SetPrototypeForEach(value, (item) => ArrayPrototypePush(items, item));
      return this.array(items.length, (i) => items[i], depth);
    }
    if (ArrayBufferIsView(value) && !isDataView(value)) {
      return this.array(TypedArrayPrototypeGetLength(value), (i) => value[i], depth);
    }
    if (isAnyArrayBuffer(value)) {
      const bytes = new Uint8Array(value);
      return this.array(TypedArrayPrototypeGetLength(bytes), (i) => bytes[i], depth);
    }
    if (isRegExp(value)) return this.string(RegExpPrototypeToString(value));
    if (isStringObject(value)) return this.string(StringPrototypeValueOf(value));
    if (isNumberObject(value)) return this.value(NumberPrototypeValueOf(value), key, depth);
    if (isBooleanObject(value)) return this.value(BooleanPrototypeValueOf(value), key, depth);
    if (isBigIntObject(value)) return this.value(BigIntPrototypeValueOf(value), key, depth);
    if (isPromise(value)) return this.string("[Promise]");
    if (isWeakMap(value)) return this.string("[WeakMap]");
    if (isWeakSet(value)) return this.string("[WeakSet]");
    this.text("{}");
    return this.properties(value, "", null, depth);
  }

  array(length, item, depth) {
    this.text("[]");
    let parts = "";
    for (let i = 0; i < length; i++) {
      let text;
      try {
        text = this.value(item(i), String(i), depth);
      } catch (error) {
        text = this.string(new Thrown(error).text);
      }
      text = text === OMIT ? this.text("null") : text;
      parts = i === 0 ? text : `${parts},${text}`;
      this.text(",");
    }
    return `[${parts}]`;
  }

  map(value, depth) {
    const pairs = list();
    let named = true;
    MapPrototypeForEach(value, (item, key) => {
      named &&= typeof key === "string";
      ArrayPrototypePush(pairs, [key, item]);
    });
    if (!named) return this.array(pairs.length, (i) => pairs[i], depth);
    this.text("{}");
    let text = "";
    for (let i = 0; i < pairs.length; i++) text = this.member(text, pairs[i][0], pairs[i][1], depth);
    return `{${text}}`;
  }

  error(value, read, depth) {
    this.text("{}");
    const known = new SafeSet();
    let text = "";
    const field = (name) => {
      const found = read(() => value[name]);
      if (found === undefined) return;
      SetPrototypeAdd(known, name);
      text = this.member(text, name, found, depth);
    };
    field("name");
    field("message");
    field("stack");
    field("cause");
    field("errors");
    return this.properties(value, text, known, depth);
  }

  // Own enumerable string keys, after the members that are already there.
  properties(value, text, known, depth) {
    const keys = ObjectKeys(value);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (known !== null && SetPrototypeHas(known, key)) continue;
      let item;
      try {
        item = value[key];
      } catch (error) {
        item = new Thrown(error);
      }
      text = this.member(text, key, item, depth);
    }
    return `{${text}}`;
  }

  // The members so far, and one more.
  member(members, key, item, depth) {
    const text = item instanceof Thrown
      ? this.string(item.text)
      : this.value(item, key, depth);
    if (text === OMIT) return members;
    const member = `${this.string(key)}:${text}`;
    this.text(":,");
    return members === "" ? member : `${members},${member}`;
  }
}

// What reading a property threw, as text.
class Thrown {
  text;
  constructor(error) {
    let text;
    try {
      text = `[Thrown: ${String(error)}]`;
    } catch {
      text = "[Thrown]";
    }
    this.text = text;
  }
}
primordials.ObjectDefineProperty(Thrown, primordials.SymbolHasInstance, {
  __proto__: null,
  value: (object) => primordials.ObjectPrototypeIsPrototypeOf(Thrown.prototype, object),
});

function describeFunction(value) {
  let name = "";
  try {
    name = value.name;
  } catch {
    // A proxy around a function may throw here; an unnamed function it is.
  }
  return typeof name === "string" && name !== "" ? `[Function: ${name}]` : "[Function]";
}

function toJson(value, maxBytes, maxDepth) {
  return new Writer(maxBytes, maxDepth).value(value, "", 0) ?? "null";
}

export { toJson };
