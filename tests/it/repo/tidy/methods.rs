//! Types that do too much: many methods, or methods in many files.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};
use syn::{ImplItem, Item, Type};

use super::source::{complaint, enforce};
use super::tree::{Target, Tree, planted};

/// Methods of a type. A method is a function of more than one statement in an inherent `impl`.
const METHODS_MAX: usize = 30;
/// Files in which the methods of a type stand.
const FILES_MAX: usize = 2;

/// The methods of one type.
#[derive(Default)]
pub(super) struct Methods {
    pub(super) count: usize,
    /// The number of them in each file.
    pub(super) files: BTreeMap<String, usize>,
}

/// Returns the methods of each type, by the file that defines it and its name.
pub(super) fn by_type(tree: &Tree) -> BTreeMap<(String, String), Methods> {
    let mut found: BTreeMap<_, Methods> = BTreeMap::new();
    for (at, module) in tree.modules() {
        for item in &module.items {
            let Item::Impl(item) = item else { continue };
            let Type::Path(path) = &*item.self_ty else { continue };
            let count = item.items.iter().filter(|item| is_method(item)).count();
            if item.trait_.is_some() || count == 0 {
                continue;
            }
            let segments = path.path.segments.iter().map(|segment| segment.ident.to_string());
            for target in tree.resolve(at, &segments.collect::<Vec<String>>()) {
                let Target::Item(file, name) = target else { continue };
                let methods = found.entry((file, name)).or_default();
                methods.count += count;
                *methods.files.entry(module.file.clone()).or_default() += count;
            }
        }
    }
    found
}

/// Returns true for a function of more than one statement, those in its inner blocks included.
fn is_method(item: &ImplItem) -> bool {
    struct Statements(usize);

    impl<'a> Visit<'a> for Statements {
        fn visit_stmt(&mut self, statement: &'a syn::Stmt) {
            self.0 += 1;
            visit::visit_stmt(self, statement);
        }
    }

    let mut statements = Statements(0);
    statements.visit_impl_item(item);
    matches!(item, ImplItem::Fn(_)) && statements.0 > 1
}

/// Types with too many methods.
fn too_many(tree: &Tree) -> Vec<String> {
    breaches(tree, |name, methods| {
        let count = methods.count;
        (count > METHODS_MAX).then(|| {
            format!(
                "`{name}` has {count} methods, at most {METHODS_MAX}: give what belongs together a \
                 type of its own"
            )
        })
    })
}

/// Types whose methods stand in too many files.
fn too_spread(tree: &Tree) -> Vec<String> {
    breaches(tree, |name, methods| {
        let files: Vec<&str> = methods.files.keys().map(|file| &**file).collect();
        (files.len() > FILES_MAX).then(|| {
            format!(
                "the methods of `{name}` stand in {} files, at most {FILES_MAX}: bring them \
                 together, or make them methods of the parts they work on: {}",
                files.len(),
                files.join(", ")
            )
        })
    })
}

fn breaches(tree: &Tree, judge: impl Fn(&str, &Methods) -> Option<String>) -> Vec<String> {
    let breach = |((file, name), methods): ((String, String), Methods)| {
        Some(complaint(&file, tree.line(&file, &name), judge(&name, &methods)?))
    };
    by_type(tree).into_iter().filter_map(breach).collect()
}

#[test]
fn no_type_has_too_many_methods() {
    enforce(&too_many(&Tree::of_crate()));
}

#[test]
fn no_type_is_spread_over_many_files() {
    enforce(&too_spread(&Tree::of_crate()));
}

/// An `impl` with `short` methods of one statement, and `long` ones of two.
fn block(name: &str, short: usize, long: usize) -> String {
    let functions = |count: usize, kind: &str, body: &str| -> String {
        (0..count).map(|n| format!("fn {name}_{kind}{n}() {{ {body} }}\n").to_lowercase()).collect()
    };
    let (short, long) = (functions(short, "short", "f()"), functions(long, "long", "f(); g()"));
    format!("impl {name} {{\n{short}{long}}}\n")
}

#[test]
fn methods_are_counted_over_all_files() {
    let tree = |in_a: usize, in_b: usize| {
        let a = format!("mod b;\npub(crate) struct T;\n{}", block("T", 9, in_a));
        let b = format!(
            "use super::T as U;\nimpl Clone for U {{ fn f() {{ f(); g() }} }}\n{}",
            block("U", 9, in_b)
        );
        planted(&[("src/lib.rs", "mod a;"), ("src/a/mod.rs", &a), ("src/a/b.rs", &b)])
    };
    assert!(too_many(&tree(20, 10)).is_empty());
    let found = too_many(&tree(20, 11));
    assert_eq!(found.len(), 1);
    let message = &found[0];
    assert!(message.starts_with("src/a/mod.rs:2: `T` has 31 methods"), "{message}");
    assert!(too_spread(&tree(20, 11)).is_empty());
}

#[test]
fn files_with_methods_are_counted() {
    let tree = |in_lib: usize| {
        let lib = format!("mod a;\nmod b;\nstruct T;\n{}", block("T", 1, in_lib));
        let below = format!("use super::T;\n{}", block("T", 1, 1));
        planted(&[("src/lib.rs", &lib), ("src/a.rs", &below), ("src/b.rs", &below)])
    };
    assert!(too_spread(&tree(0)).is_empty());
    let found = too_spread(&tree(1));
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("src/a.rs, src/b.rs, src/lib.rs"), "{}", found[0]);
}
