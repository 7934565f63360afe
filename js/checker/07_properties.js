"use strict";
// Members that are not there: errors on what was declared, and near misses.

// Objects of these carry more than their class says.
const OPEN = new Set(["Error", "Event", "EventTarget", "Object", "Function"]);
// What is put into these as a member is lost.
const COLLECTIONS = new Set(["Map", "Set", "WeakMap", "WeakSet"]);

class Properties {
  constructor(evidence, habits, modules, trust) {
    this.evidence = evidence;
    this.habits = habits;
    this.modules = modules;
    this.trust = trust;
  }

  judge(node, code) {
    const access = this.#access(node);
    if (access === undefined) return "warning";
    const { whole, name } = access;
    const type = this.evidence.types.getNonNullableType(whole);
    const parts = this.evidence.parts(whole);
    if ((type.flags & ts.TypeFlags.Never) !== 0) return undefined;
    if (name !== undefined && type !== whole && this.#has(type, name)) return "warning";
    if (type.isUnion() && parts.some((part) => this.evidence.member(part, name))) return undefined;
    if (code === 2339 && parts.some((part) => isOutside(part) && OPEN.has(part.symbol?.name))) {
      return "warning";
    }
    if (parts.some((part) => this.#isOpenClass(part, name))) return "warning";
    const habit = this.#byHabit(node, parts, name, access);
    if (habit !== undefined) return habit.verdict;
    if ((type.flags & PRIMITIVE) !== 0 || code === 2551) return "error";
    return parts.every((part) => this.#wasDeclared(part)) ? "error" : "warning";
  }

  // A member of an object that may be null.
  #has(type, name) {
    return this.evidence.member(type, name) !== undefined
      || this.evidence.types.getIndexInfosOfType(type).length > 0;
  }

  // The program puts the member in, or asks for it.
  #byHabit(node, parts, name, { expression }) {
    const isOurs = parts.every((part) => isRuntime(part));
    if (this.habits.assigned.has(name)) {
      if (!parts.some(isRuntime)) return {};
      if (!parts.some((part) => COLLECTIONS.has(part.symbol?.name))) return { verdict: "warning" };
    }
    if (isOurs && (this.habits.tested.has(name) || isProbed(node))) {
      if (parts.some(isNamespace)) return { verdict: "warning" };
    }
    if (this.isKnownTool(node, parts, name)) return {};
    if (expression !== undefined && this.trust.isDoubtful(expression)) return { verdict: "warning" };
    return expression !== undefined && this.#hasAlternative(node.parent, expression)
      ? { verdict: "warning" }
      : undefined;
  }

  // A class or function of the program of which not everything is known: what it extends is any,
  // or members come from elsewhere.
  #isOpenClass(type, name) {
    const all = (type.symbol?.declarations ?? []).filter((one) => isProgram(one.getSourceFile().fileName));
    if (this.habits.computes && all.some(isFunction)) return true;
    const declaration = all.find(ts.isClassLike);
    if (declaration === undefined) return false;
    if (this.habits.mixes || this.habits.members.has(name)) return true;
    const base = ts.getEffectiveBaseTypeNode(declaration)?.expression;
    if (base === undefined) return false;
    const extended = this.evidence.type(base);
    return (extended.flags & ts.TypeFlags.Any) !== 0 || this.#isOpenClass(extended, name);
  }

  #wasDeclared(type) {
    const declaration = (type.aliasSymbol ?? type.symbol)?.declarations?.[0];
    return declaration !== undefined
      && (isOutside(type) || !ts.isObjectLiteralExpression(declaration));
  }

  // What of which a member is missing: `a.x`, `const { x } = a`, `({ x }) => …`.
  #access(node) {
    const { parent } = node;
    if (parent !== undefined && ts.isPropertyAccessExpression(parent) && parent.name === node) {
      const { expression } = parent;
      return { whole: this.evidence.type(expression), name: node.text, expression };
    }
    const element = [node, parent].find((one) => one !== undefined && ts.isBindingElement(one));
    if (element === undefined) return undefined;
    const of = element.parent.parent;
    const initializer = ts.isVariableDeclaration(of) ? of.initializer : undefined;
    const id = element.propertyName ?? element.name;
    return { whole: this.evidence.type(initializer ?? element.parent), name: id.text };
  }

  // `r.items ?? r.orders ?? []`: one of several names for the same, of which one is there.
  #hasAlternative(access, expression) {
    let chain = access;
    const isChain = (one) => ts.isBinaryExpression(one) && [
      ts.SyntaxKind.BarBarToken,
      ts.SyntaxKind.QuestionQuestionToken,
    ].includes(one.operatorToken.kind);
    while (isChain(chain.parent) || ts.isParenthesizedExpression(chain.parent)) chain = chain.parent;
    chain = unwrapped(chain);
    const text = expression.getText();
    const isThere = (one) => isChain(one)
      ? isThere(one.left) || isThere(one.right)
      : ts.isPropertyAccessExpression(one) && one !== access && one.expression.getText() === text
        && this.evidence.member(this.evidence.type(one.expression), one.name.text) !== undefined;
    return isChain(chain) && isThere(chain);
  }

  // A key that is written out, of something declared outside: `shop["getOrders"]`.
  key(node) {
    const access = ts.isElementAccessExpression(node) ? node : node.parent;
    if (access === undefined || !ts.isElementAccessExpression(access)) return undefined;
    const { expression, argumentExpression: key } = access;
    if (!ts.isStringLiteralLike(key)) return undefined;
    const parts = this.evidence.parts(this.evidence.type(expression));
    const isClosed = parts.every((part) =>
      isOutside(part) && this.evidence.types.getIndexInfosOfType(part).length === 0
    );
    if (!isClosed || this.isKnownTool(key, parts, key.text)) return undefined;
    return this.habits.assigned.has(key.text) || this.habits.tested.has(key.text)
      ? "warning"
      : "error";
  }

  // The server whose module or default export a type is.
  serverOf(type) {
    const declaration = type.symbol?.declarations?.[0];
    if (declaration === undefined) return undefined;
    const isWhole = ts.isSourceFile(declaration) || (ts.isTypeLiteralNode(declaration)
      && ts.isVariableDeclaration(declaration.parent));
    return isWhole ? this.modules.serverIn(declaration.getSourceFile().fileName) : undefined;
  }

  // Whether a server has a tool of such a name that was not declared for this check.
  isKnownTool(node, parts, name = nameOf(node)) {
    const server = parts === undefined ? this.#importedFrom(node) : this.serverOf(parts[0]);
    const tools = this.modules.request.tools[server] ?? [];
    const wanted = squeezed(name ?? "");
    return tools.some((tool) => tool === name || (squeezed(tool) === wanted && !this.#isDeclared(server, tool)));
  }

  #isDeclared(server, tool) {
    const entry = this.modules.find(`mcp:${encodeURIComponent(server)}`);
    return entry?.file !== undefined && squeezed(entry.file.text).includes(squeezed(tool));
  }

  #importedFrom(node) {
    const declaration = ancestor(node, (one) => ts.isImportDeclaration(one) || ts.isExportDeclaration(one));
    const { moduleSpecifier } = declaration ?? {};
    return moduleSpecifier === undefined ? undefined : serverOf(moduleSpecifier.text);
  }
}

// The name of `x`, `"x"` or `{ x as y }`.
const nameOf = (node) => (ts.isImportSpecifier(node) ? node.propertyName ?? node.name : node).text;

const isNamespace = (type) => type.symbol !== undefined
  && (type.symbol.flags & (ts.SymbolFlags.Namespace | ts.SymbolFlags.Module)) !== 0;

const squeezed = (name) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
