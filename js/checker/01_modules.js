"use strict";
// What a program's imports mean: the modules of the request, and why others are not there.

const BUILTINS = new Set(
  `assert async_hooks buffer child_process cluster console constants crypto dgram
  diagnostics_channel dns dns/promises events fs fs/promises http http2 https inspector module net
  os path path/posix path/win32 perf_hooks process punycode querystring readline readline/promises
  stream stream/consumers stream/promises stream/web string_decoder sys timers timers/promises tls
  trace_events tty url util util/types v8 vm worker_threads zlib`.split(/\s+/),
);

// The server that a specifier names: `mcp:NAME`, `./mcp/NAME.ts` or `mcp/NAME`.
function serverOf(specifier) {
  const found = /^(?:mcp:|(?:\.\/)?mcp\/)(.+)$/s.exec(specifier)?.[1];
  if (found === undefined) return undefined;
  const name = specifier.startsWith("mcp:") ? found : found.replace(/\.ts$/, "");
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

class Modules {
  #byServer = new Map();
  #bySpecifier = new Map();

  constructor(request) {
    this.request = request;
    this.files = new Map();
    for (const [at, module] of request.modules.entries()) {
      const entry = { ...module, file: undefined };
      if (module.kind === "dts" || module.kind === "ts" || module.kind === "js") {
        const extension = module.kind === "dts" ? ".d.ts" : ".ts";
        entry.file = parse(`${MODULES}${at}${extension}`, module.text, module.kind !== "dts");
        entry.extension = extension;
        this.files.set(entry.file.fileName, entry.file);
      }
      this.#bySpecifier.set(module.specifier, entry);
      if (module.server !== undefined) this.#byServer.set(module.server, entry);
    }
  }

  find(specifier) {
    return this.#bySpecifier.get(specifier) ?? this.#byServer.get(serverOf(specifier));
  }

  // The module of a server whose tools are declared, by the name of its file.
  serverIn(fileName) {
    for (const [server, { file }] of this.#byServer) if (file?.fileName === fileName) return server;
    return undefined;
  }

  // Servers with declared tools.
  declared() {
    return [...this.#byServer].filter(([, entry]) => entry.file !== undefined);
  }

  resolve(specifier) {
    const { file, extension } = this.find(specifier) ?? {};
    const resolvedModule = file && {
      resolvedFileName: file.fileName,
      extension,
      isExternalLibraryImport: false,
    };
    return { resolvedModule };
  }

  // Why a specifier cannot be imported, with what was meant; nothing if it can, or if that is
  // not known here.
  refusal(specifier) {
    const entry = this.find(specifier);
    if (entry !== undefined) {
      return entry.kind === "refused" ? { reason: entry.text } : undefined;
    }
    const server = serverOf(specifier);
    if (server !== undefined) return this.#noServer(server, specifier);
    const bare = specifier.replace(/^node:/, "");
    if (specifier.startsWith("node:") || BUILTINS.has(bare)) return this.#builtin(bare);
    if (/^(data|playbook|file):/.test(specifier) || this.request.open) return undefined;
    return { reason: unresolved(specifier) };
  }

  #noServer(server, specifier) {
    const { servers } = this.request;
    if (servers === null || servers.includes(server)) return undefined;
    const near = nearest(server, servers);
    const meant = near === undefined ? undefined : specifier.replace(/[^:/]+(?=(\.ts)?$)/, near);
    return { reason: `MCP server "${server}" not found`, meant };
  }

  #builtin(name) {
    const { builtins } = this.request;
    if (builtins !== null) return { reason: builtins };
    if (BUILTINS.has(name) || name.startsWith("_")) return undefined;
    return { reason: "there is no built-in module of that name here" };
  }
}

function unresolved(specifier) {
  if (/^\.{0,2}\//.test(specifier)) {
    return "this module has no directory. Import \"mcp:SERVER\", \"playbook:FOLDER\", a package "
      + "or a data: URL";
  }
  if (/^https?:/.test(specifier)) {
    return "code is not fetched from the network. Import a package as \"npm:NAME\", if it is "
      + "installed, or fetch() data";
  }
  if (/^(npm|jsr):/.test(specifier)) return "this package is not available to this program";
  return "no import map has that name. Import a package as \"npm:NAME\" or \"jsr:@SCOPE/NAME\", "
    + "if it is installed";
}
