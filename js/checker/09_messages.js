"use strict";
// What a diagnostic says: the compiler's words, but not its advice where that misleads.

// js/09_deno.js has the same reasons.
const ABSENT = {
  connect: "use fetch()",
  connectTls: "use fetch()",
  startTls: "use fetch()",
  listen: "programs cannot listen for connections",
  listenTls: "programs cannot listen for connections",
  listenDatagram: "programs cannot listen for connections",
  serve: "programs cannot listen for connections",
  upgradeWebSocket: "programs cannot listen for connections",
  resolveDns: "fetch() resolves names itself",
  createHttpClient: "fetch() has one client, the server's",
  watchFs: "look at Deno.stat().mtime",
  kill: "use kill() of the process that Deno.Command started",
  dlopen: "native code cannot be loaded",
  openKv: "write files to the workspace",
};
const INSTEAD = {
  process: "use Deno.env, Deno.cwd() and Deno.exit()",
  Buffer: "use Uint8Array, TextEncoder and TextDecoder",
  require: "use import",
  module: "use export default",
  exports: "use export default",
  __dirname: "use Deno.cwd()",
  __filename: "use import.meta.url",
  setImmediate: "use setTimeout(…, 0)",
  WebSocket: "use fetch() or EventSource",
  window: "use globalThis",
  document: "there is no DOM: use text and regular expressions, or a package",
  DOMParser: "there is no DOM: use text and regular expressions, or a package",
  XMLHttpRequest: "use fetch()",
  localStorage: "write files to the workspace, or use session",
  sessionStorage: "write files to the workspace, or use session",
  location: "use import.meta.url",
  Worker: "programs have one thread",
};
const own = (of, name) => Object.hasOwn(of, name) ? of[name] : undefined;

// In UTF-16 units; longer ones spell out types that nobody reads.
const MAX_MESSAGE = 1000;
const MAX_NAMES = 2000;

class Messages {
  constructor(evidence, rules, modules) {
    this.evidence = evidence;
    this.rules = rules;
    this.modules = modules;
  }

  // { message, suggestion?, code? }: another code where a near name was found here.
  of(diagnostic, node) {
    const { code } = diagnostic;
    const text = this.#text(diagnostic, node);
    if (this.#lacksAwait(diagnostic, node)) {
      return { message: `"await" is missing here: ${text}`, suggestion: "await" };
    }
    const replaced = this.#replaced(code, node);
    if (replaced !== undefined) return replaced;
    const near = /Did you mean (?:to write )?['"](.+?)['"]\?/.exec(text)?.[1];
    return { message: withoutAdvice(text), ...(near && { suggestion: near.replaceAll('"', "") }) };
  }

  // The message, and of the reasons under it the last: the others say where it was found.
  #text({ code, messageText }, node) {
    const [first, ...rest] = ts.flattenDiagnosticMessageText(messageText, "\n").split("\n");
    if (code === 2362 || code === 2363) {
      return `${first} This is ${this.evidence.types.typeToString(this.evidence.type(node))}.`;
    }
    return rest.length === 0 ? first : `${first}\n${rest.at(-1).trim()}`;
  }

  #lacksAwait({ code, relatedInformation = [] }, node) {
    if (code === 2801 || relatedInformation.some((one) => one.code === 2773)) return true;
    if (!PROPERTY.has(code) && !ARITHMETIC.has(code) && code !== 2488) return false;
    const of = PROPERTY.has(code) && ts.isPropertyAccessExpression(node.parent)
      ? [node.parent.expression]
      : ts.isBinaryExpression(node) ? [node.left, node.right] : [node];
    return of.some((one) => this.evidence.isPromise(one));
  }

  #replaced(code, node) {
    const name = nameOf(node);
    if (NAME.has(code) && own(INSTEAD, name) !== undefined) {
      return { message: `Cannot find name '${name}': it is not available here, ${INSTEAD[name]}` };
    }
    if (EXPORT.has(code)) return this.#tool(name, node, code);
    return PROPERTY.has(code) ? this.#member(name, node, code) : undefined;
  }

  #member(name, { parent }, code) {
    const of = ts.isPropertyAccessExpression(parent) ? parent.expression : undefined;
    if (of === undefined || name === undefined) return undefined;
    if (ts.isIdentifier(of) && of.text === "Deno" && own(ABSENT, name) !== undefined) {
      return { message: `Deno.${name}() is not available here: ${ABSENT[name]}` };
    }
    const server = this.rules.properties.serverOf(this.evidence.type(of));
    return server === undefined ? undefined : this.#missing(name, server, code);
  }

  #tool(name, node, code) {
    const { moduleSpecifier } = ancestor(node, ts.isImportDeclaration) ?? {};
    const server = moduleSpecifier && serverOf(moduleSpecifier.text);
    return server === undefined ? undefined : this.#missing(name, server, code);
  }

  // Of a server's tools only those are declared that the text names: all are compared here.
  #missing(name, server, found) {
    const tools = this.modules.request.tools[server];
    if (tools === undefined) return undefined;
    const near = nearest(name, [...tools.map(camelCase), ...tools]);
    const said = `Property '${name}' does not exist: MCP server "${server}" has no such tool`;
    if (near === undefined) return { message: `${said}${someOf(tools)}` };
    const isMisspelt = editDistance(name.toLowerCase(), near.toLowerCase()) <= 2;
    const code = !isMisspelt ? found : PROPERTY.has(found) ? 2551 : 2724;
    return { message: `${said}. Did you mean '${near}'?`, suggestion: near, code };
  }
}

// The code is the compiler's for the same.
function importMessage({ text }, { reason, meant }) {
  const code = /^node:/.test(text) || BUILTINS.has(text) ? 2591 : 2307;
  const message = `Import "${text}" is not available: ${reason}`;
  if (meant === undefined) return { message, code };
  return { message: `${message}. Did you mean "${meant}"?`, suggestion: meant, code };
}

function someOf(tools) {
  const shown = tools.slice(0, 8).map(camelCase).join(", ");
  if (tools.length === 0) return "";
  return tools.length > 8 ? `. It has ${shown} and ${tools.length - 8} more` : `. It has ${shown}`;
}

// Advice to install types, or to change the compiler's options.
function withoutAdvice(text) {
  return text.replace(/ (?:Do you need to (?:install|change)|Try (?:`npm i|changing))[^]*$/, "");
}

const clipped = (text) => text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;

function camelCase(name) {
  const words = name.split(/[^A-Za-z0-9$]+/).filter((word) => word !== "");
  const low = /[a-z]/.test(name) ? words : words.map((word) => word.toLowerCase());
  const [first = "_tool", ...rest] = low;
  return first[0].toLowerCase() + first.slice(1)
    + rest.map((word) => word[0].toUpperCase() + word.slice(1)).join("");
}

// The name that is nearest, if at most a third of it differs, or two characters.
function nearest(name, all) {
  const wanted = name.toLowerCase().slice(0, 128);
  let best;
  let least = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const other of all.slice(0, MAX_NAMES)) {
    if (Math.abs(other.length - wanted.length) >= least) continue;
    const distance = editDistance(wanted, other.toLowerCase().slice(0, 128));
    if (distance < least && distance < Math.max(wanted.length, other.length)) {
      least = distance;
      best = other;
    }
  }
  return best;
}

function editDistance(a, b) {
  const row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    let last = row[0]++;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j];
      row[j] = Math.min(above + 1, row[j - 1] + 1, last + (a[i - 1] === b[j - 1] ? 0 : 1));
      last = above;
    }
  }
  return row[b.length];
}
