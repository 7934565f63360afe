// What node:http takes of deno_telemetry: what a program does is in the audit log.

(function () {
  return {
    builtinTracer: () => undefined,
    ContextManager: { active: () => undefined },
    otelState: {
      TRACING_ENABLED: false,
      METRICS_ENABLED: false,
      PROPAGATORS: [],
    },
    PROPAGATORS: [],
    SPAN_KEY: undefined,
    telemetry: {},
    TRACING_ENABLED: false,
  };
})();
