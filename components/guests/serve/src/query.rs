/// The value of `name` in a path with a query (`/a?name=value&…`), percent-decoded.
/// A name without `=` has the empty value.
pub fn query(path_with_query: &str, name: &str) -> Option<String> {
    let (_, query) = path_with_query.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (key == name).then(|| percent_decoded(value))
    })
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        let hex = rest.as_slice().first_chunk::<2>();
        bytes.push(match (byte, hex.and_then(hex_value)) {
            (b'%', Some(decoded)) => {
                rest.nth(1);
                decoded
            }
            (b'+', _) => b' ',
            (byte, _) => byte,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_value(digits: &[u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}
