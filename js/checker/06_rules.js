"use strict";
// Which of the compiler's diagnostics may stop a run. The principle: an error contradicts what
// a tool's schema, the runtime or the program's own annotation declares. What contradicts an
// inferred type, or may be null, is a warning; what does not matter at run time is not told.

const codes = (text) => new Set(text.trim().split(/\s+/).map(Number));

// Certain whoever declared what: unknown names, exports that are not there, use before the
// declaration, constants, a promise as a condition, await outside of an async function.
const CERTAIN = codes(`
  2304 2552 2580 2591 2584 2582 2583 2592 2593 2581 2663 18004 2305 2614 2724 1192 2613
  2448 2449 2450 2588 2632 2539 2801 2839 2845 18050 1308 1155 1361 1362`);
// The same, but of a type that may have been inferred.
const SHAPE = codes("2349 2351 2348 2488 2504 2461 2407 2549");
// About types only, or right when it runs.
const NEVER = codes(`
  1108 1117 2341 2344 2352 2415 2416 2420 2430 2445 2511 2515 2571 2578 2589 2590 2683 2688 2695
  2698 2707 2726 2790 2794 6053 18046`);
const NULLISH = codes("2531 2532 2533 18047 18048 18049 2721 2722 2723 2454 2464 2538");
const PROPERTY = codes("2339 2551 2568");
const ARITY = codes("2554 2555 2556");
const ARITHMETIC = codes("2362 2363 2365");
const OVERLAP = codes("2367 2678");
const ASSIGNABILITY = codes("2322 2345 2353 2561 2739 2740 2741 2769 2820 1360 2559");
const EXPORT = codes("2305 2614 2724");
const NAME = codes("2304 2552 2580 2591 2584 2582 2583 2592 2593 2581 2663 18004");
// Globals of the workers that have the node: built-ins, and of modules in CommonJS.
const NODE_NAMES = new Set([
  "process", "Buffer", "require", "module", "exports", "global", "setImmediate",
  "clearImmediate", "__dirname", "__filename",
]);
// The same where a type is named.
const TYPE_NAME = codes(`
  2304 2552 2503 2694 2749 2314 2315 2580 2591 2584 2583 2305 2724 2702 2709 2713 2307 2792`);
// Of 1xxx the checker's, beside the parser's: V8 says before the program begins which of them
// it minds. The others are about types, or what a later edition allows.
const IMPLICIT_ANY = (code) => code >= 7005 && code <= 7057;

class Rules {
  constructor(evidence, habits, modules) {
    this.evidence = evidence;
    this.habits = habits;
    this.modules = modules;
    this.types = evidence.types;
    this.trust = new Trust(evidence, habits);
    this.assignability = new Assignability(evidence, habits, this.trust);
    this.properties = new Properties(evidence, habits, modules, this.trust);
  }

  // "error", "warning", or nothing.
  judge(diagnostic, node) {
    const { code } = diagnostic;
    if (NEVER.has(code)) return undefined;
    if (NULLISH.has(code)) return "warning";
    if (code === 7053) return this.properties.key(node);
    if (IMPLICIT_ANY(code)) return undefined;
    if (TYPE_NAME.has(code) && isInType(node)) return undefined;
    if (NAME.has(code) && this.#mayBeThere(node.text)) return undefined;
    if (SHAPE.has(code)) return this.#shape(diagnostic, node);
    if (CERTAIN.has(code)) return this.#certain(node, code);
    if (PROPERTY.has(code)) return this.properties.judge(node, code);
    if (ARITY.has(code)) return this.#arity(diagnostic, node);
    if (ARITHMETIC.has(code)) return this.#arithmetic(node, code);
    if (OVERLAP.has(code)) return this.#overlap(node, code);
    if (ASSIGNABILITY.has(code)) return this.assignability.judge(diagnostic, node);
    return "warning";
  }

  // Imports that cannot succeed, which are any to the compiler.
  imports() {
    const found = [];
    for (const node of this.habits.specifiers) {
      const refusal = this.modules.refusal(node.text);
      if (refusal === undefined || this.#isLeftOut(node)) continue;
      const isAsked = ts.isCallExpression(node.parent) && (isTried(node) || catches(node.parent));
      found.push({ node, category: isAsked ? "warning" : "error", refusal });
    }
    return found;
  }

  // An import of which nothing is used as a value.
  #isLeftOut(specifier) {
    const { importClause } = ts.isImportDeclaration(specifier.parent) ? specifier.parent : {};
    if (importClause === undefined) return false;
    const names = new Set();
    importedNames(importClause, names);
    return names.size > 0 && ![...names].some((name) => this.habits.values.has(name));
  }

  #mayBeThere(name) {
    const { builtins } = this.modules.request;
    return this.habits.guarded.has(name) || (builtins === null && NODE_NAMES.has(name));
  }

  // What is not here is asked for in a try, too.
  #certain(node, code) {
    if (NAME.has(code) && isForeign(node.text) && isProbed(node)) return "warning";
    return EXPORT.has(code) ? this.#export(node) : "error";
  }

  // Imports of what is used as a type only are left out when the program is transpiled. And an
  // export may not have been declared because the text's names were compared roughly.
  #export(node) {
    const specifier = ancestor(node, ts.isImportSpecifier);
    if (specifier !== undefined && !this.habits.values.has(specifier.name.text)) return undefined;
    return this.properties.isKnownTool(node) ? undefined : "error";
  }

  // Not callable, not iterable.
  #shape(diagnostic, node) {
    const texts = reasons(diagnostic);
    // What has no type has no shape; of several functions each may be right for its object.
    if (texts.some((text) => /'(never|unknown|Function)'|signatures are compatible/.test(text))) return undefined;
    if (maybeNullish(diagnostic)) return "warning";
    const call = ts.isCallExpression(node) || ts.isNewExpression(node) ? node.expression : node;
    // One of several: an element of an array that was meant as a tuple.
    const isUnion = this.evidence.parts(this.evidence.type(call)).length > 1;
    return isUnion || this.trust.isDoubtful(call) ? "warning" : "error";
  }

  // Functions of JavaScript are called with what there is.
  #arity({ messageText }, node) {
    const call = ancestor(node, (one) => ts.isCallExpression(one) || ts.isNewExpression(one));
    const declaration = call && this.evidence.signature(call);
    const file = declaration?.getSourceFile().fileName;
    const text = ts.flattenDiagnosticMessageText(messageText, " ");
    const [, least, given] = /(?:at least )?(\d+)(?:-\d+)? arguments?, but got (\d+)/.exec(text) ?? [];
    if (file === undefined || isProgram(file)) return "warning";
    if (Number(given) < Number(least)) return isOfText(declaration) ? "warning" : "error";
    // Too many are ignored; that the first is not an object is not.
    const first = call.arguments?.[0];
    const isTool = file.startsWith(MODULES) && first !== undefined;
    return isTool && (this.evidence.type(first).flags & PRIMITIVE) !== 0 ? "error" : "warning";
  }

  // Text that is made a number by its use is right, if it is text of a number; a promise, an
  // object or a list never is.
  #arithmetic(node, code) {
    const operands = ts.isBinaryExpression(node) ? [node.left, node.right] : [node];
    if (operands.some((one) => this.evidence.isPromise(one))) return "error";
    if (operands.every((one) => this.evidence.isDateOrNumber(one))) return undefined;
    const whole = ts.isBinaryExpression(node.parent) ? node.parent : node;
    if (code !== 2365 && ts.isBinaryExpression(whole) && isConversion(whole)) return "warning";
    // Text and numbers can be added.
    const adds = code === 2365 && ts.isBinaryExpression(node) && isAddition(node.operatorToken.kind);
    const fine = adds ? NUMERIC | PRIMITIVE : NUMERIC;
    const minded = operands.filter((one) =>
      this.evidence.parts(this.evidence.type(one)).some(({ flags }) => (flags & fine) === 0)
    );
    return minded.some((one) => this.#isDeclaredOperand(one)) ? "error" : "warning";
  }

  #isDeclaredOperand(node) {
    if (this.evidence.isDeclared(node) || this.evidence.comesFromDeclared(node)) return true;
    return this.evidence.parts(this.evidence.type(node)).every((type) =>
      (type.flags & ts.TypeFlags.Object) !== 0 && isOutside(type)
    );
  }

  // Certain against a declared value, unless the flow has only narrowed it: a closure may have
  // changed the variable since.
  #overlap(node, code) {
    const of = code === 2678 ? ancestor(node, ts.isSwitchStatement)?.expression ?? node : node;
    const sides = ts.isBinaryExpression(of) ? [of.left, of.right] : [of, node];
    const isCertain = sides.some((side, at) =>
      this.evidence.comesFromDeclared(side) && !this.#wasNarrowed(side, sides[1 - at])
    );
    return isCertain ? "error" : "warning";
  }

  #wasNarrowed(node, other) {
    const symbol = this.evidence.symbol(node);
    if (symbol === undefined || !ts.isPropertyAccessExpression(unwrapped(node))) return false;
    const whole = this.types.getTypeOfSymbol(symbol);
    return this.types.isTypeAssignableTo(this.evidence.type(other), whole);
  }
}

// Methods such as `"a".split()`: without arguments they do something, too.
const LENIENT = new Set(["String", "Array", "ReadonlyArray", "Number"]);
const isOfText = ({ parent }) => ts.isInterfaceDeclaration(parent) && LENIENT.has(parent.name.text);

// What other runtimes have.
const isForeign = (name) => NODE_NAMES.has(name) || own(INSTEAD, name) !== undefined
  || /^(Bun|window|navigator|document)$/.test(name);

function isInType(node) {
  return ancestor(node, (one) =>
    ts.isTypeNode(one) || ts.isInterfaceDeclaration(one) || ts.isTypeAliasDeclaration(one)
    || (ts.isImportDeclaration(one) && one.importClause?.isTypeOnly === true)
    || (ts.isImportSpecifier(one) && one.isTypeOnly)) !== undefined;
}

// `import("x").catch(…)`.
function catches({ parent }) {
  return ts.isPropertyAccessExpression(parent) && parent.name.text === "catch";
}

const isAddition = (kind) => kind === ts.SyntaxKind.PlusToken
  || kind === ts.SyntaxKind.PlusEqualsToken;

// `text * 1`, `text - 0`.
function isConversion({ left, right }) {
  return [left, right].some((one) => ts.isNumericLiteral(one) && /^[01]$/.test(one.text));
}

// A diagnostic's message and the reasons under it.
function reasons({ messageText }) {
  const found = [];
  const walk = (message) => {
    if (typeof message === "string") return found.push(message);
    found.push(message.messageText);
    message.next?.forEach(walk);
  };
  walk(messageText);
  return found;
}

const maybeNullish = (diagnostic) => /\| (undefined|null)'/.test(reasons(diagnostic)[0]);
