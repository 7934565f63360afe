//! Programs that are written for Node's CommonJS: `require` of a package or file becomes an
//! import, and `module`, `exports`, `__dirname` and `__filename` exist where a program
//! mentions them. Built-ins are left to the global `require`, which has them.
//!
//! What is required is loaded before the program begins, as imports are. In a `try` block, a
//! function or a branch, which may not be taken, it may fail: the error is kept, and thrown
//! where `require` is called.
//!
//! A name that the program declares itself means what it says there: one of the top level
//! is left alone everywhere, and `require` also where it is a function's parameter.

use deno_ast::swc::ast::*;
use deno_ast::swc::common::Span;
use deno_ast::swc::ecma_visit::{VisitMut, VisitMutWith};

use super::builtins::is_builtin;
use super::meta::Home;
use mentions::{DIRNAME, FILENAME, Mentions, REQUIRE, binds_require};
use tree::{EXPORTS, MODULE};

mod mentions;
mod tree;

/// Whether a text may have any of it, so that it is worth a look at its syntax tree.
pub(super) fn is_possible(source: &str) -> bool {
    mentions::NAMES.iter().any(|name| source.contains(name))
}

/// Changes a program to what an ES module can do, and returns the statements to begin with.
/// `variable` is a beginning of names that the program does not use.
pub(super) fn change(module: &mut Module, variable: &str, home: &Home) -> Vec<Stmt> {
    let mentions = Mentions::of(module);
    let mut first = Vec::new();
    if mentions.is_free(DIRNAME) {
        first.push(tree::declaration(DIRNAME, tree::text(home.directory())));
    }
    if mentions.is_free(FILENAME) {
        first.push(tree::declaration(FILENAME, tree::text(&home.file())));
    }
    let is_module =
        !mentions.is_declared(MODULE) && (mentions.is_free(MODULE) || mentions.is_free(EXPORTS));
    if is_module || mentions.asks_for_main {
        first.push(tree::declaration(
            MODULE,
            tree::global_or(MODULE, tree::module_object(&home.file())),
        ));
    }
    if mentions.is_free(EXPORTS) && !mentions.is_declared(MODULE) {
        first.push(tree::declaration(EXPORTS, tree::global_or(EXPORTS, tree::module_exports())));
    }
    if is_module {
        end_with_exports(module);
    }
    if mentions.is_free(REQUIRE) {
        let mut requires = Requires { variable, required: Vec::new(), branches: 0 };
        requires.of_items(module);
        module.visit_mut_with(&mut requires);
        requires.finish(module, &mut first);
    }
    first
}

/// Makes `module.exports` the value of a program that ends with adding to it: what was
/// added last is a part of it.
fn end_with_exports(module: &mut Module) {
    let last = module.body.iter().rev().find(|item| !is_empty(item));
    if let Some(ModuleItem::Stmt(Stmt::Expr(last))) = last
        && let Expr::Assign(assign) = &*last.expr
        && let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &assign.left
        && (tree::is_named(&member.obj, EXPORTS) || tree::is_module_exports(&member.obj))
    {
        let expr = ExprStmt { span: last.span, expr: Box::new(tree::module_exports()) };
        module.body.push(ModuleItem::Stmt(Stmt::Expr(expr)));
    }
}

fn is_empty(item: &ModuleItem) -> bool {
    matches!(item, ModuleItem::Stmt(Stmt::Empty(_) | Stmt::Decl(Decl::Fn(_))))
}

/// A module that the program requires.
struct Required {
    specifier: Str,
    /// Where it is required first.
    span: Span,
    /// Whether it is required anywhere but in `try` blocks, functions and branches.
    must_load: bool,
}

impl Required {
    fn is_json(&self) -> bool {
        self.specifier.value.as_str().is_some_and(|text| text.ends_with(".json"))
    }
}

/// Turns calls of `require` into uses of imports.
struct Requires<'a> {
    variable: &'a str,
    required: Vec<Required>,
    /// What is around of `try` blocks, functions, and code that is run on a condition.
    branches: usize,
}

impl Requires<'_> {
    fn name(&self, index: usize) -> String {
        format!("{}_required{index}", self.variable)
    }

    /// TypeScript's `import name = require("name")`.
    fn of_items(&mut self, module: &mut Module) {
        for item in &mut module.body {
            if let ModuleItem::ModuleDecl(ModuleDecl::TsImportEquals(import)) = item
                && !import.is_type_only
                && let TsModuleRef::TsExternalModuleRef(external) = &import.module_ref
            {
                let call = tree::call(REQUIRE, external.expr.clone(), import.span);
                let name = import.id.clone();
                *item = ModuleItem::Stmt(tree::constant(name, call, import.span));
            }
        }
    }

    /// The place of a specifier in the list.
    fn index_of(&mut self, specifier: &Str, span: Span) -> usize {
        let must_load = self.branches == 0;
        let known = self.required.iter().position(|known| known.specifier.value == specifier.value);
        match known {
            Some(index) => {
                self.required[index].must_load |= must_load;
                index
            }
            None => {
                self.required.push(Required { specifier: specifier.clone(), span, must_load });
                self.required.len() - 1
            }
        }
    }

    /// Looks at code that may not be run, or may fail.
    fn in_branch(&mut self, visit: impl FnOnce(&mut Self)) {
        self.branches += 1;
        visit(self);
        self.branches -= 1;
    }

    fn branch(&mut self, code: &mut impl VisitMutWith<Self>) {
        self.in_branch(|requires| code.visit_mut_with(requires));
    }

    /// The imports, and what keeps the errors of those that may fail.
    fn finish(self, module: &mut Module, first: &mut Vec<Stmt>) {
        for (index, required) in self.required.iter().enumerate() {
            let name = self.name(index);
            let (specifier, is_json) = (required.specifier.clone(), required.is_json());
            if required.must_load {
                let namespace = tree::name_of(&(name.clone() + "_"));
                let import = tree::import(namespace.clone(), specifier, is_json, required.span);
                module.body.push(import);
                first.push(tree::declaration(&name, tree::thunk(Expr::Ident(namespace))));
            } else {
                first.push(tree::declaration(&name, tree::attempt(specifier, is_json)));
            }
        }
    }
}

impl VisitMut for Requires<'_> {
    fn visit_mut_expr(&mut self, expr: &mut Expr) {
        if let Some((specifier, span)) = literal_require(expr) {
            let index = self.index_of(&specifier, span);
            let is_json = self.required[index].is_json();
            *expr = tree::exports_of(&self.name(index), is_json, span);
            return;
        }
        if let Expr::Member(member) = expr
            && tree::is_named(&member.obj, REQUIRE)
            && matches!(&member.prop, MemberProp::Ident(name) if name.sym == "main")
        {
            *expr = Expr::Ident(Ident { span: member.span, ..tree::name_of(MODULE) });
            return;
        }
        expr.visit_mut_children_with(self);
    }

    fn visit_mut_function(&mut self, function: &mut Function) {
        if !binds_require(function.params.iter().map(|parameter| &parameter.pat)) {
            self.in_branch(|requires| function.visit_mut_children_with(requires));
        }
    }

    fn visit_mut_arrow_expr(&mut self, arrow: &mut ArrowExpr) {
        if !binds_require(&arrow.params) {
            self.in_branch(|requires| arrow.visit_mut_children_with(requires));
        }
    }

    fn visit_mut_constructor(&mut self, constructor: &mut Constructor) {
        self.in_branch(|requires| constructor.visit_mut_children_with(requires));
    }

    fn visit_mut_getter_prop(&mut self, getter: &mut GetterProp) {
        getter.key.visit_mut_with(self);
        self.branch(&mut getter.body);
    }

    fn visit_mut_setter_prop(&mut self, setter: &mut SetterProp) {
        setter.key.visit_mut_with(self);
        self.in_branch(|requires| {
            setter.param.visit_mut_with(requires);
            setter.body.visit_mut_with(requires);
        });
    }

    fn visit_mut_if_stmt(&mut self, choice: &mut IfStmt) {
        choice.test.visit_mut_with(self);
        self.branch(&mut choice.cons);
        self.branch(&mut choice.alt);
    }

    fn visit_mut_cond_expr(&mut self, choice: &mut CondExpr) {
        choice.test.visit_mut_with(self);
        self.branch(&mut choice.cons);
        self.branch(&mut choice.alt);
    }

    fn visit_mut_bin_expr(&mut self, expr: &mut BinExpr) {
        expr.left.visit_mut_with(self);
        match expr.op {
            BinaryOp::LogicalAnd | BinaryOp::LogicalOr | BinaryOp::NullishCoalescing => {
                self.branch(&mut expr.right);
            }
            _ => expr.right.visit_mut_with(self),
        }
    }

    fn visit_mut_assign_expr(&mut self, assign: &mut AssignExpr) {
        assign.left.visit_mut_with(self);
        match assign.op {
            AssignOp::AndAssign | AssignOp::OrAssign | AssignOp::NullishAssign => {
                self.branch(&mut assign.right);
            }
            _ => assign.right.visit_mut_with(self),
        }
    }

    fn visit_mut_switch_stmt(&mut self, switch: &mut SwitchStmt) {
        switch.discriminant.visit_mut_with(self);
        self.branch(&mut switch.cases);
    }

    fn visit_mut_for_stmt(&mut self, each: &mut ForStmt) {
        each.init.visit_mut_with(self);
        each.test.visit_mut_with(self);
        self.branch(&mut each.update);
        self.branch(&mut each.body);
    }

    fn visit_mut_for_in_stmt(&mut self, each: &mut ForInStmt) {
        each.left.visit_mut_with(self);
        each.right.visit_mut_with(self);
        self.branch(&mut each.body);
    }

    fn visit_mut_for_of_stmt(&mut self, each: &mut ForOfStmt) {
        each.left.visit_mut_with(self);
        each.right.visit_mut_with(self);
        self.branch(&mut each.body);
    }

    fn visit_mut_while_stmt(&mut self, each: &mut WhileStmt) {
        each.test.visit_mut_with(self);
        self.branch(&mut each.body);
    }

    fn visit_mut_try_stmt(&mut self, attempt: &mut TryStmt) {
        match attempt.handler {
            Some(_) => self.branch(&mut attempt.block),
            None => attempt.block.visit_mut_with(self),
        }
        attempt.handler.visit_mut_with(self);
        attempt.finalizer.visit_mut_with(self);
    }
}

/// The specifier of `require("specifier")`, if it is no built-in.
fn literal_require(expr: &Expr) -> Option<(Str, Span)> {
    let Expr::Call(call) = expr else { return None };
    let [ExprOrSpread { spread: None, expr: argument }] = &call.args[..] else { return None };
    let Callee::Expr(callee) = &call.callee else { return None };
    if !tree::is_named(callee, REQUIRE) {
        return None;
    }
    let specifier = match &**argument {
        Expr::Lit(Lit::Str(text)) => text.clone(),
        Expr::Tpl(template) if template.exprs.is_empty() => {
            let cooked = template.quasis.first()?.cooked.clone()?;
            Str { span: template.span, value: cooked, raw: None }
        }
        _ => return None,
    };
    let is_builtin = specifier.value.as_str().is_none_or(is_builtin);
    (!is_builtin).then_some((specifier, call.span))
}

#[cfg(test)]
#[path = "commonjs_tests.rs"]
mod tests;
