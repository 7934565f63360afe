// node:zlib: the classes around the ops of snapshots/zlib/, as Deno's script calls them.
// What was compressed is handed on by that script in a later turn, as in Node.

import { primordials } from "ext:core/mod.js";
import {
  op_conductor_codec,
  op_conductor_codec_close,
  op_conductor_codec_error,
  op_conductor_codec_reset,
  op_conductor_codec_write,
} from "ext:core/ops";
import { errors, ops } from "ext:conductor_node/ops/table.js";
const { ObjectDefineProperty, Uint8Array, Uint32Array } = primordials;

// As in zlib.h; Z_DEFAULT_WINDOWBITS is the only window there is.
const WINDOW_BITS = 15;
const Z_DATA_ERROR = -3;
const INFLATE = 2;
const GUNZIP = 4;
const INFLATERAW = 6;
const UNZIP = 7;
const ZSTD_COMPRESS = 10;
const ZSTD_DECOMPRESS = 11;

const NOTHING = new Uint8Array(0);
const NONE = new Uint32Array(0);
// What is left after a step: no program has it, so that it is no part of a program's buffers.
const LEFT = new Uint32Array(2);

class Codec {
  #mode;
  // Made at first use: it is Rust's.
  #make;
  #codec;
  #oneMember = false;

  constructor(mode) {
    this.#mode = mode;
  }

  get _mode() {
    return this.#mode;
  }

  _start(level, parameters, size) {
    const mode = this.#mode;
    this.#make = () => op_conductor_codec(mode, level, parameters, size, this.#oneMember);
  }

  #get() {
    if (this.#make === undefined) throw new errors.BadResource("zlib not initialized");
    return this.#codec ??= this.#make();
  }

  _check() {
    this.#get();
  }

  write(flush, input, inputOffset, inputLength, output, outputOffset, outputLength, left) {
    const codec = this.#get();
    const errno = op_conductor_codec_write(
      codec,
      flush,
      input ?? NOTHING,
      inputOffset,
      inputLength,
      output,
      outputOffset,
      outputLength,
      LEFT,
    );
    left[0] = LEFT[0];
    left[1] = LEFT[1];
    if (errno !== 0) this.onerror(op_conductor_codec_error(codec), errno, this._code(errno));
  }

  writeSync(flush, input, inputOffset, inputLength, output, outputOffset, outputLength, left) {
    this.write(flush, input, inputOffset, inputLength, output, outputOffset, outputLength, left);
  }

  // Undefined is zlib's name of the number.
  _code(_errno) {
    return undefined;
  }

  params() {}

  reset() {
    if (this.#codec !== undefined) op_conductor_codec_reset(this.#codec);
    return 0;
  }

  setRejectGarbageAfterEnd(value) {
    this.#oneMember = !!value;
  }

  close() {
    if (this.#codec !== undefined) op_conductor_codec_close(this.#codec);
    this.#make = undefined;
    this.#codec = undefined;
  }

  getAsyncId() {
    return 0;
  }
}

class Zlib extends Codec {
  init(windowBits, level, _memLevel, _strategy, _callback, dictionary) {
    if (dictionary !== undefined) {
      throw new errors.NotSupported("zlib: a dictionary is not available here");
    }
    const mode = this._mode;
    const isDecoder = mode === INFLATE || mode === GUNZIP || mode === INFLATERAW ||
      mode === UNZIP;
    // What has a smaller window is read with this one as well.
    if (windowBits !== WINDOW_BITS && !isDecoder) {
      throw new errors.NotSupported(
        `zlib: windowBits must be ${WINDOW_BITS} for compression here, not ${windowBits}`,
      );
    }
    this._start(level, NONE, -1);
    return 0;
  }
}

class Brotli extends Codec {
  init(parameters) {
    return started(this, parameters, -1);
  }

  _code(errno) {
    return errno === Z_DATA_ERROR ? "ERR_BROTLI_COMPRESSION_FAILED" : undefined;
  }
}

class BrotliDecoder extends Brotli {
  _code(errno) {
    return errno === Z_DATA_ERROR ? "ERR__ERROR_FORMAT" : undefined;
  }
}

class Zstd extends Codec {
  init(parameters, _callback, size) {
    return started(this, parameters, size);
  }

  _code(errno) {
    return errno === Z_DATA_ERROR ? "ZSTD_error_GENERIC" : undefined;
  }
}

// Whether the parameters are available. Deno's script uses one array for all.
function started(codec, parameters, size) {
  codec._start(0, new Uint32Array(parameters), size);
  try {
    codec._check();
    return true;
  } catch {
    return false;
  }
}

// Scripts call `new Class(mode)`, and Node's names are what a program sees.
function named(name, Class) {
  ObjectDefineProperty(Class, "name", { __proto__: null, value: name });
  ops[name] = Class;
}
named("Zlib", Zlib);
named("BrotliEncoder", class extends Brotli {});
named("BrotliDecoder", BrotliDecoder);
named("ZstdCompress", class extends Zstd {
  constructor() {
    super(ZSTD_COMPRESS);
  }
});
named("ZstdDecompress", class extends Zstd {
  constructor() {
    super(ZSTD_DECOMPRESS);
  }
});
