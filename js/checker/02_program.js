"use strict";
// One program with everything that it can name, for the compiler.

// The checker passes over a return outside of a function, its expression too (TS1108), and
// that is where programs use what they fetched. To it a throw is the same: same flow, same
// places, and the expression is checked.
function throwTopLevelReturns(node) {
  if (ts.isFunctionLike(node) || ts.isClassLike(node)) return;
  if (ts.isReturnStatement(node) && node.expression !== undefined) {
    node.kind = ts.SyntaxKind.ThrowStatement;
  }
  ts.forEachChild(node, throwTopLevelReturns);
}

function namesOf(binding, found) {
  if (ts.isIdentifier(binding)) found.add(binding.text);
  else for (const element of binding.elements) if (element.name) namesOf(element.name, found);
}

// What the program declares at its top level.
function ownNames(file) {
  const found = new Set();
  for (const statement of file.statements) {
    if (ts.isVariableStatement(statement)) {
      for (const { name } of statement.declarationList.declarations) namesOf(name, found);
    } else if (ts.isImportDeclaration(statement) && statement.importClause !== undefined) {
      importedNames(statement.importClause, found);
    } else if (statement.name !== undefined) {
      found.add(statement.name.text);
    }
  }
  return found;
}

function importedNames({ name, namedBindings }, found) {
  if (name !== undefined) found.add(name.text);
  if (namedBindings?.name !== undefined) found.add(namedBindings.name.text);
  for (const element of namedBindings?.elements ?? []) found.add(element.name.text);
}

const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;

// The globals of the call are any: a program that tests for what this call left out is right.
// After the program they move no place, and in its module they win over the runtime's names.
function globalsText(file, globals) {
  const own = ownNames(file);
  const wanted = globals.filter((name) => IDENTIFIER.test(name) && !own.has(name));
  return wanted.map((name) => `declare var ${name}: any;`).join(" ");
}

function mainFile(request) {
  let file = parse(MAIN, request.text, true);
  const globals = request.globals.length > 0 ? globalsText(file, request.globals) : "";
  if (globals !== "") file = parse(MAIN, `${request.text}\n${globals}`, true);
  throwTopLevelReturns(file);
  return file;
}

function hostOf(files, modules) {
  return {
    getSourceFile: (name) => files.get(name),
    fileExists: (name) => files.has(name),
    readFile: (name) => files.get(name)?.text,
    writeFile() {},
    getDefaultLibFileName: () => `${LIBRARY}lib.esnext.d.ts`,
    getCurrentDirectory: () => "/",
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => "\n",
    directoryExists: () => false,
    getDirectories: () => [],
    resolveModuleNameLiterals: (literals) => literals.map(({ text }) => modules.resolve(text)),
  };
}

function compiled(request) {
  const modules = new Modules(request);
  const file = mainFile(request);
  const tools = `${LIBRARY}tools.d.ts`;
  const files = new Map([...library, ...modules.files]);
  files.set(tools, toolsFile(tools, request, modules)).set(MAIN, file);
  const rootNames = [...library.keys(), tools, MAIN];
  const host = hostOf(files, modules);
  return { file, modules, program: ts.createProgram({ rootNames, options: OPTIONS, host }) };
}
