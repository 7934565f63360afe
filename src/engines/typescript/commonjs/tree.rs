//! Pieces of the syntax tree.

use deno_ast::swc::ast::*;
use deno_ast::swc::common::{DUMMY_SP, Span, SyntaxContext};

pub(super) const MODULE: &str = "module";
pub(super) const EXPORTS: &str = "exports";

/// What Node calls the value of a CommonJS module among the exports of an ES module.
const MODULE_EXPORTS: &str = "module.exports";

pub(super) fn name_of(name: &str) -> Ident {
    Ident::new(name.into(), DUMMY_SP, SyntaxContext::empty())
}

fn name(text: &str) -> Expr {
    Expr::Ident(name_of(text))
}

pub(super) fn text(value: &str) -> Expr {
    Expr::Lit(Lit::Str(Str { span: DUMMY_SP, value: value.into(), raw: None }))
}

pub(super) fn is_named(expr: &Expr, name: &str) -> bool {
    matches!(expr, Expr::Ident(ident) if ident.sym == *name)
}

/// Whether it is `module.exports`.
pub(super) fn is_module_exports(expr: &Expr) -> bool {
    let Expr::Member(MemberExpr { obj, prop: MemberProp::Ident(name), .. }) = expr else {
        return false;
    };
    is_named(obj, MODULE) && name.sym == EXPORTS
}

fn member(object: Expr, key: &str) -> Expr {
    let prop = MemberProp::Ident(IdentName::new(key.into(), DUMMY_SP));
    Expr::Member(MemberExpr { span: DUMMY_SP, obj: Box::new(object), prop })
}

pub(super) fn module_exports() -> Expr {
    member(name(MODULE), EXPORTS)
}

/// `globalThis.name ?? value`: what the caller of a program has passed under this name is
/// not hidden from it.
pub(super) fn global_or(global: &str, value: Expr) -> Expr {
    Expr::Bin(BinExpr {
        span: DUMMY_SP,
        op: BinaryOp::NullishCoalescing,
        left: Box::new(member(name("globalThis"), global)),
        right: Box::new(value),
    })
}

fn object<const N: usize>(members: [(&str, Expr); N]) -> ObjectLit {
    let property = |(key, value): (&str, Expr)| {
        let key = PropName::Ident(IdentName::new(key.into(), DUMMY_SP));
        PropOrSpread::Prop(Box::new(Prop::KeyValue(KeyValueProp { key, value: Box::new(value) })))
    };
    ObjectLit { span: DUMMY_SP, props: members.into_iter().map(property).collect() }
}

/// What `module` is in a program.
pub(super) fn module_object(file: &str) -> Expr {
    Expr::Object(object([
        (EXPORTS, Expr::Object(object([]))),
        ("id", text(".")),
        ("filename", text(file)),
    ]))
}

fn variable(kind: VarDeclKind, name: Ident, value: Expr, span: Span) -> Stmt {
    let declarator = VarDeclarator {
        span,
        name: Pat::Ident(name.into()),
        init: Some(Box::new(value)),
        definite: false,
    };
    let decl = VarDecl { span, kind, decls: vec![declarator], ..Default::default() };
    Stmt::Decl(Decl::Var(Box::new(decl)))
}

/// `let name = value`: programs assign to `exports`.
pub(super) fn declaration(name: &str, value: Expr) -> Stmt {
    variable(VarDeclKind::Let, name_of(name), value, DUMMY_SP)
}

/// `const name = value`, which stands at a place in the program.
pub(super) fn constant(name: Ident, value: Expr, span: Span) -> Stmt {
    variable(VarDeclKind::Const, name, value, span)
}

fn calling(callee: Expr, arguments: Vec<Expr>, span: Span) -> Expr {
    let args = arguments.into_iter().map(|argument| Box::new(argument).into()).collect();
    let callee = Callee::Expr(Box::new(callee));
    Expr::Call(CallExpr { span, callee, args, ..Default::default() })
}

/// `name("argument")`.
pub(super) fn call(callee: &str, argument: Str, span: Span) -> Expr {
    calling(name(callee), vec![Expr::Lit(Lit::Str(argument))], span)
}

fn arrow(parameters: &[&str], body: BlockStmtOrExpr) -> Expr {
    let params = parameters.iter().map(|name| Pat::Ident(name_of(name).into())).collect();
    Expr::Arrow(ArrowExpr { params, body: Box::new(body), ..Default::default() })
}

/// `() => value`.
pub(super) fn thunk(value: Expr) -> Expr {
    arrow(&[], BlockStmtOrExpr::Expr(Box::new(value)))
}

fn json() -> ObjectLit {
    object([("type", text("json"))])
}

/// `import * as name from "specifier"`.
pub(super) fn import(local: Ident, specifier: Str, is_json: bool, span: Span) -> ModuleItem {
    let all = ImportStarAsSpecifier { span, local };
    ModuleItem::ModuleDecl(ModuleDecl::Import(ImportDecl {
        span,
        specifiers: vec![ImportSpecifier::Namespace(all)],
        src: Box::new(specifier),
        type_only: false,
        with: is_json.then(|| Box::new(json())),
        phase: ImportPhase::Evaluation,
    }))
}

/// `await import("specifier").then((m) => () => m, (e) => () => { throw e; })`.
pub(super) fn attempt(specifier: Str, is_json: bool) -> Expr {
    let mut arguments = vec![Expr::Lit(Lit::Str(specifier))];
    if is_json {
        arguments.push(Expr::Object(object([("with", Expr::Object(json()))])));
    }
    let args = arguments.into_iter().map(|argument| Box::new(argument).into()).collect();
    let import = Callee::Import(Import { span: DUMMY_SP, phase: ImportPhase::Evaluation });
    let import =
        Expr::Call(CallExpr { span: DUMMY_SP, callee: import, args, ..Default::default() });
    let loaded = arrow(&["m"], BlockStmtOrExpr::Expr(Box::new(thunk(name("m")))));
    let throw = Stmt::Throw(ThrowStmt { span: DUMMY_SP, arg: Box::new(name("e")) });
    let block = BlockStmt { stmts: vec![throw], ..Default::default() };
    let throws = arrow(&[], BlockStmtOrExpr::BlockStmt(block));
    let failed = arrow(&["e"], BlockStmtOrExpr::Expr(Box::new(throws)));
    let settled = calling(member(import, "then"), vec![loaded, failed], DUMMY_SP);
    Expr::Await(AwaitExpr { span: DUMMY_SP, arg: Box::new(settled) })
}

/// What `require` returns of a module, whose namespace a function of this name returns.
pub(super) fn exports_of(namespace: &str, is_json: bool, span: Span) -> Expr {
    let get = || calling(name(namespace), Vec::new(), span);
    if is_json {
        return member(get(), "default");
    }
    let has = BinExpr {
        span,
        op: BinaryOp::In,
        left: Box::new(text(MODULE_EXPORTS)),
        right: Box::new(get()),
    };
    let key = ComputedPropName { span, expr: Box::new(text(MODULE_EXPORTS)) };
    let exports = MemberExpr { span, obj: Box::new(get()), prop: MemberProp::Computed(key) };
    let chosen = CondExpr {
        span,
        test: Box::new(Expr::Bin(has)),
        cons: Box::new(Expr::Member(exports)),
        alt: Box::new(get()),
    };
    Expr::Paren(ParenExpr { span, expr: Box::new(Expr::Cond(chosen)) })
}
