// node:worker_threads: what Deno's script of that name returns.

import { core } from "ext:core/mod.js";
const exported = core.loadExtScript("ext:deno_node/worker_threads.ts");

export default exported.default ?? exported;
export const {
  BroadcastChannel, MessageChannel, MessagePort, SHARE_ENV, Worker, getEnvironmentData,
  isInternalThread, isMainThread, isMarkedAsUntransferable, locks, markAsUncloneable,
  markAsUntransferable, moveMessagePortToContext, parentPort, postMessageToThread,
  receiveMessageOnPort, resourceLimits, setEnvironmentData, threadId, threadName, workerData,
} = exported;
