//! The encoding, both ways and with any bytes.

use super::*;
use proptest::prelude::*;
use wasmtime::component::{Component, Type, Val};
use wasmtime::{Config, Engine};

/// The types of one function's parameters: the only place where wasmtime makes types.
fn types() -> Vec<Type> {
    let wat = r#"
    (component
      (core module $m (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
        (func (export "f") (param i32)))
      (core instance $i (instantiate $m))
      (type $record' (record (field "name" string) (field "depth" s16) (field "at" (tuple float64 float32))))
      (type $variant' (variant (case "none") (case "some" u64) (case "many" (list s64))))
      (type $enum' (enum "red" "green" "blue"))
      (type $flags' (flags "a" "b" "c" "d" "e" "f" "g" "h" "i"))
      (type $result' (result string (error u8)))
      (export $record "record" (type $record'))
      (export $variant "variant" (type $variant'))
      (export $enum "enum" (type $enum'))
      (export $flags "flags" (type $flags'))
      (func (export "call")
        (param "record" $record) (param "variant" $variant) (param "enum" $enum) (param "flags" $flags)
        (param "result" $result') (param "option" (option (option char))) (param "list" (list u32))
        (param "bytes" (list u8)) (param "bool" bool) (param "s8" s8) (param "s32" s32) (param "u16" u16)
        (param "bare" (result)) 
        (canon lift (core func $i "f") (memory $i "memory") (realloc (func $i "realloc")))))"#;
    let mut config = Config::new();
    config.concurrency_support(false);
    let engine = Engine::new(&config).unwrap();
    let component = Component::new(&engine, wat::parse_str(wat).unwrap()).unwrap();
    let ty = component.component_type();
    match ty.get_export(&engine, "call").unwrap().ty {
        wasmtime::component::types::ComponentItem::ComponentFunc(f) => f.params().map(|(_, ty)| ty).collect(),
        _ => unreachable!(),
    }
}

fn values() -> Vec<Val> {
    let text = |s: &str| Val::String(s.into());
    let boxed = |v: Val| Some(Box::new(v));
    vec![
        Val::Record(vec![
            ("name".into(), text("søm")),
            ("depth".into(), Val::S16(-300)),
            ("at".into(), Val::Tuple(vec![Val::Float64(-0.5), Val::Float32(1.5)])),
        ]),
        Val::Variant("many".into(), boxed(Val::List(vec![Val::S64(i64::MIN), Val::S64(63), Val::S64(-64)]))),
        Val::Enum("blue".into()),
        Val::Flags(vec!["a".into(), "i".into()]),
        Val::Result(Err(boxed(Val::U8(255)))),
        Val::Option(boxed(Val::Option(boxed(Val::Char('🛰'))))),
        Val::List(vec![Val::U32(0), Val::U32(u32::MAX)]),
        Val::List(vec![Val::U8(1), Val::U8(2)]),
        Val::Bool(true),
        Val::S8(-128),
        Val::S32(i32::MIN),
        Val::U16(65_535),
        Val::Result(Ok(None)),
    ]
}

fn encoded(types: &[Type]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (value, ty) in values().iter().zip(types) {
        encode(value, ty, &mut bytes).unwrap();
    }
    bytes
}

#[test]
fn values_of_every_type_come_back() {
    let types = types();
    assert_eq!(decode(&encoded(&types), &types).unwrap(), values());
}

#[test]
fn the_encoding_is_that_of_the_binary_format() {
    let types = types();
    let of = |at: usize, value: Val| {
        let mut bytes = Vec::new();
        encode(&value, &types[at], &mut bytes).unwrap();
        bytes
    };
    assert_eq!(of(1, Val::Variant("some".into(), Some(Box::new(Val::U64(300))))), [1, 0xac, 2]);
    assert_eq!(of(2, Val::Enum("green".into())), [1]);
    assert_eq!(of(3, Val::Flags(vec!["b".into(), "i".into()])), [0b10, 1]);
    assert_eq!(of(4, Val::Result(Ok(Some(Box::new(Val::String("hi".into())))))), b"\0\x02hi");
    assert_eq!(of(5, Val::Option(None)), [0]);
    assert_eq!(of(10, Val::S32(-1)), [0x7f]);
}

#[test]
fn a_value_cut_short_or_followed_by_more_is_refused() {
    let types = types();
    let mut bytes = encoded(&types);
    for len in 0..bytes.len() {
        assert!(decode(&bytes[..len], &types).is_err(), "{len} bytes of {}", bytes.len());
    }
    bytes.push(0);
    assert_eq!(decode(&bytes, &types), Err(CodecError::Trailing(1)));
}

#[test]
fn numbers_beyond_their_type_are_refused() {
    let types = types();
    let refused = |at: usize, bytes: &[u8]| assert!(decode(bytes, &types[at..=at]).is_err(), "{bytes:?}");
    refused(11, &[0x80, 0x80, 0x04]);
    refused(10, &[0x80, 0x80, 0x80, 0x80, 0x08]);
    refused(10, &[0xff; 20]);
    refused(8, &[2]);
    refused(2, &[3]);
    refused(3, &[0, 2]);
    refused(5, &[1, 1, 0xff, 0, 0, 0]);
}

#[test]
fn a_claimed_length_makes_no_room_that_the_bytes_do_not_fill() {
    let types = types();
    assert!(matches!(decode(&[0xff, 0xff, 0xff, 0xff, 0x0f], &types[6..7]), Err(CodecError::TooMany)));
    assert!(matches!(decode(&[0xff, 0xff, 0x0f], &types[6..7]), Err(CodecError::Truncated)));
}

proptest! {
    #[test]
    fn any_bytes_are_values_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let types = types_once();
        for ty in types {
            if let Ok(values) = decode(&bytes, std::slice::from_ref(ty)) {
                let mut again = Vec::new();
                encode(&values[0], ty, &mut again).unwrap();
                prop_assert_eq!(&decode(&again, std::slice::from_ref(ty)).unwrap(), &values);
            }
        }
    }

    #[test]
    fn signed_numbers_come_back(value: i64, small: i32) {
        let types = types_once();
        let narrow = Val::S32(small);
        let mut bytes = Vec::new();
        encode(&narrow, &types[10], &mut bytes).unwrap();
        prop_assert_eq!(decode(&bytes, &types[10..=10]).unwrap(), [narrow]);
        let wide = Val::Variant("many".into(), Some(Box::new(Val::List(vec![Val::S64(value)]))));
        let mut bytes = Vec::new();
        encode(&wide, &types[1], &mut bytes).unwrap();
        prop_assert_eq!(decode(&bytes, &types[1..2]).unwrap(), [wide]);
    }
}

fn types_once() -> &'static [Type] {
    static TYPES: std::sync::OnceLock<Vec<Type>> = std::sync::OnceLock::new();
    TYPES.get_or_init(types)
}
