// What `require`, `createRequire` and `process.getBuiltinModule` answer: the table of the
// node: built-ins, by their names with `node:` or without.

import { primordials } from "ext:core/mod.js";
const { ObjectKeys, Error, StringPrototypeStartsWith, StringPrototypeSlice, TypeError } =
  primordials;

const table = { __proto__: null };
// Filled as the last step, when all of them are evaluated.
function setBuiltins(builtins) {
  const names = ObjectKeys(builtins);
  for (let i = 0; i < names.length; i++) {
    const namespace = builtins[names[i]];
    table[names[i]] = namespace.default ?? namespace;
  }
}

const bare = (name) =>
  StringPrototypeStartsWith(name, "node:") ? StringPrototypeSlice(name, 5) : name;

// Undefined, if there is no such built-in.
function builtin(name) {
  return typeof name === "string" ? table[bare(name)] : undefined;
}

const names = () => ObjectKeys(table);
const isBuiltin = (name) => builtin(name) !== undefined;

function coded(error, code) {
  error.code = code;
  return error;
}

// `require` of a program: its literal arguments are imports by now (the transpiler makes
// them so), what is left is computed.
function require(name) {
  if (typeof name !== "string") {
    throw coded(
      new TypeError('The "id" argument must be of type string'),
      "ERR_INVALID_ARG_TYPE",
    );
  }
  const found = builtin(name);
  if (found !== undefined) return found;
  throw coded(new Error(missing(name)), "MODULE_NOT_FOUND");
}

function missing(name) {
  if (StringPrototypeStartsWith(name, "node:")) {
    return `No such built-in module: ${name}`;
  }
  return `Cannot find module '${name}': a computed require() finds node: built-ins only. ` +
    `Write the name of a package or file as a literal, as in require("${bare(name)}"), or ` +
    "use await import()";
}

function createRequire() {
  const own = (name) => require(name);
  own.resolve = (name) => {
    require(name);
    return name;
  };
  own.resolve.paths = () => null;
  own.cache = {};
  own.extensions = {};
  own.main = undefined;
  return own;
}

// `process.binding`: what packages of Node's first years look at. What else Node has
// there is its inside, which is another one here.
function binding(name) {
  switch (name) {
    case "constants":
      return {
        crypto: table.crypto.constants,
        fs: table.fs.constants,
        os: table.os.constants,
        zlib: table.zlib.constants,
      };
    case "config":
    case "natives":
      return {};
    default:
      throw coded(
        new Error(`No such module: ${name}: Node's internals are not available here`),
        "ERR_INVALID_MODULE",
      );
  }
}

export { binding, builtin, createRequire, isBuiltin, missing, names, require, setBuiltins };
