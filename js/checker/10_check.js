"use strict";
// A check: from the request's JSON to the verdict's.

const MAX_DIAGNOSTICS = 50;
// Diagnostics that are looked at, most of them warnings.
const MAX_JUDGED = 500;
// Deeper ones are seldom right and always slow: V8's stack is at its end at some 6,000.
const DEEP = "its expressions are nested too deeply";

function requestOf(json) {
  const request = {
    parsed: false,
    globals: [],
    builtins: null,
    open: false,
    modules: [],
    servers: null,
    tools: {},
    factory: false,
    ...JSON.parse(json),
  };
  // No server's name is a key of Object.prototype.
  request.tools = Object.assign(Object.create(null), request.tools);
  return request;
}

function place(file, start, end) {
  const from = file.getLineAndCharacterOfPosition(start);
  const to = file.getLineAndCharacterOfPosition(end);
  return {
    line: from.line + 1,
    column: from.character + 1,
    endLine: to.line + 1,
    endColumn: to.character + 1,
  };
}

const byPlace = (a, b) => a.line - b.line || a.column - b.column;

// Two accesses of one line have one thing to say.
function different(diagnostics) {
  const seen = new Set();
  return diagnostics.filter(({ code, line, message }) => {
    const key = `${code} ${line} ${message}`;
    return seen.has(key) ? false : seen.add(key);
  });
}

function verdictOf(diagnostics) {
  const all = different(diagnostics).sort((a, b) =>
    (a.category === "error" ? 0 : 1) - (b.category === "error" ? 0 : 1) || byPlace(a, b)
  );
  const omitted = all.length - MAX_DIAGNOSTICS;
  return omitted > 0
    ? { diagnostics: all.slice(0, MAX_DIAGNOSTICS), omitted }
    : { diagnostics: all };
}

function syntaxErrors(found, request, file) {
  if (request.parsed) {
    const { line } = place(file, found[0].start, found[0].start);
    const text = ts.flattenDiagnosticMessageText(found[0].messageText, " ");
    return { diagnostics: [], unchecked: `the checker cannot read line ${line}: ${text}` };
  }
  return verdictOf(found.map(({ start, length, code, messageText }) => ({
    code: `TS${code}`,
    category: "error",
    message: clipped(ts.flattenDiagnosticMessageText(messageText, "\n")),
    ...place(file, start, start + length),
  })));
}

function checked(request) {
  const { file, modules, program } = compiled(request);
  const isInText = ({ start }) => start !== undefined && start < request.text.length;
  const syntax = program.getSyntacticDiagnostics(file).filter(isInText);
  if (syntax.length > 0) return syntaxErrors(syntax, request, file);
  const found = program.getSemanticDiagnostics(file).filter(isInText);
  const evidence = new Evidence(program.getTypeChecker(), file);
  const byCompiler = judged(found, file, evidence, modules);
  return verdictOf([...byCompiler, ...namesInText(file, evidence, { request, modules })]);
}

function judged(found, file, evidence, modules) {
  const rules = new Rules(evidence, new Habits(file), modules);
  const messages = new Messages(evidence, rules, modules);
  const told = rules.imports().map(({ node, category, refusal }) => {
    const { code, message, suggestion } = importMessage(node, refusal);
    const where = place(file, node.getStart(file), node.end);
    return { code: `TS${code}`, category, message: clipped(message), ...where, suggestion };
  });
  let errors = 0;
  for (const diagnostic of found) {
    // The rest is not looked at: each costs time.
    if (errors === MAX_DIAGNOSTICS || told.length === MAX_JUDGED) break;
    const { start, length } = diagnostic;
    const node = nodeAt(file, start, length);
    const category = rules.judge(diagnostic, node);
    if (category === undefined) continue;
    if (category === "error") errors++;
    const { message, suggestion, code = diagnostic.code } = messages.of(diagnostic, node);
    const where = place(file, start, start + length);
    told.push({ code: `TS${code}`, category, message: clipped(message), ...where, suggestion });
  }
  return told;
}

function namesInText(file, evidence, of) {
  if (!/callTool|callMCPTool|mcpFactory/.test(of.request.text)) return [];
  const names = new NamesInText(evidence, of);
  names.look(file);
  return names.found.map(({ node, message, suggestion }) => ({
    code: "tool",
    // As an import that is only tried.
    category: isTried(node) || catches(ancestor(node, ts.isCallExpression) ?? node)
      ? "warning" : "error",
    message: clipped(suggestion ? `${message}. Did you mean "${suggestion}"?` : message),
    ...place(file, node.getStart(file), node.end),
    suggestion,
  }));
}

function check(requestJson) {
  try {
    return JSON.stringify(checked(requestOf(requestJson)));
  } catch (error) {
    const reason = error instanceof RangeError ? DEEP : `the checker failed: ${error?.message}`;
    return JSON.stringify({ diagnostics: [], unchecked: clipped(reason) });
  }
}

globalThis.conductorChecker = Object.freeze({
  begin(filesJson) {
    try {
      begin(filesJson);
      return "";
    } catch (error) {
      return String(error?.message ?? error);
    }
  },
  check,
  warmUp: (count) => warmUp(count),
});
