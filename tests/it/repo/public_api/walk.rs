//! Finds the public items: from `src/lib.rs` through `pub mod` and `pub use` to definitions, and
//! from there to fields, variants, methods and implemented traits.

use std::collections::BTreeMap;

use quote::ToTokens;
use syn::{Attribute, ImplItem, Item, ItemImpl, TraitItem, Type, Visibility};

use super::foreign::foreign_names;
use super::item::ApiItem;
use super::print::print;
use super::syntax::{
    attributes, derived, docs, features_of, is_for_documentation, is_getter, is_hidden, visibility,
};
use crate::repo::tidy::mentions::{imports, is_for_tests, paths_of};
use crate::repo::tidy::tree::{Target, Tree, defined};

/// Macros of whole items that make nothing public.
const MACROS: &[&str] = &[
    "callbacks",
    "calls",
    "compile_error",
    "forward",
    "macro_rules",
    "thread_local",
    "to_destination",
    "to_listen",
];

/// Returns the public items, in no order.
pub(super) fn public_items(tree: &Tree) -> Vec<ApiItem> {
    let mut walk = Walk { tree, exported: BTreeMap::new(), found: Vec::new() };
    walk.module(0, "socketserver", &[]);
    walk.definitions();
    walk.found
}

/// The path by which users find an item, and the features that it needs.
#[derive(Clone)]
struct Export {
    path: String,
    features: Vec<String>,
}

struct Walk<'a> {
    tree: &'a Tree,
    /// By the file that defines an item, and its name.
    exported: BTreeMap<(String, String), Vec<Export>>,
    found: Vec<ApiItem>,
}

impl Walk<'_> {
    fn module(&mut self, at: usize, path: &str, features: &[String]) {
        let tree = self.tree;
        let module = tree.module(at);
        for item in &module.items {
            let attributes = attributes(item);
            let is_public = matches!(visibility(item), Some(Visibility::Public(_)));
            let is_absent = is_for_tests(attributes) || is_for_documentation(attributes);
            if !is_public || is_absent || is_hidden(attributes) {
                continue;
            }
            let features = [features, &features_of(attributes)].concat();
            match item {
                Item::Use(item) => {
                    for (source, name, _) in imports(&item.tree) {
                        assert!(name != "*", "{}: `pub use` of all of a module", module.file);
                        self.import(at, &source, &format!("{path}::{name}"), &features);
                    }
                }
                Item::Mod(item) => {
                    let name = item.ident.to_string();
                    let path = format!("{path}::{name}");
                    self.add(&Export { path: path.clone(), features: features.clone() }, "mod", "");
                    for target in tree.resolve(at, &[name]) {
                        let Target::Module(child) = target else { continue };
                        self.last().docs = docs(&tree.module(child).attributes);
                        self.module(child, &path, &features);
                    }
                }
                item => {
                    let Some(name) = defined(item) else { continue };
                    let export = Export { path: format!("{path}::{name}"), features };
                    let key = (module.file.clone(), name.to_string());
                    self.exported.entry(key).or_default().push(export);
                }
            }
        }
    }

    fn import(&mut self, at: usize, source: &[String], path: &str, features: &[String]) {
        let export = Export { path: path.to_owned(), features: features.to_vec() };
        let mut targets = self.tree.resolve(at, source);
        // A module and a function may have one name, and the path goes through the module.
        targets.retain(|target| match target {
            Target::Item(_, name) => source.last() == Some(name),
            Target::Module(_) => true,
        });
        if targets.is_empty() {
            self.add(&export, "use", &source.join("::"));
            self.last().foreign = vec![source.join("::")];
        }
        for target in targets {
            match target {
                Target::Module(child) => self.module(child, path, features),
                Target::Item(file, name) => {
                    self.exported.entry((file, name)).or_default().push(export.clone());
                }
            }
        }
    }

    fn definitions(&mut self) {
        for (at, module) in self.tree.modules() {
            for item in &module.items {
                if is_for_tests(attributes(item)) {
                    continue;
                }
                match item {
                    Item::Impl(item) => self.implementation(at, item),
                    Item::Macro(item) if item.mac.path.is_ident("setters") => {
                        self.setters(at, item.mac.tokens.clone());
                    }
                    Item::Macro(item) => {
                        let name = print(&item.mac.path);
                        assert!(
                            MACROS.contains(&&*name),
                            "{}: which public items does `{name}!` make? See {}",
                            module.file,
                            file!()
                        );
                    }
                    item => {
                        let Some(name) = defined(item) else { continue };
                        let key = (module.file.clone(), name.to_string());
                        for export in self.exported.get(&key).cloned().unwrap_or_default() {
                            self.definition(at, item, &export);
                        }
                    }
                }
            }
        }
    }

    fn definition(&mut self, at: usize, item: &Item, export: &Export) {
        let head = |generics: &syn::Generics| {
            let bounds = generics.where_clause.as_ref().map(|clause| format!(" {}", print(clause)));
            format!("{}{}", print(generics), bounds.unwrap_or_default())
        };
        match item {
            Item::Struct(item) => {
                self.documented(at, export, "struct", head(&item.generics), &item.attrs, item);
                for (position, field) in item.fields.iter().enumerate() {
                    if matches!(field.vis, Visibility::Public(_)) {
                        let name = field.ident.as_ref().map_or(position.to_string(), print);
                        let export = below(export, &name, &field.attrs);
                        let signature = print(&field.ty);
                        self.documented(at, &export, "field", signature, &field.attrs, &field.ty);
                    }
                }
            }
            Item::Enum(item) => {
                self.documented(at, export, "enum", head(&item.generics), &item.attrs, item);
                for variant in &item.variants {
                    let export = below(export, &print(&variant.ident), &variant.attrs);
                    let fields = variant.fields.iter().map(|field| {
                        let name = field.ident.as_ref().map(|name| format!("{name}: "));
                        name.unwrap_or_default() + &print(&field.ty)
                    });
                    let fields = fields.collect::<Vec<String>>().join(", ");
                    let signature = match &variant.fields {
                        syn::Fields::Named(_) => format!("{{ {fields} }}"),
                        syn::Fields::Unnamed(_) => format!("({fields})"),
                        syn::Fields::Unit => fields,
                    };
                    let attrs = &variant.attrs;
                    self.documented(at, &export, "variant", signature, attrs, &variant.fields);
                }
            }
            Item::Trait(item) => {
                let mut head = head(&item.generics);
                if !item.supertraits.is_empty() {
                    head = format!(": {}{head}", print(&item.supertraits));
                }
                self.documented(at, export, "trait", head, &item.attrs, &item.supertraits);
                for member in &item.items {
                    self.trait_member(at, export, member);
                }
            }
            Item::Fn(item) => {
                self.documented(at, export, "fn", function(&item.sig), &item.attrs, &item.sig);
            }
            Item::Type(item) => {
                let signature = format!("{} = {}", head(&item.generics), print(&item.ty));
                self.documented(at, export, "type", signature, &item.attrs, &item.ty);
            }
            Item::Const(item) => {
                let signature = print(&item.ty);
                self.documented(at, export, "const", signature, &item.attrs, &item.ty);
            }
            item => {
                panic!("{}: {}: a kind of item that is not known here", export.path, print(item))
            }
        }
        for name in derived(attributes(item)) {
            self.add(export, "impl", &name);
        }
    }

    fn trait_member(&mut self, at: usize, of: &Export, member: &TraitItem) {
        match member {
            TraitItem::Fn(item) if is_hidden(&item.attrs) => {}
            TraitItem::Fn(item) => {
                let export = below(of, &item.sig.ident.to_string(), &item.attrs);
                let kind = if item.default.is_some() { "provided" } else { "required" };
                self.documented(at, &export, kind, function(&item.sig), &item.attrs, &item.sig);
            }
            TraitItem::Type(item) => {
                let export = below(of, &item.ident.to_string(), &item.attrs);
                let bounds = print(&item.bounds);
                self.documented(at, &export, "associated", bounds, &item.attrs, &item.bounds);
            }
            TraitItem::Const(item) => {
                let export = below(of, &item.ident.to_string(), &item.attrs);
                let signature = print(&item.ty);
                self.documented(at, &export, "const", signature, &item.attrs, &item.ty);
            }
            _ => panic!("{}: a kind of member that is not known here", of.path),
        }
    }

    fn implementation(&mut self, at: usize, item: &ItemImpl) {
        let own = match &*item.self_ty {
            Type::Path(path) => self.exports(at, &path.path),
            _ => Vec::new(),
        };
        let Some((name, _)) = &item.trait_ else {
            for export in &own {
                self.inherent(at, &below_none(export, &item.attrs), item);
            }
            return;
        };
        if self.is_private(at, name) || self.is_private(at, &item.self_ty) {
            return;
        }
        let exports_of_trait = self.exports(at, name);
        // An implementation for all types is a property of the trait.
        let exports = if own.is_empty() { exports_of_trait } else { own };
        let mut signature = print(name.segments.last().unwrap());
        let is_simple = item.generics.params.is_empty() && item.generics.where_clause.is_none();
        if !is_simple
            || !matches!(&*item.self_ty, Type::Path(path) if path.path.get_ident().is_some())
        {
            let bounds = item.generics.where_clause.as_ref().map(print).unwrap_or_default();
            let (generics, of) = (print(&item.generics), print(&item.self_ty));
            signature = format!("{generics} {signature} for {of} {bounds}").trim().to_owned();
        }
        for export in exports {
            self.add(&below_none(&export, &item.attrs), "impl", &signature);
            self.last().foreign = foreign_names(self.tree, at, &item.generics, name, &item.self_ty);
        }
    }

    fn inherent(&mut self, at: usize, of: &Export, item: &ItemImpl) {
        for member in &item.items {
            match member {
                ImplItem::Fn(item) if is_shown(&item.vis, &item.attrs) => {
                    let export = below(of, &item.sig.ident.to_string(), &item.attrs);
                    self.documented(at, &export, "fn", function(&item.sig), &item.attrs, &item.sig);
                    self.last().is_getter = is_getter(&item.sig);
                }
                ImplItem::Const(item) if is_shown(&item.vis, &item.attrs) => {
                    let export = below(of, &item.ident.to_string(), &item.attrs);
                    let signature = print(&item.ty);
                    self.documented(at, &export, "const", signature, &item.attrs, &item.ty);
                }
                _ => {}
            }
        }
    }

    /// The functions that `setters!` makes: see `src/setters.rs`.
    fn setters(&mut self, at: usize, tokens: proc_macro2::TokenStream) {
        let fields: syn::ItemStruct = syn::parse2(quote::quote!(struct #tokens)).unwrap();
        let of = fields.ident.clone();
        for export in self.exports(at, &of.clone().into()) {
            for field in &fields.fields {
                let (name, kind) = (field.ident.as_ref().unwrap(), print(&field.ty));
                let signature = format!("{name}(self, {name}: {kind}) -> {of}");
                self.add(&below(&export, &name.to_string(), &[]), "fn", &signature);
                self.last().is_getter = true;
            }
        }
    }

    /// Returns true if a part of the syntax tree names an item of this crate that users cannot
    /// name.
    fn is_private(&self, at: usize, names: &impl ToTokens) -> bool {
        let paths = paths_of(names.to_token_stream()).into_iter();
        let mut targets = paths.flat_map(|path| self.tree.resolve(at, &path));
        targets.any(|target| match target {
            Target::Item(file, name) => !self.exported.contains_key(&(file, name)),
            Target::Module(_) => false,
        })
    }

    fn exports(&self, at: usize, path: &syn::Path) -> Vec<Export> {
        let targets = self.tree.resolve(at, &segments(path)).into_iter();
        let exports = targets.filter_map(|target| match target {
            Target::Item(file, name) => self.exported.get(&(file, name)),
            Target::Module(_) => None,
        });
        exports.flatten().cloned().collect()
    }

    fn add(&mut self, export: &Export, kind: &'static str, signature: &str) {
        let Export { path, features } = export.clone();
        let signature = signature.to_owned();
        self.found.push(ApiItem { path, kind, signature, features, ..ApiItem::default() });
    }

    /// Adds an item with its documentation and attributes. `names` is the part that may name items
    /// of other crates.
    fn documented(
        &mut self,
        at: usize,
        export: &Export,
        kind: &'static str,
        signature: String,
        attributes: &[Attribute],
        names: &impl ToTokens,
    ) {
        let is_open =
            attributes.iter().any(|attribute| attribute.path().is_ident("non_exhaustive"));
        let kind_and = if is_open { format!("{signature} #[non_exhaustive]") } else { signature };
        self.add(export, kind, kind_and.trim());
        let foreign = match kind {
            // Fields and variants have their own.
            "struct" | "enum" => Vec::new(),
            _ => super::foreign::names_in(self.tree, at, names.to_token_stream()),
        };
        let last = self.last();
        last.docs = docs(attributes);
        last.foreign = foreign;
    }

    fn last(&mut self) -> &mut ApiItem {
        self.found.last_mut().unwrap()
    }
}

/// Prints a function without the parts that concern only its body.
fn function(signature: &syn::Signature) -> String {
    let text = print(signature).replace("(mut ", "(").replace(", mut ", ", ");
    text.strip_prefix("fn ").unwrap_or(&text).to_owned()
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

fn below(export: &Export, name: &str, attributes: &[Attribute]) -> Export {
    let path = format!("{}::{name}", export.path);
    Export { path, ..below_none(export, attributes) }
}

/// The export, with the additional features of an item in it.
fn below_none(export: &Export, attributes: &[Attribute]) -> Export {
    let mut features = [&*export.features, &features_of(attributes)].concat();
    features.sort();
    features.dedup();
    Export { path: export.path.clone(), features }
}

fn is_shown(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    matches!(visibility, Visibility::Public(_)) && !is_hidden(attributes)
}
