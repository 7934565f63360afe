//! What a file of declarations declares and exports.

use std::collections::{BTreeMap, HashMap};

use oxc::allocator::Allocator;
use oxc::ast::ast::{
    BindingPattern, Declaration, ExportDefaultDeclarationKind, Expression, ImportDeclaration,
    ImportDeclarationSpecifier, Statement, TSModuleReference, TSNamespaceDeclaration,
    TSNamespaceDeclarationBody, TSSignature, TSType, TSTypeName, VariableDeclaration,
    VariableDeclarator,
};
use oxc::parser::Parser;
use oxc::span::{GetSpan, SourceType, Span};

use super::text::{Source, class_cuts, cuts, function_cuts};

/// A declaration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Declared {
    pub kind: &'static str,
    pub text: String,
    pub doc: Option<String>,
    /// Members of an interface: methods and properties by name.
    pub members: Vec<(String, Declared)>,
    /// The type of a constant, if it has a name: `_.LoDashStatic`.
    pub type_name: Option<String>,
}

/// What an exported name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Exported {
    /// A name of the same file.
    Local(String),
    /// A name of another file.
    From(String, String),
    /// Everything of another file.
    All(String),
}

/// A file, a namespace, or a module that is declared in a file.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub declared: BTreeMap<String, Vec<Declared>>,
    /// In the file's order.
    pub exports: Vec<(String, Exported)>,
    /// `export * from`.
    pub stars: Vec<String>,
    pub imports: HashMap<String, Exported>,
    /// `export =`.
    pub assigned: Option<String>,
    pub namespaces: BTreeMap<String, Scope>,
    /// `declare module "x"`.
    pub modules: Vec<(String, Scope)>,
    /// `/// <reference path="x" />`.
    pub references: Vec<String>,
}

impl Scope {
    /// Reads a file; none if it cannot be parsed.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, text, SourceType::d_ts()).parse();
        let parsed = if parsed.panicked {
            Parser::new(&allocator, text, SourceType::ts()).parse()
        } else {
            parsed
        };
        if parsed.panicked {
            return None;
        }
        let source = Source { text, comments: &parsed.program.comments };
        let mut scope = Self::default();
        scope.statements(&source, &parsed.program.body, false);
        scope.references = references(text);
        Some(scope)
    }

    /// All statements of a scope. In a namespace of declarations all are exported.
    fn statements(&mut self, source: &Source<'_>, statements: &[Statement<'_>], ambient: bool) {
        for statement in statements {
            self.statement(source, statement, ambient);
        }
    }

    fn statement(&mut self, source: &Source<'_>, statement: &Statement<'_>, ambient: bool) {
        match statement {
            Statement::ImportDeclaration(it) => self.import(it),
            Statement::ExportAllDeclaration(it) => {
                let from = it.source.value.to_string();
                match &it.exported {
                    Some(name) => self.export(name.name().as_str(), Exported::All(from)),
                    None => self.stars.push(from),
                }
            }
            Statement::ExportFromDeclaration(it) => {
                for specifier in &it.specifiers {
                    let local = specifier.local.name().to_string();
                    let from = Exported::From(it.source.value.to_string(), local);
                    self.export(specifier.exported.name().as_str(), from);
                }
            }
            Statement::ExportNamedDeclaration(it) => {
                for specifier in &it.specifiers {
                    let local = Exported::Local(specifier.local.name().to_string());
                    self.export(specifier.exported.name().as_str(), local);
                }
            }
            Statement::ExportDeclaration(it) => {
                self.declare(source, &it.declaration, it.span, true);
            }
            Statement::ExportDefaultDeclaration(it) => {
                self.export_default(source, &it.declaration, it.span);
            }
            Statement::TSExportAssignment(it) => {
                if let Expression::Identifier(name) = &it.expression {
                    self.assigned = Some(name.name.to_string());
                }
            }
            _ => {
                if let Some(declaration) = statement.as_declaration() {
                    self.declare(source, declaration, statement.span(), ambient);
                }
            }
        }
    }

    fn export(&mut self, name: &str, exported: Exported) {
        self.exports.push((name.to_owned(), exported));
    }

    fn import(&mut self, it: &ImportDeclaration<'_>) {
        let from = it.source.value.to_string();
        for specifier in it.specifiers.iter().flatten() {
            let imported = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(it) => {
                    Exported::From(from.clone(), it.imported.name().to_string())
                }
                ImportDeclarationSpecifier::ImportDefaultSpecifier(_) => {
                    Exported::From(from.clone(), "default".to_owned())
                }
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(_) => {
                    Exported::All(from.clone())
                }
            };
            self.imports.insert(specifier.name().to_string(), imported);
        }
    }

    fn export_default(
        &mut self,
        source: &Source<'_>,
        declaration: &ExportDefaultDeclarationKind<'_>,
        span: Span,
    ) {
        let (kind, cuts) = match declaration {
            ExportDefaultDeclarationKind::FunctionDeclaration(it) => {
                ("function", function_cuts(it))
            }
            ExportDefaultDeclarationKind::ClassDeclaration(it) => ("class", class_cuts(it)),
            ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => ("interface", Vec::new()),
            ExportDefaultDeclarationKind::Identifier(name) => {
                return self.export("default", Exported::Local(name.name.to_string()));
            }
            _ => ("const", Vec::new()),
        };
        let text = source.declaration(span, cuts);
        let declared = Declared { kind, text, doc: source.doc(span.start), ..Declared::default() };
        self.add("default", declared, true);
    }

    fn add(&mut self, name: &str, declared: Declared, exported: bool) {
        self.declared.entry(name.to_owned()).or_default().push(declared);
        let known = self.exports.iter().any(|(exported, _)| exported == name);
        if exported && !known {
            self.export(name, Exported::Local(name.to_owned()));
        }
    }

    fn declare(
        &mut self,
        source: &Source<'_>,
        declaration: &Declaration<'_>,
        span: Span,
        exported: bool,
    ) {
        let mut declared = Declared { doc: source.doc(span.start), ..Declared::default() };
        let name = match declaration {
            Declaration::VariableDeclaration(it) => {
                return self.variables(source, it, declared.doc, exported);
            }
            Declaration::TSExternalModuleDeclaration(it) => {
                let mut scope = Self::default();
                if let Some(body) = &it.body {
                    scope.statements(source, &body.body, true);
                }
                return self.modules.push((it.id.value.to_string(), scope));
            }
            Declaration::TSGlobalDeclaration(_) => return,
            Declaration::TSImportEqualsDeclaration(it) => {
                let other = match &it.module_reference {
                    TSModuleReference::ExternalModuleReference(it) => {
                        Exported::All(it.expression.value.to_string())
                    }
                    TSModuleReference::IdentifierReference(it) => {
                        Exported::Local(it.name.to_string())
                    }
                    TSModuleReference::QualifiedName(_) => return,
                };
                self.imports.insert(it.id.name.to_string(), other);
                return;
            }
            Declaration::FunctionDeclaration(it) => {
                declared.kind = "function";
                it.id.as_ref().map(|id| id.name)
            }
            Declaration::ClassDeclaration(it) => {
                declared.kind = "class";
                it.id.as_ref().map(|id| id.name)
            }
            Declaration::TSTypeAliasDeclaration(it) => {
                declared.kind = "type";
                Some(it.id.name)
            }
            Declaration::TSInterfaceDeclaration(it) => {
                declared.kind = "interface";
                declared.members =
                    it.body.body.iter().filter_map(|member| signature(source, member)).collect();
                Some(it.id.name)
            }
            Declaration::TSEnumDeclaration(it) => {
                declared.kind = "enum";
                Some(it.id.name)
            }
            Declaration::TSNamespaceDeclaration(it) => {
                declared.kind = "namespace";
                self.namespace(source, it);
                Some(it.id.name)
            }
        };
        let Some(name) = name else { return };
        declared.text = source.declaration(span, cuts(declaration));
        self.add(name.as_str(), declared, exported);
    }

    fn namespace(&mut self, source: &Source<'_>, it: &TSNamespaceDeclaration<'_>) {
        let scope = self.namespaces.entry(it.id.name.to_string()).or_default();
        match &it.body {
            TSNamespaceDeclarationBody::TSModuleBlock(block) => {
                scope.statements(source, &block.body, true);
            }
            TSNamespaceDeclarationBody::TSNamespaceDeclaration(inner) => {
                scope.namespace(source, inner);
            }
        }
    }

    fn variables(
        &mut self,
        source: &Source<'_>,
        it: &VariableDeclaration<'_>,
        doc: Option<String>,
        exported: bool,
    ) {
        for declarator in &it.declarations {
            let BindingPattern::BindingIdentifier(id) = &declarator.id else { continue };
            let text = format!("const {}", source.declaration(shown(declarator), Vec::new()));
            let declared = Declared {
                kind: "const",
                text,
                doc: doc.clone(),
                type_name: type_name(declarator),
                ..Declared::default()
            };
            self.add(id.name.as_str(), declared, exported);
        }
    }
}

/// A variable with its type, or with its value if it has none.
fn shown(declarator: &VariableDeclarator<'_>) -> Span {
    match &declarator.type_annotation {
        Some(annotation) => Span::new(declarator.span.start, annotation.span.end),
        None => declarator.span,
    }
}

/// The name of a variable's type: the last part of `_.LoDashStatic`.
fn type_name(declarator: &VariableDeclarator<'_>) -> Option<String> {
    let annotation = declarator.type_annotation.as_ref()?;
    let TSType::TSTypeReference(reference) = &annotation.type_annotation else { return None };
    match &reference.type_name {
        TSTypeName::IdentifierReference(it) => Some(it.name.to_string()),
        TSTypeName::QualifiedName(it) => Some(it.right.name.to_string()),
        TSTypeName::ThisExpression(_) => None,
    }
}

/// A member of an interface that has a name.
fn signature(source: &Source<'_>, member: &TSSignature<'_>) -> Option<(String, Declared)> {
    let (kind, key, span) = match member {
        TSSignature::TSMethodSignature(it) => ("function", &it.key, it.span),
        TSSignature::TSPropertySignature(it) => ("const", &it.key, it.span),
        TSSignature::TSIndexSignature(_)
        | TSSignature::TSCallSignatureDeclaration(_)
        | TSSignature::TSConstructSignatureDeclaration(_) => return None,
    };
    let text = source.declaration(span, Vec::new());
    let declared = Declared { kind, text, doc: source.doc(span.start), ..Declared::default() };
    Some((key.static_name()?.into_owned(), declared))
}

/// The files that a file says belong to it, at its beginning.
fn references(text: &str) -> Vec<String> {
    text.lines()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with("//"))
        .filter_map(|line| {
            line.strip_prefix("///")?.split_once("path=")?.1.split(['"', '\'']).nth(1)
        })
        .map(str::to_owned)
        .collect()
}
