//! Calling functions by name, in WAVE and encoded.

use crate::support::{ECHO, LIMITS, SECOND, bench, guest, text};
use orbweave_wasm::CallError;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_called_in_wave() {
    let bench = bench();
    let service = bench.serve(&text("echo", ECHO), LIMITS).await;
    assert_eq!(service.call("echo", "\"sea watch\"", SECOND).await.unwrap(), "\"sea watch\"");
    assert_eq!(service.call("add", "40, 2", SECOND).await.unwrap(), "42");
    assert_eq!(service.call("numbers", "[1, 65535]", SECOND).await.unwrap(), "[1, 65535]");
    assert_eq!(service.outstanding(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_called_with_encoded_values() {
    let bench = bench();
    let service = bench.serve(&text("echo", ECHO), LIMITS).await;
    let add = service.resolve("add").unwrap();
    assert_eq!(service.call_encoded(add, &[40, 2], SECOND).await.unwrap(), [42]);
    let echo = service.resolve("echo").unwrap();
    assert_eq!(service.call_encoded(echo, b"\x03sea", SECOND).await.unwrap(), b"\x03sea");
    let bytes = service.resolve("bytes").unwrap();
    let mut megabyte = vec![0x80, 0x80, 0x40];
    megabyte.resize(3 + (1 << 20), 7);
    assert_eq!(service.call_encoded(bytes, &megabyte, SECOND).await.unwrap(), megabyte);
    for wrong in [&b"\x04sea"[..], b"\x03seas", b"", b"\x01\xff"] {
        let refused = service.call_encoded(echo, wrong, SECOND).await.unwrap_err();
        assert!(matches!(refused, CallError::BadArguments(_)), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_argument_that_does_not_fit_is_named() {
    let bench = bench();
    let service = bench.serve(&text("echo", ECHO), LIMITS).await;
    for (function, arguments, expected) in [
        ("add", "1", "(a: u32, b: u32): 1 are given"),
        ("add", "1, -2", "parameter b is no u32"),
        ("add", "1, 2, 3", "3 are given"),
        ("echo", "world", "double quotes"),
        ("echo", "\"open", "do not fit (text: string)"),
    ] {
        let error = service.call(function, arguments, SECOND).await.unwrap_err();
        assert!(matches!(error, CallError::BadArguments(_)));
        assert!(error.to_string().contains(expected), "{error}");
    }
    let deep = "[".repeat(100_000);
    assert!(matches!(service.call("echo", &deep, SECOND).await, Err(CallError::BadArguments(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_function_is_answered_with_those_there_are() {
    let bench = bench();
    let service = bench.serve(&text("echo", ECHO), LIMITS).await;
    let error = service.call("ekko", "", SECOND).await.unwrap_err().to_string();
    assert!(error.contains("no function \"ekko\"") && error.contains("echo"), "{error}");
}

const TWO_INTERFACES: &str = r#"
(component
  (core module $m (func (export "f") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))
  (instance $x (export "get" (func $f)) (export "only" (func $f)))
  (instance $y (export "get" (func $f)))
  (export "demo:pkg/left@1.2.0" (instance $x))
  (export "demo:pkg/right@1.2.0" (instance $y))
)"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_goes_by_every_name_that_means_it_alone() {
    let bench = bench();
    let service = bench.serve(&text("two", TWO_INTERFACES), LIMITS).await;
    for name in [
        "demo:pkg/left@1.2.0.get",
        "demo:pkg/left@1.2.0#get",
        "demo:pkg/left.get",
        "left.get",
        "only",
        "right.get",
    ] {
        assert_eq!(service.call(name, "", SECOND).await.unwrap(), "7", "{name}");
    }
    let error = service.call("get", "", SECOND).await.unwrap_err().to_string();
    assert!(error.contains("demo:pkg/left@1.2.0.get, demo:pkg/right@1.2.0.get"), "{error}");
    let shown: Vec<_> = service.exports().functions.iter().map(ToString::to_string).collect();
    assert_eq!(shown[0], "demo:pkg/left@1.2.0.get: func() -> u32");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_ends_its_call_and_nothing_else() {
    let bench = bench();
    let service = bench.serve(&text("echo", ECHO), LIMITS).await;
    let error = service.call("fail", "", SECOND).await.unwrap_err();
    assert!(matches!(&error, CallError::Trapped(why) if why.contains("unreachable")), "{error}");
    assert_eq!(service.call("add", "1, 1", SECOND).await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_outlasts_its_first_slice_is_answered_all_the_same() {
    const MANY: u32 = 200_000_000;
    let bench = bench();
    let service = bench.serve(&text("echo", ECHO), LIMITS).await;
    // The first is begun at once and starts anew; the next go straight to a fiber.
    for to in [MANY, 1, MANY, 2, MANY] {
        assert_eq!(service.call("count", &to.to_string(), 10 * SECOND).await.unwrap(), to.to_string());
    }
    assert_eq!(service.outstanding(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_interface_is_an_answer() {
    let bench = bench();
    let service = bench.serve(&guest("greeter"), LIMITS).await;
    assert!(!service.exports().http);
    for info in &service.exports().functions {
        println!("{info}");
    }
    let greeting = service.call("greet", "\"world\"", Duration::from_secs(5)).await.unwrap();
    assert!(greeting.contains("world"), "{greeting}");
}
