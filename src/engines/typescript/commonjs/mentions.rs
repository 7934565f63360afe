//! Which of CommonJS' names a program mentions, and which it declares.

use deno_ast::swc::ast::*;
use deno_ast::swc::ecma_visit::{Visit, VisitWith};

use super::tree::{self, EXPORTS, MODULE};

pub(super) const REQUIRE: &str = "require";
pub(super) const DIRNAME: &str = "__dirname";
pub(super) const FILENAME: &str = "__filename";

/// The names that exist in a CommonJS module and in no other.
pub(super) const NAMES: [&str; 5] = [REQUIRE, MODULE, EXPORTS, DIRNAME, FILENAME];

/// What is said of [`NAMES`].
#[derive(Default)]
pub(super) struct Mentions {
    mentioned: [bool; NAMES.len()],
    /// At the top level. `require` in functions too, but as a parameter.
    declared: [bool; NAMES.len()],
    /// `require.main` is mentioned.
    pub asks_for_main: bool,
    /// Functions around.
    depth: usize,
    in_parameters: bool,
}

impl Mentions {
    pub(super) fn of(module: &Module) -> Self {
        let mut mentions = Self::default();
        module.visit_with(&mut mentions);
        mentions.asks_for_main &= !mentions.declared[index_of(MODULE)];
        mentions
    }

    /// Whether a name is mentioned, and means what it means in a CommonJS module.
    pub(super) fn is_free(&self, name: &str) -> bool {
        let index = index_of(name);
        self.mentioned[index] && !self.declared[index]
    }

    pub(super) fn is_declared(&self, name: &str) -> bool {
        self.declared[index_of(name)]
    }

    fn mention(&mut self, name: &Ident) {
        if let Some(index) = NAMES.iter().position(|known| name.sym == **known) {
            self.mentioned[index] = true;
        }
    }

    fn declare(&mut self, name: &Ident) {
        let is_required = name.sym == *REQUIRE && !self.in_parameters;
        if self.depth > 0 && !is_required {
            return;
        }
        if let Some(index) = NAMES.iter().position(|known| name.sym == **known) {
            self.declared[index] = true;
        }
    }

    fn in_function(&mut self, visit: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.in_parameters, false);
        self.depth += 1;
        visit(self);
        self.depth -= 1;
        self.in_parameters = outside;
    }

    fn in_parameters(&mut self, visit: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.in_parameters, true);
        visit(self);
        self.in_parameters = outside;
    }
}

fn index_of(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).expect("one of the names")
}

impl Visit for Mentions {
    fn visit_ident(&mut self, name: &Ident) {
        self.mention(name);
    }

    fn visit_binding_ident(&mut self, name: &BindingIdent) {
        self.declare(&name.id);
    }

    /// What is assigned to need not be declared here.
    fn visit_simple_assign_target(&mut self, target: &SimpleAssignTarget) {
        match target {
            SimpleAssignTarget::Ident(name) => self.mention(&name.id),
            other => other.visit_children_with(self),
        }
    }

    fn visit_fn_decl(&mut self, function: &FnDecl) {
        self.declare(&function.ident);
        function.function.visit_with(self);
    }

    /// Its name is known in itself only.
    fn visit_fn_expr(&mut self, function: &FnExpr) {
        function.function.visit_with(self);
    }

    fn visit_function(&mut self, function: &Function) {
        self.in_function(|mentions| function.visit_children_with(mentions));
    }

    fn visit_constructor(&mut self, constructor: &Constructor) {
        self.in_function(|mentions| constructor.visit_children_with(mentions));
    }

    fn visit_getter_prop(&mut self, getter: &GetterProp) {
        self.in_function(|mentions| getter.visit_children_with(mentions));
    }

    fn visit_setter_prop(&mut self, setter: &SetterProp) {
        self.in_function(|mentions| {
            mentions.in_parameters(|mentions| setter.param.visit_with(mentions));
            setter.body.visit_with(mentions);
        });
    }

    fn visit_arrow_expr(&mut self, arrow: &ArrowExpr) {
        self.in_function(|mentions| {
            mentions.in_parameters(|mentions| arrow.params.visit_with(mentions));
            arrow.body.visit_with(mentions);
        });
    }

    fn visit_param(&mut self, parameter: &Param) {
        self.in_parameters(|mentions| parameter.visit_children_with(mentions));
    }

    fn visit_class_decl(&mut self, class: &ClassDecl) {
        self.declare(&class.ident);
        class.class.visit_with(self);
    }

    fn visit_var_decl(&mut self, variables: &VarDecl) {
        // `declare const require: any` says that it exists already.
        if !variables.declare {
            variables.visit_children_with(self);
        }
    }

    fn visit_import_specifier(&mut self, import: &ImportSpecifier) {
        self.declare(import.local());
    }

    fn visit_ts_import_equals_decl(&mut self, import: &TsImportEqualsDecl) {
        self.declare(&import.id);
        if matches!(import.module_ref, TsModuleRef::TsExternalModuleRef(_)) {
            self.mentioned[index_of(REQUIRE)] = true;
        }
    }

    /// Types mention nothing that exists.
    fn visit_ts_type(&mut self, _: &TsType) {}
    fn visit_ts_interface_decl(&mut self, _: &TsInterfaceDecl) {}
    fn visit_ts_type_alias_decl(&mut self, _: &TsTypeAliasDecl) {}

    fn visit_member_expr(&mut self, member: &MemberExpr) {
        self.asks_for_main |= tree::is_named(&member.obj, REQUIRE)
            && matches!(&member.prop, MemberProp::Ident(name) if name.sym == "main");
        member.visit_children_with(self);
    }
}

/// Whether parameters are called `require`, as those of bundlers' functions are.
pub(super) fn binds_require<'a>(parameters: impl IntoIterator<Item = &'a Pat>) -> bool {
    let mut bound = Bound(false);
    for parameter in parameters {
        parameter.visit_with(&mut bound);
    }
    bound.0
}

struct Bound(bool);

impl Visit for Bound {
    fn visit_binding_ident(&mut self, name: &BindingIdent) {
        self.0 |= name.id.sym == *REQUIRE;
    }
}
