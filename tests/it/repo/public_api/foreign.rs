//! Items of other crates in the public interface: a new major version of such a crate requires one
//! of this crate.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::ToTokens;

use super::walk::public_items;
use crate::repo::tidy::mentions;
use crate::repo::tidy::tree::{Tree, planted};

/// The items that the interface may name, besides those of `std`.
const ALLOWED: &[&str] = &[
    "http::HeaderName",
    "http::HeaderValue",
    "http::Method",
    "http::StatusCode",
    "http::header",
    // Feature `json`.
    "serde::Deserialize",
    "serde::Serialize",
];

/// Returns the foreign items that a part of the syntax tree names, `std` aside.
pub(super) fn names_in(tree: &Tree, at: usize, tokens: TokenStream) -> Vec<String> {
    let paths = mentions::paths_of(tokens).into_iter();
    // Generic parameters are one letter.
    let paths = paths.filter(|path| path[0].len() > 1);
    let foreign = paths.filter_map(|path| tree.foreign(at, &path));
    let foreign = foreign.filter(|path| !matches!(&*path[0], "std" | "core" | "alloc"));
    foreign.map(|path| path.join("::")).collect()
}

/// As [`names_in`], of the head of an `impl`.
pub(super) fn foreign_names(
    tree: &Tree,
    at: usize,
    generics: &syn::Generics,
    name: &syn::Path,
    of: &syn::Type,
) -> Vec<String> {
    let mut found = names_in(tree, at, generics.to_token_stream());
    found.extend(names_in(tree, at, name.to_token_stream()));
    found.extend(names_in(tree, at, of.to_token_stream()));
    found
}

fn unlisted(tree: &Tree, allowed: &[&str]) -> Vec<String> {
    let mut found = BTreeSet::new();
    for item in public_items(tree) {
        for name in item.foreign.iter().filter(|name| !allowed.contains(&&***name)) {
            found.insert(format!("{} names {name}", item.path));
        }
    }
    found.into_iter().collect()
}

#[test]
fn the_public_interface_names_no_other_crates_but_the_listed() {
    let tree = Tree::of_crate();
    let found = unlisted(&tree, ALLOWED);
    assert!(
        found.is_empty(),
        "\n{}\nIts next major version would be one of this crate. If it must be: {}\n",
        found.join("\n"),
        file!()
    );
    let named: BTreeSet<String> =
        public_items(&tree).into_iter().flat_map(|item| item.foreign).collect();
    for allowed in ALLOWED {
        assert!(named.contains(*allowed), "{allowed} may be named, and nothing names it");
    }
}

#[test]
fn a_name_of_another_crate_is_found() {
    let tree = planted(&[(
        "src/lib.rs",
        "use std::io;\n\
         use mio::{Token, net};\n\
         pub struct A { pub token: Token, hidden: mio::Poll }\n\
         impl A { pub fn f(&self, token: u8) -> io::Result<net::TcpStream> { x } }\n\
         impl From<Token> for A {}\n\
         fn g(poll: mio::Poll) {}",
    )]);
    assert_eq!(
        unlisted(&tree, &[]),
        [
            "socketserver::A names mio::Token",
            "socketserver::A::f names mio::net::TcpStream",
            "socketserver::A::token names mio::Token"
        ]
    );
    assert_eq!(unlisted(&tree, &["mio::Token", "mio::net::TcpStream"]), [""; 0]);
}
