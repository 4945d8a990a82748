//! What a component offers, and how its functions are found by name.

use crate::error::CallError;
use crate::wit;
use std::collections::BTreeMap;
use wasmtime::Engine;
use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, Type};

/// The export that makes a component an HTTP service.
const HTTP_HANDLER: &str = "wasi:http/incoming-handler@0.2.";
/// Names offered in an error.
const OFFERED_MAX: usize = 20;

/// What a service offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exports {
    /// Whether it answers HTTP requests.
    pub http: bool,
    /// Its functions, in the order of their names.
    pub functions: Vec<FunctionInfo>,
}

/// One exported function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionInfo {
    /// Its full name, `package:ns/iface@version.func` or `func`.
    pub name: String,
    /// Name and WIT type of each parameter.
    pub params: Vec<(String, String)>,
    /// The WIT type of its result, if it has one.
    pub result: Option<String>,
    /// Whether it can be called by name: not where a resource or a stream is passed.
    pub callable: bool,
}

impl std::fmt::Display for FunctionInfo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: func(", self.name)?;
        for (i, (name, ty)) in self.params.iter().enumerate() {
            write!(f, "{}{name}: {ty}", if i == 0 { "" } else { ", " })?;
        }
        write!(f, ")")?;
        self.result.as_ref().map_or(Ok(()), |ty| write!(f, " -> {ty}"))
    }
}

/// A function of one service, resolved. It stays good for every replica of the same release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u32);

/// A function with what calling it needs.
pub(crate) struct Function {
    pub(crate) index: ComponentExportIndex,
    pub(crate) params: Vec<(String, Type)>,
    pub(crate) results: Vec<Type>,
    pub(crate) shape: Shape,
}

/// Signatures that have a typed path: no dynamic value is made of each byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    StringToString,
    StringToBytes,
    BytesToBytes,
    BytesToString,
    BytesToBytesOrError,
    StringToStringOrError,
    Other,
}

/// The exports of one component, ready to be called.
pub(crate) struct Table {
    pub(crate) exports: Exports,
    functions: Vec<Function>,
    /// Every way to name a function.
    names: BTreeMap<String, Vec<u32>>,
}

impl Table {
    pub(crate) fn of(component: &Component, engine: &Engine) -> Self {
        let mut found = Vec::new();
        let mut http = false;
        for (name, item) in component.component_type().exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(ty) => found.push((None, name.to_owned(), ty)),
                ComponentItem::ComponentInstance(_) if name.starts_with(HTTP_HANDLER) => http = true,
                ComponentItem::ComponentInstance(instance) => {
                    for (func, item) in instance.exports(engine) {
                        if let ComponentItem::ComponentFunc(ty) = item.ty {
                            found.push((Some(name.to_owned()), func.to_owned(), ty));
                        }
                    }
                }
                _ => {}
            }
        }
        found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        let mut table = Self {
            exports: Exports { http, functions: Vec::new() },
            functions: Vec::new(),
            names: BTreeMap::new(),
        };
        for (interface, func, ty) in found {
            let instance = match &interface {
                Some(name) => component.get_export_index(None, name.as_str()),
                None => None,
            };
            if let Some(index) = component.get_export_index(instance.as_ref(), func.as_str()) {
                table.add(interface.as_deref(), &func, &ty, index);
            }
        }
        table
    }

    fn add(&mut self, interface: Option<&str>, func: &str, ty: &ComponentFunc, index: ComponentExportIndex) {
        let params: Vec<(String, Type)> = ty.params().map(|(name, ty)| (name.to_owned(), ty)).collect();
        let results: Vec<Type> = ty.results().collect();
        let callable = !ty.async_() && params.iter().map(|p| &p.1).chain(&results).all(wit::is_plain);
        let names = spellings(interface, func);
        let id = u32::try_from(self.functions.len()).unwrap_or(u32::MAX);
        self.exports.functions.push(FunctionInfo {
            name: names[0].clone(),
            params: params.iter().map(|(name, ty)| (name.clone(), wit::text(ty))).collect(),
            result: results.first().map(wit::text),
            callable,
        });
        for name in names {
            self.names.entry(name).or_default().push(id);
        }
        let shape = Shape::of(&params, &results);
        self.functions.push(Function { index, params, results, shape });
    }

    /// Finds a function by any of its names.
    pub(crate) fn resolve(&self, name: &str) -> Result<FunctionId, CallError> {
        let ids = self.names.get(&name.replace('#', ".")).map(Vec::as_slice).unwrap_or_default();
        let full = |id: &u32| self.exports.functions.get(*id as usize).map(|f| f.name.clone());
        match ids {
            [id] => {
                let info = &self.exports.functions[*id as usize];
                if info.callable {
                    return Ok(FunctionId(*id));
                }
                Err(CallError::NoSuchFunction(format!(
                    "{info} passes a resource or stream and cannot be called by name"
                )))
            }
            [] => Err(CallError::NoSuchFunction(self.not_found(name))),
            several => Err(CallError::NoSuchFunction(format!(
                "{name:?} may be any of {}: write one in full",
                several.iter().filter_map(full).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    fn not_found(&self, name: &str) -> String {
        let offered: Vec<_> = self
            .exports
            .functions
            .iter()
            .filter(|f| f.callable)
            .take(OFFERED_MAX)
            .map(|f| f.name.as_str())
            .collect();
        let shown: String = name.chars().take(120).collect();
        match (offered.is_empty(), self.exports.http) {
            (true, true) => format!("no function {shown:?}: this component only answers HTTP requests"),
            (true, false) => format!("no function {shown:?}: this component exports none"),
            (false, _) => format!("no function {shown:?}; there are: {}", offered.join(", ")),
        }
    }

    pub(crate) fn get(&self, id: FunctionId) -> Result<(&FunctionInfo, &Function), CallError> {
        let at = id.0 as usize;
        match (self.exports.functions.get(at), self.functions.get(at)) {
            (Some(info), Some(function)) if info.callable => Ok((info, function)),
            _ => Err(CallError::NoSuchFunction(format!("no function has the number {}", id.0))),
        }
    }
}

/// The ways to write a function's name, the full one first.
fn spellings(interface: Option<&str>, func: &str) -> Vec<String> {
    let Some(interface) = interface else { return vec![func.to_owned()] };
    let unversioned = interface.split('@').next().unwrap_or(interface);
    let short = unversioned.rsplit('/').next().unwrap_or(unversioned);
    let mut names = vec![format!("{interface}.{func}")];
    for name in [format!("{unversioned}.{func}"), format!("{short}.{func}"), func.to_owned()] {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

impl Shape {
    fn of(params: &[(String, Type)], results: &[Type]) -> Self {
        let ([(_, param)], [result]) = (params, results) else { return Shape::Other };
        match (plain(param), result) {
            (Plain::String, Type::Result(r)) => match (r.ok(), r.err()) {
                (Some(Type::String), Some(Type::String)) => Shape::StringToStringOrError,
                _ => Shape::Other,
            },
            (Plain::Bytes, Type::Result(r)) => match (r.ok(), r.err()) {
                (Some(ok), Some(Type::String)) if plain(&ok) == Plain::Bytes => Shape::BytesToBytesOrError,
                _ => Shape::Other,
            },
            (param, result) => match (param, plain(result)) {
                (Plain::String, Plain::String) => Shape::StringToString,
                (Plain::String, Plain::Bytes) => Shape::StringToBytes,
                (Plain::Bytes, Plain::Bytes) => Shape::BytesToBytes,
                (Plain::Bytes, Plain::String) => Shape::BytesToString,
                _ => Shape::Other,
            },
        }
    }
}

#[derive(PartialEq, Eq)]
enum Plain {
    String,
    Bytes,
    Other,
}

fn plain(ty: &Type) -> Plain {
    match ty {
        Type::String => Plain::String,
        Type::List(list) if list.ty() == Type::U8 => Plain::Bytes,
        _ => Plain::Other,
    }
}
