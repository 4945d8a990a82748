//! A component that is small to send and takes minutes to compile.

/// One function of so many blocks, each of which depends on all before it.
pub fn compile_bomb(blocks: u64) -> Vec<u8> {
    let mut body = vec![0x01, 0x01, 0x7e];
    for i in 0..blocks {
        // if a == 0 { break }; b += a * i; a ^= b
        body.extend_from_slice(&[0x02, 0x40, 0x20, 0, 0x50, 0x0d, 0, 0x20, 1, 0x20, 0, 0x42]);
        signed(&mut body, i);
        body.extend_from_slice(&[0x7e, 0x7c, 0x21, 1, 0x20, 1, 0x20, 0, 0x85, 0x21, 0, 0x0b]);
    }
    body.extend_from_slice(&[0x20, 1, 0x0b]);
    let mut code = vec![1];
    unsigned(&mut code, body.len() as u64);
    code.extend_from_slice(&body);

    let mut module = b"\0asm\x01\0\0\0".to_vec();
    section(&mut module, 1, &[1, 0x60, 1, 0x7e, 1, 0x7e]);
    section(&mut module, 3, &[1, 0]);
    section(&mut module, 10, &code);
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    section(&mut component, 1, &module);
    // An empty instance under the name by which a component answers HTTP: it may have a route.
    section(&mut component, 5, &[1, 1, 0]);
    let name = b"wasi:http/incoming-handler@0.2.3";
    section(&mut component, 11, &[&[1, 0, name.len() as u8][..], name, &[5, 0, 0]].concat());
    component
}

fn section(to: &mut Vec<u8>, id: u8, content: &[u8]) {
    to.push(id);
    unsigned(to, content.len() as u64);
    to.extend_from_slice(content);
}

fn unsigned(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8);
}

/// A number that is not negative, in the encoding of signed ones.
fn signed(to: &mut Vec<u8>, mut n: u64) {
    while n >= 0x40 {
        to.push(n as u8 | 0x80);
        n >>= 7;
    }
    to.push(n as u8 & 0x7f);
}
