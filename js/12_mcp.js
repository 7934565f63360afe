// Tools of other MCP servers, and playbooks. Nothing is decided here: the broker
// asks policy, checks arguments against the tool's schema and makes the call.

import { core, primordials } from "ext:core/mod.js";
import { parse, parseText, stringify } from "ext:conductor/02_json.js";
import { call } from "ext:conductor/03_broker.js";
import { findTools, loadToolSpec, values } from "ext:conductor/12_session.js";
const {
  ArrayIsArray,
  ArrayPrototypeEvery,
  ArrayPrototypeJoin,
  ArrayPrototypeMap,
  Error,
  ObjectDefineProperty,
  ObjectFreeze,
  ObjectHasOwn,
  PromiseReject,
  String,
  SymbolFor,
  TypeError,
} = primordials;

// A call that the tool itself says has failed.
class McpToolError extends Error {
  server;
  tool;
  content;

  constructor(message, server, tool, content) {
    super(message);
    this.server = server;
    this.tool = tool;
    this.content = content;
  }
}
ObjectDefineProperty(McpToolError.prototype, "name", core.propWritable("McpToolError"));

// Arguments are turned into text once: what policy sees is what the server gets.
function toText(args) {
  if (args === undefined || args === null) return "{}";
  if (typeof args !== "object" || ArrayIsArray(args)) {
    throw new TypeError("The arguments of a tool must be an object");
  }
  const text = stringify(args);
  return text === undefined ? "{}" : text;
}

const tool = (operation) => ({ __proto__: null, tool: operation });

async function request(operation) {
  return parse(await call(tool(operation)));
}

function isText(block) {
  return block.type === "text" && typeof block.text === "string";
}

function textOf(content) {
  return ArrayPrototypeJoin(
    ArrayPrototypeMap(content, (block) => isText(block) ? block.text : `[${block.type}]`),
    "\n",
  );
}

// The order is that of the Deno version: an error throws, then structured content,
// then text, as JSON if it is an object or a list of that, else the result as it came.
function unwrap(result, server, tool) {
  const content = ArrayIsArray(result.content) ? result.content : [];
  if (result.isError === true) {
    const text = textOf(content);
    throw new McpToolError(
      text === "" ? `The tool ${tool} failed` : text,
      server,
      tool,
      content,
    );
  }
  if (result.structuredContent !== undefined && result.structuredContent !== null) {
    return result.structuredContent;
  }
  if (content.length === 0 || !ArrayPrototypeEvery(content, isText)) return result;
  const value = parseText(
    ArrayPrototypeJoin(ArrayPrototypeMap(content, (block) => block.text), "\n"),
  );
  // No data has such a key: who reads the result is not to be led by it.
  return typeof value === "object" && ObjectHasOwn(value, "__proto__") ? result : value;
}

async function invoke(server, tool, args) {
  const answer = await request({
    __proto__: null,
    callTool: { __proto__: null, server, tool, arguments: toText(args) },
  });
  return unwrap(answer.result, answer.server, answer.tool);
}

async function callTool(server, tool, args) {
  return await invoke(String(server), String(tool), args);
}

async function callMCPTool(name, args) {
  return await invoke(undefined, String(name), args);
}

function ask(server, question) {
  return request({
    __proto__: null,
    askServer: { __proto__: null, server, question },
  });
}

class McpServer {
  #name;
  constructor(name) {
    this.#name = name;
    ObjectFreeze(this);
  }
  get name() {
    return this.#name;
  }
  async callTool(tool, args) {
    return await invoke(this.#name, String(tool), args);
  }
  async listTools() {
    return (await ask(this.#name, "listTools")).tools;
  }
  async listResources() {
    return (await ask(this.#name, "listResources")).resources;
  }
  async readResource(uri) {
    return await ask(this.#name, {
      __proto__: null,
      readResource: { __proto__: null, uri: String(uri) },
    });
  }
  async listPrompts() {
    return (await ask(this.#name, "listPrompts")).prompts;
  }
  async getPrompt(name, args) {
    return await ask(this.#name, {
      __proto__: null,
      getPrompt: { __proto__: null, name: String(name), arguments: toText(args) },
    });
  }
}

// A server in a list stands for its name wherever a name is wanted. JSON of a list has
// no samples: they are for who asks for them.
function describe(server) {
  ObjectDefineProperty(server, "toString", {
    __proto__: null,
    value: function toString() {
      return this.name;
    },
    enumerable: false,
    writable: true,
    configurable: true,
  });
  ObjectDefineProperty(server, "sample_tools", { __proto__: null, enumerable: false });
}

const mcpFactory = ObjectFreeze({
  async listServers() {
    const servers = await request("describeServers");
    for (let i = 0; i < servers.length; i++) describe(servers[i]);
    return servers;
  },
  async load(name) {
    const known = await request("servers");
    name = String(name);
    for (let i = 0; i < known.length; i++) {
      if (known[i] === name) return new McpServer(name);
    }
    // The broker says which names are near.
    await ask(name, "listTools");
    return new McpServer(name);
  },
});

function search(query, limit) {
  return request({
    __proto__: null,
    searchTools: { __proto__: null, query: String(query), limit },
  });
}

function count(limit, fallback) {
  if (limit === undefined || limit === null) return fallback;
  if (typeof limit !== "number" || !(limit >= 1)) {
    throw new TypeError("The limit must be a number from 1");
  }
  return limit > 100 ? 100 : limit | 0;
}

async function discoverMCPTools(options = {}) {
  return await search(options?.search ?? "", count(options?.limit, 100));
}

async function searchTools(query, limit) {
  return await search(query ?? "", count(limit, 10));
}

async function getToolSchema(name) {
  const schema = await call(tool({
    __proto__: null,
    toolSchema: { __proto__: null, name: String(name) },
  }));
  return schema === null || schema === undefined ? null : parse(schema);
}

function importPlaybook(name) {
  try {
    return import(`playbook:${String(name)}`);
  } catch (error) {
    return PromiseReject(error);
  }
}

const hidden = (value) => core.propNonEnumerable(value);

function installMcp() {
  core.defineGlobalProperties(globalThis, {
    McpToolError: hidden(McpToolError),
    callMCPTool: hidden(callMCPTool),
    callTool: hidden(callTool),
    discoverMCPTools: hidden(discoverMCPTools),
    findTools: hidden(findTools),
    getToolSchema: hidden(getToolSchema),
    importPlaybook: hidden(importPlaybook),
    loadToolSpec: hidden(loadToolSpec),
    searchTools: hidden(searchTools),
    session: hidden(values),
  });
  // For the modules mcp:name, whatever a program does with its globals.
  ObjectDefineProperty(globalThis, SymbolFor("mcp-conductor.callTool"), {
    __proto__: null,
    value: callTool,
    enumerable: false,
    writable: false,
    configurable: false,
  });
}

// Without a configuration there is nothing to load, as in the Deno version.
function installFactory() {
  ObjectDefineProperty(globalThis, "mcpFactory", hidden(mcpFactory));
}

export { installFactory, installMcp };
