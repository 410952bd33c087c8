//! The thin derive of the API's types. `#[derive(Api)]` turns a struct into *data*: one `static Schema`
//! that lists its fields, and two accessors that reach a field by its number. Every format and every rule
//! over the API (JSON, YAML, protobuf, patches, OpenAPI) is then one interpreter in `codec`, so adding a
//! field costs one table row to compile, not another copy of each format.
//!
//! Attributes on a struct: `#[api(package = "core.v1")]`, `form = "..."` for the schema-or-bool unions, and
//! `#[kind(group = "", version = "v1", plural = "pods", ...)]` on a root. On a field: `tag` (protobuf),
//! `json` (when it is not the camel case of the name), `omitempty`, `nullable` (a zero time is written as
//! null), `inline`, `required`, `list`, `keys`, `patch`, `key`, `default`, `atomic` (a map replaced whole).

mod attributes;
mod expand;

use proc_macro::TokenStream;

/// Derives the schema table and the field accessors; see the crate's documentation.
#[proc_macro_derive(Api, attributes(api, kind))]
pub fn derive_api(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    expand::expand(&input).unwrap_or_else(|e| e.to_compile_error()).into()
}
