"use strict";
// Values that do not fit: errors if the target was declared.

class Assignability {
  constructor(evidence, habits, trust) {
    this.evidence = evidence;
    this.habits = habits;
    this.trust = trust;
    this.types = evidence.types;
  }

  judge(diagnostic, node) {
    const all = reasons(diagnostic);
    if (all.some(isWidened) || all.some(isTuple)) return undefined;
    if (/^Argument of type 'null'/.test(all[0]) && / \| undefined'/.test(all[0])) return undefined;
    if (/^(Type|Argument of type) 'unknown'/.test(all[0])) return "warning";
    if (/ is not assignable to (parameter of )?type 'never'/.test(all[0])) return "warning";
    if (isOneOfSeveral(diagnostic.messageText)) return "warning";
    const { code } = diagnostic;
    if ((code === 2353 || code === 2561) && this.#isOwnExcess(node)) return "warning";
    if (ts.isIdentifier(node) && this.#growsLater(node)) return undefined;
    if (!this.#targetIsDeclared(node, code)) return "warning";
    if (this.trust.isDoubtful(this.trust.valueAt(node))) return "warning";
    return this.#isOwnHabit(node, all[0], code) ? "warning" : "error";
  }

  // The program's own variable, which it leaves empty at first: `let best: Row = null`,
  // `const counts: Record<Status, number> = {}`.
  #isOwnHabit(node, text, code) {
    const isNull = /^(Type|Argument of type) '(null|undefined)' is not assignable/.test(text);
    const lacks = [2739, 2740, 2741].includes(code);
    if (!isNull && !lacks) return false;
    const call = ancestor(node, (one) => ts.isCallExpression(one) || ts.isNewExpression(one)
      || isFunction(one) || ts.isVariableDeclaration(one) || ts.isPropertyDeclaration(one));
    const isCall = call !== undefined && (ts.isCallExpression(call) || ts.isNewExpression(call));
    if (isCall) return isNull && isProgram(this.evidence.signature(call)?.getSourceFile().fileName ?? "");
    const initializer = call?.initializer;
    const isEmpty = initializer !== undefined && ts.isObjectLiteralExpression(initializer)
      && initializer.properties.length === 0;
    return isNull || isEmpty || this.habits.computes;
  }

  // Upwards from the value: what is it given to?
  #targetIsDeclared(node, code) {
    for (let at = node, from; at !== undefined && !ts.isSourceFile(at); from = at, at = at.parent) {
      if (ts.isCallExpression(at) || ts.isNewExpression(at)) {
        if (from !== at.expression) return this.#parameter(at, from, { node, code });
      }
      if (ts.isVariableDeclaration(at) || ts.isPropertyDeclaration(at) || ts.isParameter(at)) {
        return at.type !== undefined;
      }
      if (ts.isBinaryExpression(at) && ts.isAssignmentOperator(at.operatorToken.kind)) {
        return this.evidence.isDeclared(at.left) && !this.#isRuntime(at.left);
      }
      if (ts.isSatisfiesExpression(at)) return true;
      if (isFunction(at)) return at.type !== undefined;
      if (ts.isReturnStatement(at)) return this.#returnIsDeclared(at);
    }
    return false;
  }

  // What the program replaces, `globalThis.fetch = …`, or sets: it makes text of a number.
  #isRuntime(node) {
    const { fileName } = this.evidence.declaration(node)?.getSourceFile() ?? {};
    return fileName?.startsWith(LIBRARY) ?? false;
  }

  #returnIsDeclared(node) {
    return ancestor(node, isFunction)?.type !== undefined;
  }

  #parameter(call, argument, found) {
    const declaration = this.evidence.signature(call);
    if (declaration === undefined) return true;
    const { fileName } = declaration.getSourceFile();
    const at = argument === undefined ? -1 : call.arguments?.indexOf(argument) ?? -1;
    if (isProgram(fileName)) {
      const last = declaration.parameters.length - 1;
      return declaration.parameters[Math.max(0, Math.min(at, last))]?.type !== undefined;
    }
    // The functions that call tools by name are the runtime's, their parameters the tools'.
    if (!fileName.startsWith(LIBRARY) || fileName === `${LIBRARY}tools.d.ts`) return true;
    return at >= 0 && isExact(declaration) && this.#mindsRuntime(call.arguments[at], found);
  }

  // The runtime makes text of a number where it wants text, takes any callback, and passes over
  // options that it does not know. An object of the wrong kind is not right anywhere.
  #mindsRuntime(argument, { node, code }) {
    if (code === 2769 || (code === 2353 && this.#isOnlyExcess(node))) return false;
    const value = node.parent && ts.isPropertyAssignment(node.parent) && node !== argument
      ? node.parent.initializer
      : argument;
    const isPrimitive = (this.evidence.type(value).flags & PRIMITIVE) !== 0;
    if (!isPrimitive || code === 2561 || code === 2353) {
      const given = this.evidence.declaration(argument);
      return !(given?.getSourceFile().fileName.startsWith(LIBRARY) ?? false);
    }
    const wanted = this.types.getContextualType(value);
    return wanted !== undefined
      && this.evidence.parts(wanted).every((part) => part.getCallSignatures().length > 0);
  }

  // Whether an object would be right without what is too many: it has all that one of the
  // wanted types must have.
  #isOnlyExcess(node) {
    const literal = ancestor(node, ts.isObjectLiteralExpression);
    const wanted = literal && this.types.getContextualType(literal);
    if (wanted === undefined) return false;
    if (literal.properties.some(ts.isSpreadAssignment)) return true;
    const given = new Set(literal.properties.map(({ name }) => name?.text));
    return this.evidence.parts(wanted).some((part) => part.getProperties().every(({ flags, name }) =>
      (flags & ts.SymbolFlags.Optional) !== 0 || given.has(name)));
  }

  // The same, of a type of the program's own.
  #isOwnExcess(node) {
    const literal = ancestor(node, ts.isObjectLiteralExpression);
    const wanted = literal && this.types.getContextualType(literal);
    return wanted !== undefined && !this.evidence.parts(wanted).some(isOutside)
      && this.#isOnlyExcess(node);
  }

  // `const args = {}; args.query = …; search(args)`.
  #growsLater(node) {
    const wanted = this.types.getContextualType(node);
    const given = this.evidence.type(node);
    if (wanted === undefined || !isProgram(fileOf(given) ?? LIBRARY)) return false;
    if ((given.symbol.flags & ts.SymbolFlags.ObjectLiteral) === 0) return false;
    const missing = wanted.getProperties().filter(({ flags, name }) =>
      (flags & ts.SymbolFlags.Optional) === 0 && this.evidence.member(given, name) === undefined
    );
    return missing.length > 0
      && (this.habits.computes || missing.every(({ name }) => this.habits.assigned.has(name)));
  }
}

// Generic functions infer.
function isExact({ parent, typeParameters }) {
  return !(typeParameters?.length > 0)
    && !(ts.isInterfaceDeclaration(parent) && parent.typeParameters?.length > 0);
}

// A literal lost its type on the way (`for (const status of ["open"])`): the value is checked
// when the tool is called.
function isWidened(text) {
  return /^(Type|Argument of type) '(string|number|boolean)' is not assignable to (type|parameter of type) '("|-?\d|true|false)/
    .test(text);
}

// A list that was meant as a tuple.
const isTuple = (text) => /^Target (requires|allows only) \d+ element/.test(text);

const source = (text) => /^(?:Type|Argument of type) '(.*?)' is not assignable to /s.exec(text)?.[1];

// A type's text without what is within brackets.
function flat(text) {
  for (let before; before !== text;) {
    before = text;
    text = text.replace(/[{(<[][^{}()<>[\]]*[})>\]]/g, "");
  }
  return text;
}

// One of several types does not fit: a null, or what an array has beside.
function isOneOfSeveral(message, above) {
  if (typeof message === "string") return false;
  const inner = message.next ?? [];
  const own = source(message.messageText);
  const whole = above === undefined ? undefined : source(above);
  if (inner.length === 0 && own !== undefined && whole !== undefined && flat(whole).includes(" | ")) {
    return true;
  }
  return inner.some((one) => isOneOfSeveral(one, message.messageText));
}
