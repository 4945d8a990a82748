//! Arguments and results as people write them: WAVE.

use crate::error::{CallError, shortened};
use crate::limit;
use crate::wit;
use wasmtime::component::wasm_wave::untyped::UntypedFuncCall;
use wasmtime::component::{Type, Val};

/// Reads the arguments, `"text", 7, {field: true}`, of a function with these parameters.
pub(crate) fn arguments(text: &str, params: &[(String, Type)]) -> Result<Vec<Val>, CallError> {
    if text.len() > limit::WAVE_BYTES_MAX {
        return Err(CallError::BadArguments(format!(
            "the arguments have {} bytes, more than the {} allowed",
            text.len(),
            limit::WAVE_BYTES_MAX
        )));
    }
    // WAVE knows function calls: the arguments become those of one.
    let call = format!("f({text})");
    let wrong = |why: String| {
        CallError::BadArguments(format!(
            "the arguments {:?} do not fit {}: {why}",
            shortened(text, 200),
            expected(params)
        ))
    };
    let parsed = UntypedFuncCall::parse(&call).map_err(|e| wrong(format!("{e}{}", hint(text, params))))?;
    let nodes: Vec<_> = match parsed.params_node() {
        Some(node) => node.as_tuple().map_err(|e| wrong(e.to_string()))?.collect(),
        None => Vec::new(),
    };
    let optional = params.iter().rev().take_while(|(_, ty)| matches!(ty, Type::Option(_))).count();
    if nodes.len() > params.len() || nodes.len() + optional < params.len() {
        return Err(wrong(format!("{} are given", nodes.len())));
    }
    let mut values = Vec::with_capacity(params.len());
    for (at, (name, ty)) in params.iter().enumerate() {
        let value = match nodes.get(at) {
            Some(node) => node.to_wasm_value(ty, parsed.source()).map_err(|e| {
                wrong(format!("parameter {name} is no {}: {e}{}", wit::text(ty), hint(text, params)))
            })?,
            None => Val::Option(None),
        };
        values.push(value);
    }
    Ok(values)
}

/// Writes the results.
pub(crate) fn results(values: &[Val]) -> Result<String, CallError> {
    let texts: Result<Vec<_>, _> = values.iter().map(Val::to_wave).collect();
    texts
        .map(|texts| texts.join(", "))
        .map_err(|e| CallError::Host(format!("the result cannot be written in WAVE: {e}")))
}

fn expected(params: &[(String, Type)]) -> String {
    let params: Vec<_> = params.iter().map(|(name, ty)| format!("{name}: {}", wit::text(ty))).collect();
    format!("({})", params.join(", "))
}

/// The commonest mistake: the shell took the quotes away.
fn hint(text: &str, params: &[(String, Type)]) -> &'static str {
    let text_expected = params.iter().any(|(_, ty)| *ty == Type::String);
    if text_expected && !text.contains('"') {
        "; a string stands in double quotes, as in '\"text\"'"
    } else {
        ""
    }
}
