//! A program's value, found in the syntax tree.
//!
//! The module becomes its imports and one async function that holds everything
//! else, exported as default. In it a top-level `return` is an ordinary return,
//! `export default` an assignment, and otherwise the completion value of the
//! last statement, as a REPL shows it, is assigned and returned. A program that is
//! only a function (`entry`) is called.

use deno_ast::swc::ast::*;
use deno_ast::swc::common::{DUMMY_SP, Spanned, SyntaxContext};
use deno_ast::swc::ecma_visit::{Visit, VisitWith};

use super::entry::{self, Entry, exported_as_default};

/// Wraps the module. `name` is a variable that the program does not use; `first` stands
/// before what the program does.
pub(super) fn wrap(module: Module, name: &str, first: Vec<Stmt>) -> Module {
    let mut wrapper = Wrapper {
        name,
        items: Vec::new(),
        body: Vec::new(),
        has_default: false,
        late_default: None,
        entry: entry::of(&module),
    };
    for item in module.body {
        wrapper.add(item);
    }
    wrapper.finish(module.span, module.shebang, first)
}

struct Wrapper<'a> {
    name: &'a str,
    items: Vec<ModuleItem>,
    body: Vec<Stmt>,
    has_default: bool,
    /// `export { x as default }`: the value of `x` at the end.
    late_default: Option<Ident>,
    /// The function that is called at the end.
    entry: Option<Entry>,
}

impl Wrapper<'_> {
    fn add(&mut self, item: ModuleItem) {
        use ModuleDecl as Decl;
        match item {
            ModuleItem::Stmt(stmt) => self.body.push(stmt),
            ModuleItem::ModuleDecl(Decl::ExportDecl(export)) => {
                self.body.push(Stmt::Decl(export.decl));
            }
            ModuleItem::ModuleDecl(Decl::ExportDefaultExpr(export)) => {
                self.default_value(export.expr);
            }
            ModuleItem::ModuleDecl(Decl::ExportDefaultDecl(export)) => {
                self.default_declaration(export.decl);
            }
            // Nobody imports the program, so of a re-export only the import is left.
            ModuleItem::ModuleDecl(Decl::ExportNamed(export)) => {
                if let Some(local) = exported_as_default(&export) {
                    self.late_default = Some(local.clone());
                }
                if let Some(src) = export.src.filter(|_| !export.type_only) {
                    self.import(export.span, src, export.with);
                }
            }
            ModuleItem::ModuleDecl(Decl::ExportAll(export)) => {
                if !export.type_only {
                    self.import(export.span, export.src, export.with);
                }
            }
            item @ ModuleItem::ModuleDecl(_) => self.items.push(item),
        }
    }

    fn import(
        &mut self,
        span: deno_ast::swc::common::Span,
        src: Box<Str>,
        with: Option<Box<ObjectLit>>,
    ) {
        let import = ImportDecl {
            span,
            specifiers: Vec::new(),
            src,
            type_only: false,
            with,
            phase: ImportPhase::Evaluation,
        };
        self.items.push(ModuleItem::ModuleDecl(ModuleDecl::Import(import)));
    }

    fn default_value(&mut self, value: Box<Expr>) {
        self.has_default = true;
        let statement = self.assignment(value);
        self.body.push(statement);
    }

    fn default_declaration(&mut self, decl: DefaultDecl) {
        match decl {
            DefaultDecl::Class(class) => match class.ident {
                Some(ident) => {
                    let named =
                        ClassDecl { ident: ident.clone(), declare: false, class: class.class };
                    self.body.push(Stmt::Decl(Decl::Class(named)));
                    self.default_value(Box::new(Expr::Ident(ident)));
                }
                None => self.default_value(Box::new(Expr::Class(class))),
            },
            DefaultDecl::Fn(function) => match function.ident {
                Some(ident) => {
                    let named = FnDecl {
                        ident: ident.clone(),
                        declare: false,
                        function: function.function,
                    };
                    self.body.push(Stmt::Decl(Decl::Fn(named)));
                    self.default_value(Box::new(Expr::Ident(ident)));
                }
                None => self.default_value(Box::new(Expr::Fn(function))),
            },
            DefaultDecl::TsInterfaceDecl(interface) => {
                self.body.push(Stmt::Decl(Decl::TsInterface(interface)));
            }
        }
    }

    fn finish(
        mut self,
        span: deno_ast::swc::common::Span,
        shebang: Option<deno_ast::swc::atoms::Atom>,
        first: Vec<Stmt>,
    ) -> Module {
        if let Some(local) = self.late_default.take() {
            self.default_value(Box::new(Expr::Ident(local)));
        }
        if !self.has_default {
            let mut body = std::mem::take(&mut self.body);
            self.capture_list(&mut body, false);
            self.body = body;
        }
        let mut stmts = vec![self.declaration()];
        stmts.extend(first);
        stmts.append(&mut self.body);
        stmts.push(Stmt::Return(ReturnStmt { span: DUMMY_SP, arg: Some(self.result()) }));
        let main = ArrowExpr {
            body: Box::new(BlockStmtOrExpr::BlockStmt(BlockStmt { stmts, ..Default::default() })),
            is_async: true,
            ..Default::default()
        };
        // Without a name, stacks show top-level code as such, not as a function
        // called "default".
        let export =
            ExportDefaultExpr { span: DUMMY_SP, expr: unnamed(Box::new(Expr::Arrow(main))) };
        self.items.push(ModuleItem::ModuleDecl(ModuleDecl::ExportDefaultExpr(export)));
        Module { span, body: self.items, shebang }
    }

    fn ident(&self) -> Ident {
        Ident::new(self.name.into(), DUMMY_SP, SyntaxContext::empty())
    }

    fn variable(&self) -> Box<Expr> {
        Box::new(Expr::Ident(self.ident()))
    }

    /// The value, or what the program's function returns.
    fn result(&mut self) -> Box<Expr> {
        let (span, function) = match self.entry.take() {
            None => return self.variable(),
            Some(Entry::Value(span)) => (span, self.variable()),
            Some(Entry::Declared(name)) => (name.span, Box::new(Expr::Ident(name))),
        };
        let span = span.shrink_to_lo();
        let call = CallExpr { span, callee: Callee::Expr(function), ..Default::default() };
        // Awaited: what the top level disposes of is still in use.
        Box::new(Expr::Await(AwaitExpr { span, arg: Box::new(Expr::Call(call)) }))
    }

    fn declaration(&self) -> Stmt {
        Stmt::Decl(Decl::Var(Box::new(VarDecl {
            kind: VarDeclKind::Let,
            decls: vec![VarDeclarator {
                span: DUMMY_SP,
                name: Pat::Ident(self.ident().into()),
                init: None,
                definite: false,
            }],
            ..Default::default()
        })))
    }

    fn assignment(&self, value: Box<Expr>) -> Stmt {
        let span = value.span();
        let value = unnamed(value);
        let assign = AssignExpr {
            span,
            op: AssignOp::Assign,
            // The source map gets its entry where the statement begins.
            left: AssignTarget::Simple(SimpleAssignTarget::Ident(
                Ident { span: span.shrink_to_lo(), ..self.ident() }.into(),
            )),
            right: value,
        };
        Stmt::Expr(ExprStmt { span, expr: Box::new(Expr::Assign(assign)) })
    }

    /// Captures the last statement that has a value; `all` of them where a
    /// `break` or `continue` decides at run time which one is the last.
    /// Returns whether there is one.
    fn capture_list(&self, stmts: &mut Vec<Stmt>, all: bool) -> bool {
        if all {
            return self.capture_all(stmts);
        }
        stmts.iter_mut().rev().any(|stmt| self.capture(stmt, false))
    }

    /// A compound statement without a value has the value undefined, whatever
    /// came before it.
    fn capture_all(&self, stmts: &mut Vec<Stmt>) -> bool {
        let mut found = false;
        for mut stmt in std::mem::take(stmts) {
            if is_compound(&stmt) {
                stmts.push(self.reset());
            }
            found |= self.capture(&mut stmt, true);
            stmts.push(stmt);
        }
        found
    }

    fn reset(&self) -> Stmt {
        let zero = Box::new(Expr::Lit(Lit::Num(0.0.into())));
        let void = UnaryExpr { span: DUMMY_SP, op: UnaryOp::Void, arg: zero };
        self.assignment(Box::new(Expr::Unary(void)))
    }

    /// Captures a statement's completion value. False for statements that have
    /// none (declarations, `break`, `return`, …), ECMA-262 section 8.2.
    fn capture(&self, stmt: &mut Stmt, all: bool) -> bool {
        match stmt {
            Stmt::Expr(statement) => {
                let value = std::mem::replace(
                    &mut statement.expr,
                    Box::new(Expr::Invalid(Invalid { span: DUMMY_SP })),
                );
                *stmt = self.assignment(value);
                true
            }
            Stmt::Block(block) => self.capture_list(&mut block.stmts, all),
            Stmt::If(branch) => {
                self.capture(&mut branch.cons, all);
                if let Some(alternative) = &mut branch.alt {
                    self.capture(alternative, all);
                }
                true
            }
            Stmt::While(looped) => self.capture_loop(&mut looped.body, all),
            Stmt::DoWhile(looped) => self.capture_loop(&mut looped.body, all),
            Stmt::For(looped) => self.capture_loop(&mut looped.body, all),
            Stmt::ForIn(looped) => self.capture_loop(&mut looped.body, all),
            Stmt::ForOf(looped) => self.capture_loop(&mut looped.body, all),
            Stmt::Labeled(labeled) => {
                self.capture(&mut labeled.body, true);
                true
            }
            Stmt::Switch(switch) => {
                for case in &mut switch.cases {
                    self.capture_list(&mut case.cons, true);
                }
                true
            }
            Stmt::Try(attempt) => {
                self.capture_list(&mut attempt.block.stmts, all);
                if let Some(handler) = &mut attempt.handler {
                    self.capture_list(&mut handler.body.stmts, all);
                    handler.body.stmts.insert(0, self.reset());
                }
                true
            }
            _ => false,
        }
    }

    fn capture_loop(&self, body: &mut Stmt, all: bool) -> bool {
        let all = all || Jumps::in_loop(body);
        self.capture(body, all);
        true
    }
}

fn is_compound(stmt: &Stmt) -> bool {
    matches!(
        stmt,
        Stmt::If(_)
            | Stmt::While(_)
            | Stmt::DoWhile(_)
            | Stmt::For(_)
            | Stmt::ForIn(_)
            | Stmt::ForOf(_)
            | Stmt::Labeled(_)
            | Stmt::Switch(_)
            | Stmt::Try(_)
    )
}

/// Keeps an anonymous function or class anonymous where an assignment would name
/// it: a comma expression is no function definition, ECMA-262 section 8.4.
fn unnamed(value: Box<Expr>) -> Box<Expr> {
    let mut inner = &*value;
    while let Expr::Paren(paren) = inner {
        inner = &paren.expr;
    }
    let anonymous = match inner {
        Expr::Arrow(_) => true,
        Expr::Fn(function) => function.ident.is_none(),
        Expr::Class(class) => class.ident.is_none(),
        _ => false,
    };
    if !anonymous {
        return value;
    }
    let zero = Box::new(Expr::Lit(Lit::Num(0.0.into())));
    Box::new(Expr::Seq(SeqExpr { span: DUMMY_SP, exprs: vec![zero, value] }))
}

/// Whether a loop's body leaves early, other than through a function.
struct Jumps(bool);

impl Jumps {
    fn in_loop(body: &Stmt) -> bool {
        let mut jumps = Self(false);
        body.visit_with(&mut jumps);
        jumps.0
    }
}

impl Visit for Jumps {
    fn visit_break_stmt(&mut self, _: &BreakStmt) {
        self.0 = true;
    }
    fn visit_continue_stmt(&mut self, _: &ContinueStmt) {
        self.0 = true;
    }
    fn visit_function(&mut self, _: &Function) {}
    fn visit_arrow_expr(&mut self, _: &ArrowExpr) {}
    fn visit_class(&mut self, _: &Class) {}
}
