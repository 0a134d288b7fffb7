//! Properties of one item in the syntax tree: its attributes, its visibility, its shape.

use syn::{Attribute, FnArg, Item, Meta, Visibility};

use super::print::print;

pub(super) fn is_hidden(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => list.path.is_ident("doc") && list.tokens.to_string() == "hidden",
        _ => false,
    })
}

/// The features that a `cfg` asks for.
pub(super) fn features_of(attributes: &[Attribute]) -> Vec<String> {
    let conditions = attributes.iter().filter(|attribute| attribute.path().is_ident("cfg"));
    let texts = conditions.filter_map(|attribute| attribute.meta.require_list().ok());
    let texts = texts.map(|list| list.tokens.to_string()).filter(|text| text.contains("feature"));
    texts
        .flat_map(|text| text.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Returns true for an item that exists in the documentation only.
pub(super) fn is_for_documentation(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let argument = attribute.parse_args::<syn::Ident>();
        attribute.path().is_ident("cfg") && argument.is_ok_and(|ident| ident == "doc")
    })
}

pub(super) fn derived(attributes: &[Attribute]) -> Vec<String> {
    let mut found = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        let list = attribute.parse_args_with(
            syn::punctuated::Punctuated::<syn::Path, syn::Token![,]>::parse_terminated,
        );
        found.extend(list.unwrap().iter().map(|path| print(path.segments.last().unwrap())));
    }
    found
}

/// The text of the documentation, line by line.
pub(super) fn docs(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("doc")) {
        let Meta::NameValue(value) = &attribute.meta else { continue };
        let syn::Expr::Lit(literal) = &value.value else { continue };
        let syn::Lit::Str(line) = &literal.lit else { continue };
        text.push_str(&line.value());
        text.push('\n');
    }
    text
}

/// Returns true for `fn name(&self) -> Value`.
pub(super) fn is_getter(signature: &syn::Signature) -> bool {
    let takes_self = matches!(signature.inputs.first(), Some(FnArg::Receiver(receiver))
        if receiver.mutability.is_none());
    let syn::ReturnType::Type(_, of) = &signature.output else { return false };
    takes_self && signature.inputs.len() == 1 && !print(of).contains("Result")
}

pub(super) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub(super) fn visibility(item: &Item) -> Option<&Visibility> {
    match item {
        Item::Const(item) => Some(&item.vis),
        Item::Enum(item) => Some(&item.vis),
        Item::Fn(item) => Some(&item.vis),
        Item::Mod(item) => Some(&item.vis),
        Item::Static(item) => Some(&item.vis),
        Item::Struct(item) => Some(&item.vis),
        Item::Trait(item) => Some(&item.vis),
        Item::Type(item) => Some(&item.vis),
        Item::Use(item) => Some(&item.vis),
        _ => None,
    }
}
