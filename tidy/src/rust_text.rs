//! Enough of Rust's lexical rules to look at code without its comments, literals
//! and tests. Line numbers stay as they are.

/// The source with comments, strings and characters blanked out.
pub fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut i = 0;
    while i < chars.len() {
        let end = literal_or_comment_end(&chars, i);
        if end == i {
            out.push(chars[i]);
            i += 1;
        } else {
            out.extend(chars[i..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
            i = end;
        }
    }
    out
}

/// [`code_only`] source with everything behind `#[cfg(test)]` blanked out too.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let end = at + MARK.len() + item_end(&rest[at + MARK.len()..]);
        out.extend(rest[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// The lines, counted from 1, in which a word stands. A word that begins or ends
/// with a letter is not found within a longer one.
pub fn lines_with(code: &str, word: &str) -> Vec<usize> {
    let inside = |c: Option<char>| c.is_some_and(is_word);
    let opens = inside(word.chars().next());
    let closes = inside(word.chars().next_back());
    code.lines()
        .enumerate()
        .filter(|(_, line)| {
            line.match_indices(word).any(|(at, _)| {
                let before = inside(line[..at].chars().next_back());
                let after = inside(line[at + word.len()..].chars().next());
                let is_part_of_longer = (opens && before) || (closes && after);
                !is_part_of_longer
            })
        })
        .map(|(i, _)| i + 1)
        .collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where the comment or literal that begins at `i` ends; `i` itself if none does.
fn literal_or_comment_end(chars: &[char], i: usize) -> usize {
    let at = |k: usize| chars.get(k).copied();
    match (chars[i], at(i + 1)) {
        ('/', Some('/')) => find(chars, i, |k| chars[k] == '\n'),
        ('/', Some('*')) => block_comment_end(chars, i),
        ('"', _) => quoted_end(chars, i + 1, '"'),
        // A character, unless it is a lifetime or a label.
        ('\'', Some('\\')) => quoted_end(chars, i + 1, '\''),
        ('\'', Some(_)) if at(i + 2) == Some('\'') => i + 3,
        ('r', Some('"' | '#')) if !within_word(chars, i) => raw_string_end(chars, i),
        _ => i,
    }
}

/// Whether the `r` at `i` ends a longer word; `br"…"` and `cr"…"` are raw too.
fn within_word(chars: &[char], i: usize) -> bool {
    let before = |n: usize| i.checked_sub(n).and_then(|k| chars.get(k)).copied();
    match before(1) {
        Some('b' | 'c') => before(2).is_some_and(is_word),
        other => other.is_some_and(is_word),
    }
}

fn find(chars: &[char], from: usize, mut stop: impl FnMut(usize) -> bool) -> usize {
    (from..chars.len()).find(|&k| stop(k)).unwrap_or(chars.len())
}

fn quoted_end(chars: &[char], from: usize, quote: char) -> usize {
    let mut escaped = false;
    let end = find(chars, from, |k| {
        let closes = chars[k] == quote && !escaped;
        escaped = chars[k] == '\\' && !escaped;
        closes
    });
    (end + 1).min(chars.len())
}

fn block_comment_end(chars: &[char], from: usize) -> usize {
    let mut depth = 0usize;
    let mut i = from;
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

/// The end of `r"…"` or `r#"…"#`; `from` itself for a raw identifier such as `r#type`.
fn raw_string_end(chars: &[char], from: usize) -> usize {
    let open = find(chars, from + 1, |k| chars[k] != '#');
    if chars.get(open) != Some(&'"') {
        return from;
    }
    let hashes = open - from - 1;
    let end = find(chars, open + 1, |k| {
        chars[k] == '"' && chars[k + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes
    });
    (end + 1 + hashes).min(chars.len())
}

/// The length of the item that begins the text: up to its `;`, or its closing brace.
fn item_end(code: &str) -> usize {
    let (mut brackets, mut braces) = (0usize, 0usize);
    for (i, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            '{' => braces += 1,
            '}' => {
                braces = braces.saturating_sub(1);
                if braces == 0 {
                    return i + 1;
                }
            }
            ';' if brackets == 0 && braces == 0 => return i + 1,
            _ => {}
        }
    }
    code.len()
}
