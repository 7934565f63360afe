//! What a package exports, through all files that its declarations name.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::files;
use super::scope::{Declared, Exported, Scope};
use crate::bundle::package::read_bounded;
use crate::bundle::places::Places;

/// Files of declarations of one package: openai has 150 that its entry reaches.
const MAX_FILES: usize = 200;
/// Their text together: @types/node and the AWS SDK have 2 MiB.
const MAX_TEXT: usize = 2 << 20;
/// From file to file: index, version, folder, file and its base are five.
const MAX_DEPTH: usize = 20;

/// A symbol, and where it is declared.
#[derive(Debug, Clone)]
pub(super) struct Symbol {
    pub name: String,
    pub declared: Vec<Declared>,
    /// The file and the name there, so that a symbol is told from its other names.
    pub origin: (PathBuf, String),
}

/// The files that were read.
pub(super) struct Walk<'p> {
    places: &'p Places,
    scopes: HashMap<PathBuf, Option<Rc<Scope>>>,
    text: usize,
}

impl<'p> Walk<'p> {
    pub(super) fn new(places: &'p Places) -> Self {
        Self { places, scopes: HashMap::new(), text: 0 }
    }

    /// Everything that a file exports.
    pub(super) fn exports(&mut self, file: &Path) -> Vec<Symbol> {
        let mut seen = HashSet::new();
        let mut symbols = Vec::new();
        let mut files = HashSet::new();
        self.collect(file, 0, &mut files, &mut |symbol| {
            if seen.insert(symbol.name.clone()) {
                symbols.push(symbol);
            }
        });
        symbols
    }

    fn scope(&mut self, file: &Path) -> Option<Rc<Scope>> {
        if let Some(scope) = self.scopes.get(file) {
            return scope.clone();
        }
        if self.scopes.len() >= MAX_FILES {
            return None;
        }
        let left = (MAX_TEXT - self.text) as u64;
        let text = read_bounded(self.places, file, left).ok();
        self.text += text.as_ref().map_or(0, String::len).min(MAX_TEXT - self.text);
        let scope = text.and_then(|text| Scope::parse(&text)).map(Rc::new);
        self.scopes.insert(file.to_owned(), scope.clone());
        scope
    }

    fn collect(
        &mut self,
        file: &Path,
        depth: usize,
        files: &mut HashSet<PathBuf>,
        found: &mut dyn FnMut(Symbol),
    ) {
        if depth > MAX_DEPTH || !files.insert(file.to_owned()) {
            return;
        }
        let Some(scope) = self.scope(file) else { return };
        for (name, exported) in &scope.exports {
            if let Some(symbol) = self.symbol(file, &scope, name, exported, depth) {
                found(symbol);
            }
            if let Exported::Local(local) = exported
                && let Some(space) = scope.namespaces.get(local)
            {
                members_of(file, name, space).for_each(&mut *found);
            }
        }
        if let Some(name) = &scope.assigned {
            self.assigned(file, &scope, name, depth, found);
        }
        for from in &scope.stars {
            if let Some(other) = files::resolve(self.places, file, from) {
                self.collect(&other, depth + 1, files, &mut |symbol| {
                    if symbol.name != "default" {
                        found(symbol);
                    }
                });
            }
        }
    }

    fn symbol(
        &mut self,
        file: &Path,
        scope: &Scope,
        name: &str,
        exported: &Exported,
        depth: usize,
    ) -> Option<Symbol> {
        if depth > MAX_DEPTH {
            return None;
        }
        match exported {
            Exported::Local(local) => match scope.declared.get(local) {
                Some(declared) => Some(Symbol {
                    name: name.to_owned(),
                    declared: declared.clone(),
                    origin: (file.to_owned(), local.clone()),
                }),
                None => {
                    let imported = scope.imports.get(local)?;
                    (*imported != *exported)
                        .then(|| self.symbol(file, scope, name, imported, depth + 1))?
                }
            },
            Exported::From(from, local) => {
                let other = files::resolve(self.places, file, from)?;
                self.named(&other, local, name, depth + 1)
            }
            Exported::All(from) => {
                let other = files::resolve(self.places, file, from)?;
                let text = self.namespace(&other, name, depth + 1);
                let declared = Declared { kind: "namespace", text, ..Declared::default() };
                let origin = (other, "*".to_owned());
                Some(Symbol { name: name.to_owned(), declared: vec![declared], origin })
            }
        }
    }

    /// What a file exports under a name, also through `export *`.
    fn named(&mut self, file: &Path, local: &str, name: &str, depth: usize) -> Option<Symbol> {
        if depth > MAX_DEPTH {
            return None;
        }
        let scope = self.scope(file)?;
        if let Some((_, exported)) = scope.exports.iter().find(|(exported, _)| exported == local) {
            return self.symbol(file, &scope, name, exported, depth);
        }
        if local == "default"
            && let Some(assigned) = &scope.assigned
        {
            let exported = Exported::Local(assigned.clone());
            return self.symbol(file, &scope, name, &exported, depth);
        }
        scope.stars.iter().find_map(|from| {
            let other = files::resolve(self.places, file, from)?;
            self.named(&other, local, name, depth + 1)
        })
    }

    /// `export * as name`: the names only.
    fn namespace(&mut self, file: &Path, name: &str, depth: usize) -> String {
        let mut names = Vec::new();
        self.collect(file, depth, &mut HashSet::new(), &mut |symbol| names.push(symbol.name));
        format!("namespace {name} {{ {} }}", names.join(", "))
    }

    /// `export =`: the default, and the members of its namespace and of its type.
    fn assigned(
        &mut self,
        file: &Path,
        scope: &Scope,
        name: &str,
        depth: usize,
        found: &mut dyn FnMut(Symbol),
    ) {
        let local = Exported::Local(name.to_owned());
        let Some(default) = self.symbol(file, scope, "default", &local, depth) else { return };
        let types: Vec<_> = default.declared.iter().filter_map(|it| it.type_name.clone()).collect();
        found(default);
        let space = scope.namespaces.get(name);
        for (name, exported) in space.iter().flat_map(|space| &space.exports) {
            if let (Some(space), Exported::Local(local)) = (space, exported)
                && let Some(declared) = space.declared.get(local)
            {
                let origin = (file.to_owned(), format!("={local}"));
                found(Symbol { name: name.clone(), declared: declared.clone(), origin });
            }
        }
        for name in types {
            for (member, declared) in self.members(file, scope, space, &name) {
                let origin = (file.to_owned(), format!("={name}.{member}"));
                found(Symbol { name: member, declared, origin });
            }
        }
    }

    /// The members of a type: of the file, of its namespace, and of the files that say
    /// they add to it (lodash).
    fn members(
        &mut self,
        file: &Path,
        scope: &Scope,
        space: Option<&Scope>,
        name: &str,
    ) -> BTreeMap<String, Vec<Declared>> {
        let mut members: BTreeMap<String, Vec<Declared>> = BTreeMap::new();
        let mut add = |scope: &Scope| {
            for declared in scope.declared.get(name).into_iter().flatten() {
                for (member, declared) in &declared.members {
                    members.entry(member.clone()).or_default().push(declared.clone());
                }
            }
        };
        add(scope);
        space.into_iter().for_each(&mut add);
        for reference in &scope.references {
            let Some(other) = file.parent().map(|directory| directory.join(reference)) else {
                continue;
            };
            if let Some(other) = self.scope(&other) {
                other.modules.iter().for_each(|(_, module)| add(module));
            }
        }
        members
    }
}

/// What a namespace that is exported has: `Stripe.Customer`.
fn members_of<'s>(
    file: &'s Path,
    name: &'s str,
    space: &'s Scope,
) -> impl Iterator<Item = Symbol> + 's {
    space.declared.iter().map(move |(member, declared)| {
        let name = format!("{name}.{member}");
        let origin = (file.to_owned(), name.clone());
        Symbol { name, declared: declared.clone(), origin }
    })
}
