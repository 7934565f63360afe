"use strict";
// The files of the compiler that every check has in common: ECMAScript and this runtime.
// These scripts share one scope, after typescript.js, in a V8 that has nothing else: no
// program is run here, so that nobody can have changed a built-in.

const MAIN = "/main.ts";
// Whoever declared something, by its file: the runtime, a module of the request.
const LIBRARY = "/library/";
const MODULES = "/modules/";

// strict, so that values narrow and `const a = []` grows: both need noImplicitAny and
// strictNullChecks. What strict says too much the rules leave out.
const OPTIONS = {
  strict: true,
  useUnknownInCatchVariables: false,
  strictPropertyInitialization: false,
  noImplicitThis: false,
  strictBuiltinIteratorReturn: false,
  strictBindCallApply: false,
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  noLib: true,
  types: [],
  noEmit: true,
  skipLibCheck: true,
  skipDefaultLibCheck: true,
  allowUnreachableCode: true,
  allowUnusedLabels: true,
  allowImportingTsExtensions: true,
};

// Modules without types, and those that cannot be imported, are any. Of the type of an import that
// is not found classes would inherit nothing.
const ANY_MODULES = "declare module \"*\";\n";

// Name to SourceFile. They are bound by the first check and kept.
const library = new Map();

// `moduleDetection` has no effect on files that a host makes: without an indicator a program
// that imports nothing would be a script, in which `await` is a name.
function parse(name, text, isModule) {
  return ts.createSourceFile(name, text, {
    languageVersion: ts.ScriptTarget.ESNext,
    impliedNodeFormat: ts.ModuleKind.ESNext,
    jsDocParsingMode: ts.JSDocParsingMode.ParseNone,
    setExternalModuleIndicator: isModule
      ? (file) => {
        file.externalModuleIndicator ??= true;
      }
      : undefined,
  }, true);
}

// The parts of lib.esnext that a part names, before itself.
function ecmaScript(files, name, found) {
  if (found.has(name)) return;
  const text = files[name];
  if (text === undefined) throw new Error(`${name} is missing`);
  found.set(name, text);
  for (const [, part] of text.matchAll(/^\/\/\/ <reference lib="([\w.]+)"/gm)) {
    ecmaScript(files, `lib.${part}.d.ts`, found);
  }
}

function begin(filesJson) {
  const files = JSON.parse(filesJson);
  const found = new Map();
  ecmaScript(files, "lib.esnext.d.ts", found);
  for (const name of ["runtime.d.ts", "conductor.d.ts"]) {
    if (files[name] === undefined) throw new Error(`${name} is missing`);
    found.set(name, files[name]);
  }
  found.set("modules.d.ts", ANY_MODULES);
  for (const [name, text] of found) {
    library.set(LIBRARY + name, parse(LIBRARY + name, text, false));
  }
}
