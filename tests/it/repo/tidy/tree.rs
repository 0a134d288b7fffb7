//! The modules of the crate, and the items that paths lead to. Re-exports are followed to the file
//! that defines the item. Knows no rule.

use std::collections::{BTreeSet, HashMap};

use syn::{Attribute, Item};

use super::mentions::{self, Mention};
use super::source::{Source, sources};

/// The module tree of a crate.
pub(crate) struct Tree {
    modules: Vec<Module>,
}

/// One module: a file, or an inline module within a file.
pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) items: Vec<Item>,
    /// Of a file: its documentation among them.
    pub(crate) attributes: Vec<Attribute>,
    parent: Option<usize>,
    names: HashMap<String, Vec<Name>>,
    globs: Vec<Vec<String>>,
}

/// The meaning of a name in a module.
#[derive(Clone)]
enum Name {
    Module(usize),
    Item,
    Import(Vec<String>),
}

/// The end of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    Module(usize),
    /// An item: the file that defines it, and its name.
    Item(String, String),
}

/// A use of an item that another file defines.
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) line: usize,
    /// The path as it is written.
    pub(crate) path: String,
}

/// The most re-exports that a path may go through.
const DEPTH_MAX: usize = 16;

impl Tree {
    /// The tree of this crate.
    pub(crate) fn of_crate() -> Tree {
        Tree::new(&sources("src"))
    }

    /// The tree below `src/lib.rs`.
    pub(crate) fn new(files: &[Source]) -> Tree {
        let mut tree = Tree { modules: Vec::new() };
        tree.add_file("src/lib.rs", None, files);
        let known: BTreeSet<&str> = tree.modules.iter().map(|module| &*module.file).collect();
        // A module that is only for tests is in no tree, and neither is its file.
        let is_test = |path: &str| path.ends_with("/tests.rs") || path.contains("/tests/");
        for file in files.iter().filter(|file| !is_test(&file.path)) {
            assert!(known.contains(&*file.path), "{}: no `mod` item leads to it", file.path);
        }
        tree
    }

    pub(crate) fn modules(&self) -> impl Iterator<Item = (usize, &Module)> {
        self.modules.iter().enumerate()
    }

    pub(crate) fn module(&self, at: usize) -> &Module {
        &self.modules[at]
    }

    /// The line where `file` defines `name`.
    pub(crate) fn line(&self, file: &str, name: &str) -> usize {
        let modules = self.modules.iter().filter(|module| module.file == file);
        let mut idents = modules.flat_map(|module| &module.items).filter_map(defined);
        idents.find(|ident| *ident == name).map_or(1, |ident| ident.span().start().line)
    }

    fn add_file(&mut self, path: &str, parent: Option<usize>, files: &[Source]) -> usize {
        let file = files.iter().find(|file| file.path == path);
        let file =
            file.unwrap_or_else(|| panic!("{path}: a `mod` item names it, but it is missing"));
        let parsed = syn::parse_file(&file.text);
        let parsed = parsed.unwrap_or_else(|error| {
            panic!("{path}:{}: {error}", error.span().start().line);
        });
        let this = self.add(path, parsed.items, parent, files);
        self.modules[this].attributes = parsed.attrs;
        this
    }

    fn add(
        &mut self,
        file: &str,
        items: Vec<Item>,
        parent: Option<usize>,
        files: &[Source],
    ) -> usize {
        let this = self.modules.len();
        let (names, globs) = (HashMap::new(), Vec::new());
        self.modules.push(Module {
            file: file.to_owned(),
            items: Vec::new(),
            attributes: Vec::new(),
            parent,
            names,
            globs,
        });
        for mut item in items {
            match &mut item {
                Item::Mod(item) if mentions::is_for_tests(&item.attrs) => {}
                Item::Mod(item) => {
                    let name = item.ident.to_string();
                    let child = match item.content.take() {
                        Some((_, items)) => self.add(file, items, Some(this), files),
                        None => self.add_file(&child_file(file, &name, files), Some(this), files),
                    };
                    self.name(this, name, Name::Module(child));
                }
                Item::Use(item) if item.leading_colon.is_none() => {
                    for (path, name, _) in mentions::imports(&item.tree) {
                        match &*name {
                            "*" => self.modules[this].globs.push(path),
                            _ => self.name(this, name, Name::Import(path)),
                        }
                    }
                }
                item => {
                    if let Some(ident) = defined(item) {
                        self.name(this, ident.to_string(), Name::Item);
                    }
                }
            }
            self.modules[this].items.push(item);
        }
        this
    }

    fn name(&mut self, module: usize, name: String, means: Name) {
        self.modules[module].names.entry(name).or_default().push(means);
    }

    /// Returns the items that `path` leads to when it is written in `module`: none for other
    /// crates, local names and generic parameters.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<Target> {
        self.walk(module, path, 0)
    }

    fn walk(&self, module: usize, path: &[String], depth: usize) -> BTreeSet<Target> {
        let Some((first, rest)) = path.split_first() else { return BTreeSet::new() };
        if depth > DEPTH_MAX {
            return BTreeSet::new();
        }
        let parent = || self.modules[module].parent;
        let mut found = match &**first {
            "crate" => BTreeSet::from([Target::Module(0)]),
            "self" => BTreeSet::from([Target::Module(module)]),
            "super" => parent().map(Target::Module).into_iter().collect(),
            name => self.look_up(module, name, depth + 1),
        };
        for segment in rest {
            found =
                found.into_iter().flat_map(|target| self.step(target, segment, depth)).collect();
        }
        found
    }

    /// Follows one segment. A segment after an item belongs to it: a variant, a method.
    fn step(&self, target: Target, segment: &str, depth: usize) -> BTreeSet<Target> {
        match target {
            Target::Module(module) if segment == "super" => {
                self.modules[module].parent.map(Target::Module).into_iter().collect()
            }
            Target::Module(module) => self.look_up(module, segment, depth + 1),
            item => BTreeSet::from([item]),
        }
    }

    fn look_up(&self, module: usize, name: &str, depth: usize) -> BTreeSet<Target> {
        let this = &self.modules[module];
        if let Some(known) = this.names.get(name) {
            let target = |means: &Name| match means {
                Name::Module(child) => BTreeSet::from([Target::Module(*child)]),
                Name::Item => BTreeSet::from([Target::Item(this.file.clone(), name.to_owned())]),
                Name::Import(path) => self.walk(module, path, depth + 1),
            };
            return known.iter().flat_map(target).collect();
        }
        if depth > DEPTH_MAX {
            return BTreeSet::new();
        }
        let through = |glob: &Vec<String>| -> BTreeSet<Target> {
            let modules = self.walk(module, glob, depth + 1).into_iter();
            let modules = modules.filter(|target| matches!(target, Target::Module(_)));
            modules.flat_map(|target| self.step(target, name, depth + 1)).collect()
        };
        this.globs.iter().flat_map(through).collect()
    }

    /// Returns `path`, written in `module`, as other crates define it: an import is replaced by its
    /// path. `None` for items of this crate, generic parameters, and names that need no import.
    pub(crate) fn foreign(&self, module: usize, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        if !self.walk(module, path, 0).is_empty() {
            return None;
        }
        match self.modules[module].names.get(first).and_then(|known| known.first()) {
            Some(Name::Import(import)) => {
                let is_ours = matches!(&*import[0], "crate" | "self" | "super");
                (!is_ours).then(|| [import, rest].concat())
            }
            Some(Name::Module(_) | Name::Item) => None,
            None => (!rest.is_empty() && first != "Self").then(|| path.to_vec()),
        }
    }

    /// Returns true if `path`, written in `module`, goes through a `pub use` of the crate's root.
    pub(crate) fn is_through_root(&self, module: usize, path: &[String]) -> bool {
        let is_root = |at: usize| self.walk(module, &path[..at], 0).contains(&Target::Module(0));
        let is_import = |at: &usize| {
            let known = self.modules[0].names.get(&path[*at]);
            known.is_some_and(|known| known.iter().any(|means| matches!(means, Name::Import(_))))
        };
        (1..path.len()).find(|at| is_root(*at)).is_some_and(|at| is_import(&at))
    }

    /// Returns every use of an item of another file, in the order of files and lines.
    pub(crate) fn edges(&self) -> Vec<Edge> {
        let mut found = Vec::new();
        for (at, module) in self.modules() {
            for Mention { segments, line } in mentions::of(&module.items) {
                for target in self.resolve(at, &segments) {
                    let Target::Item(to, _) = target else { continue };
                    if to != module.file {
                        let (from, path) = (module.file.clone(), segments.join("::"));
                        found.push(Edge { from, to, line, path });
                    }
                }
            }
        }
        found.sort_by(|a, b| (&a.from, a.line, &a.to).cmp(&(&b.from, b.line, &b.to)));
        found
    }
}

/// The file of the module `name` that `file` declares.
fn child_file(file: &str, name: &str, files: &[Source]) -> String {
    let folder = match file.rsplit_once('/').unwrap() {
        (folder, "lib.rs" | "mod.rs") => folder.to_owned(),
        _ => file.strip_suffix(".rs").unwrap().to_owned(),
    };
    let below = format!("{folder}/{name}/mod.rs");
    match files.iter().any(|file| file.path == below) {
        true => below,
        false => format!("{folder}/{name}.rs"),
    }
}

/// The name that an item defines.
pub(crate) fn defined(item: &Item) -> Option<&syn::Ident> {
    match item {
        Item::Const(item) => Some(&item.ident),
        Item::Enum(item) => Some(&item.ident),
        Item::Fn(item) => Some(&item.sig.ident),
        Item::Macro(item) => item.ident.as_ref(),
        Item::Static(item) => Some(&item.ident),
        Item::Struct(item) => Some(&item.ident),
        Item::Trait(item) => Some(&item.ident),
        Item::Type(item) => Some(&item.ident),
        Item::Union(item) => Some(&item.ident),
        _ => None,
    }
}

/// A tree of planted files; `src/lib.rs` is the first.
pub(crate) fn planted(files: &[(&str, &str)]) -> Tree {
    let files: Vec<Source> = files.iter().map(|(path, text)| Source::new(path, text)).collect();
    Tree::new(&files)
}

/// The files that `file` uses, as `to:line`.
fn uses(tree: &Tree, file: &str) -> Vec<String> {
    let edges = tree.edges().into_iter().filter(|edge| edge.from == file);
    edges.map(|edge| format!("{}:{}", edge.to, edge.line)).collect()
}

#[test]
fn a_path_leads_to_the_file_that_defines_the_item() {
    let tree = planted(&[
        ("src/lib.rs", "pub mod a;\nmod d;\npub use a::Thing;"),
        ("src/a/mod.rs", "mod b;\nmod c;\npub use self::b::Thing;\npub use c::*;"),
        ("src/a/b.rs", "pub struct Thing;"),
        ("src/a/c.rs", "use super::Thing;\npub fn work(_: Thing) {}"),
        (
            "src/d.rs",
            "use crate::a;\n\
             use std::fmt;\n\
             fn one() { a::work(crate::Thing) }\n\
             fn two() { vec![super::a::work] }\n\
             mod inner { use super::Own; }\n\
             struct Own;\n\
             #[cfg(test)] mod tests { use crate::a::Thing; }",
        ),
    ]);
    assert_eq!(uses(&tree, "src/lib.rs"), [""; 0]);
    assert_eq!(uses(&tree, "src/a/mod.rs"), [""; 0]);
    assert_eq!(uses(&tree, "src/a/c.rs"), ["src/a/b.rs:1", "src/a/b.rs:2"]);
    assert_eq!(uses(&tree, "src/d.rs"), ["src/a/b.rs:3", "src/a/c.rs:3", "src/a/c.rs:4"]);
}
