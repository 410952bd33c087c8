//! From a struct and its attributes to the table and the accessors.

use crate::attributes::{self, FieldAttributes, KindAttributes, StructAttributes};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, Result, Type};

pub fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "Api is for structs"));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(&input.ident, "Api is for structs with named fields"));
    };
    let fields: Vec<&Field> = fields.named.iter().collect();
    let attributes = attributes::of_struct(&input.attrs)?;
    let name = &input.ident;
    let table = schema(name, &attributes, &fields)?;
    let accessors = accessors(name, &fields);
    let kind = attributes.kind.as_ref().map(|k| kind(name, k));
    Ok(quote! { #table #accessors #kind })
}

fn schema(name: &Ident, attributes: &StructAttributes, fields: &[&Field]) -> Result<TokenStream> {
    let rows = fields.iter().map(|f| row(f)).collect::<Result<Vec<_>>>()?;
    let (package, text) = (&attributes.package, name.to_string());
    let form = match attributes.form.as_deref() {
        None => quote!(Object),
        Some("schema-or-bool") => quote!(SchemaOrBool),
        Some("schema-or-list") => quote!(SchemaOrList),
        Some("schema-or-strings") => quote!(SchemaOrStrings),
        Some(other) => return Err(Error::new_spanned(name, format!("unknown form {other}"))),
    };
    let info = match attributes.kind {
        Some(KindAttributes { meta: true, .. }) => quote!(Some(<#name as crate::Kind>::INFO)),
        Some(_) => quote!(Some(#name::INFO)),
        None => quote!(None),
    };
    Ok(quote! {
        impl #name {
            /// The table that describes this struct.
            pub fn schema() -> &'static crate::Schema {
                static SCHEMA: crate::Schema = crate::Schema {
                    name: #text,
                    package: #package,
                    form: crate::Form::#form,
                    fields: &[#(#rows),*],
                    kind: #info,
                };
                &SCHEMA
            }
        }
        impl crate::Typed for #name {
            const TYPE: &'static crate::Type = &crate::Type::Struct(#name::schema);
        }
    })
}

/// One row of the table.
fn row(field: &Field) -> Result<TokenStream> {
    let FieldAttributes {
        tag,
        json,
        omitempty,
        nullable,
        inline,
        required,
        atomic,
        list,
        keys,
        patch,
        key,
        default,
    } = attributes::of_field(&field.attrs)?;
    let ty = &field.ty;
    let ident = field.ident.as_ref().map(|i| i.to_string()).unwrap_or_default();
    let json = if inline { String::new() } else { json.unwrap_or_else(|| camel_case(&ident)) };
    let optional = is_option(ty) && !nullable;
    let list = match list.as_deref() {
        None | Some("atomic") => quote!(Atomic),
        Some("set") => quote!(Set),
        Some("map") => quote!(Map),
        Some(other) => return Err(Error::new_spanned(field, format!("unknown list kind {other}"))),
    };
    let patch = patch.unwrap_or_default();
    let (merge, retain) = (patch.contains("merge"), patch.contains("retainKeys"));
    let key = key.unwrap_or_default();
    let default = match default {
        Some(text) => quote!(Some(#text)),
        None => quote!(None),
    };
    Ok(quote! {
        crate::Field {
            name: #json, tag: #tag, ty: <#ty as crate::Typed>::TYPE,
            optional: #optional, omit_empty: #omitempty, nullable: #nullable, inline: #inline,
            required: #required, atomic: #atomic, list: crate::ListKind::#list, keys: &[#(#keys),*],
            merge: #merge, retain_keys: #retain, merge_key: #key, default: #default,
        }
    })
}

fn accessors(name: &Ident, fields: &[&Field]) -> TokenStream {
    let count = fields.len();
    let idents: Vec<_> = fields.iter().filter_map(|f| f.ident.as_ref()).collect();
    let numbers = 0..count;
    let numbers_mut = 0..count;
    quote! {
        impl core::fmt::Debug for #name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                crate::debug::fmt_struct(self, f)
            }
        }
        impl crate::Struct for #name {
            fn schema(&self) -> &crate::Schema { #name::schema() }
            fn field(&self, number: usize) -> &dyn crate::Reflect {
                match number {
                    #(#numbers => &self.#idents,)*
                    _ => crate::reflect::no_such_field(number),
                }
            }
            fn field_mut(&mut self, number: usize) -> &mut dyn crate::Reflect {
                match number {
                    #(#numbers_mut => &mut self.#idents,)*
                    _ => crate::reflect::no_such_field(number),
                }
            }
        }
        impl crate::Reflect for #name {
            fn view(&self) -> crate::View<'_> { crate::View::Struct(self) }
            fn edit(&mut self) -> crate::Edit<'_> { crate::Edit::Struct(self) }
            fn reset(&mut self) { *self = Default::default(); }
        }
    }
}

fn kind(name: &Ident, k: &KindAttributes) -> TokenStream {
    let KindAttributes { group, version, short, categories, subresources, .. } = k;
    let text = k.kind.clone().unwrap_or_else(|| name.to_string());
    let plural = k.plural.clone().unwrap_or_default();
    let storage = k.storage.clone().unwrap_or_else(|| plural.clone());
    let verbs = k.verbs.clone().unwrap_or_default();
    let namespaced = !k.cluster;
    let new = if k.meta { quote!(Some(|| Box::new(<#name as Default>::default()))) } else { quote!(None) };
    let info = quote! {
        &crate::KindInfo {
            group: #group, version: #version, kind: #text, list_kind: "", plural: #plural,
            singular: "", storage: #storage,
            namespaced: #namespaced, short_names: &[#(#short),*], categories: &[#(#categories),*],
            subresources: &[#(#subresources),*], verbs: #verbs,
            schema: #name::schema,
            new: #new,
            custom: false,
        }
    };
    if !k.meta {
        return quote! {
            impl #name {
                /// What is declared of this body.
                pub const INFO: &'static crate::KindInfo = #info;
            }
        };
    }
    quote! {
        impl crate::Kind for #name {
            const INFO: &'static crate::KindInfo = #info;
        }
        impl crate::Object for #name {
            fn info(&self) -> &'static crate::KindInfo { <#name as crate::Kind>::INFO }
            fn meta(&self) -> &crate::meta::v1::ObjectMeta { &self.metadata }
            fn meta_mut(&mut self) -> &mut crate::meta::v1::ObjectMeta { &mut self.metadata }
            fn as_struct(&self) -> &dyn crate::Struct { self }
            fn as_struct_mut(&mut self) -> &mut dyn crate::Struct { self }
            fn clone_object(&self) -> Box<dyn crate::Object> { Box::new(self.clone()) }
            fn into_any(self: std::sync::Arc<Self>) -> std::sync::Arc<dyn std::any::Any + Send + Sync> { self }
            fn into_any_box(self: Box<Self>) -> Box<dyn std::any::Any> { self }
            fn as_any(&self) -> &dyn std::any::Any { self }
            fn as_any_mut(&mut self) -> &mut dyn std::any::Any { self }
        }
    }
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(p) if p.path.segments.last().is_some_and(|s| s.ident == "Option"))
}

/// `pod_template` to `podTemplate`; a trailing underscore (a keyword's escape) is dropped.
fn camel_case(name: &str) -> String {
    let mut words = name.trim_end_matches('_').split('_');
    let mut out = words.next().unwrap_or_default().to_string();
    for word in words {
        let mut letters = word.chars();
        out.extend(letters.next().map(|c| c.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}
