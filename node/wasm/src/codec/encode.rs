//! Values to bytes.

use super::CodecError;
use wasmtime::component::{Type, Val};

/// Writes a value of the type behind what `out` holds. After an error `out` holds a part of it.
pub fn encode(value: &Val, ty: &Type, out: &mut Vec<u8>) -> Result<(), CodecError> {
    match (value, ty) {
        (Val::Bool(v), Type::Bool) => out.push(u8::from(*v)),
        (Val::U8(v), Type::U8) => out.push(*v),
        (Val::S8(v), Type::S8) => out.extend(v.to_le_bytes()),
        (Val::U16(v), Type::U16) => put_unsigned(u64::from(*v), out),
        (Val::U32(v), Type::U32) => put_unsigned(u64::from(*v), out),
        (Val::U64(v), Type::U64) => put_unsigned(*v, out),
        (Val::S16(v), Type::S16) => put_signed(i64::from(*v), out),
        (Val::S32(v), Type::S32) => put_signed(i64::from(*v), out),
        (Val::S64(v), Type::S64) => put_signed(*v, out),
        (Val::Float32(v), Type::Float32) => out.extend(v.to_le_bytes()),
        (Val::Float64(v), Type::Float64) => out.extend(v.to_le_bytes()),
        (Val::Char(v), Type::Char) => out.extend(v.encode_utf8(&mut [0; 4]).as_bytes()),
        (Val::String(v), Type::String) => {
            put_length(v.len(), out);
            out.extend(v.as_bytes());
        }
        (Val::List(values), Type::List(list)) => {
            put_length(values.len(), out);
            let ty = list.ty();
            values.iter().try_for_each(|value| encode(value, &ty, out))?;
        }
        (Val::FixedLengthList(values), Type::FixedLengthList(list)) => {
            if u64::try_from(values.len()) != Ok(u64::from(list.len())) {
                return Err(CodecError::Mismatch("list of that length"));
            }
            let ty = list.ty();
            values.iter().try_for_each(|value| encode(value, &ty, out))?;
        }
        (Val::Record(values), Type::Record(record)) => {
            if values.len() != record.fields().len() {
                return Err(CodecError::Mismatch("record of that type"));
            }
            for ((name, value), field) in values.iter().zip(record.fields()) {
                if name != field.name {
                    return Err(CodecError::Mismatch("record of that type"));
                }
                encode(value, &field.ty, out)?;
            }
        }
        (Val::Tuple(values), Type::Tuple(tuple)) => {
            if values.len() != tuple.types().len() {
                return Err(CodecError::Mismatch("tuple of that type"));
            }
            values.iter().zip(tuple.types()).try_for_each(|(value, ty)| encode(value, &ty, out))?;
        }
        (Val::Variant(name, value), Type::Variant(variant)) => {
            let mut cases = variant.cases().enumerate();
            let (at, case) = cases
                .find(|(_, case)| case.name == name)
                .ok_or(CodecError::Mismatch("case of the variant"))?;
            put_length(at, out);
            put_payload(value.as_deref(), case.ty.as_ref(), out)?;
        }
        (Val::Enum(name), Type::Enum(cases)) => {
            let at = cases
                .names()
                .position(|case| case == name)
                .ok_or(CodecError::Mismatch("case of the enum"))?;
            put_length(at, out);
        }
        (Val::Option(value), Type::Option(option)) => {
            out.push(u8::from(value.is_some()));
            if let Some(value) = value {
                encode(value, &option.ty(), out)?;
            }
        }
        (Val::Result(value), Type::Result(result)) => {
            out.push(u8::from(value.is_err()));
            match value {
                Ok(value) => put_payload(value.as_deref(), result.ok().as_ref(), out)?,
                Err(value) => put_payload(value.as_deref(), result.err().as_ref(), out)?,
            }
        }
        (Val::Flags(set), Type::Flags(flags)) => put_flags(set, flags.names(), out)?,
        (_, Type::Map(_)) => return Err(CodecError::Unsupported("map")),
        (_, Type::Own(_) | Type::Borrow(_)) => return Err(CodecError::Unsupported("resource")),
        (_, Type::Future(_)) => return Err(CodecError::Unsupported("future")),
        (_, Type::Stream(_)) => return Err(CodecError::Unsupported("stream")),
        (_, Type::ErrorContext) => return Err(CodecError::Unsupported("error-context")),
        _ => return Err(CodecError::Mismatch("value of that type")),
    }
    Ok(())
}

/// A length or case number.
pub(crate) fn put_length(len: usize, out: &mut Vec<u8>) {
    put_unsigned(len as u64, out);
}

fn put_unsigned(mut value: u64, out: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_signed(mut value: i64, out: &mut Vec<u8>) {
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if (value == 0 && low & 0x40 == 0) || (value == -1 && low & 0x40 != 0) {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn put_payload(value: Option<&Val>, ty: Option<&Type>, out: &mut Vec<u8>) -> Result<(), CodecError> {
    match (value, ty) {
        (Some(value), Some(ty)) => encode(value, ty, out),
        (None, None) => Ok(()),
        _ => Err(CodecError::Mismatch("payload of the case")),
    }
}

fn put_flags<'n>(
    set: &[String],
    names: impl ExactSizeIterator<Item = &'n str>,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    let mut bytes = vec![0_u8; names.len().div_ceil(8)];
    let mut found = 0;
    for (at, name) in names.enumerate() {
        if set.iter().any(|flag| flag == name) {
            found += 1;
            bytes[at / 8] |= 1 << (at % 8);
        }
    }
    if found < set.len() {
        return Err(CodecError::Mismatch("set of these flags"));
    }
    out.extend(bytes);
    Ok(())
}
