// Makes runtime.d.ts: of what `deno types` declares, the part that this runtime has, without comments.
//   node make.cjs TYPESCRIPT_DIRECTORY DENO_TYPES SURFACE > runtime.d.ts
// TYPESCRIPT_DIRECTORY is the npm package typescript 6.0.3, DENO_TYPES what `deno types` of the Deno of
// Cargo.lock's crates prints, SURFACE the value of surface.ts: `mcp-conductor run surface.ts`.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const [typescript, denoTypes, surfaceFile] = process.argv.slice(2);
const ts = require(path.resolve(typescript, "lib/typescript.js"));
const surface = JSON.parse(fs.readFileSync(surfaceFile, "utf8"));
const file = ts.createSourceFile("deno.d.ts", fs.readFileSync(denoTypes, "utf8"), 99, true);
const printer = ts.createPrinter({ removeComments: true });

// Methods of EventTarget, which the global object is.
const OF_EVENTS = ["addEventListener", "removeEventListener", "dispatchEvent"];
// conductor.d.ts or lib.esnext declares these; what only throws is not declared.
const ELSEWHERE = ["WebSocket", "Window", "self", "McpToolError", "Temporal", "Math", "Intl"];
const ONLY_THROWS = [
  ..."connect connectTls startTls listen listenTls listenDatagram serve upgradeWebSocket".split(" "),
  ..."resolveDns createHttpClient watchFs kill dlopen openKv chown chownSync umask".split(" "),
];
const GLOBALS = new Set([...surface.globals, ...OF_EVENTS].filter((name) => !ELSEWHERE.includes(name)));
const DENO = new Set(surface.deno.filter((name) => !ONLY_THROWS.includes(name)));
// Types of lib.esnext to which deno.d.ts adds members.
const MERGED = new Set(["ImportMeta", "Uint8Array", "Uint8ArrayConstructor", "ErrorConstructor", "Error"]);
// Members that are not in the live prototypes.
const NOT_THERE = new Set([
  ..."Navigator.gpu Navigator.userAgentData Event.initEvent MessageEvent.initMessageEvent".split(" "),
  ..."File.webkitRelativePath Request.destination Request.isHistoryNavigation".split(" "),
  "Request.isReloadNavigation",
]);

// A statement or a member of the namespace Deno.
class Unit {
  constructor(node, space) {
    this.node = node;
    this.space = space;
    this.isType = ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
    this.names = ts.isVariableStatement(node)
      ? node.declarationList.declarations.map((one) => one.name.getText())
      : node.name ? [node.name.getText()] : [];
    this.references = new Set();
    const walk = (at) => {
      if (NOT_THERE.has(`${at.parent?.name?.getText()}.${at.name?.getText()}`)) return;
      if (ts.isIdentifier(at)) this.references.add(at.text);
      ts.forEachChild(at, walk);
    };
    walk(node);
  }
  isWanted() {
    const wanted = this.space === "Deno" ? DENO : GLOBALS;
    return this.names.some((name) => wanted.has(name) || (this.isType && MERGED.has(name)));
  }
}

function units() {
  const all = [];
  for (const node of file.statements) {
    const isDeno = ts.isModuleDeclaration(node) && node.name.text === "Deno";
    if (isDeno) all.push(...node.body.statements.map((member) => new Unit(member, "Deno")));
    else all.push(new Unit(node, ""));
  }
  return all.filter((unit) => unit.names.length > 0 && !takesClient(unit)
    && !unit.names.some((name) => ELSEWHERE.includes(name)));
}

// What is wanted, and the types that it refers to.
function closed(all) {
  const kept = new Set(all.filter((unit) => unit.isWanted()));
  const referred = { "": new Set(), Deno: new Set() };
  for (let before = -1; before !== kept.size;) {
    before = kept.size;
    for (const unit of kept) {
      for (const name of unit.references) {
        referred[""].add(name);
        if (unit.space === "Deno" || unit.references.has("Deno")) referred.Deno.add(name);
      }
    }
    for (const unit of all) {
      if (unit.isType && unit.names.some((name) => referred[unit.space].has(name))) kept.add(unit);
    }
  }
  return all.filter((unit) => kept.has(unit));
}

// The overload of fetch() that takes a client: there is one client, the server's.
const takesClient = ({ node }) => ts.isFunctionDeclaration(node) && /\bHttpClient\b/.test(node.getText());

// Without the members that are not there, without what Node calls its timers.
function printed(unit) {
  let { node } = unit;
  if (ts.isInterfaceDeclaration(node)) {
    const members = node.members.filter((one) =>
      !NOT_THERE.has(`${node.name.text}.${one.name?.getText()}`));
    const { factory } = ts;
    node = members.length === node.members.length ? node : factory.updateInterfaceDeclaration(
      node, node.modifiers, node.name, node.typeParameters, node.heritageClauses, members,
    );
  }
  const text = printer.printNode(ts.EmitHint.Unspecified, node, file);
  return text.replaceAll(" | NodeJS.Timeout", "").replace(/^ +/gm, (all) => " ".repeat(all.length / 4));
}

function main() {
  const kept = closed(units());
  const of = (space) => [...new Set(kept.filter((unit) => unit.space === space).map(printed))];
  process.stdout.write(
    "// Made by make.cjs of Deno's declarations (Copyright 2018-2026 the Deno authors, MIT).\n"
      + `${of("").join("\n")}\ndeclare namespace Deno {\n${of("Deno").join("\n")}\n}\n`,
  );
}
main();
