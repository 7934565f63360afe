"use strict";
// Which inferred types can be relied on: not that of a variable or member which the program
// gives something else later, nor what a test makes of any. `let result = ""; result = await response.json();` is JavaScript.

class Trust {
  constructor(evidence, habits) {
    this.evidence = evidence;
    this.habits = habits;
  }

  // Whether the type of an expression, or of something that it is a member of, was inferred from
  // a first value that another one replaces.
  isDoubtful(node) {
    let at = unwrapped(node);
    for (;;) {
      if (this.#changes(at)) return true;
      if (ts.isCallExpression(at)) return false;
      if (!ts.isPropertyAccessExpression(at) && !ts.isElementAccessExpression(at)) return false;
      at = unwrapped(at.expression);
    }
  }

  #changes(node) {
    const symbol = this.#symbol(node);
    const declaration = symbol?.declarations?.[0];
    if (declaration === undefined || declaration.type !== undefined) return false;
    // Any, which a test has narrowed.
    const first = this.evidence.types.getTypeOfSymbol(symbol);
    if ((first.flags & ts.TypeFlags.Any) !== 0) return true;
    if (!isProgram(declaration.getSourceFile().fileName)) return false;
    // A default says what a parameter is if nothing is given.
    if (ts.isParameter(declaration)) return declaration.initializer !== undefined;
    const assigned = this.habits.assignments.get(symbol.name) ?? [];
    // Everything fits `{}`.
    if (assigned.length > 0 && this.evidence.isEmptyObject(first)) return true;
    return assigned.some((value) => {
      const type = this.evidence.type(value);
      return (type.flags & ts.TypeFlags.Any) !== 0
        || !this.evidence.types.isTypeAssignableTo(type, first);
    });
  }

  #symbol(node) {
    const { parent } = node;
    return parent !== undefined && ts.isShorthandPropertyAssignment(parent)
      ? this.evidence.types.getShorthandAssignmentValueSymbol(parent)
      : this.evidence.symbol(node);
  }

  // What a diagnostic's node gives: `{ id }` and `{ id: value }` are reported at the name.
  valueAt(node) {
    if (ts.isShorthandPropertyAssignment(node)) return node.name;
    const { parent } = node;
    const isNamed = parent !== undefined && ts.isPropertyAssignment(parent) && parent.name === node;
    return isNamed ? parent.initializer : node;
  }
}
