"use strict";
// Tools that are called by their names in text.

const UNTYPED = `
interface McpTools {}
interface McpToolsByName {}
`;

const BY_NAME = `
type McpArguments<M, N> = N extends keyof M
  ? M[N] extends (...args: infer A) => any ? A : never : [args?: object | null];
type McpResult<M, N> = N extends keyof M
  ? M[N] extends (...args: any) => infer R ? R : never : Promise<any>;
type McpToolsOf<S> = S extends keyof McpTools ? McpTools[S] : {};
declare function callTool<S extends string | McpListedServer, T extends string>(
  server: S, tool: T, ...args: McpArguments<McpToolsOf<S>, T>
): McpResult<McpToolsOf<S>, T>;
declare function callMCPTool<N extends string>(
  name: N, ...args: McpArguments<McpToolsByName, N>
): McpResult<McpToolsByName, N>;
interface McpServer<S = {}, Name extends string = string> {
  readonly name: Name;
  callTool<T extends string>(tool: T, ...args: McpArguments<S, T>): McpResult<S, T>;
  listTools(): Promise<McpToolDescription[]>;
  listResources(): Promise<any[]>;
  readResource(uri: string | URL): Promise<any>;
  listPrompts(): Promise<any[]>;
  getPrompt(name: string, args?: object | null): Promise<any>;
}
`;

const FACTORY = `
declare var mcpFactory: {
  listServers(): Promise<McpListedServer[]>;
  load<S extends string | McpListedServer>(
    name: S
  ): Promise<McpServer<McpToolsOf<S>, S extends string ? S : string>>;
};
`;

// Parsed once for each of the two texts that most programs need.
const kept = new Map();

function toolsFile(name, request, modules) {
  const factory = request.factory ? FACTORY : "";
  const byName = /callTool|callMCPTool|mcpFactory/.test(request.text);
  const declared = byName ? modules.declared() : [];
  if (declared.length > 0) {
    return parse(name, typedTools(request, declared) + BY_NAME + factory, false);
  }
  if (!kept.has(factory)) kept.set(factory, parse(name, UNTYPED + BY_NAME + factory, false));
  return kept.get(factory);
}

// The tools' types are those of the modules' default exports.
function typedTools(request, declared) {
  const text = squeezed(request.text);
  const servers = [];
  const tools = [];
  for (const [server, { specifier }] of declared) {
    const type = `typeof import(${JSON.stringify(specifier)}).default`;
    servers.push(`${JSON.stringify(server)}: ${type};`);
    const named = (request.tools[server] ?? []).filter((tool) => text.includes(squeezed(tool)));
    for (const tool of named) {
      const name = JSON.stringify(tool);
      const typed = `${JSON.stringify(server)}, ${name}>;`;
      tools.push(`${JSON.stringify(`mcp__${server}__${tool}`)}: McpToolOf<${typed}`);
    }
  }
  return `interface McpTools { ${servers.join(" ")} }
type McpToolOf<S extends keyof McpTools, T> = T extends keyof McpTools[S]
  ? McpTools[S][T] : (args?: object | null) => Promise<any>;
interface McpToolsByName { ${tools.join(" ")} }`;
}

// Names of tools and servers in text, in the server's own words.
class NamesInText {
  constructor(evidence, { request, modules }) {
    this.evidence = evidence;
    this.request = request;
    this.modules = modules;
    this.found = [];
  }

  look(node) {
    if (ts.isCallExpression(node) && node.arguments.length > 0) this.#call(node);
    ts.forEachChild(node, (child) => this.look(child));
  }

  #call({ expression, arguments: [first, second] }) {
    const isOurs = ts.isIdentifier(expression) && !this.evidence.isOwn(expression);
    if (isOurs && expression.text === "callMCPTool") this.#qualified(first);
    if (isOurs && expression.text === "callTool" && this.#server(first) && second !== undefined) {
      this.#tool(second, first.text);
    }
    if (!ts.isPropertyAccessExpression(expression)) return;
    const { name, expression: of } = expression;
    if (name.text === "load" && ts.isIdentifier(of) && of.text === "mcpFactory") {
      if (!this.evidence.isOwn(of)) this.#server(first);
    }
    if (name.text === "callTool") this.#method(first, of);
  }

  // The text of a name that is written out; a template with values in it is not.
  #text(node) {
    return ts.isStringLiteralLike(node) ? node.text : undefined;
  }

  #server(node) {
    const name = this.#text(node);
    if (name === undefined) return false;
    const { servers } = this.request;
    if (servers === null || servers.includes(name)) return true;
    this.#tell(node, `MCP server "${name}" not found`, nearest(name, servers));
    return false;
  }

  #tool(node, server, prefix = "") {
    const tools = this.request.tools[server];
    const name = this.#text(node)?.slice(prefix.length);
    if (name === undefined || tools === undefined || tools.includes(name)) return;
    const near = nearest(name, tools);
    const meant = near === undefined ? undefined : prefix + near;
    this.#tell(node, `Tool "${name}" not found on MCP server "${server}"`, meant);
  }

  // `mcp__SERVER__TOOL`. Names of servers may have `__` in them: the longest that fits counts.
  #qualified(node) {
    const name = this.#text(node);
    const { servers, tools } = this.request;
    if (name === undefined || servers === null) return;
    const of = servers.filter((server) => name.startsWith(`mcp__${server}__`));
    const server = of.sort((a, b) => b.length - a.length)[0];
    if (server !== undefined) return this.#tool(node, server, `mcp__${server}__`);
    const all = servers.flatMap((one) => (tools[one] ?? []).map((tool) => `mcp__${one}__${tool}`));
    const said = `"${name}" is not the name of a tool: write mcp__SERVER__TOOL`;
    this.#tell(node, said, all.find((one) => one.endsWith(`__${name}`)) ?? nearest(name, all));
  }

  // `(await mcpFactory.load("shop")).callTool("name")`: which server, its type says.
  #method(node, of) {
    const type = this.evidence.types.getTypeAtLocation(of);
    if (type.symbol?.name !== "McpServer") return;
    const [, server] = this.evidence.types.getTypeArguments(type);
    if (server?.isStringLiteral()) this.#tool(node, server.value);
  }

  #tell(node, message, near) {
    this.found.push({ node, message, suggestion: near });
  }
}
