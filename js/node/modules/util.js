// node:util: what Deno's script of that name returns.

import { core } from "ext:core/mod.js";
const exported = core.loadExtScript("ext:deno_node/util.ts");

export default exported.default ?? exported;
export const {
  MIMEParams, MIMEType, TextDecoder, TextEncoder, _extend, aborted, callbackify,
  convertProcessSignalToExitCode, debug, debuglog, deprecate, diff, format, formatWithOptions,
  getCallSites, getSystemErrorMap, getSystemErrorMessage, getSystemErrorName, inherits,
  inspect, isArray, isDeepStrictEqual, log, parseArgs, parseEnv, promisify, queryObjects,
  setTraceSigInt, stripVTControlCharacters, styleText, toUSVString,
  transferableAbortController, transferableAbortSignal, types,
} = exported;
