//! Calls of exported functions: a fresh instance, one function, and it is gone.

use crate::admit::{Outstanding, Turn};
use crate::at_once;
use crate::codec::{self, CodecError, Reader, put_length};
use crate::error::CallError;
use crate::exports::{Function, FunctionId, Shape};
use crate::run;
use crate::service::{Service, Shared};
use crate::state::{self, State};
use crate::wave;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};
use wasmtime::Store;
use wasmtime::component::{ComponentNamedList, Instance, Lift, Lower, Val};

impl Service {
    /// Calls a function by name, with arguments and results in WAVE: `"world", 7`.
    pub async fn call(
        &self,
        function: &str,
        wave_args: &str,
        deadline: Duration,
    ) -> Result<String, CallError> {
        let id = self.resolve(function)?;
        let (_, found) = self.shared.table.get(id)?;
        let values = wave::arguments(wave_args, &found.params)?;
        match self.invoke(id, Arguments::Values(values), deadline).await? {
            Answer::Values(values) => wave::results(&values),
            Answer::Encoded(_) => Err(CallError::Host("a typed answer to an untyped call".into())),
        }
    }

    /// Calls a resolved function with encoded parameters ([`codec`]).
    pub async fn call_encoded(
        &self,
        function: FunctionId,
        params: &[u8],
        deadline: Duration,
    ) -> Result<Vec<u8>, CallError> {
        let (info, found) = self.shared.table.get(function)?;
        let arguments = Arguments::decode(found, params)
            .map_err(|e| CallError::BadArguments(format!("the encoded arguments do not fit {info}: {e}")))?;
        match self.invoke(function, arguments, deadline).await? {
            Answer::Encoded(bytes) => Ok(bytes),
            Answer::Values(values) => {
                let mut bytes = Vec::new();
                for (value, ty) in values.iter().zip(&found.results) {
                    codec::encode(value, ty, &mut bytes)
                        .map_err(|e| CallError::Host(format!("the result cannot be encoded: {e}")))?;
                }
                Ok(bytes)
            }
        }
    }

    async fn invoke(
        &self,
        function: FunctionId,
        arguments: Arguments<'_>,
        within: Duration,
    ) -> Result<Answer, CallError> {
        let shared = &self.shared;
        let deadline = shared.deadline(within);
        let turn = Outstanding::new(shared)?.turn(deadline).await?;
        let begins_here = shared.patience.begins_here();
        let at_once = begins_here && shared.imports_nothing;
        if at_once && let Some(answer) = at_once::call(shared, function, &arguments, deadline) {
            return answer.inspect_err(|error| shared.note(error));
        }
        let arguments = arguments.into_owned();
        let guest = Box::pin(guest(Arc::clone(shared), turn, function, arguments, deadline));
        // One that was tried at once had its slice here.
        let ended = if begins_here && !at_once {
            run::from_here(shared, deadline, guest).await
        } else {
            run::on_pool(shared, deadline, guest).await
        };
        let answer = ended.unwrap_or(Err(CallError::DeadlineExceeded));
        answer.inspect_err(|error| shared.note(error))
    }
}

/// The life of one instance. The turn is the first to be made and so the last to go.
async fn guest(
    shared: Arc<Shared>,
    turn: Turn,
    function: FunctionId,
    arguments: Arguments<'static>,
    deadline: Instant,
) -> Result<Answer, CallError> {
    let _turn = turn;
    let (_, function) = shared.table.get(function)?;
    let mut store = state::store(&shared, deadline);
    let answered = enter(&shared, &mut store, function, arguments).await;
    answered.map_err(|error| state::classify(store.data(), &error))
}

async fn enter(
    shared: &Shared,
    store: &mut Store<State>,
    function: &Function,
    arguments: Arguments<'static>,
) -> wasmtime::Result<Answer> {
    let instance = shared.pre.instantiate_async(&mut *store).await?;
    let typed = match (arguments, function.shape) {
        (Arguments::String(v), Shape::StringToString) => {
            typed::<_, String>(store, instance, function, v.into_owned()).await?
        }
        (Arguments::String(v), Shape::StringToBytes) => {
            typed::<_, Vec<u8>>(store, instance, function, v.into_owned()).await?
        }
        (Arguments::String(v), Shape::StringToStringOrError) => {
            typed::<_, Result<String, String>>(store, instance, function, v.into_owned()).await?
        }
        (Arguments::Bytes(v), Shape::BytesToBytes) => {
            typed::<_, Vec<u8>>(store, instance, function, v.into_owned()).await?
        }
        (Arguments::Bytes(v), Shape::BytesToString) => {
            typed::<_, String>(store, instance, function, v.into_owned()).await?
        }
        (Arguments::Bytes(v), Shape::BytesToBytesOrError) => {
            typed::<_, Result<Vec<u8>, String>>(store, instance, function, v.into_owned()).await?
        }
        (Arguments::Values(values), _) => return untyped(store, instance, function, &values).await,
        _ => return Err(wasmtime::Error::msg("arguments and function do not belong together")),
    };
    Ok(Answer::Encoded(typed))
}

async fn untyped(
    store: &mut Store<State>,
    instance: Instance,
    function: &Function,
    arguments: &[Val],
) -> wasmtime::Result<Answer> {
    let entry = instance.get_func(&mut *store, function.index).ok_or_else(gone)?;
    let mut results = vec![Val::Bool(false); function.results.len()];
    entry.call_async(&mut *store, arguments, &mut results).await?;
    Ok(Answer::Values(results))
}

async fn typed<P, R>(
    store: &mut Store<State>,
    instance: Instance,
    function: &Function,
    argument: P,
) -> wasmtime::Result<Vec<u8>>
where
    (P,): ComponentNamedList + Lower + Send + Sync,
    (R,): ComponentNamedList + Lift + Send + Sync + 'static,
    R: Encoded,
{
    let entry = instance.get_typed_func::<(P,), (R,)>(&mut *store, function.index)?;
    let (result,) = entry.call_async(&mut *store, (argument,)).await?;
    Ok(result.encoded())
}

pub(crate) fn gone() -> wasmtime::Error {
    wasmtime::Error::msg("the function is not among the instance's exports")
}

/// What goes into a function.
pub(crate) enum Arguments<'a> {
    String(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Values(Vec<Val>),
}

/// What comes out.
pub(crate) enum Answer {
    Encoded(Vec<u8>),
    Values(Vec<Val>),
}

impl<'a> Arguments<'a> {
    fn into_owned(self) -> Arguments<'static> {
        match self {
            Arguments::String(v) => Arguments::String(v.into_owned().into()),
            Arguments::Bytes(v) => Arguments::Bytes(v.into_owned().into()),
            Arguments::Values(values) => Arguments::Values(values),
        }
    }

    fn decode(function: &Function, params: &'a [u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(params);
        let arguments = match function.shape {
            Shape::StringToString | Shape::StringToBytes | Shape::StringToStringOrError => {
                Arguments::String(reader.string()?.into())
            }
            Shape::BytesToBytes | Shape::BytesToString | Shape::BytesToBytesOrError => {
                Arguments::Bytes(reader.lengthy()?.into())
            }
            Shape::Other => {
                return codec::decode_params(params, &function.params).map(Arguments::Values);
            }
        };
        reader.finish()?;
        Ok(arguments)
    }
}

/// A typed result in the encoding of its type.
pub(crate) trait Encoded {
    fn encoded(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.room());
        self.put(&mut bytes);
        bytes
    }

    fn put(&self, out: &mut Vec<u8>);

    /// The most bytes that it takes.
    fn room(&self) -> usize;
}

/// The most bytes that a length takes.
const LENGTH_BYTES_MAX: usize = 5;

impl Encoded for String {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self.as_bytes());
    }

    fn room(&self) -> usize {
        LENGTH_BYTES_MAX + self.len()
    }
}

impl Encoded for Vec<u8> {
    fn put(&self, out: &mut Vec<u8>) {
        put_length(self.len(), out);
        out.extend_from_slice(self);
    }

    fn room(&self) -> usize {
        LENGTH_BYTES_MAX + self.len()
    }
}

impl<O: Encoded, E: Encoded> Encoded for Result<O, E> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_err()));
        match self {
            Ok(ok) => ok.put(out),
            Err(err) => err.put(out),
        }
    }

    fn room(&self) -> usize {
        1 + self.as_ref().map_or_else(Encoded::room, Encoded::room)
    }
}
