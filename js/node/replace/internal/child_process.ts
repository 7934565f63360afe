// node:child_process's processes, over the broker's commands. In the place of Deno's
// script, which opens descriptors: here a stream is a resource of the broker's.
//
// What a command may be and see is the broker's to decide; its sentence is in the error.

(function () {
const { core, primordials } = globalThis.__bootstrap;
const {
  ArrayBufferIsView,
  ArrayIsArray,
  ArrayPrototypeIncludes,
  ArrayPrototypeJoin,
  ArrayPrototypeMap,
  ArrayPrototypePush,
  ArrayPrototypeSlice,
  ArrayPrototypeUnshift,
  Error,
  ObjectDefineProperty,
  ObjectEntries,
  ObjectHasOwn,
  ObjectKeys,
  ObjectPrototypeIsPrototypeOf,
  PromisePrototypeThen,
  RegExpPrototypeExec,
  SafeRegExp,
  String,
  StringPrototypeIncludes,
  StringPrototypeIndexOf,
  StringPrototypeReplace,
  StringPrototypeSlice,
  Symbol,
  SymbolDispose,
  TypedArrayPrototypeGetByteLength,
  TypedArrayPrototypeSubarray,
  TypeError,
  Uint8Array,
} = primordials;

const { conductorCommand: command, Deno } = core.loadExtScript("ext:conductor/00_ops.js");
const { EventEmitter } = core.loadExtScript("ext:deno_node/_events.mjs");
const { Buffer } = core.loadExtScript("ext:deno_node/internal/buffer.mjs");
const { nextTick } = core.loadExtScript("ext:deno_node/_next_tick.ts");
const { kEmptyObject } = core.loadExtScript("ext:deno_node/internal/util.mjs");
const { os } = core.loadExtScript("ext:deno_node/internal_binding/constants.ts");
const { codeMap } = core.loadExtScript("ext:deno_node/internal_binding/uv.ts");
const {
  AbortError,
  ERR_INVALID_ARG_TYPE,
  ERR_INVALID_ARG_VALUE,
  ERR_UNKNOWN_SIGNAL,
  errnoException,
} = core.loadExtScript("ext:deno_node/internal/errors.ts");
const {
  validateBoolean,
  validateInt32,
  validateObject,
  validateString,
} = core.loadExtScript("ext:deno_node/internal/validators.mjs");
const lazyStream = core.createLazyLoader("node:stream");
const lazyFsUtils = core.createLazyLoader("ext:deno_node/internal/fs/utils.mjs");

// As much as the broker answers with at once (src/broker).
const PIECE = 64 * 1024;
const INPUT_OUTPUT_ERRORS = 3;

function unavailable(message) {
  const error = new Error(message);
  error.code = "ERR_FEATURE_UNAVAILABLE_ON_PLATFORM";
  return error;
}

// ---- Arguments

function mapValues(record, transform) {
  const mapped = {};
  const entries = ObjectEntries(record);
  for (let i = 0; i < entries.length; i++) {
    const value = entries[i][1];
    if (value !== undefined && value !== null) mapped[entries[i][0]] = transform(value);
  }
  return mapped;
}

const STDIO = ["pipe", "ignore", "inherit", "overlapped"];

function stdioStringToArray(stdio, channel) {
  if (!ArrayPrototypeIncludes(STDIO, stdio)) throw new ERR_INVALID_ARG_VALUE("stdio", stdio);
  const streams = [stdio, stdio, stdio];
  if (channel) ArrayPrototypePush(streams, channel);
  return streams;
}

function validateNullByteNotInArg(value, name) {
  if (StringPrototypeIncludes(value, "\0")) {
    throw new ERR_INVALID_ARG_VALUE(name, value, "must be a string without null bytes");
  }
}

const PLAIN = new SafeRegExp("^[a-zA-Z0-9_./-]+$");
const QUOTE = new SafeRegExp("'", "g");

function shellArgument(text) {
  if (RegExpPrototypeExec(PLAIN, text) !== null) return text;
  return `'${StringPrototypeReplace(text, QUOTE, "'\\''")}'`;
}

function pairsOf(variables) {
  const pairs = [];
  // Inherited ones too, as in Node.
  for (const name in variables) {
    const value = variables[name];
    if (value === undefined) continue;
    validateNullByteNotInArg(name, `options.env['${name}']`);
    validateNullByteNotInArg(String(value), `options.env['${name}']`);
    ArrayPrototypePush(pairs, `${name}=${value}`);
  }
  return pairs;
}

// Without `env` a command has what process.env has. `inheritsEnv` if that is what is granted
// and the pairs.
function environment({ env }) {
  if (env !== undefined && env !== null) return { envPairs: pairsOf(env), inheritsEnv: false };
  const { clears, variables } = command.changes();
  return { envPairs: pairsOf(variables), inheritsEnv: !clears };
}

function normalizeSpawnArguments(file, args, options) {
  validateString(file, "file");
  if (file.length === 0) throw new ERR_INVALID_ARG_VALUE("file", file, "cannot be empty");
  validateNullByteNotInArg(file, "file");
  if (ArrayIsArray(args)) {
    args = ArrayPrototypeSlice(args);
  } else if (args === undefined || args === null) {
    args = [];
  } else if (typeof args !== "object") {
    throw new ERR_INVALID_ARG_TYPE("args", "object", args);
  } else {
    options = args;
    args = [];
  }
  for (let i = 0; i < args.length; i++) {
    args[i] = String(args[i]);
    validateNullByteNotInArg(args[i], `args[${i}]`);
  }
  options ??= kEmptyObject;
  validateObject(options, "options");
  options = { __proto__: null, ...options };
  let { cwd } = options;
  if (cwd !== undefined && cwd !== null) {
    cwd = lazyFsUtils().getValidatedPath(cwd, "options.cwd");
    validateNullByteNotInArg(cwd, "options.cwd");
  }
  if (options.detached != null) validateBoolean(options.detached, "options.detached");
  if (options.uid != null) validateInt32(options.uid, "options.uid");
  if (options.gid != null) validateInt32(options.gid, "options.gid");
  if (options.argv0 != null) validateString(options.argv0, "options.argv0");
  const { shell } = options;
  if (shell != null && typeof shell !== "boolean" && typeof shell !== "string") {
    throw new ERR_INVALID_ARG_TYPE("options.shell", ["boolean", "string"], shell);
  }
  if (shell) {
    const words = args.length === 0
      ? [file]
      : [shellArgument(file), ...ArrayPrototypeMap(args, shellArgument)];
    args = ["-c", ArrayPrototypeJoin(words, " ")];
    file = typeof shell === "string" ? shell : "/bin/sh";
  }
  ArrayPrototypeUnshift(args, typeof options.argv0 === "string" ? options.argv0 : file);
  return { __proto__: null, ...options, args, cwd, file, ...environment(options) };
}

// What a stream of the child is: the broker's word, and the stream to join to it.
function stdioOf(value, index) {
  if (value === "ignore") return { kind: "null" };
  if (value === "inherit") return { kind: "inherit" };
  if (value === undefined || value === null || value === "pipe" || value === "overlapped") {
    return { kind: "piped" };
  }
  const fd = typeof value === "number" ? value : value?.fd;
  if (fd === index) return { kind: "inherit" };
  // Both are the run's output.
  if (index > 0 && (fd === 1 || fd === 2)) return { kind: "inherit" };
  if (typeof fd !== "number" && typeof value === "object" && typeof value.on === "function") {
    return { kind: "piped", joined: value };
  }
  throw unavailable(
    `stdio[${index}] of a command can be "pipe", "ignore", "inherit" or a stream here, ` +
      "not the descriptor of a file: write what it prints to the file",
  );
}

function streams(stdio) {
  if (typeof stdio === "string") stdio = stdioStringToArray(stdio);
  stdio ??= [];
  if (!ArrayIsArray(stdio)) throw new ERR_INVALID_ARG_VALUE("stdio", stdio);
  for (let i = INPUT_OUTPUT_ERRORS; i < stdio.length; i++) {
    if (stdio[i] === "ignore" || stdio[i] === undefined || stdio[i] === null) continue;
    throw unavailable(
      stdio[i] === "ipc"
        ? "A channel to a child process (fork, ipc) is not available here: programs are " +
          "one process. Exchange text on stdin and stdout of spawn()"
        : `stdio[${i}] of a command is not available here: there are stdin, stdout and stderr`,
    );
  }
  return [stdioOf(stdio[0], 0), stdioOf(stdio[1], 1), stdioOf(stdio[2], 2)];
}

function getValidStdio(stdio) {
  return { stdio: streams(stdio), ipc: undefined, ipcFd: undefined };
}

// Options as js/06_command.js takes them.
function brokered(options, stdio) {
  const { file, args, envPairs } = options;
  if (args.length > 0 && args[0] !== file) {
    throw unavailable("argv0 of a command cannot be chosen here: it is the command's name");
  }
  const env = ArrayPrototypeMap(envPairs ?? [], (pair) => {
    const at = StringPrototypeIndexOf(pair, "=");
    return [StringPrototypeSlice(pair, 0, at), StringPrototypeSlice(pair, at + 1)];
  });
  return {
    __proto__: null,
    cmd: file,
    args: ArrayPrototypeSlice(args, 1),
    cwd: options.cwd ?? undefined,
    clearEnv: envPairs !== undefined && !options.inheritsEnv,
    env,
    uid: options.uid ?? undefined,
    gid: options.gid ?? undefined,
    stdin: stdio[0].kind,
    stdout: stdio[1].kind,
    stderr: stdio[2].kind,
  };
}

// ---- Errors and signals

function failure(error, options, syscall) {
  if (ObjectPrototypeIsPrototypeOf(Deno.errors.NotFound.prototype, error)) {
    error = errnoException(codeMap.get("ENOENT"), `${syscall} ${options.file}`);
  }
  if (typeof error === "object" && error !== null) {
    error.syscall ??= `${syscall} ${options.file}`;
    error.path ??= options.file;
    error.spawnargs = ArrayPrototypeSlice(options.args, 1);
  }
  return error;
}

function signalName(signal) {
  const { signals } = os;
  if (signal === undefined || signal === null) return "SIGTERM";
  if (typeof signal === "string" && ObjectHasOwn(signals, signal)) return signal;
  if (typeof signal === "number") {
    const names = ObjectKeys(signals);
    for (let i = 0; i < names.length; i++) if (signals[names[i]] === signal) return names[i];
  }
  throw new ERR_UNKNOWN_SIGNAL(String(signal));
}

// ---- Streams

function readable(rid) {
  const { Readable } = lazyStream();
  let closed = false;
  const close = () => {
    if (!closed) core.tryClose(rid);
    closed = true;
  };
  return new Readable({
    read() {
      const piece = new Uint8Array(PIECE);
      PromisePrototypeThen(core.read(rid, piece), (length) => {
        if (length === 0) {
          close();
          this.push(null);
        } else {
          this.push(Buffer.from(TypedArrayPrototypeSubarray(piece, 0, length)));
        }
      }, (error) => closed ? this.push(null) : this.destroy(error));
    },
    destroy(error, callback) {
      close();
      callback(error);
    },
  });
}

function brokenPipe(error) {
  if (ObjectPrototypeIsPrototypeOf(Deno.errors.BrokenPipe.prototype, error)) {
    error.code = "EPIPE";
    error.syscall = "write";
  }
  return error;
}

function writable(rid) {
  const { Writable } = lazyStream();
  let closed = false;
  const close = () => {
    if (!closed) core.tryClose(rid);
    closed = true;
  };
  return new Writable({
    decodeStrings: true,
    write(chunk, _encoding, callback) {
      PromisePrototypeThen(core.writeAll(rid, chunk), () => callback(), (error) => {
        callback(brokenPipe(error));
      });
    },
    final(callback) {
      close();
      callback();
    },
    destroy(error, callback) {
      close();
      callback(error);
    },
  });
}

// ---- Processes

const kToClose = Symbol("kToClose");

// `close` is emitted when the process has ended, and its output.
function closed(child) {
  child[kToClose]--;
  if (child[kToClose] === 0) child.emit("close", child.exitCode, child.signalCode);
}

class ChildProcess extends EventEmitter {
  exitCode = null;
  killed = false;
  pid = undefined;
  signalCode = null;
  spawnargs = [];
  spawnfile = "";
  stdin = null;
  stdout = null;
  stderr = null;
  stdio = [null, null, null];
  connected = false;
  channel = undefined;
  #rid;

  constructor() {
    super();
    ObjectDefineProperty(this, kToClose, { __proto__: null, value: 1, writable: true });
  }

  spawn(options) {
    if (options === null || typeof options !== "object") {
      throw new ERR_INVALID_ARG_TYPE("options", "object", options);
    }
    const stdio = streams(options.stdio);
    this.spawnfile = options.file;
    this.spawnargs = options.args;
    let started;
    try {
      started = command.spawn(brokered(options, stdio));
    } catch (error) {
      this.#failed(stdio, failure(error, options, "spawn"));
      return;
    }
    this.#rid = started.rid;
    this.pid = started.pid;
    this.#attach(stdio, started);
    nextTick(() => this.emit("spawn"));
    this.#follow(options);
    PromisePrototypeThen(command.wait(this.#rid), (status) => {
      this.#ended(status);
    }, (error) => {
      this.emit("error", error);
      this.#ended({ code: 1, signal: null });
    });
  }

  #attach(stdio, started) {
    if (started.stdinRid != null) {
      this.stdin = writable(started.stdinRid);
      stdio[0].joined?.pipe(this.stdin);
    }
    if (started.stdoutRid != null) {
      this.stdout = this.#output(readable(started.stdoutRid), stdio[1].joined);
    }
    if (started.stderrRid != null) {
      this.stderr = this.#output(readable(started.stderrRid), stdio[2].joined);
    }
    this.stdio = [this.stdin, this.stdout, this.stderr];
  }

  #output(stream, joined) {
    this[kToClose]++;
    stream.on("close", () => closed(this));
    joined && stream.pipe(joined, { end: false });
    return stream;
  }

  // Streams of a command that did not start are there, and end.
  #failed(stdio, error) {
    const { Readable, Writable } = lazyStream();
    if (stdio[0].kind === "piped") {
      this.stdin = new Writable({ write: (_chunk, _encoding, callback) => callback() });
    }
    if (stdio[1].kind === "piped") this.stdout = this.#output(new Readable({ read() {} }));
    if (stdio[2].kind === "piped") this.stderr = this.#output(new Readable({ read() {} }));
    this.stdio = [this.stdin, this.stdout, this.stderr];
    nextTick(() => {
      this.emit("error", error);
      this.stdin?.destroy();
      this.stdout?.destroy();
      this.stderr?.destroy();
      closed(this);
    });
  }

  #follow({ signal, killSignal }) {
    if (!signal) return;
    const abort = () => {
      if (this.kill(killSignal)) {
        this.emit("error", new AbortError(undefined, { cause: signal.reason }));
      }
    };
    if (signal.aborted) {
      nextTick(abort);
    } else {
      signal.addEventListener("abort", abort, { once: true });
      this.once("exit", () => signal.removeEventListener("abort", abort));
    }
  }

  #ended({ code, signal }) {
    this.#rid = undefined;
    this.signalCode = signal ?? null;
    this.exitCode = this.signalCode === null ? code : null;
    this.stdin?.destroy();
    this.emit("exit", this.exitCode, this.signalCode);
    // What nobody reads would never end.
    nextTick(() => {
      for (let i = 1; i < INPUT_OUTPUT_ERRORS; i++) {
        const stream = this.stdio[i];
        if (stream && stream.readableFlowing === null && stream.listenerCount("readable") === 0) {
          stream.resume();
        }
      }
    });
    closed(this);
  }

  kill(signal) {
    if (signal === 0 || signal === "0") return this.#rid !== undefined;
    const name = signalName(signal);
    if (this.#rid === undefined) return false;
    try {
      command.kill(this.#rid, name);
    } catch {
      return false;
    }
    this.killed = true;
    return true;
  }

  [SymbolDispose]() {
    this.kill();
  }

  // A run waits for its commands.
  ref() {}
  unref() {}
  send() {
    throw unavailable("There is no channel to a child process here");
  }
  disconnect() {}
}

// ---- Synchronous

const hasInput = (input) =>
  input !== undefined && input !== null &&
  (typeof input === "string" ? input.length : ArrayBufferIsView(input) ? input.byteLength : 1) > 0;

function spawnSync(options) {
  if (hasInput(options.input)) {
    throw unavailable(
      "Input of a command is available with spawn(), not in the synchronous forms",
    );
  }
  const stdio = streams(options.stdio);
  if (stdio[0].kind === "piped") stdio[0].kind = "null";
  let output;
  try {
    output = command.output(brokered(options, stdio));
  } catch (error) {
    return {
      pid: 0,
      status: null,
      signal: null,
      output: null,
      stdout: null,
      stderr: null,
      error: failure(error, options, "spawnSync"),
    };
  }
  const { status } = output;
  const result = {
    pid: 0,
    status: status.signal ? null : status.code,
    signal: status.signal ?? null,
    output: null,
    stdout: text(output.stdout, options),
    stderr: text(output.stderr, options),
  };
  result.output = [null, result.stdout, result.stderr];
  if (isTooLong(output.stdout, options) || isTooLong(output.stderr, options)) {
    result.error = failure(
      errnoException(codeMap.get("ENOBUFS"), `spawnSync ${options.file}`),
      options,
      "spawnSync",
    );
  }
  return result;
}

const isTooLong = (bytes, { maxBuffer }) =>
  bytes && maxBuffer !== undefined && TypedArrayPrototypeGetByteLength(bytes) > maxBuffer;

function text(bytes, { encoding }) {
  if (!bytes) return null;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return encoding && encoding !== "buffer" ? buffer.toString(encoding) : buffer;
}

function setupChannel() {
  throw new TypeError("There is no channel to a parent process here");
}

const all = {
  ChildProcess,
  getValidStdio,
  mapValues,
  normalizeSpawnArguments,
  setupChannel,
  spawnSync,
  stdioStringToArray,
  validateNullByteNotInArg,
};
return { ...all, default: all };
})();
