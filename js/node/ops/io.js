// Input and output of a program, for process.stdin, stdout and stderr: as
// deno_io/12_io.js has them, over those of js/02_io.js.

import { primordials } from "ext:core/mod.js";
import { stderr, stdin, stdout } from "ext:conductor/02_io.js";
import { ops } from "ext:conductor_node/ops/table.js";
const { Symbol } = primordials;

const REF = Symbol("REF");
const UNREF = Symbol("UNREF");

class Stdin {
  read() {
    return stdin.read();
  }
  readSync() {
    return stdin.readSync();
  }
  close() {}
  isTerminal() {
    return false;
  }
  [REF]() {}
  [UNREF]() {}
}
class Stdout {
  writeSync(data) {
    return stdout.writeSync(data);
  }
  write(data) {
    return stdout.write(data);
  }
  close() {}
  isTerminal() {
    return false;
  }
}
class Stderr {
  writeSync(data) {
    return stderr.writeSync(data);
  }
  write(data) {
    return stderr.write(data);
  }
  close() {}
  isTerminal() {
    return false;
  }
}

ops.conductorIo = {
  __proto__: null,
  REF,
  STDIN_RID: 0,
  STDOUT_RID: 1,
  STDERR_RID: 2,
  Stderr,
  stderr: new Stderr(),
  Stdin,
  stdin: new Stdin(),
  Stdout,
  stdout: new Stdout(),
  UNREF,
};
