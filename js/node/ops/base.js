// What every script for node: takes as it is loaded: constants, ids, and the classes that
// handles extend.

import { primordials } from "ext:core/mod.js";
import { ops } from "ext:conductor_node/ops/table.js";
const {
  queueMicrotask,
  ReflectApply,
  RegExpPrototypeExec,
  SafeRegExp,
  StringPrototypeReplaceAll,
  StringPrototypeSlice,
  StringPrototypeSplit,
  StringPrototypeStartsWith,
  StringPrototypeTrim,
} = primordials;

ops.op_node_build_os = () => "linux";
// As <fcntl.h>, <sys/stat.h> and libuv have them on Linux, without O_DIRECTORY and
// O_NOFOLLOW, which fs.open() refuses: packages do without them, as on Windows.
ops.op_node_fs_constants = () => ({
  UV_FS_SYMLINK_DIR: 1,
  UV_FS_SYMLINK_JUNCTION: 2,
  O_RDONLY: 0,
  O_WRONLY: 1,
  O_RDWR: 2,
  UV_DIRENT_UNKNOWN: 0,
  UV_DIRENT_FILE: 1,
  UV_DIRENT_DIR: 2,
  UV_DIRENT_LINK: 3,
  UV_DIRENT_FIFO: 4,
  UV_DIRENT_SOCKET: 5,
  UV_DIRENT_CHAR: 6,
  UV_DIRENT_BLOCK: 7,
  S_IFMT: 0o170000,
  S_IFREG: 0o100000,
  S_IFDIR: 0o040000,
  S_IFCHR: 0o020000,
  S_IFBLK: 0o060000,
  S_IFIFO: 0o010000,
  S_IFLNK: 0o120000,
  S_IFSOCK: 0o140000,
  O_CREAT: 0o100,
  O_EXCL: 0o200,
  UV_FS_O_FILEMAP: 0,
  O_NOCTTY: 0o400,
  O_TRUNC: 0o1000,
  O_APPEND: 0o2000,
  O_NOATIME: 0o1000000,
  O_SYNC: 0o4010000,
  O_DSYNC: 0o10000,
  O_DIRECT: 0o40000,
  O_NONBLOCK: 0o4000,
  S_IRWXU: 0o700,
  S_IRUSR: 0o400,
  S_IWUSR: 0o200,
  S_IXUSR: 0o100,
  S_IRWXG: 0o070,
  S_IRGRP: 0o040,
  S_IWGRP: 0o020,
  S_IXGRP: 0o010,
  S_IRWXO: 0o007,
  S_IROTH: 0o004,
  S_IWOTH: 0o002,
  S_IXOTH: 0o001,
  F_OK: 0,
  R_OK: 4,
  W_OK: 2,
  X_OK: 1,
  UV_FS_COPYFILE_EXCL: 1,
  COPYFILE_EXCL: 1,
  UV_FS_COPYFILE_FICLONE: 2,
  COPYFILE_FICLONE: 2,
  UV_FS_COPYFILE_FICLONE_FORCE: 4,
  COPYFILE_FICLONE_FORCE: 4,
});

// Errors of Windows, which is elsewhere.
ops.op_node_sys_to_uv_error = () => "UNKNOWN";

// Deprecations are told to those who can act on them, which a program's author cannot:
// as in Deno, calls of a dependency's are silent.
ops.op_node_call_is_from_dependency = () => true;
ops.op_node_in_npm_package = () => true;
// The text of a failed assertion, which Deno reads from the file. The position is in the
// error's stack.
ops.op_node_get_first_expression = () => undefined;
// What a descriptor is: a pipe. Input and output of a program are the server's.
const PIPE = 4;
ops.op_node_guess_handle_type = () => PIPE;
// What is transferred is a copy here or moves, as structuredClone does it.
ops.op_mark_as_untransferable = () => {};

let lastId = 1;
ops.op_node_new_async_id = () => ++lastId;

class AsyncWrap {
  #provider;
  #id = ops.op_node_new_async_id();
  constructor(provider) {
    this.#provider = provider;
  }
  get provider() {
    return this.#provider;
  }
  getAsyncId() {
    return this.#id;
  }
  getProviderType() {
    return this.#provider;
  }
  asyncReset() {
    this.#id = ops.op_node_new_async_id();
  }
}
ops.AsyncWrap = AsyncWrap;

// A handle keeps nothing open: what it would be of is the broker's.
class HandleWrap extends AsyncWrap {
  close(callback) {
    if (typeof callback === "function") queueMicrotask(() => callback());
  }
  ref() {}
  unref() {}
  hasRef() {
    return false;
  }
}
ops.HandleWrap = HandleWrap;

// Deno's script takes the number 0 for "no such cipher": in Deno, the numbers of input and
// output come first. Here it is that of a first resource, which is then kept for nothing.
function notZero(create) {
  return (...args) => ReflectApply(create, undefined, args) || ReflectApply(create, undefined, args);
}
ops.op_node_create_cipheriv = notZero(ops.op_node_create_cipheriv);
ops.op_node_create_decipheriv = notZero(ops.op_node_create_decipheriv);

// util.parseEnv: NAME=value, one a line, with quotes, `export` and comments.
const LINE = new SafeRegExp(/^\s*(?:export\s+)?([\w.-]+)\s*=\s*(.*)$/s);
const QUOTED = new SafeRegExp(/^(["'`])((?:(?!\1).)*)\1/s);
const COMMENT = new SafeRegExp(/^[^#]*/);

function parseEnv(text) {
  const variables = {};
  const lines = StringPrototypeSplit(StringPrototypeReplaceAll(text, "\r\n", "\n"), "\n");
  for (let i = 0; i < lines.length; i++) {
    const line = RegExpPrototypeExec(LINE, lines[i]);
    if (line === null) continue;
    let rest = line[2];
    // A quoted value goes on until its quote.
    const quote = StringPrototypeSlice(rest, 0, 1);
    if (quote === '"' || quote === "'" || quote === "`") {
      for (let end = i; RegExpPrototypeExec(QUOTED, rest) === null && ++end < lines.length;) {
        rest = `${rest}\n${lines[end]}`;
        if (RegExpPrototypeExec(QUOTED, rest) !== null) i = end;
      }
    }
    const quoted = RegExpPrototypeExec(QUOTED, rest);
    if (quoted === null) {
      variables[line[1]] = StringPrototypeTrim(
        RegExpPrototypeExec(COMMENT, StringPrototypeSplit(line[2], "\n")[0])[0],
      );
    } else if (StringPrototypeStartsWith(quoted[1], '"')) {
      variables[line[1]] = StringPrototypeReplaceAll(quoted[2], "\\n", "\n");
    } else {
      variables[line[1]] = quoted[2];
    }
  }
  return variables;
}
ops.op_node_parse_env = parseEnv;
