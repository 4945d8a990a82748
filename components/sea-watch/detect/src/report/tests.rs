use super::number;

fn written(value: f64, digits: usize) -> String {
    let mut json = String::new();
    number(&mut json, value, digits);
    json
}

#[test]
fn numbers_are_written_as_the_standard_library_writes_them() {
    for value in [0.0, 1.0, -1.0, 0.5, -0.125, 0.001, -0.3, 25.550_87, -78.958_65, 765.0, 1e6] {
        for digits in [1, 2, 5] {
            let exact = format!("{value:.digits$}").parse::<f64>().ok();
            let ours = written(value, digits).parse::<f64>().ok();
            let close = exact
                .zip(ours)
                .is_some_and(|(exact, ours)| (exact - ours).abs() < 1.5 * 10_f64.powi(-(digits as i32)));
            assert!(close, "{value} to {digits}: {exact:?}, {ours:?}");
        }
    }
    assert_eq!(written(0.0, 0), "0");
    assert_eq!(written(42.0, 0), "42");
    assert_eq!(written(0.05, 2), "0.05");
    assert_eq!(written(-78.289_61, 5), "-78.28961");
}

#[test]
fn a_number_out_of_range_is_written_and_nothing_panics() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN] {
        assert!(written(value, 5).parse::<f64>().is_ok());
    }
}
