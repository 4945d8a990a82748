//! Bytes to values.

use super::{CodecError, Reader};
use crate::limit;
use wasmtime::component::{Type, Val};

/// Reads one value of each type, and nothing behind them.
pub fn decode(bytes: &[u8], types: &[Type]) -> Result<Vec<Val>, CodecError> {
    decode_each(bytes, types.iter())
}

/// Reads the arguments of a function with these parameters.
pub(crate) fn decode_params(bytes: &[u8], params: &[(String, Type)]) -> Result<Vec<Val>, CodecError> {
    decode_each(bytes, params.iter().map(|(_, ty)| ty))
}

fn decode_each<'t>(bytes: &[u8], types: impl Iterator<Item = &'t Type>) -> Result<Vec<Val>, CodecError> {
    let mut decoder = Decoder { reader: Reader::new(bytes), values_left: limit::VALUES_MAX };
    let values = types.map(|ty| decoder.value(ty, 0)).collect::<Result<_, _>>()?;
    decoder.reader.finish()?;
    Ok(values)
}

struct Decoder<'b> {
    reader: Reader<'b>,
    values_left: usize,
}

impl Decoder<'_> {
    fn value(&mut self, ty: &Type, depth: usize) -> Result<Val, CodecError> {
        if depth > limit::VALUE_DEPTH_MAX {
            return Err(CodecError::TooDeep);
        }
        self.values_left = self.values_left.checked_sub(1).ok_or(CodecError::TooMany)?;
        let inner = depth + 1;
        let reader = &mut self.reader;
        Ok(match ty {
            Type::Bool => Val::Bool(self.either("bool")?),
            Type::U8 => Val::U8(reader.byte()?),
            Type::S8 => Val::S8(i8::from_le_bytes(reader.array()?)),
            Type::U16 => Val::U16(narrow(reader.unsigned(16)?)?),
            Type::U32 => Val::U32(narrow(reader.unsigned(32)?)?),
            Type::U64 => Val::U64(reader.unsigned(64)?),
            Type::S16 => Val::S16(narrow(reader.signed(16)?)?),
            Type::S32 => Val::S32(narrow(reader.signed(32)?)?),
            Type::S64 => Val::S64(reader.signed(64)?),
            Type::Float32 => Val::Float32(f32::from_le_bytes(reader.array()?)),
            Type::Float64 => Val::Float64(f64::from_le_bytes(reader.array()?)),
            Type::Char => Val::Char(reader.char()?),
            Type::String => Val::String(reader.string()?.to_owned()),
            Type::List(list) => {
                let len = reader.length()?;
                Val::List(self.values(&list.ty(), len, inner)?)
            }
            Type::FixedLengthList(list) => {
                let len = usize::try_from(list.len()).map_err(|_| CodecError::TooMany)?;
                Val::FixedLengthList(self.values(&list.ty(), len, inner)?)
            }
            Type::Record(record) => Val::Record(
                record
                    .fields()
                    .map(|field| Ok((field.name.to_owned(), self.value(&field.ty, inner)?)))
                    .collect::<Result<_, CodecError>>()?,
            ),
            Type::Tuple(tuple) => {
                Val::Tuple(tuple.types().map(|ty| self.value(&ty, inner)).collect::<Result<_, _>>()?)
            }
            Type::Variant(variant) => {
                let at = reader.length()?;
                let case = variant.cases().nth(at).ok_or(CodecError::Invalid("case of the variant"))?;
                Val::Variant(case.name.to_owned(), self.payload(case.ty.as_ref(), inner)?)
            }
            Type::Enum(cases) => {
                let at = reader.length()?;
                Val::Enum(cases.names().nth(at).ok_or(CodecError::Invalid("case of the enum"))?.to_owned())
            }
            Type::Option(option) => Val::Option(match self.either("option")? {
                false => None,
                true => Some(Box::new(self.value(&option.ty(), inner)?)),
            }),
            Type::Result(result) => Val::Result(match self.either("result")? {
                false => Ok(self.payload(result.ok().as_ref(), inner)?),
                true => Err(self.payload(result.err().as_ref(), inner)?),
            }),
            Type::Flags(flags) => {
                let names = flags.names();
                let bytes = reader.bytes(names.len().div_ceil(8))?;
                Val::Flags(set_flags(bytes, names)?)
            }
            Type::Map(_) => return Err(CodecError::Unsupported("map")),
            Type::Own(_) | Type::Borrow(_) => return Err(CodecError::Unsupported("resource")),
            Type::Future(_) => return Err(CodecError::Unsupported("future")),
            Type::Stream(_) => return Err(CodecError::Unsupported("stream")),
            Type::ErrorContext => return Err(CodecError::Unsupported("error-context")),
        })
    }

    fn values(&mut self, ty: &Type, len: usize, depth: usize) -> Result<Vec<Val>, CodecError> {
        if len > self.values_left {
            return Err(CodecError::TooMany);
        }
        // The length is a stranger's claim: room is made only for what the bytes can hold.
        let mut values = Vec::with_capacity(len.min(self.reader.left()));
        for _ in 0..len {
            values.push(self.value(ty, depth)?);
        }
        Ok(values)
    }

    fn payload(&mut self, ty: Option<&Type>, depth: usize) -> Result<Option<Box<Val>>, CodecError> {
        ty.map(|ty| self.value(ty, depth).map(Box::new)).transpose()
    }

    fn either(&mut self, what: &'static str) -> Result<bool, CodecError> {
        match self.reader.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CodecError::Invalid(what)),
        }
    }
}

fn narrow<W, N: TryFrom<W>>(wide: W) -> Result<N, CodecError> {
    N::try_from(wide).map_err(|_| CodecError::Invalid("number of that size"))
}

fn set_flags<'n>(
    bytes: &[u8],
    names: impl ExactSizeIterator<Item = &'n str>,
) -> Result<Vec<String>, CodecError> {
    let count = names.len();
    let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
    if (count..bytes.len() * 8).any(bit) {
        return Err(CodecError::Invalid("flags"));
    }
    Ok(names.enumerate().filter(|(at, _)| bit(*at)).map(|(_, name)| name.to_owned()).collect())
}
