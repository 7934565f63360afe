// What process.on() is told of: rejections that nobody handles, and the end of the
// program. Errors that nobody catches come as events (`error`), which process follows.

import { core, internals, primordials } from "ext:core/mod.js";
import { event } from "ext:conductor/11_globals.js";
const { uncurryThis } = primordials;

const dispatchEvent = uncurryThis(event.EventTarget.prototype.dispatchEvent);
const global = globalThis;

// As js/99_main.js has it; what an event's handler has not prevented is process's.
core.setUnhandledPromiseRejectionHandler((promise, reason) => {
  const rejection = new event.PromiseRejectionEvent("unhandledrejection", {
    cancelable: true,
    promise,
    reason,
  });
  dispatchEvent(global, rejection);
  if (!rejection.defaultPrevented) internals.nodeProcessUnhandledRejectionCallback?.(rejection);
  return rejection.defaultPrevented;
});

// The value is known: nothing of the program comes after it but what it left behind.
function dispatchExit() {
  try {
    internals.dispatchProcessExitEvent();
  } catch (error) {
    event.reportException(error);
  }
}

export { dispatchExit };
