//! Sans-IO code reaches for nothing around it, and nothing is left unfinished.

use orbweave_tidy::{assert_clean, calls, tree};

const CORE: &str = "node/core/src/node.rs";

#[test]
fn sans_io_crates_read_no_clock_no_randomness_no_disk_and_no_network() {
    let sources = tree::rust_files();
    assert_clean(&sources.iter().flat_map(|(path, text)| calls::ambient(path, text)).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_unfinished() {
    let sources = tree::rust_files();
    assert_clean(&sources.iter().flat_map(|(path, text)| calls::unfinished(path, text)).collect::<Vec<_>>());
}

#[test]
fn the_folders_named_sans_io_hold_sources() {
    let sources = tree::rust_files();
    for folder in calls::SANS_IO {
        assert!(sources.iter().any(|(path, _)| path.starts_with(&format!("{folder}/src/"))), "{folder}");
    }
}

#[test]
fn each_ambient_call_is_found_in_the_line_where_it_stands() {
    for (word, _) in calls::AMBIENT {
        let source = format!("//! A page.\n\nfn f() {{\n    let x = {word} ;\n}}\n");
        let findings = calls::ambient(CORE, &source);
        assert!(findings.iter().any(|f| f.place == format!("{CORE}:4")), "{word} went unseen");
    }
}

#[test]
fn each_unfinished_macro_is_found() {
    for word in calls::UNFINISHED {
        assert_eq!(calls::unfinished("node/src/main.rs", &format!("fn f() {{ {word}(x) }}")).len(), 1);
    }
}

#[test]
fn comments_literals_tests_and_longer_words_are_free_to_mention_them() {
    for source in [
        "// Instant::now is not for us\n/* HashMap /* nested HashMap */ HashMap */ fn f() {}",
        r####"const WHY: &str = "no \" HashMap"; const RAW: &str = r#"a " HashMap"#; const B: &[u8] = br"HashMap";"####,
        "fn f<'a>(q: char) -> &'a str { if q == '\"' || q == '\\'' { \"HashMap\" } else { \"\" } }",
        "#[cfg(test)]\n#[allow(clippy::disallowed_types)]\nmod tests { fn f() { let m: HashMap<u8, [u8; 2]> = x; } }",
        "fn f() { let r#type = MyHashMapLike::new(); refs::new(); }",
    ] {
        assert_clean(&calls::ambient(CORE, source));
    }
    assert_clean(&calls::ambient("node/core/src/tests.rs", "use std::collections::HashMap;"));
    assert_clean(&calls::ambient("mesh/net/src/lib.rs", "use std::collections::HashMap;"));
}

#[test]
fn code_behind_a_test_module_or_a_literal_is_still_seen() {
    for source in [
        "#[cfg(test)]\nmod tests;\nuse std::collections::HashMap;",
        "#[cfg(test)]\nmod tests { fn f() {} }\nuse std::collections::HashMap;",
        "const Q: char = '\"'; use std::collections::HashMap; const R: char = '\"';",
        "const RAW: &str = r#\"a\"#; use std::collections::HashMap;",
        "/* closed */ use std::collections::HashMap; // open",
    ] {
        assert_eq!(calls::ambient(CORE, source).len(), 1, "unseen in {source}");
    }
}
