//! The quick way to call a component that imports nothing.
//!
//! Such a component can have no effect, so a call of it may be thrown away and made
//! again. It first runs right here, synchronously and without a stack of its own, for
//! one slice; a call that needs longer starts anew on the fair pool, where it can be
//! suspended. Most calls end within their slice and save a fiber and two switches.

use crate::call::{Answer, Arguments, Encoded, gone};
use crate::error::CallError;
use crate::exports::{Function, FunctionId, Shape};
use crate::service::Shared;
use crate::state::{self, State};
use std::sync::Arc;
use std::time::Instant;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, Val};
use wasmtime::{Store, Trap};

/// Makes the call for at most a slice; nothing if that was not enough.
pub(crate) fn call(
    shared: &Arc<Shared>,
    id: FunctionId,
    arguments: &Arguments<'_>,
    deadline: Instant,
) -> Option<Result<Answer, CallError>> {
    let function = match shared.table.get(id) {
        Ok((_, function)) => function,
        Err(error) => return Some(Err(error)),
    };
    let mut store = state::store_for_a_slice(shared, deadline);
    let error = match enter(shared, &mut store, function, arguments) {
        Ok(answer) => return Some(Ok(answer)),
        Err(error) => error,
    };
    if error.downcast_ref() != Some(&Trap::Interrupt) {
        return Some(Err(state::classify(store.data(), &error)));
    }
    shared.patience.slice_used_up();
    (Instant::now() >= deadline).then_some(Err(CallError::DeadlineExceeded))
}

fn enter(
    shared: &Shared,
    store: &mut Store<State>,
    function: &Function,
    arguments: &Arguments<'_>,
) -> wasmtime::Result<Answer> {
    let instance = shared.pre.instantiate(&mut *store)?;
    let typed = match (arguments, function.shape) {
        (Arguments::String(v), Shape::StringToString) => typed::<_, String>(store, instance, function, &**v)?,
        (Arguments::String(v), Shape::StringToBytes) => typed::<_, Vec<u8>>(store, instance, function, &**v)?,
        (Arguments::String(v), Shape::StringToStringOrError) => {
            typed::<_, Result<String, String>>(store, instance, function, &**v)?
        }
        (Arguments::Bytes(v), Shape::BytesToBytes) => typed::<_, Vec<u8>>(store, instance, function, &**v)?,
        (Arguments::Bytes(v), Shape::BytesToString) => typed::<_, String>(store, instance, function, &**v)?,
        (Arguments::Bytes(v), Shape::BytesToBytesOrError) => {
            typed::<_, Result<Vec<u8>, String>>(store, instance, function, &**v)?
        }
        (Arguments::Values(values), _) => {
            let entry = instance.get_func(&mut *store, function.index).ok_or_else(gone)?;
            let mut results = vec![Val::Bool(false); function.results.len()];
            entry.call(&mut *store, values, &mut results)?;
            return Ok(Answer::Values(results));
        }
        _ => return Err(wasmtime::Error::msg("arguments and function do not belong together")),
    };
    Ok(Answer::Encoded(typed))
}

fn typed<P, R>(
    store: &mut Store<State>,
    instance: Instance,
    function: &Function,
    argument: P,
) -> wasmtime::Result<Vec<u8>>
where
    (P,): ComponentNamedList + Lower,
    (R,): ComponentNamedList + Lift,
    R: Encoded,
{
    let entry = instance.get_typed_func::<(P,), (R,)>(&mut *store, function.index)?;
    let (result,) = entry.call(&mut *store, (argument,))?;
    Ok(result.encoded())
}
