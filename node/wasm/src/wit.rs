//! Types as WIT writes them, for people.

use wasmtime::component::Type;

/// The type as text. Named types are written out, since a component carries no names for them.
pub(crate) fn text(ty: &Type) -> String {
    match ty {
        Type::Bool => "bool".into(),
        Type::S8 => "s8".into(),
        Type::U8 => "u8".into(),
        Type::S16 => "s16".into(),
        Type::U16 => "u16".into(),
        Type::S32 => "s32".into(),
        Type::U32 => "u32".into(),
        Type::S64 => "s64".into(),
        Type::U64 => "u64".into(),
        Type::Float32 => "f32".into(),
        Type::Float64 => "f64".into(),
        Type::Char => "char".into(),
        Type::String => "string".into(),
        Type::List(list) => format!("list<{}>", text(&list.ty())),
        Type::FixedLengthList(list) => format!("list<{}, {}>", text(&list.ty()), list.len()),
        Type::Map(map) => format!("map<{}, {}>", text(&map.key()), text(&map.value())),
        Type::Record(record) => {
            braced("record", record.fields().map(|f| format!("{}: {}", f.name, text(&f.ty))))
        }
        Type::Tuple(tuple) => format!("tuple<{}>", joined(tuple.types().map(|t| text(&t)))),
        Type::Variant(variant) => braced(
            "variant",
            variant.cases().map(|case| match &case.ty {
                Some(ty) => format!("{}({})", case.name, text(ty)),
                None => case.name.to_owned(),
            }),
        ),
        Type::Enum(cases) => braced("enum", cases.names().map(str::to_owned)),
        Type::Flags(flags) => braced("flags", flags.names().map(str::to_owned)),
        Type::Option(option) => format!("option<{}>", text(&option.ty())),
        Type::Result(result) => match (result.ok(), result.err()) {
            (None, None) => "result".into(),
            (Some(ok), None) => format!("result<{}>", text(&ok)),
            (ok, Some(err)) => format!("result<{}, {}>", ok.map_or("_".into(), |t| text(&t)), text(&err)),
        },
        Type::Own(_) => "own<resource>".into(),
        Type::Borrow(_) => "borrow<resource>".into(),
        Type::Future(_) => "future".into(),
        Type::Stream(_) => "stream".into(),
        Type::ErrorContext => "error-context".into(),
    }
}

/// Whether values of the type can be written down, and so cross from one node to another.
pub(crate) fn is_plain(ty: &Type) -> bool {
    match ty {
        Type::List(list) => is_plain(&list.ty()),
        Type::FixedLengthList(list) => is_plain(&list.ty()),
        Type::Record(record) => record.fields().all(|f| is_plain(&f.ty)),
        Type::Tuple(tuple) => tuple.types().all(|t| is_plain(&t)),
        Type::Variant(variant) => variant.cases().all(|case| case.ty.as_ref().is_none_or(is_plain)),
        Type::Option(option) => is_plain(&option.ty()),
        Type::Result(result) => {
            result.ok().as_ref().is_none_or(is_plain) && result.err().as_ref().is_none_or(is_plain)
        }
        Type::Map(_)
        | Type::Own(_)
        | Type::Borrow(_)
        | Type::Future(_)
        | Type::Stream(_)
        | Type::ErrorContext => false,
        _ => true,
    }
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn braced(keyword: &str, parts: impl Iterator<Item = String>) -> String {
    format!("{keyword} {{ {} }}", joined(parts))
}
