//! What the code of a file says of modules, read as text: those that it declares, and the paths in it.

/// A module's path from the root of its crate.
pub type Module = Vec<String>;

#[derive(Clone, Copy)]
struct Token<'a> {
    text: &'a str,
    line: usize,
}

/// The words, the `::` and the single signs of code, without comments and literals of text.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut at, mut line) = (Vec::new(), 0, 1);
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let literal = text_literal(rest);
        let (length, is_token) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (block_comment(rest), false)
        } else if literal > 0 {
            (literal, false)
        } else if word > 0 {
            (word, true)
        } else if rest.starts_with("::") {
            (2, true)
        } else {
            (first.len_utf8(), !first.is_whitespace())
        };
        let text = &rest[..length];
        if is_token {
            found.push(Token { text, line });
        }
        line += text.matches('\n').count();
        at += length;
    }
    found
}

/// The length of the block comment at the beginning of the code; such comments nest.
fn block_comment(code: &str) -> usize {
    let mut depth = 0;
    for at in 0..code.len() {
        match code.as_bytes()[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// The length of the string or character at the beginning of the code; 0 where there is none.
fn text_literal(code: &str) -> usize {
    let prefix =
        ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| code.starts_with(prefix)).unwrap_or("");
    let body = &code[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let end = if prefix.ends_with('r') && body[hashes..].starts_with('"') {
        let close = format!("\"{}", "#".repeat(hashes));
        body[hashes + 1..].find(&close).map(|end| hashes + 1 + end + close.len())
    } else if let Some(text) = body.strip_prefix('"') {
        closing(text, '"').map(|end| end + 2)
    } else if let Some(text) = body.strip_prefix('\'') {
        // What is no character is a lifetime, and its name is a word.
        let is_character = text.starts_with('\\') || text.chars().nth(1) == Some('\'');
        closing(text, '\'').filter(|_| is_character).map(|end| end + 2)
    } else {
        None
    };
    end.map_or(0, |end| prefix.len() + end)
}

/// Where the sign stands that closes a literal in which `\` escapes.
fn closing(text: &str, sign: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let closes = c == sign && !escaped;
        escaped = c == '\\' && !escaped;
        closes.then_some(at)
    })
}

/// A path as the code has it, and the module that has it, counted from that of the file.
pub struct Mention {
    pub within: Module,
    pub path: Vec<String>,
    pub line: usize,
}

/// What the code of one file says of modules: which it declares (`true`: in files of their own), and the paths in it.
#[derive(Default)]
pub struct Contents {
    pub modules: Vec<(Module, bool)>,
    pub mentions: Vec<Mention>,
}

/// Reads the code of a file.
pub fn contents(code: &str) -> Contents {
    let tokens = tokens(code);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let is_name = |at: usize| text(at).starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut contents = Contents::default();
    // The open braces: those of modules, with their names, and all others.
    let mut open: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let within: Module = open.iter().flatten().cloned().collect();
        let line = tokens[at].line;
        if (0..7).map(|n| text(at + n)).eq(["#", "[", "cfg", "(", "test", ")", "]"]) {
            at = end_of_item(&tokens, at + 7);
        } else if (0..5).map(|n| text(at + n)).eq(["#", "[", "path", "=", "]"]) {
            // A module in the file of another crate, which imports from nowhere in this one.
            at = end_of_item(&tokens, at + 5);
        } else if text(at) == "mod" && is_name(at + 1) && matches!(text(at + 2), ";" | "{") {
            let module = within.into_iter().chain([text(at + 1).to_owned()]).collect();
            contents.modules.push((module, text(at + 2) == ";"));
            if text(at + 2) == "{" {
                open.push(Some(text(at + 1).to_owned()));
            }
            at += 3;
        } else if text(at) == "use" && text(at + 1) != "<" {
            let mut paths = Vec::new();
            at = use_tree(&tokens, at + 1, &[], &mut paths);
            contents.mentions.extend(paths.into_iter().map(|path| Mention {
                within: within.clone(),
                path,
                line,
            }));
        } else if is_name(at) {
            let mut path = vec![text(at).to_owned()];
            let visibility = at >= 3 && (text(at - 3), text(at - 2), text(at - 1)) == ("pub", "(", "in");
            let begins = at == 0 || !matches!(text(at - 1), "::" | ".");
            at += 1;
            while text(at) == "::" && is_name(at + 1) {
                path.push(text(at + 1).to_owned());
                at += 2;
            }
            if begins && !visibility && path.len() > 1 {
                contents.mentions.push(Mention { within, path, line });
            }
        } else {
            match text(at) {
                "{" => open.push(None),
                "}" => drop(open.pop()),
                _ => {}
            }
            at += 1;
        }
    }
    contents
}

/// Behind the item, the field or the statement at `at`.
fn end_of_item(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0;
    for (n, token) in tokens.iter().enumerate().skip(at) {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth -= 1,
            // The last field of a structure: the brace is the structure's.
            "}" if depth == 0 => return n,
            "}" if depth == 1 => return n + 1,
            "}" => depth -= 1,
            ";" | "," if depth == 0 => return n + 1,
            _ => {}
        }
    }
    tokens.len()
}

/// The paths of the tree of a `use` at `at`; returns where it ends.
fn use_tree(tokens: &[Token<'_>], mut at: usize, prefix: &[String], paths: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.text {
            ";" | "," | "}" => {
                at -= 1;
                break;
            }
            // Another crate's.
            "::" if path.is_empty() => path.push(String::new()),
            "::" => {}
            "as" => at += 1,
            "{" => {
                while tokens.get(at).is_some_and(|token| token.text != "}") {
                    at = use_tree(tokens, at, &path, paths);
                    at += usize::from(tokens.get(at).is_some_and(|token| token.text == ","));
                }
                return at + 1;
            }
            "*" => {}
            "self" if !path.is_empty() => {}
            word => path.push(word.to_owned()),
        }
    }
    paths.push(path);
    at
}
