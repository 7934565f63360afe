// console, Deno.stdout, Deno.stderr and Deno.stdin. Everything a program
// prints goes through one op, in the order in which it was printed.

import { core, primordials } from "ext:core/mod.js";
import { op_conductor_write, op_conductor_write_bytes } from "ext:core/ops";
const { PromiseResolve, PromiseReject, TypeError, SymbolDispose } = primordials;

const { Console } = core.loadExtScript("ext:deno_web/01_console.js");
const { ReadableStream, WritableStream } = core.loadExtScript(
  "ext:deno_web/06_streams.js",
);

const STDOUT = 1;
const STDERR = 2;
// deno_web's console calls its printer with level 0 to 3; warnings and errors
// go to the error stream, as in Deno.
const LEVEL_INFO = 1;

const console = new Console((message, level) =>
  op_conductor_write(level > LEVEL_INFO ? STDERR : STDOUT, message)
);

function writer(stream) {
  const writeSync = (data) => op_conductor_write_bytes(stream, data);
  const write = (data) => {
    try {
      return PromiseResolve(writeSync(data));
    } catch (error) {
      return PromiseReject(error);
    }
  };
  let writable;
  return {
    write,
    writeSync,
    close() {},
    isTerminal: () => false,
    get writable() {
      return writable ??= new WritableStream({ write: writeSync });
    },
    [SymbolDispose]() {},
  };
}

const stdout = writer(STDOUT);
const stderr = writer(STDERR);

let readable;
const stdin = {
  // Programs have no input: the end of the stream, at once.
  read: () => PromiseResolve(null),
  readSync: () => null,
  close() {},
  isTerminal: () => false,
  setRaw() {
    throw new TypeError("Deno.stdin is not a terminal");
  },
  get readable() {
    return readable ??= new ReadableStream({
      start: (controller) => controller.close(),
    });
  },
  [SymbolDispose]() {},
};

export { console, stderr, stdin, stdout };
