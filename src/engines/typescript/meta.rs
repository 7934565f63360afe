//! Where a program believes to stand: `main.ts` in its workspace. The module itself has a
//! virtual URL, which stacks show; `import.meta` and `Deno.mainModule` say where files are.

use deno_ast::ModuleSpecifier;
use deno_ast::swc::ast::*;
use deno_ast::swc::common::DUMMY_SP;

/// The program's own URL: virtual, it tells nothing about the machine.
pub(super) const MAIN: &str = "file:///main.ts";

/// A program's place as it is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    url: ModuleSpecifier,
    directory: String,
}

impl Home {
    /// In the directory that `Deno.cwd()` names.
    pub(super) fn new(directory: &str) -> Self {
        let inside = ModuleSpecifier::from_directory_path(directory).ok();
        let url = inside.and_then(|url| url.join("main.ts").ok());
        let url = url.unwrap_or_else(|| ModuleSpecifier::parse(MAIN).expect("a valid URL"));
        Self { url, directory: directory.to_owned() }
    }

    pub(super) fn url(&self) -> &ModuleSpecifier {
        &self.url
    }

    /// Where files are.
    pub(super) fn directory(&self) -> &str {
        &self.directory
    }

    /// The program's own file, which does not exist.
    pub(super) fn file(&self) -> String {
        format!("{}/main.ts", self.directory.trim_end_matches('/'))
    }
}

/// Statements that put it into `import.meta`, before any of the program's.
pub(super) fn statements(home: &Home) -> [Stmt; 3] {
    [("url", home.url.to_string()), ("filename", home.file()), ("dirname", home.directory.clone())]
        .map(|(name, value)| assignment(name, value))
}

fn assignment(name: &str, value: String) -> Stmt {
    let meta = MetaPropExpr { span: DUMMY_SP, kind: MetaPropKind::ImportMeta };
    let property = MemberExpr {
        span: DUMMY_SP,
        obj: Box::new(Expr::MetaProp(meta)),
        prop: MemberProp::Ident(IdentName::new(name.into(), DUMMY_SP)),
    };
    let assign = AssignExpr {
        span: DUMMY_SP,
        op: AssignOp::Assign,
        left: AssignTarget::Simple(SimpleAssignTarget::Member(property)),
        right: Box::new(Expr::Lit(Lit::Str(Str {
            span: DUMMY_SP,
            value: value.into(),
            raw: None,
        }))),
    };
    Stmt::Expr(ExprStmt { span: DUMMY_SP, expr: Box::new(Expr::Assign(assign)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_that_of_a_file_in_the_directory() {
        for (directory, url, file) in [
            ("/srv/work", "file:///srv/work/main.ts", "/srv/work/main.ts"),
            ("/a b/ä#?%", "file:///a%20b/%C3%A4%23%3F%25/main.ts", "/a b/ä#?%/main.ts"),
            ("/", "file:///main.ts", "/main.ts"),
            ("relative", "file:///main.ts", "relative/main.ts"),
        ] {
            let home = Home::new(directory);
            assert_eq!((home.url().as_str(), home.file().as_str()), (url, file));
        }
    }
}
