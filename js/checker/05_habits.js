"use strict";
// What the program does with names elsewhere: members that it puts in, names that it asks for
// before it uses them. JavaScript allows both, and the compiler does not see them.

class Habits {
  constructor(file) {
    this.file = file;
    // Members that are assigned somewhere.
    this.assigned = new Set();
    // Members whose existence is asked for.
    this.tested = new Set();
    // Names that may not be declared: `typeof x`, `"x" in globalThis`.
    this.guarded = new Set();
    // Name of a variable or member to what is assigned to it.
    this.assignments = new Map();
    // Names that are used as values, beside types.
    this.values = new Set();
    // Members of classes: a class may use what those have that extend it.
    this.members = new Set();
    // Whether members are put into classes' objects by other ways than their names.
    this.mixes = false;
    // Texts of imports.
    this.specifiers = [];
    // Whether members are assigned whose names are not written out.
    this.computes = false;
    this.#walk(file);
  }

  #walk(node) {
    if (ts.isIdentifier(node)) this.#identifier(node);
    if (ts.isTypeNode(node) && !ts.isExpressionWithTypeArguments(node)) return;
    if (isImport(node) && ts.isStringLiteralLike(specifierOf(node))) {
      this.specifiers.push(specifierOf(node));
    }
    if (ts.isClassElement(node) && node.name !== undefined) this.members.add(node.name.text);
    if (ts.isBinaryExpression(node)) this.#binary(node);
    if (ts.isPrefixUnaryExpression(node) || ts.isPostfixUnaryExpression(node)) {
      if (node.operator === ts.SyntaxKind.ExclamationToken) this.#tests(node.operand);
      else this.#assigns(node.operand);
    }
    if (ts.isTypeOfExpression(node)) {
      if (ts.isIdentifier(node.expression)) this.guarded.add(node.expression.text);
      else this.#tests(node.expression);
    }
    if (ts.isIfStatement(node)) this.#tests(node.expression);
    if (ts.isConditionalExpression(node)) this.#tests(node.condition);
    if (ts.isCallExpression(node)) this.#call(node);
    ts.forEachChild(node, (child) => this.#walk(child));
  }

  #binary(node) {
    const { left, right, operatorToken: { kind } } = node;
    if (ts.isAssignmentOperator(kind)) {
      this.#assigns(left);
      this.#keeps(left, right);
    }
    if (
      kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken
      || kind === ts.SyntaxKind.QuestionQuestionToken
    ) this.#tests(left);
    if (kind === ts.SyntaxKind.InKeyword && ts.isStringLiteralLike(left)) {
      this.tested.add(left.text);
      if (isGlobal(right)) this.guarded.add(left.text);
    }
    if (isEquality(kind)) {
      if (isUndefined(right)) this.#tests(left);
      if (isUndefined(left)) this.#tests(right);
    }
  }

  // A name that is not that of a member or of an import.
  #identifier(node) {
    const { parent } = node;
    const isMember = ts.isPropertyAccessExpression(parent) && parent.name === node;
    const isImported = ts.isImportSpecifier(parent) || ts.isImportClause(parent)
      || ts.isNamespaceImport(parent);
    if (!isMember && !isImported) this.values.add(node.text);
  }

  #keeps(target, value) {
    const bare = unwrapped(target);
    const name = ts.isPropertyAccessExpression(bare) ? bare.name.text : bare.text;
    if (typeof name !== "string") return;
    if (!this.assignments.has(name)) this.assignments.set(name, []);
    this.assignments.get(name).push(value);
  }

  // Object.assign(target, …) and Object.defineProperty(target, "name", …) put members in, too.
  #call({ expression, questionDotToken, arguments: [first, second] }) {
    if (questionDotToken !== undefined) this.#tests(expression);
    if (!ts.isPropertyAccessExpression(expression)) return;
    const { name } = expression;
    if (name.text === "defineProperty" && second !== undefined) {
      if (ts.isStringLiteralLike(second)) this.assigned.add(second.text);
      else this.mixes = true;
    }
    if (name.text === "assign" && first !== undefined) {
      this.computes = true;
      this.mixes ||= isObjectOfClass(first);
    }
    if (name.text === "hasOwn" && second && ts.isStringLiteralLike(second)) {
      this.tested.add(second.text);
    }
  }

  #assigns(target) {
    if (ts.isPropertyAccessExpression(target)) {
      this.assigned.add(target.name.text);
      if (isGlobal(target.expression)) this.guarded.add(target.name.text);
    } else if (ts.isElementAccessExpression(target)) {
      const { argumentExpression: key } = target;
      if (!ts.isStringLiteralLike(key)) {
        this.computes = true;
        this.mixes ||= isObjectOfClass(target.expression);
      } else this.assigned.add(key.text);
    }
  }

  // `a.x` or `a["x"]` as a condition.
  #tests(node) {
    const bare = unwrapped(node);
    if (ts.isPropertyAccessExpression(bare)) this.tested.add(bare.name.text);
    if (ts.isElementAccessExpression(bare) && ts.isStringLiteralLike(bare.argumentExpression)) {
      this.tested.add(bare.argumentExpression.text);
    }
    if (ts.isBinaryExpression(bare) && !ts.isAssignmentOperator(bare.operatorToken.kind)) {
      if (!isEquality(bare.operatorToken.kind)) return;
      if (isUndefined(bare.right)) this.#tests(bare.left);
    }
  }
}

// `this` or `X.prototype`.
const isObjectOfClass = (node) => node.kind === ts.SyntaxKind.ThisKeyword
  || (ts.isPropertyAccessExpression(node) && node.name.text === "prototype");

// `import …`, `export … from` or `import(…)`, of more than types.
function isImport(node) {
  if (ts.isImportDeclaration(node)) return node.importClause?.isTypeOnly !== true;
  if (ts.isExportDeclaration(node)) return node.moduleSpecifier !== undefined && !node.isTypeOnly;
  return ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
    && node.arguments.length > 0;
}

const specifierOf = (node) => node.moduleSpecifier ?? node.arguments[0];

function isEquality(kind) {
  return kind === ts.SyntaxKind.EqualsEqualsToken || kind === ts.SyntaxKind.EqualsEqualsEqualsToken
    || kind === ts.SyntaxKind.ExclamationEqualsToken
    || kind === ts.SyntaxKind.ExclamationEqualsEqualsToken;
}

function isUndefined(node) {
  return node.kind === ts.SyntaxKind.NullKeyword
    || (ts.isIdentifier(node) && node.text === "undefined");
}

const isGlobal = (node) => ts.isIdentifier(node) && /^(globalThis|self)$/.test(node.text);
