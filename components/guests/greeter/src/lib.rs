//! A custom interface, `orbweave:examples/greeter`, that imports nothing.

wit_bindgen::generate!({
    path: [
        "../../../wit/deps/io.wit",
        "../../../wit/deps/clocks.wit",
        "../../../wit/deps/random.wit",
        "../../../wit/deps/filesystem.wit",
        "../../../wit/deps/sockets.wit",
        "../../../wit/deps/cli.wit",
        "../../../wit/deps/http.wit",
        "../../../wit/orbweave/examples",
    ],
    world: "orbweave:examples/greeting",
});

use exports::orbweave::examples::greeter::{Greeting, Guest, Manner, Refusal, Visitor};

/// A longer name is refused.
const NAME_BYTES_MAX: usize = 64;
/// Below this age the manner is casual.
const ADULT_YEARS: u8 = 18;

const HELLO: [(&str, &str); 5] =
    [("en", "Hello"), ("de", "Guten Tag"), ("fr", "Bonjour"), ("it", "Buongiorno"), ("es", "Hola")];

struct Greeter;

impl Guest for Greeter {
    fn greet(name: String) -> String {
        format!("Hello, {name}!")
    }

    fn greet_all(names: Vec<String>) -> Vec<String> {
        names.into_iter().map(Self::greet).collect()
    }

    fn greet_visitor(visitor: Visitor) -> Result<Greeting, Refusal> {
        if visitor.name.is_empty() {
            return Err(Refusal::Nameless);
        }
        if visitor.name.len() > NAME_BYTES_MAX {
            return Err(Refusal::NameTooLong(NAME_BYTES_MAX as u32));
        }
        let spoken = |wanted: &String| HELLO.iter().find(|(language, _)| language == wanted);
        let Some((language, hello)) = visitor.languages.iter().find_map(spoken) else {
            return Err(Refusal::LanguagesUnknown(visitor.languages));
        };
        let manner = match visitor.age {
            Some(age) if age < ADULT_YEARS => Manner::Casual,
            _ => Manner::Formal,
        };
        let end = if manner == Manner::Casual { "!" } else { "." };
        Ok(Greeting {
            text: format!("{hello}, {}{end}", visitor.name),
            language: (*language).to_owned(),
            manner,
        })
    }

    fn sum(numbers: Vec<i64>) -> Result<i64, String> {
        numbers
            .into_iter()
            .try_fold(0_i64, |sum, number| sum.checked_add(number))
            .ok_or_else(|| "the sum leaves the range of a 64-bit integer".to_owned())
    }

    fn echo(bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }
}

export!(Greeter);
