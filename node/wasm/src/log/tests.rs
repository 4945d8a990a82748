//! Lines of guests, whole and bounded.

use super::*;

fn logs() -> (Arc<Logs>, Arc<Mutex<Vec<LogLine>>>) {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&kept);
    (Arc::new(Logs::new(Arc::new(move |line| lock(&sink).push(line)))), kept)
}

fn texts(kept: &Mutex<Vec<LogLine>>) -> Vec<String> {
    lock(kept).iter().map(|line| line.text.clone()).collect()
}

#[test]
fn a_line_is_whole_however_it_was_written() {
    let (logs, kept) = logs();
    let output = GuestOutput::new(LogStream::Stdout, &logs);
    let (mut first, mut second) = (output.p2_stream(), output.p2_stream());
    first.write(Bytes::from_static(b"one\ntw")).unwrap();
    second.write(Bytes::from_static(b"o\r\n\nthree")).unwrap();
    assert_eq!(texts(&kept), ["one", "two", ""]);
    drop((output, first, second));
    assert_eq!(texts(&kept), ["one", "two", "", "three"], "the last one ends with its instance");
}

#[test]
fn a_line_without_end_is_cut_at_its_bound() {
    let (logs, kept) = logs();
    let mut stream = GuestOutput::new(LogStream::Stderr, &logs).p2_stream();
    stream.write(Bytes::from(vec![b'x'; 3 * limit::LOG_LINE_BYTES_MAX + 10])).unwrap();
    drop(stream);
    let lengths: Vec<_> = texts(&kept).iter().map(String::len).collect();
    let most = limit::LOG_LINE_BYTES_MAX;
    assert_eq!(lengths, [most, most, most, 10]);
}

#[test]
fn a_flood_is_cut_at_its_rate() {
    let (logs, kept) = logs();
    let mut stream = GuestOutput::new(LogStream::Stdout, &logs).p2_stream();
    for _ in 0..10_000 {
        stream.write(Bytes::from_static(b"again\n")).unwrap();
    }
    // A second may pass meanwhile; two may not.
    assert!(texts(&kept).len() <= 2 * limit::LOG_LINES_PER_SECOND_MAX as usize + 2);
}
