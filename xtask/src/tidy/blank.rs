//! Rust text with everything that is not code blanked out: comments, strings and character literals become
//! spaces, line breaks stay. What is left can be searched for words and braces without being misled.

/// `source` with comments and literals blanked; as many lines as before.
pub fn blank(source: &str) -> String {
    let mut reader =
        Reader { text: source.chars().collect(), at: 0, out: String::with_capacity(source.len()) };
    while let Some(c) = reader.peek(0) {
        match c {
            '/' if reader.peek(1) == Some('/') => reader.skip_while(|c| c != '\n'),
            '/' if reader.peek(1) == Some('*') => reader.block_comment(),
            '"' => reader.string(),
            '\'' => reader.character_or_lifetime(),
            c if c.is_alphabetic() || c == '_' => reader.word(),
            c if c.is_ascii_digit() => reader.keep_word(),
            _ => reader.keep(),
        }
    }
    reader.out
}

struct Reader {
    text: Vec<char>,
    at: usize,
    out: String,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.out.extend(self.peek(0));
        self.at += 1;
    }

    fn drop(&mut self) {
        if let Some(c) = self.peek(0) {
            self.out.push(if c == '\n' { '\n' } else { ' ' });
        }
        self.at += 1;
    }

    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek(0).is_some_and(&wanted) {
            self.drop();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                _ => {
                    self.drop();
                    continue;
                }
            }
            self.drop();
            self.drop();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.drop();
        while let Some(c) = self.peek(0) {
            self.drop();
            match c {
                '\\' => self.drop(),
                '"' => return,
                _ => {}
            }
        }
    }

    /// A word, or a literal that opens with one: `r"..."`, `br#"..."#`, `c"..."`.
    fn word(&mut self) {
        let rest: String = self.text[self.at..].iter().take(3).collect();
        let prefix = ["br", "cr", "r"].into_iter().find(|p| rest.starts_with(p));
        if let Some(prefix) = prefix {
            let hashes = self.text[self.at + prefix.len()..].iter().take_while(|c| **c == '#').count();
            if self.peek(prefix.len() + hashes) == Some('"') {
                return self.raw_string(prefix.len() + hashes, hashes);
            }
        }
        self.keep_word();
    }

    fn raw_string(&mut self, opening: usize, hashes: usize) {
        for _ in 0..=opening {
            self.drop();
        }
        while let Some(c) = self.peek(0) {
            self.drop();
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                (0..hashes).for_each(|_| self.drop());
                return;
            }
        }
    }

    fn keep_word(&mut self) {
        while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.keep();
        }
    }

    /// `'x'` and `'\n'` are literals; `'a` without a closing quote is a lifetime.
    fn character_or_lifetime(&mut self) {
        if self.peek(1) == Some('\\') {
            self.drop();
            self.drop();
            self.drop();
            self.skip_while(|c| c != '\'');
            self.drop();
        } else if self.peek(2) == Some('\'') {
            (0..3).for_each(|_| self.drop());
        } else {
            self.keep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn only_code_is_left() {
        let cases = [
            ("let a = 1; // unsafe", "let a = 1;"),
            ("a /* unsafe /* { */ } */ b", "a  b"),
            (r#"f("unsafe \" { ", 'x', '\'', '{')"#, "f(, , , )"),
            (r##"f(r#"a " { "#, br"{", b"{", c"{")"##, "f(, , b, c)"),
            ("fn f<'a>(x: &'a str) { for r in x {} }", "fn f<'a>(x: &'a str) { for r in x {} }"),
            ("let raw = r; let b = br;", "let raw = r; let b = br;"),
            ("/// doc with {\nfn f() {}", "\nfn f() {}"),
        ];
        for (source, code) in cases {
            let squeeze = |text: &str| text.replace(' ', "");
            assert_eq!(squeeze(&blank(source)), squeeze(code), "of {source}");
            assert_eq!(blank(source).lines().count(), source.lines().count(), "lines of {source}");
        }
    }
}
