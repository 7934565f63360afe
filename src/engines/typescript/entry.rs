//! A program that is only a function, as models write it and do not call it: it is
//! called. Found in the syntax tree, before anything runs.

use deno_ast::swc::ast::*;
use deno_ast::swc::common::Span;
use deno_ast::swc::ecma_visit::{Visit, VisitWith};

/// The name that needs no more than its declaration.
const MAIN: &str = "main";

/// What is called when the top level is done.
pub(super) enum Entry {
    /// The program's value, a function that stands here.
    Value(Span),
    /// A declared function.
    Declared(Ident),
}

/// The function that a program is, if nothing calls it and it needs no argument.
pub(super) fn of(module: &Module) -> Option<Entry> {
    let items: Vec<_> = module.body.iter().filter(|item| !is_nothing(item)).collect();
    if let Some(default) = items.iter().find_map(|item| default(item)) {
        return entry_of_value(module, default);
    }
    let last = items.last()?;
    if let ModuleItem::Stmt(Stmt::Expr(statement)) = last {
        return entry_of_value(module, Ending::Value(&statement.expr));
    }
    if let Some(declared) = declared(last)
        && (items.len() == 1 || declared.name.sym == MAIN)
    {
        return declared.uncalled(module).then(|| Entry::Declared(declared.name.clone()));
    }
    // Nothing but declarations has no value.
    if !items.iter().all(|item| declaration(item).is_some()) {
        return None;
    }
    let main = items.iter().filter_map(|item| declared(item)).find(|of| of.name.sym == MAIN)?;
    main.uncalled(module).then(|| Entry::Declared(main.name.clone()))
}

/// What a program exports as default, or ends with.
enum Ending<'a> {
    Value(&'a Expr),
    Function(&'a FnExpr),
    Name(&'a Ident),
    Other,
}

fn default(item: &ModuleItem) -> Option<Ending<'_>> {
    match item.as_module_decl()? {
        ModuleDecl::ExportDefaultExpr(export) => Some(Ending::Value(&export.expr)),
        ModuleDecl::ExportDefaultDecl(export) => match &export.decl {
            DefaultDecl::Fn(function) => Some(Ending::Function(function)),
            DefaultDecl::Class(_) => Some(Ending::Other),
            DefaultDecl::TsInterfaceDecl(_) => None,
        },
        ModuleDecl::ExportNamed(export) => exported_as_default(export).map(Ending::Name),
        _ => None,
    }
}

/// `x` of `export { x as default }`.
pub(super) fn exported_as_default(export: &NamedExport) -> Option<&Ident> {
    if export.src.is_some() || export.type_only {
        return None;
    }
    export.specifiers.iter().find_map(|specifier| match specifier {
        ExportSpecifier::Named(ExportNamedSpecifier {
            orig: ModuleExportName::Ident(local),
            exported: Some(ModuleExportName::Ident(name)),
            is_type_only: false,
            ..
        }) if name.sym == "default" => Some(local),
        _ => None,
    })
}

fn entry_of_value(module: &Module, value: Ending<'_>) -> Option<Entry> {
    match value {
        Ending::Value(value) => match unwrapped(value) {
            Expr::Ident(name) => entry_of_name(module, name),
            value => callable(value).map(Entry::Value),
        },
        Ending::Function(function) => {
            let span = callable_function(&function.function)?;
            let called = function.ident.as_ref().is_some_and(|name| {
                is_used(module, &name.sym, &[name.span, function.function.span])
            });
            (!called).then_some(Entry::Value(span))
        }
        Ending::Name(name) => entry_of_name(module, name),
        Ending::Other => None,
    }
}

/// A name as the value: of a function that is declared and used nowhere else.
fn entry_of_name(module: &Module, name: &Ident) -> Option<Entry> {
    let mut all = module.body.iter().filter_map(declared);
    let declared = all.find(|declared| declared.name.sym == name.sym)?;
    let own = [declared.name.span, declared.function, name.span];
    (!is_used(module, &name.sym, &own)).then_some(Entry::Value(name.span))
}

/// A function at the top level that can be called without arguments.
struct Declared<'a> {
    name: &'a Ident,
    function: Span,
}

impl Declared<'_> {
    fn uncalled(&self, module: &Module) -> bool {
        !is_used(module, &self.name.sym, &[self.name.span, self.function])
    }
}

fn declared(item: &ModuleItem) -> Option<Declared<'_>> {
    match declaration(item)? {
        Decl::Fn(function) => {
            let span = callable_function(&function.function)?;
            Some(Declared { name: &function.ident, function: span })
        }
        Decl::Var(variable) => {
            let [only] = &variable.decls[..] else { return None };
            let name = &only.name.as_ident()?.id;
            Some(Declared { name, function: callable(only.init.as_deref()?)? })
        }
        _ => None,
    }
}

fn declaration(item: &ModuleItem) -> Option<&Decl> {
    match item {
        ModuleItem::Stmt(Stmt::Decl(decl)) => Some(decl),
        ModuleItem::ModuleDecl(ModuleDecl::ExportDecl(export)) => Some(&export.decl),
        _ => None,
    }
}

/// Imports, types, and what else does nothing.
fn is_nothing(item: &ModuleItem) -> bool {
    if let Some(decl) = declaration(item) {
        return match decl {
            Decl::TsInterface(_) | Decl::TsTypeAlias(_) => true,
            // An overload has no body.
            Decl::Fn(function) => function.declare || function.function.body.is_none(),
            Decl::Class(class) => class.declare,
            Decl::Var(variable) => variable.declare,
            Decl::TsEnum(declared) => declared.declare,
            Decl::TsModule(declared) => declared.declare,
            Decl::Using(_) => false,
        };
    }
    match item {
        ModuleItem::Stmt(Stmt::Empty(_)) => true,
        ModuleItem::ModuleDecl(ModuleDecl::Import(_) | ModuleDecl::ExportAll(_)) => true,
        ModuleItem::ModuleDecl(ModuleDecl::ExportNamed(_)) => default(item).is_none(),
        _ => false,
    }
}

/// Without parentheses and types.
fn unwrapped(mut expr: &Expr) -> &Expr {
    loop {
        expr = match expr {
            Expr::Paren(inner) => &inner.expr,
            Expr::TsAs(inner) => &inner.expr,
            Expr::TsSatisfies(inner) => &inner.expr,
            Expr::TsConstAssertion(inner) => &inner.expr,
            Expr::TsNonNull(inner) => &inner.expr,
            Expr::TsTypeAssertion(inner) => &inner.expr,
            // What a CommonJS module is.
            Expr::Assign(assign) if is_of_module(assign) => &assign.right,
            _ => return expr,
        }
    }
}

/// Whether `module.exports` is what is assigned.
fn is_of_module(assign: &AssignExpr) -> bool {
    let AssignTarget::Simple(SimpleAssignTarget::Member(member)) = &assign.left else {
        return false;
    };
    let is_exports = matches!(&member.prop, MemberProp::Ident(name) if name.sym == "exports");
    is_exports && matches!(&*member.obj, Expr::Ident(name) if name.sym == "module")
}

/// Where a function literal stands that can be called without arguments.
fn callable(expr: &Expr) -> Option<Span> {
    match unwrapped(expr) {
        Expr::Arrow(arrow) => arrow.params.iter().all(is_optional).then_some(arrow.span),
        Expr::Fn(function) => callable_function(&function.function),
        _ => None,
    }
}

/// A generator that is called has run nothing yet.
fn callable_function(function: &Function) -> Option<Span> {
    let optional = function.params.iter().all(|param| is_optional(&param.pat));
    (function.body.is_some() && !function.is_generator && optional).then_some(function.span)
}

fn is_optional(param: &Pat) -> bool {
    match param {
        Pat::Assign(_) | Pat::Rest(_) => true,
        // `this` is a type.
        Pat::Ident(name) => name.id.optional || name.id.sym == "this",
        Pat::Array(pattern) => pattern.optional,
        Pat::Object(pattern) => pattern.optional,
        Pat::Invalid(_) | Pat::Expr(_) => false,
    }
}

/// Whether a name stands anywhere but at its declaration, in its function and in exports.
/// Another thing of the same name counts too: what is called by mistake is worse.
fn is_used(module: &Module, name: &str, own: &[Span]) -> bool {
    let mut uses = Uses { name, own, found: false };
    module.visit_with(&mut uses);
    uses.found
}

struct Uses<'a> {
    name: &'a str,
    own: &'a [Span],
    found: bool,
}

impl Visit for Uses<'_> {
    fn visit_ident(&mut self, ident: &Ident) {
        self.found |= ident.sym == *self.name && !self.own.contains(&ident.span);
    }
    fn visit_function(&mut self, function: &Function) {
        if !self.own.contains(&function.span) {
            function.visit_children_with(self);
        }
    }
    fn visit_fn_expr(&mut self, function: &FnExpr) {
        if !self.own.contains(&function.function.span) {
            function.visit_children_with(self);
        }
    }
    fn visit_arrow_expr(&mut self, arrow: &ArrowExpr) {
        if !self.own.contains(&arrow.span) {
            arrow.visit_children_with(self);
        }
    }
    fn visit_named_export(&mut self, _: &NamedExport) {}
}
