// Deno's file API: the script of deno_fs, with ops that ask the broker.

import { core, primordials } from "ext:core/mod.js";
import {
  op_conductor_call,
  op_conductor_call_sync,
  op_conductor_place,
  op_conductor_text,
  op_conductor_text_sync,
} from "ext:core/ops";
import { call, callSync, ops, pair, path, unsupported } from "ext:conductor/03_broker.js";
const {
  ArrayBufferIsView,
  MathFloor,
  Number,
  NumberMAX_SAFE_INTEGER,
  RangeError,
  ReflectApply,
  SymbolAsyncIterator,
  TypeError,
  Uint8Array,
} = primordials;

const WHENCE = ["start", "current", "end"];
const time = (seconds, nanos) => ({ __proto__: null, seconds, nanos });
const file = (operation) => ({ __proto__: null, file: operation });
const inTurn = (handle, call) => ({
  __proto__: null,
  handle: { __proto__: null, inTurn: { __proto__: null, handle, call } },
});

function length(value) {
  if (typeof value === "number" && value > NumberMAX_SAFE_INTEGER) {
    throw new RangeError("The length is not a safe integer");
  }
  return MathFloor(value);
}

function openOptions(options) {
  return {
    __proto__: null,
    read: !!(options?.read ?? options === undefined),
    write: !!options?.write,
    append: !!options?.append,
    truncate: !!options?.truncate,
    create: !!options?.create,
    createNew: !!options?.createNew,
    mode: options?.mode,
    whole: !!options?.whole,
  };
}

pair("op_fs_open", (name, options) => file({
  __proto__: null,
  open: { __proto__: null, path: path(name), options: openOptions(options) },
}));
pair("op_fs_chmod", (name, mode) => file({
  __proto__: null,
  chmod: { __proto__: null, path: path(name), mode },
}));
pair("op_fs_copy_file", (from, to) => file({
  __proto__: null,
  copyFile: { __proto__: null, from: path(from), to: path(to) },
}));
pair("op_fs_link", (from, to) => file({
  __proto__: null,
  link: { __proto__: null, from: path(from), to: path(to) },
}));
pair("op_fs_mkdir", (name, recursive, mode) => file({
  __proto__: null,
  mkdir: { __proto__: null, path: path(name), recursive: !!recursive, mode },
}));
pair("op_fs_read_link", (name) => file({
  __proto__: null,
  readLink: { __proto__: null, path: path(name) },
}));
pair("op_fs_realpath", (name) => file({
  __proto__: null,
  realPath: { __proto__: null, path: path(name) },
}));
pair("op_fs_remove", (name, recursive) => file({
  __proto__: null,
  remove: { __proto__: null, path: path(name), recursive },
}));
pair("op_fs_rename", (from, to) => file({
  __proto__: null,
  rename: { __proto__: null, from: path(from), to: path(to) },
}));
pair("op_fs_symlink", (target, name) => file({
  __proto__: null,
  symlink: { __proto__: null, target: path(target), path: path(name) },
}));
pair("op_fs_truncate", (name, size) => file({
  __proto__: null,
  truncate: { __proto__: null, path: path(name), length: length(size) },
}));
pair("op_fs_utime", (name, seconds, nanos, modifiedSeconds, modifiedNanos) => file({
  __proto__: null,
  utime: {
    __proto__: null,
    path: path(name),
    accessed: time(seconds, nanos),
    modified: time(modifiedSeconds, modifiedNanos),
  },
}));

function makeTemp(directory) {
  return (parent, prefix, suffix) => file({
    __proto__: null,
    makeTemp: {
      __proto__: null,
      directory,
      parent: parent === undefined || parent === null ? undefined : path(parent),
      prefix: prefix ?? undefined,
      suffix: suffix ?? undefined,
    },
  });
}
pair("op_fs_make_temp_dir", makeTemp(true));
pair("op_fs_make_temp_file", makeTemp(false));

// stat(): Deno's script takes the parts of an asynchronous answer, and a buffer
// of numbers, with a flag before each time, of a synchronous one.
const split = (buffer, at, value) => {
  buffer[at] = value >>> 0;
  buffer[at + 1] = MathFloor(value / 2 ** 32) >>> 0;
};
const SYNC_FIELDS = [
  "isFile",
  "isDirectory",
  "isSymlink",
  "size",
  "mtime",
  "atime",
  "birthtime",
  "ctime",
  "dev",
  "ino",
  "mode",
  "nlink",
  "uid",
  "gid",
  "rdev",
  "blksize",
  "blocks",
  "isBlockDevice",
  "isCharDevice",
  "isFifo",
  "isSocket",
];
const FLAGGED = {
  __proto__: null,
  mtime: true,
  atime: true,
  birthtime: true,
  ctime: true,
  ino: true,
  nlink: true,
  blocks: true,
};

function fill(buffer, stat) {
  let at = 0;
  for (let i = 0; i < SYNC_FIELDS.length; i++) {
    const value = stat[SYNC_FIELDS[i]];
    if (FLAGGED[SYNC_FIELDS[i]]) {
      buffer[at] = value === null ? 0 : 1;
      at += 2;
    }
    split(buffer, at, value === null ? 0 : +value);
    at += 2;
  }
}

function parts(stat) {
  return {
    ...stat,
    __proto__: null,
    mtimeSet: true,
    atimeSet: true,
    birthtimeSet: stat.birthtime !== null,
    ctimeSet: true,
    inoSet: true,
    nlinkSet: true,
    blocksSet: true,
  };
}

function stat(name, operation) {
  ops[`${name}_sync`] = (target, buffer) => fill(buffer, callSync(operation(target)));
  ops[`${name}_async`] = async (target) => parts(await call(operation(target)));
}
stat("op_fs_stat", (name) => file({
  __proto__: null,
  stat: { __proto__: null, path: path(name), follow: true },
}));
stat("op_fs_lstat", (name) => file({
  __proto__: null,
  stat: { __proto__: null, path: path(name), follow: false },
}));
stat("op_fs_file_stat", (handle) => inTurn(handle, "stat"));

// What works on an open file needs no grant any more, so no place is taken.
function onFile(sync, promise, operation) {
  ops[sync] = (...args) => op_conductor_call_sync(ReflectApply(operation, undefined, args));
  ops[promise] = (...args) => op_conductor_call(ReflectApply(operation, undefined, args));
}
onFile("op_fs_seek_sync", "op_fs_seek_async", (handle, offset, whence) => {
  const from = WHENCE[whence];
  if (from === undefined) throw new TypeError(`Invalid seek mode: ${whence}`);
  return inTurn(handle, {
    __proto__: null,
    seek: { __proto__: null, offset: Number(offset), whence: from },
  });
});
onFile("op_fs_ftruncate_sync", "op_fs_file_truncate_async", (handle, size) =>
  inTurn(handle, {
    __proto__: null,
    truncate: { __proto__: null, length: length(size) },
  }));
onFile(
  "op_fs_futime_sync",
  "op_fs_futime_async",
  (handle, seconds, nanos, modifiedSeconds, modifiedNanos) =>
    inTurn(handle, {
      __proto__: null,
      utime: {
        __proto__: null,
        accessed: time(seconds, nanos),
        modified: time(modifiedSeconds, modifiedNanos),
      },
    }),
);
const sync = (dataOnly) => (handle) =>
  inTurn(handle, { __proto__: null, sync: { __proto__: null, dataOnly } });
onFile("op_fs_file_sync_sync", "op_fs_file_sync_async", sync(false));
onFile("op_fs_file_sync_data_sync", "op_fs_file_sync_data_async", sync(true));

// Whole files.
const readFile = (name) => file({
  __proto__: null,
  readFile: { __proto__: null, path: path(name) },
});
ops.op_fs_read_file_sync = (name) => callSync(readFile(name));
ops.op_fs_read_file_async = (name) => call(readFile(name));
ops.op_fs_read_file_text_sync = (name) => {
  op_conductor_place();
  return op_conductor_text_sync(path(name));
};
ops.op_fs_read_file_text_async = (name) => {
  op_conductor_place();
  return op_conductor_text(path(name));
};

// More than this goes in pieces to an open file: a frame to the broker is small.
const WHOLE = 64 * 1024;

function bytes(data) {
  if (!ArrayBufferIsView(data)) throw new TypeError("Expected a buffer of bytes");
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
const writeFile = (name, data, options) => file({
  __proto__: null,
  writeFile: {
    __proto__: null,
    path: name,
    data,
    options: {
      __proto__: null,
      mode: options.mode,
      append: options.append,
      create: options.create,
      createNew: options.createNew,
    },
  },
});
const writeOptions = (mode, append, create, createNew) => ({
  __proto__: null,
  mode: mode ?? undefined,
  read: false,
  write: true,
  append: !!append,
  truncate: !append,
  create: !!create && !createNew,
  createNew: !!createNew,
  whole: true,
});
ops.op_fs_write_file_sync = (name, mode, append, create, createNew, data) => {
  const target = path(name);
  const content = bytes(data);
  const options = writeOptions(mode, append, create, createNew);
  if (content.byteLength <= WHOLE) {
    callSync(writeFile(target, content, options));
    return;
  }
  const rid = ops.op_fs_open_sync(target, options);
  try {
    core.writeSync(rid, content);
  } finally {
    core.tryClose(rid);
  }
};
ops.op_fs_write_file_async = async (name, mode, append, create, createNew, data) => {
  const target = path(name);
  const content = bytes(data);
  const options = writeOptions(mode, append, create, createNew);
  if (content.byteLength <= WHOLE) {
    await call(writeFile(target, content, options));
    return;
  }
  const rid = await ops.op_fs_open_async(target, options);
  try {
    await core.writeAll(rid, content);
  } finally {
    core.tryClose(rid);
  }
};

const listing = (name) => file({
  __proto__: null,
  readDir: { __proto__: null, path: name },
});
ops.op_fs_read_dir_sync = (name) => callSync(listing(path(name)));

// The directory that relative paths start from; the broker has its own note.
const directory = { path: "/" };
ops.op_fs_cwd = () => directory.path;
ops.op_fs_chdir = (name) => {
  callSync(file({ __proto__: null, chdir: { __proto__: null, path: path(name) } }));
  directory.path = op_conductor_call_sync(file({
    __proto__: null,
    realPath: { __proto__: null, path: "." },
  }));
};

const LOCKS = "Files cannot be locked here: no other program uses them while this one runs";
unsupported("op_fs_flock_sync", LOCKS);
unsupported("op_fs_flock_async", LOCKS);
unsupported("op_fs_flock_try_sync", LOCKS);
unsupported("op_fs_flock_try_async", LOCKS);
unsupported("op_fs_funlock_sync", LOCKS);
unsupported("op_fs_funlock_async", LOCKS);
const OWNERS = "The owner of a file cannot be changed here";
unsupported("op_fs_chown_sync", OWNERS);
unsupported("op_fs_chown_async", OWNERS);
unsupported("op_fs_umask", "The file mode creation mask (umask) is the server's: pass a mode instead");
unsupported("op_set_raw", "There is no terminal here");

const { SeekMode } = core.loadExtScript("ext:deno_io/12_io.js");
const files = { ...core.loadExtScript("ext:deno_fs/30_fs.js") };
delete files.fsFileConstructorKey;

async function* entries(name) {
  const list = await call(listing(name));
  for (let i = 0; i < list.length; i++) yield list[i];
}
files.readDir = function readDir(name) {
  const target = path(name);
  return { [SymbolAsyncIterator]: () => entries(target) };
};
files.SeekMode = SeekMode;

export { directory, files };
