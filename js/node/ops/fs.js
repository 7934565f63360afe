// Files: the ops of node:fs, over the broker's operations on files.
//
// A descriptor is the number of an open resource and 3: those below are the program's
// input and output.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_write_bytes } from "ext:core/ops";
import { directory } from "ext:conductor/04_files.js";
import { errors, notPermitted, toNode } from "ext:conductor_node/ops/errors.js";
import { both, copying, file, paths } from "ext:conductor_node/ops/copy.js";
import { call, callSync, ops, refuse, unavailable } from "ext:conductor_node/ops/table.js";
const {
  ArrayBufferIsView,
  ArrayPrototypePush,
  MathMin,
  Number,
  NumberPrototypeToString,
  PromisePrototypeThen,
  PromiseResolve,
  SafeMap,
  MapPrototypeDelete,
  MapPrototypeGet,
  MapPrototypeSet,
  StringPrototypeLastIndexOf,
  StringPrototypeSlice,
  StringPrototypeStartsWith,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeSet,
  TypedArrayPrototypeSubarray,
  Uint8Array,
} = primordials;

const FIRST = 3;
const STDIN = 0;
// As the broker answers at most (src/broker); less is the end of a file.
const LARGEST_READ = 256 * 1024;
const START = 0;
const CURRENT = 1;

// fcntl.h of Linux, in the constants that js/node/ops/base.js gives Node's scripts.
const O_ACCMODE = 3;
const O_RDONLY = 0;
const O_WRONLY = 1;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;
const O_APPEND = 0o2000;
const O_DSYNC = 0o10000;
// Of O_SYNC, which has O_DSYNC in it: what is known of a file is written as well.
const O_SYNC_ALL = 0o4000000;
// O_NOCTTY, O_NONBLOCK, O_DIRECT, O_LARGEFILE, O_NOATIME and O_CLOEXEC: a file has the same
// bytes without them.
const WITHOUT_EFFECT = 0o400 | 0o4000 | 0o40000 | 0o100000 | 0o1000000 | 0o2000000;
const KNOWN = O_ACCMODE | O_CREAT | O_EXCL | O_TRUNC | O_APPEND | O_DSYNC | O_SYNC_ALL |
  WITHOUT_EFFECT;
const O_NOFOLLOW = 0o400000;
const O_DIRECTORY = 0o200000;

// ---- Opening and closing

const files = new SafeMap();

const badDescriptor = () => new core.BadResource("Bad file descriptor (os error 9)");

function opened(fd) {
  const found = MapPrototypeGet(files, fd);
  if (found === undefined) throw badDescriptor();
  return found;
}

// A program that asks for what protects it is not left in the belief that it has it.
function checkFlags(flags) {
  if ((flags & ~KNOWN) === 0) return;
  if ((flags & O_NOFOLLOW) !== 0) {
    throw unavailable(
      "fs.open() with O_NOFOLLOW is not available here: symbolic links are followed as far as " +
        'the run\'s grants go. To create a file and follow none, open it with the flags "wx"',
    );
  }
  if ((flags & O_DIRECTORY) !== 0) {
    throw unavailable(
      "fs.open() with O_DIRECTORY is not available here: list a directory with fs.readdir()",
    );
  }
  throw unavailable(
    `fs.open() with the flag 0o${NumberPrototypeToString(flags & ~KNOWN, 8)} is not available ` +
      'here: use the flags "r", "w", "a", "x", "s" and "+"',
  );
}

function openOptions(flags, mode) {
  checkFlags(flags);
  const access = flags & O_ACCMODE;
  return {
    __proto__: null,
    read: access !== O_WRONLY,
    write: access !== O_RDONLY,
    append: (flags & O_APPEND) !== 0,
    truncate: (flags & O_TRUNC) !== 0,
    create: (flags & O_CREAT) !== 0,
    createNew: (flags & O_CREAT) !== 0 && (flags & O_EXCL) !== 0,
    mode: mode & 0o777,
  };
}

function syncAfter(flags) {
  if ((flags & O_DSYNC) === 0) return undefined;
  return { __proto__: null, sync: { __proto__: null, dataOnly: (flags & O_SYNC_ALL) === 0 } };
}

// What an open file is known by here: where it was opened, for fchmod(); `restore` is
// where reading goes on after a read at a position; `turn` is the last operation; `sync`
// is what follows each write of a file that was opened with O_SYNC or O_DSYNC.
function add(rid, path, flags) {
  const fd = rid + FIRST;
  const absolute = StringPrototypeStartsWith(path, "/") ? path : `${directory.path}/${path}`;
  MapPrototypeSet(files, fd, {
    __proto__: null,
    rid,
    path: absolute,
    restore: undefined,
    sync: syncAfter(flags),
    turn: PromiseResolve(),
  });
  return fd;
}

ops.op_node_open_sync = (path, flags, mode) => {
  try {
    return add(ops.op_fs_open_sync(path, openOptions(flags, mode)), path, flags);
  } catch (error) {
    throw toNode(error, path);
  }
};
ops.op_node_open = async (path, flags, mode) => {
  try {
    return add(await ops.op_fs_open_async(path, openOptions(flags, mode)), path, flags);
  } catch (error) {
    throw toNode(error, path);
  }
};

ops.op_node_fs_close = (fd) => {
  // A program's output has no end of its own.
  if (fd >= STDIN && fd < FIRST) return;
  const { rid } = opened(fd);
  MapPrototypeDelete(files, fd);
  core.close(rid);
};

// ---- Reading and writing

const onHandle = (open, call) => ({
  __proto__: null,
  handle: { __proto__: null, inTurn: { __proto__: null, handle: open.rid, call } },
});

// One operation on an open file after another, since a position is set by a call of
// its own.
function inTurn(open, operation) {
  const done = PromisePrototypeThen(open.turn, operation);
  open.turn = PromisePrototypeThen(done, () => undefined, () => undefined);
  return done;
}

const at = (position) => {
  const number = Number(position);
  return number >= 0 ? number : undefined;
};

function placeSync(open, position) {
  if (position !== undefined) {
    open.restore ??= ops.op_fs_seek_sync(open.rid, 0, CURRENT);
    ops.op_fs_seek_sync(open.rid, position, START);
  } else if (open.restore !== undefined) {
    ops.op_fs_seek_sync(open.rid, open.restore, START);
    open.restore = undefined;
  }
}

async function place(open, position) {
  if (position !== undefined) {
    open.restore ??= await ops.op_fs_seek_async(open.rid, 0, CURRENT);
    await ops.op_fs_seek_async(open.rid, position, START);
  } else if (open.restore !== undefined) {
    await ops.op_fs_seek_async(open.rid, open.restore, START);
    open.restore = undefined;
  }
}

function bytes(buffer) {
  return ArrayBufferIsView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
}

// Whether a read was all that there is, for now.
const isLast = (read, asked) => read < MathMin(asked, LARGEST_READ);

function fillSync(rid, target) {
  const length = TypedArrayPrototypeGetByteLength(target);
  let filled = 0;
  while (filled < length) {
    const read = core.readSync(rid, TypedArrayPrototypeSubarray(target, filled));
    filled += read;
    if (isLast(read, length - filled + read)) break;
  }
  return filled;
}

async function fill(rid, target) {
  const length = TypedArrayPrototypeGetByteLength(target);
  let filled = 0;
  while (filled < length) {
    const read = await core.read(rid, TypedArrayPrototypeSubarray(target, filled));
    filled += read;
    if (isLast(read, length - filled + read)) break;
  }
  return filled;
}

ops.op_node_fs_read_sync = (fd, buffer, position) => {
  if (fd === STDIN) return 0;
  const open = opened(fd);
  placeSync(open, at(position));
  return fillSync(open.rid, bytes(buffer));
};
ops.op_node_fs_read_deferred = async (fd, buffer, position) => {
  if (fd === STDIN) return 0;
  const open = opened(fd);
  return await inTurn(open, async () => {
    await place(open, at(position));
    return await fill(open.rid, bytes(buffer));
  });
};

ops.op_node_fs_write_sync = (fd, buffer, position) => {
  const data = bytes(buffer);
  if (fd > STDIN && fd < FIRST) return op_conductor_write_bytes(fd, data);
  const open = opened(fd);
  placeSync(open, at(position));
  const written = core.writeSync(open.rid, data);
  if (open.sync !== undefined) callSync(onHandle(open, open.sync));
  return written;
};
ops.op_node_fs_write_deferred = async (fd, buffer, position) => {
  const data = bytes(buffer);
  if (fd > STDIN && fd < FIRST) return op_conductor_write_bytes(fd, data);
  const open = opened(fd);
  return await inTurn(open, async () => {
    await place(open, at(position));
    await core.writeAll(open.rid, data);
    if (open.sync !== undefined) await call(onHandle(open, open.sync));
    return TypedArrayPrototypeGetByteLength(data);
  });
};

// `whence` as in <unistd.h>.
ops.op_node_fs_seek_sync = (fd, offset, whence) => {
  const open = opened(fd);
  placeSync(open, undefined);
  return ops.op_fs_seek_sync(open.rid, offset, whence);
};
ops.op_node_fs_seek = async (fd, offset, whence) => {
  const open = opened(fd);
  return await inTurn(open, async () => {
    await place(open, undefined);
    return await ops.op_fs_seek_async(open.rid, offset, whence);
  });
};

function joined(pieces) {
  let length = 0;
  for (let i = 0; i < pieces.length; i++) length += TypedArrayPrototypeGetByteLength(pieces[i]);
  const all = new Uint8Array(length);
  for (let i = 0, end = 0; i < pieces.length; i++) {
    TypedArrayPrototypeSet(all, pieces[i], end);
    end += TypedArrayPrototypeGetByteLength(pieces[i]);
  }
  return all;
}

ops.op_node_fs_read_file_sync = (fd) => {
  if (fd === STDIN) return new Uint8Array(0);
  const open = opened(fd);
  placeSync(open, undefined);
  const pieces = [];
  for (;;) {
    const piece = new Uint8Array(LARGEST_READ);
    const read = core.readSync(open.rid, piece);
    if (read === 0) return joined(pieces);
    ArrayPrototypePush(pieces, TypedArrayPrototypeSubarray(piece, 0, read));
  }
};
ops.op_node_fs_read_file = async (fd) => {
  if (fd === STDIN) return new Uint8Array(0);
  const open = opened(fd);
  return await inTurn(open, async () => {
    await place(open, undefined);
    return await core.readAll(open.rid, false);
  });
};

// Whole files, whose errors are Node's here. js/04_files.js ignores what else is passed.
const whole = { sync: ops.op_fs_read_file_sync, async: ops.op_fs_read_file_async };
ops.op_fs_read_file_sync = (path, flags) => {
  try {
    checkFlags(flags);
    return whole.sync(path);
  } catch (error) {
    throw toNode(error, path);
  }
};
ops.op_fs_read_file_async = async (path, _cancel, flags) => {
  try {
    checkFlags(flags);
    return await whole.async(path);
  } catch (error) {
    throw toNode(error, path);
  }
};

// ---- What is open

const FIFO = 0o010600;
// Input and output of a program are pipes to the server.
const pipe = () => ({
  __proto__: null,
  isFile: false,
  isDirectory: false,
  isSymlink: false,
  size: 0,
  mtimeMs: 0,
  atimeMs: 0,
  birthtimeMs: 0,
  ctimeMs: 0,
  dev: 0,
  ino: 0,
  mode: FIFO,
  nlink: 1,
  uid: 0,
  gid: 0,
  rdev: 0,
  blksize: 4096,
  blocks: 0,
  isBlockDevice: false,
  isCharDevice: false,
  isFifo: true,
  isSocket: false,
});

const handleStat = (open) => ({
  __proto__: null,
  handle: { __proto__: null, inTurn: { __proto__: null, handle: open.rid, call: "stat" } },
});
const known = (stat) => ({
  ...stat,
  __proto__: null,
  mtimeMs: stat.mtime,
  atimeMs: stat.atime,
  birthtimeMs: stat.birthtime,
  ctimeMs: stat.ctime,
});

// An op on a descriptor in both forms.
function onFile(name, operation) {
  both(name, function* (fd, first, second, third, fourth) {
    yield* operation(opened(fd), first, second, third, fourth);
  });
}

both("op_node_fs_fstat", function* (fd) {
  if (fd >= STDIN && fd < FIRST) return pipe();
  return known(yield handleStat(opened(fd)));
});

onFile("op_node_fs_ftruncate", function* (open, length) {
  yield onHandle(open, { __proto__: null, truncate: { __proto__: null, length } });
});
onFile("op_node_fs_fsync", function* (open) {
  yield onHandle(open, { __proto__: null, sync: { __proto__: null, dataOnly: false } });
});
onFile("op_node_fs_fdatasync", function* (open) {
  yield onHandle(open, { __proto__: null, sync: { __proto__: null, dataOnly: true } });
});
const time = (seconds, nanos) => ({ __proto__: null, seconds, nanos });
onFile("op_node_fs_futimes", function* (open, seconds, nanos, modified, modifiedNanos) {
  yield onHandle(open, {
    __proto__: null,
    utime: {
      __proto__: null,
      accessed: time(seconds, nanos),
      modified: time(modified, modifiedNanos),
    },
  });
});
// The broker changes modes of paths; what was opened is asked for by its own.
onFile("op_node_fs_fchmod", function* (open, mode) {
  yield file({ __proto__: null, chmod: { __proto__: null, path: open.path, mode: mode & 0o777 } });
});

const OWNER = "EPERM: operation not permitted: the owner of a file cannot be changed here";
const owners = ["op_node_fs_fchown", "op_node_lchown"];
for (let i = 0; i < owners.length; i++) {
  // deno-lint-ignore require-yield
  both(owners[i], function* () {
    throw notPermitted(OWNER);
  });
}
const LINKS = "Times and modes of symbolic links cannot be changed here, only those of files";
refuse("op_node_lutimes", LINKS);
refuse("op_node_lutimes_sync", LINKS);
refuse("op_node_lchmod", LINKS);
refuse("op_node_lchmod_sync", LINKS);
const SPACE = "fs.statfs() is not available here: the size of the disk is the server's";
refuse("op_node_statfs", SPACE);
refuse("op_node_statfs_sync", SPACE);

// ---- Paths

function* exists(path) {
  try {
    yield paths.stat(path, true);
    return true;
  } catch {
    return false;
  }
}
both("op_node_fs_exists", exists);
both("op_node_rmdir", function* (path) {
  const stat = yield paths.stat(path, false);
  if (!stat.isDirectory) throw new errors.NotADirectory("Not a directory (os error 20)");
  yield file({ __proto__: null, remove: { __proto__: null, path, recursive: false } });
});

// The broker chooses the six characters. Node answers with the prefix as it was given.
both("op_node_mkdtemp", function* (prefix) {
  const slash = StringPrototypeLastIndexOf(prefix, "/");
  const parent = StringPrototypeSlice(prefix, 0, slash + 1);
  const made = yield file({
    __proto__: null,
    makeTemp: {
      __proto__: null,
      directory: true,
      parent: parent === "" ? "." : parent,
      prefix: StringPrototypeSlice(prefix, slash + 1),
      suffix: undefined,
    },
  });
  const name = StringPrototypeSlice(made, StringPrototypeLastIndexOf(made, "/") + 1);
  return parent + name;
});

// A listing is one answer of the broker's: the number that Deno's script passes is the
// list itself.
const readDirSync = ops.op_fs_read_dir_sync;
ops.op_fs_read_dir_sync = (path) => {
  try {
    return readDirSync(path);
  } catch (error) {
    throw toNode(error, path);
  }
};
both("op_fs_read_dir_async", function* (path) {
  const entries = yield file({ __proto__: null, readDir: { __proto__: null, path } });
  return { __proto__: null, entries, next: 0 };
}, null);
ops.op_fs_read_dir_async_next = async (list) => list.entries[list.next++] ?? null;

// 0 is a file, 1 anything else, -1 nothing.
ops.op_require_stat = (path) => {
  try {
    return ops.Deno.statSync(path).isFile ? 0 : 1;
  } catch {
    return -1;
  }
};
ops.op_require_real_path = (path) => ops.Deno.realPathSync(path);

// The mask is the server's: what a program creates has the mode that it names, less this.
ops.op_fs_umask = () => 0o022;

copying();
