//! The paths that code mentions: in private `use` items, types, expressions, patterns, and in the
//! tokens of macros. `mod` and `pub use` items, attributes and comments mention nothing.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemUse, Macro, UseTree, Visibility};

/// A path as it is written, and the line where it begins.
pub(crate) struct Mention {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
}

/// Returns the mentions in the items of one module, without modules inside it.
pub(crate) fn of(items: &[Item]) -> Vec<Mention> {
    let mut collector = Collector(Vec::new());
    for item in items {
        collector.visit_item(item);
    }
    collector.0
}

/// Returns the paths among tokens.
pub(crate) fn paths_of(tokens: TokenStream) -> Vec<Vec<String>> {
    let mut collector = Collector(Vec::new());
    collector.scan(tokens);
    collector.0.into_iter().map(|mention| mention.segments).collect()
}

/// Returns true for an item that is only there for tests.
pub(crate) fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let argument = attribute.parse_args::<syn::Ident>();
        attribute.path().is_ident("cfg") && argument.is_ok_and(|ident| ident == "test")
    })
}

/// Returns the paths that a `use` item imports, each with the name it gets: `*` for all items of a
/// module.
pub(crate) fn imports(tree: &UseTree) -> Vec<(Vec<String>, String, usize)> {
    let mut found = Vec::new();
    add_imports(&mut found, &[], 0, tree);
    found
}

fn add_imports(
    found: &mut Vec<(Vec<String>, String, usize)>,
    before: &[String],
    line: usize,
    tree: &UseTree,
) {
    let longer = |ident: &syn::Ident| {
        let line = if before.is_empty() { ident.span().start().line } else { line };
        ([before, &[ident.to_string()]].concat(), line)
    };
    match tree {
        UseTree::Path(path) => {
            let (before, line) = longer(&path.ident);
            add_imports(found, &before, line, &path.tree);
        }
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| add_imports(found, before, line, tree));
        }
        UseTree::Glob(_) => found.push((before.to_vec(), "*".to_owned(), line)),
        UseTree::Name(name) if name.ident == "self" => {
            let last = before.last().cloned().unwrap_or_default();
            found.push((before.to_vec(), last, line));
        }
        UseTree::Name(name) => {
            let (path, line) = longer(&name.ident);
            found.push((path, name.ident.to_string(), line));
        }
        UseTree::Rename(rename) => {
            let (path, line) = match rename.ident == "self" {
                true => (before.to_vec(), line),
                false => longer(&rename.ident),
            };
            found.push((path, rename.rename.to_string(), line));
        }
    }
}

struct Collector(Vec<Mention>);

impl Collector {
    /// Finds paths among the tokens of a macro: `word`, or `word::word` and longer.
    fn scan(&mut self, tokens: TokenStream) {
        let mut segments = Vec::new();
        let mut line = 0;
        // Punctuation since the last word.
        let mut between = String::new();
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if between != "::" || segments.is_empty() {
                        self.note(std::mem::take(&mut segments), line);
                        line = ident.span().start().line;
                    }
                    // Fields, methods and lifetimes are not paths.
                    if !matches!(&*between, "." | "'") {
                        segments.push(ident.to_string());
                    }
                    between.clear();
                }
                TokenTree::Punct(punct) => between.push(punct.as_char()),
                TokenTree::Group(group) => {
                    self.note(std::mem::take(&mut segments), line);
                    between.clear();
                    self.scan(group.stream());
                }
                TokenTree::Literal(_) => {
                    self.note(std::mem::take(&mut segments), line);
                    between.clear();
                }
            }
        }
        self.note(segments, line);
    }

    fn note(&mut self, segments: Vec<String>, line: usize) {
        if !segments.is_empty() {
            self.0.push(Mention { segments, line });
        }
    }
}

impl<'a> Visit<'a> for Collector {
    fn visit_attribute(&mut self, _: &'a Attribute) {}

    fn visit_visibility(&mut self, _: &'a Visibility) {}

    fn visit_item(&mut self, item: &'a Item) {
        let skipped = match item {
            Item::Mod(_) => true,
            Item::Fn(item) => is_for_tests(&item.attrs),
            Item::Impl(item) => is_for_tests(&item.attrs),
            Item::Use(item) => is_for_tests(&item.attrs),
            _ => false,
        };
        if !skipped {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        if matches!(item.vis, Visibility::Inherited) && item.leading_colon.is_none() {
            for (segments, _, line) in imports(&item.tree) {
                self.note(segments, line);
            }
        }
    }

    fn visit_path(&mut self, path: &'a syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            self.note(segments, path.segments[0].ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'a Macro) {
        self.visit_path(&mac.path);
        self.scan(mac.tokens.clone());
    }
}

#[test]
fn paths_are_found_wherever_they_stand() {
    let text = "use a::{b, c::{self, d as e}};\npub use f::g;\nmod h;\n#[derive(i::J)]\n\
        fn k(l: &m::N<o::P>) -> impl q::R { s!(t, u.v, w::x(y::z)) }\n#[cfg(test)] use aa::bb;";
    let found = of(&syn::parse_file(text).unwrap().items);
    let paths: Vec<(String, usize)> =
        found.into_iter().map(|mention| (mention.segments.join("::"), mention.line)).collect();
    let expected = [
        ("a::b", 1),
        ("a::c", 1),
        ("a::c::d", 1),
        ("m::N", 5),
        ("o::P", 5),
        ("q::R", 5),
        ("s", 5),
        ("t", 5),
        ("u", 5),
        ("w::x", 5),
        ("y::z", 5),
    ];
    assert_eq!(paths, expected.map(|(path, line)| (path.to_owned(), line)));
}
