// Ops that take several operations of the broker, each written once for both forms, and
// fs.cp().

import { primordials } from "ext:core/mod.js";
import { call, callSync, ops } from "ext:conductor_node/ops/table.js";
import { toNode } from "ext:conductor_node/ops/errors.js";
const {
  BigInt,
  Error,
  ReflectApply,
  StringPrototypeLastIndexOf,
  StringPrototypeSlice,
  StringPrototypeStartsWith,
  uncurryThis,
} = primordials;

// A program may replace these on the prototype of generators.
const generator = (function* () {})();
const next = uncurryThis(generator.next);
const raise = uncurryThis(generator.throw);

function runSync(steps) {
  let step = next(steps);
  while (!step.done) {
    let answer;
    try {
      answer = callSync(step.value);
    } catch (error) {
      step = raise(steps, error);
      continue;
    }
    step = next(steps, answer);
  }
  return step.value;
}

async function run(steps) {
  let step = next(steps);
  while (!step.done) {
    let answer;
    try {
      answer = await call(step.value);
    } catch (error) {
      step = raise(steps, error);
      continue;
    }
    step = next(steps, answer);
  }
  return step.value;
}

// An op that yields operations and gets their answers, in both forms. The one that waits
// has Deno's name for it.
function both(name, steps, sync = `${name}_sync`) {
  const begin = (args) => ReflectApply(steps, undefined, args);
  const about = (args) => typeof args[0] === "string" ? args[0] : undefined;
  ops[name] = async (...args) => {
    try {
      return await run(begin(args));
    } catch (error) {
      throw toNode(error, about(args));
    }
  };
  if (sync === null) return;
  ops[sync] = (...args) => {
    try {
      return runSync(begin(args));
    } catch (error) {
      throw toNode(error, about(args));
    }
  };
}

const file = (operation) => ({ __proto__: null, file: operation });
const paths = {
  __proto__: null,
  stat: (path, follow) => file({ __proto__: null, stat: { __proto__: null, path, follow } }),
  mkdir: (path) =>
    file({ __proto__: null, mkdir: { __proto__: null, path, recursive: true, mode: undefined } }),
  copy: (from, to) => file({ __proto__: null, copyFile: { __proto__: null, from, to } }),
  chmod: (path, mode) =>
    file({ __proto__: null, chmod: { __proto__: null, path, mode: mode & 0o777 } }),
  remove: (path) =>
    file({ __proto__: null, remove: { __proto__: null, path, recursive: false } }),
  readLink: (path) => file({ __proto__: null, readLink: { __proto__: null, path } }),
  symlink: (target, path) =>
    file({ __proto__: null, symlink: { __proto__: null, target, path } }),
  readDir: (path) => file({ __proto__: null, readDir: { __proto__: null, path } }),
};

// What went wrong, as _fs/cp/cp.ts names the kinds.
function failed(kind, message, path) {
  const error = new Error(message);
  error.kind = kind;
  error.path = path;
  return error;
}

function* statOrNothing(path, follow) {
  try {
    return yield paths.stat(path, follow);
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

const parent = (path) => StringPrototypeSlice(path, 0, StringPrototypeLastIndexOf(path, "/"));
const isWithin = (outer, inner) =>
  inner === outer || StringPrototypeStartsWith(inner, outer + "/");
const join = (directory, name) => `${directory}/${name}`;

function* check(source, target, follow) {
  const from = yield paths.stat(source, follow);
  const to = yield* statOrNothing(target, follow);
  if (to !== undefined) {
    if (from.ino === to.ino && from.dev === to.dev) {
      throw failed("EINVAL", "src and dest cannot be the same", target);
    }
    if (from.isDirectory && !to.isDirectory) {
      throw failed(
        "DIR_TO_NON_DIR",
        `cannot overwrite non-directory ${target} with directory ${source}`,
        target,
      );
    }
    if (!from.isDirectory && to.isDirectory) {
      throw failed(
        "NON_DIR_TO_DIR",
        `cannot overwrite directory ${target} with non-directory ${source}`,
        target,
      );
    }
  }
  if (from.isDirectory && isWithin(source, target)) {
    throw failed("EINVAL", `cannot copy ${source} to a subdirectory of self ${target}`, target);
  }
  return { __proto__: null, from, exists: to !== undefined };
}

// As _fs/cp/cp.ts reads it, in one number: the mode, whether the target exists, the kind.
function packed({ from, exists }) {
  const kinds = [
    exists,
    from.isDirectory,
    from.isFile,
    from.isCharDevice,
    from.isBlockDevice,
    from.isSymlink,
    from.isSocket,
    from.isFifo,
  ];
  let number = BigInt(from.mode);
  for (let i = 0; i < kinds.length; i++) if (kinds[i]) number |= 1n << BigInt(32 + i);
  return number;
}

function* prepare(source, target, follow) {
  const checked = yield* check(source, target, follow);
  const above = parent(target);
  if (above !== "" && (yield* statOrNothing(above, true)) === undefined) {
    yield paths.mkdir(above);
  }
  return checked;
}

function* copyFile(source, target, mode, exists, { force, errorOnExist, preserve }) {
  if (exists) {
    if (errorOnExist && !force) throw failed("EEXIST", `${target} already exists`, target);
    if (!force) return;
    yield paths.remove(target);
  }
  yield paths.copy(source, target);
  yield paths.chmod(target, mode);
  if (preserve) yield* copyTimes(source, target);
}

function* copyTimes(source, target) {
  const { atime, mtime } = yield paths.stat(source, true);
  const time = (ms) => {
    const seconds = (ms - (ms % 1000)) / 1000;
    return { __proto__: null, seconds, nanos: (ms % 1000) * 1e6 };
  };
  yield file({
    __proto__: null,
    utime: { __proto__: null, path: target, accessed: time(atime), modified: time(mtime) },
  });
}

function* copyLink(source, target, exists, verbatim) {
  let points = yield paths.readLink(source);
  if (!verbatim && !StringPrototypeStartsWith(points, "/")) points = join(parent(source), points);
  if (exists) {
    const to = yield paths.stat(target, false);
    if (to.isSymlink) {
      let old = yield paths.readLink(target);
      if (!StringPrototypeStartsWith(old, "/")) old = join(parent(target), old);
      const follows = yield* statOrNothing(source, true);
      if (follows?.isDirectory && isWithin(points, old)) {
        throw failed("EINVAL", `cannot copy ${points} to a subdirectory of self ${old}`, target);
      }
      if (follows?.isDirectory && isWithin(old, points)) {
        const message = `cannot overwrite ${old} with ${points}`;
        throw failed("SYMLINK_TO_SUBDIRECTORY", message, target);
      }
    }
    yield paths.remove(target);
  }
  yield paths.symlink(points, target);
}

function* copyDirectory(source, target, checked, options) {
  if (!checked.exists) yield paths.mkdir(target);
  const entries = yield paths.readDir(source);
  for (let i = 0; i < entries.length; i++) {
    const from = join(source, entries[i].name);
    const to = join(target, entries[i].name);
    if (options.filter && !options.filter(from, to)) continue;
    yield* copy(from, to, yield* check(from, to, options.follow), options);
  }
  if (!checked.exists) yield paths.chmod(target, checked.from.mode);
}

function* copy(source, target, checked, options) {
  const { from, exists } = checked;
  if (from.isDirectory) {
    if (!options.recursive) {
      throw failed("EISDIR", `Recursive option not enabled, cannot copy a directory: ${source}`, source);
    }
    yield* copyDirectory(source, target, checked, options);
  } else if (from.isFile || from.isCharDevice || from.isBlockDevice) {
    yield* copyFile(source, target, from.mode, exists, options);
  } else if (from.isSymlink) {
    yield* copyLink(source, target, exists, options.verbatim);
  } else if (from.isSocket) {
    throw failed("SOCKET", `cannot copy a socket file: ${target}`, target);
  } else if (from.isFifo) {
    throw failed("FIFO", `cannot copy a FIFO pipe: ${target}`, target);
  } else {
    throw failed("UNKNOWN", `cannot copy an unknown file type: ${target}`, target);
  }
}

function* copyTree(source, target, options) {
  yield* copy(source, target, yield* prepare(source, target, options.follow), options);
}

function copying() {
  both("op_node_cp_validate_and_prepare", function* (source, target, follow) {
    return packed(yield* prepare(source, target, follow));
  }, null);
  both("op_node_cp_check_paths_recursive", function* (source, target, follow) {
    return packed(yield* check(source, target, follow));
  }, null);
  both(
    "op_node_cp_on_file",
    function* (source, target, mode, exists, force, errorOnExist, preserve) {
      yield* copyFile(source, target, mode, exists, { force, errorOnExist, preserve });
    },
    null,
  );
  both("op_node_cp_on_link", copyLink, null);
  both("op_node_cp_fast", function* (source, target, recursive) {
    yield* copyTree(source, target, {
      __proto__: null,
      follow: false,
      recursive,
      force: true,
      errorOnExist: false,
      preserve: false,
      verbatim: false,
    });
  }, null);
  ops.op_node_cp_sync = (
    source,
    target,
    follow,
    recursive,
    force,
    errorOnExist,
    preserve,
    verbatim,
    _mode,
    filter,
  ) => {
    const options = {
      __proto__: null,
      follow,
      recursive,
      force,
      errorOnExist,
      preserve,
      verbatim,
      filter,
    };
    try {
      runSync(copyTree(source, target, options));
    } catch (error) {
      throw toNode(error, source);
    }
  };
}

export { both, copying, file, paths };
