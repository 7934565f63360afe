"use strict";
// Who declared what: a tool's schema, the runtime, the program's own annotation; or nobody, and
// the compiler has inferred it.

const PRIMITIVE = ts.TypeFlags.StringLike | ts.TypeFlags.NumberLike
  | ts.TypeFlags.BooleanLike | ts.TypeFlags.BigIntLike;
const NUMERIC = ts.TypeFlags.NumberLike | ts.TypeFlags.BooleanLike | ts.TypeFlags.BigIntLike
  | ts.TypeFlags.Any;

const isFunction = (node) => ts.isFunctionLike(node);

function unwrapped(node) {
  while (
    ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node)
    || ts.isAwaitExpression(node)
  ) node = node.expression;
  return node;
}

// The file of a type's first declaration.
function fileOf(type) {
  return (type.aliasSymbol ?? type.symbol)?.declarations?.[0]?.getSourceFile().fileName;
}

// Modules of playbooks and of the workspace are as the program is: what they do not say is
// inferred.
const isProgram = (fileName) => fileName === MAIN
  || (fileName.startsWith(MODULES) && !fileName.endsWith(".d.ts"));

function isOutside(type) {
  const fileName = fileOf(type);
  return fileName !== undefined && !isProgram(fileName);
}
const isRuntime = (type) => fileOf(type)?.startsWith(LIBRARY) ?? false;

class Evidence {
  constructor(types, file) {
    this.types = types;
    this.file = file;
  }

  type(node) {
    return this.types.getTypeAtLocation(node);
  }

  // A type's parts, without null and undefined.
  parts(type) {
    const some = this.types.getNonNullableType(type);
    return some.isUnion() ? some.types : [some];
  }

  member(type, name) {
    return this.types.getPropertyOfType(this.types.getApparentType(type), name);
  }

  symbol(node) {
    const bare = unwrapped(node);
    return this.types.getSymbolAtLocation(ts.isPropertyAccessExpression(bare) ? bare.name : bare);
  }

  declaration(node) {
    return this.symbol(node)?.declarations?.[0];
  }

  isOwn(identifier) {
    return this.declaration(identifier)?.getSourceFile() === this.file;
  }

  isEmptyObject(type) {
    return (type.flags & ts.TypeFlags.Object) !== 0 && type.getProperties().length === 0
      && this.types.getIndexInfosOfType(type).length === 0;
  }

  isPromise(node) {
    return this.parts(this.type(node)).some(({ symbol }) => symbol?.name === "Promise");
  }

  signature(call) {
    return this.types.getResolvedSignature(call)?.declaration;
  }

  // Whether an expression names something that was declared with its type.
  isDeclared(node) {
    const all = this.symbol(node)?.declarations ?? [];
    return all.some((one) =>
      !isProgram(one.getSourceFile().fileName) || one.type !== undefined
      || ts.isPropertySignature(one) || ts.isMethodSignature(one)
    );
  }

  // Whether an expression's value comes of something declared, by way of constants, loops and
  // destructuring.
  comesFromDeclared(node, depth = 0) {
    const bare = unwrapped(node);
    // More steps than a program has that anybody reads.
    if (depth > 20) return false;
    if (ts.isAsExpression(bare) || ts.isSatisfiesExpression(bare)) return true;
    if (ts.isCallExpression(bare)) return this.#callIsDeclared(bare);
    if (ts.isPropertyAccessExpression(bare)) return this.isDeclared(bare);
    if (ts.isElementAccessExpression(bare)) {
      return this.comesFromDeclared(bare.expression, depth + 1);
    }
    const of = ts.isIdentifier(bare) ? this.declaration(bare) : undefined;
    return of !== undefined && this.#declarationIsDeclared(of, depth + 1);
  }

  #callIsDeclared(call) {
    const declaration = this.signature(call);
    return declaration !== undefined
      && (!isProgram(declaration.getSourceFile().fileName) || declaration.type !== undefined);
  }

  #declarationIsDeclared(of, depth) {
    if (!isProgram(of.getSourceFile().fileName)) return true;
    while (ts.isBindingElement(of)) of = of.parent.parent;
    if (ts.isParameter(of)) return of.type !== undefined || this.#isFromDeclared(of, depth);
    if (!ts.isVariableDeclaration(of) || (of.parent.flags & ts.NodeFlags.Const) === 0) return false;
    if (of.initializer !== undefined) return this.comesFromDeclared(of.initializer, depth);
    const loop = of.parent.parent;
    return ts.isForOfStatement(loop) && this.comesFromDeclared(loop.expression, depth);
  }

  // A callback's parameter: what the callback is given to, `orders.map((order) => …)`.
  #isFromDeclared({ parent }, depth) {
    const call = parent.parent;
    if (!ts.isCallExpression(call) || call.expression === parent) return false;
    return !ts.isPropertyAccessExpression(call.expression)
      || this.comesFromDeclared(call.expression.expression, depth);
  }

  isDateOrNumber(node) {
    return this.parts(this.type(node)).every((type) =>
      type.symbol?.name === "Date" || (type.flags & NUMERIC) !== 0
    );
  }
}

// The largest node that begins where a diagnostic does and ends within it.
function nodeAt(file, start, length) {
  let node = file;
  for (let inner = file; inner !== undefined;) {
    node = inner;
    inner = undefined;
    ts.forEachChild(node, (child) => {
      if (child.getStart(file) <= start && start < child.end) inner = child;
    });
  }
  while (node.parent && node.parent.getStart(file) === start && node.parent.end <= start + length) {
    node = node.parent;
  }
  return node;
}

const ancestor = (node, is) => ts.findAncestor(node, is);

// Whether a part of the program only runs where an exception is caught.
function isTried(node, most = Infinity) {
  return ancestor(node, (one) => one.parent && ts.isTryStatement(one.parent)
    && one.parent.tryBlock === one && one.parent.catchClause !== undefined
    && one.statements.length <= most) !== undefined;
}

// The same of a try that only asks whether something is there.
const isProbed = (node) => isTried(node, 2);
