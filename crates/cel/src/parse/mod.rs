//! Text into expressions: a parser by precedence, with limits on size and depth.

mod lexer;
mod macros;
mod primary;
mod unescape;

use crate::ast::{Expr, Id, Kind, operator};
use crate::error::Issue;
use crate::source::Source;
use lexer::{Token, TokenKind};

/// The most characters an expression may have.
const MOST_CHARACTERS: usize = 100_000;
/// The most expressions that may stand in each other.
const MOST_DEPTH: u16 = 250;
/// The most nodes that macros may expand to; copies of copies grow fast.
const MOST_NODES: usize = 200_000;

/// An expression and where its parts stand in the source, by id.
#[derive(Clone, Debug)]
pub struct Parsed {
    pub expr: Expr,
    pub positions: Vec<u32>,
}

/// Why parsing cannot go on; issues are told.
struct Stop;

type Parse<T> = Result<T, Stop>;

struct Parser<'a> {
    source: &'a Source,
    tokens: Vec<Token>,
    at: usize,
    /// How deep the parser itself is.
    nesting: u16,
    positions: Vec<u32>,
    /// How deep each expression is, by id.
    depths: Vec<u16>,
    issues: Vec<Issue>,
}

/// Reads an expression.
pub fn parse(source: &Source) -> Result<Parsed, Vec<Issue>> {
    let size = source.text().chars().count();
    if size > MOST_CHARACTERS {
        let message =
            format!("expression code point size exceeds limit: size: {size}, limit {MOST_CHARACTERS}");
        return Err(vec![source.issue(0, message)]);
    }
    let (tokens, issues) = lexer::tokens(source);
    let mut parser =
        Parser { source, tokens, at: 0, nesting: 0, positions: vec![0], depths: vec![0], issues };
    let expr = parser.expr().and_then(|expr| {
        if parser.token().kind == TokenKind::End {
            return Ok(expr);
        }
        Err(parser.unexpected("<EOF>"))
    });
    match expr {
        Ok(expr) if parser.issues.is_empty() => Ok(Parsed { expr, positions: parser.positions }),
        _ => Err(parser.issues),
    }
}

impl Parser<'_> {
    fn token(&self) -> &Token {
        &self.tokens[self.at]
    }

    fn next(&mut self) -> Token {
        let token = self.tokens[self.at].clone();
        self.at = (self.at + 1).min(self.tokens.len() - 1);
        token
    }

    /// Takes the sign if it comes next, and says where it stood.
    fn take(&mut self, sign: &str) -> Option<u32> {
        self.token().is(sign).then(|| self.next().position)
    }

    fn expect(&mut self, sign: &str) -> Parse<u32> {
        match self.take(sign) {
            Some(position) => Ok(position),
            None => Err(self.unexpected(&format!("'{sign}'"))),
        }
    }

    fn report(&mut self, position: u32, message: impl Into<String>) {
        let issue = self.source.issue(position, message);
        self.issues.push(issue);
    }

    /// The issue of a token that cannot stand here.
    fn unexpected(&mut self, expected: &str) -> Stop {
        let token = self.token();
        let what = match (&token.kind, expected) {
            (TokenKind::End, _) | (_, OPERANDS) => "mismatched",
            _ => "extraneous",
        };
        let message = if what == "mismatched" && expected == "')'" {
            format!("Syntax error: missing {expected} at '<EOF>'")
        } else if what == "mismatched" && matches!(expected, "']'" | "'}'") {
            format!("Syntax error: mismatched input '<EOF>' expecting {{{expected}, ','}}")
        } else {
            format!("Syntax error: {what} input '{}' expecting {expected}", token.text)
        };
        let position = token.position;
        self.report(position, message);
        Stop
    }

    fn id(&mut self, position: u32) -> Id {
        self.positions.push(position);
        self.depths.push(1);
        (self.positions.len() - 1) as Id
    }

    /// An expression at `id`, one deeper than what it is made of.
    fn build(&mut self, id: Id, kind: Kind) -> Parse<Expr> {
        let expr = Expr { id, kind };
        let mut deepest = 0;
        let mut look = |part: &Expr| deepest = deepest.max(self.depths[part.id as usize]);
        match &expr.kind {
            Kind::Literal(_) | Kind::Ident(_) => {}
            Kind::Select { operand, .. } => look(operand),
            Kind::Call { target, args, .. } => target.iter().map(|t| &**t).chain(args).for_each(look),
            Kind::List(elements) => elements.iter().for_each(|element| look(&element.value)),
            Kind::Map(entries) => entries.iter().flat_map(|e| [&e.key, &e.value]).for_each(look),
            Kind::Struct { fields, .. } => fields.iter().for_each(|field| look(&field.value)),
            Kind::Comprehension(fold) => {
                [&fold.range, &fold.init, &fold.condition, &fold.step, &fold.result]
                    .into_iter()
                    .for_each(look);
            }
        }
        if deepest >= MOST_DEPTH || self.positions.len() > MOST_NODES {
            return Err(self.too_deep());
        }
        self.depths[id as usize] = deepest + 1;
        Ok(expr)
    }

    fn too_deep(&mut self) -> Stop {
        self.report(0, format!("expression recursion limit exceeded: {MOST_DEPTH}"));
        Stop
    }

    fn call(&mut self, position: u32, function: &str, args: Vec<Expr>) -> Parse<Expr> {
        let id = self.id(position);
        self.build(id, Kind::Call { function: function.into(), target: None, args })
    }

    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        // A level of nesting passes through several functions, so fewer are let in than an expression is deep.
        if self.nesting >= MOST_DEPTH / 2 {
            return Err(self.too_deep());
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    fn expr(&mut self) -> Parse<Expr> {
        self.nested(|parser| {
            let condition = parser.chain("||", operator::OR, Self::conjunction)?;
            let Some(position) = parser.take("?") else { return Ok(condition) };
            let id = parser.id(position);
            let yes = parser.chain("||", operator::OR, Self::conjunction)?;
            parser.expect(":")?;
            let no = parser.expr()?;
            let args = vec![condition, yes, no];
            parser.build(id, Kind::Call { function: operator::CONDITIONAL.into(), target: None, args })
        })
    }

    fn conjunction(&mut self) -> Parse<Expr> {
        self.chain("&&", operator::AND, Self::relation)
    }

    /// Terms between signs of one kind, as a balanced tree, so that long chains do not nest deep.
    fn chain(
        &mut self,
        sign: &str,
        function: &str,
        mut term: impl FnMut(&mut Self) -> Parse<Expr>,
    ) -> Parse<Expr> {
        let mut terms = vec![Some(term(self)?)];
        let mut signs = Vec::new();
        while let Some(position) = self.take(sign) {
            terms.push(Some(term(self)?));
            signs.push(self.id(position));
        }
        if signs.is_empty() {
            return terms.pop().flatten().ok_or(Stop);
        }
        self.balanced(function, &mut terms, &signs, 0, signs.len() - 1)
    }

    fn balanced(
        &mut self,
        function: &str,
        terms: &mut [Option<Expr>],
        signs: &[Id],
        low: usize,
        high: usize,
    ) -> Parse<Expr> {
        let middle = (low + high).div_ceil(2);
        let left = if middle == low {
            terms[middle].take().ok_or(Stop)?
        } else {
            self.balanced(function, terms, signs, low, middle - 1)?
        };
        let right = if middle == high {
            terms[middle + 1].take().ok_or(Stop)?
        } else {
            self.balanced(function, terms, signs, middle + 1, high)?
        };
        let kind = Kind::Call { function: function.into(), target: None, args: vec![left, right] };
        self.build(signs[middle], kind)
    }

    fn relation(&mut self) -> Parse<Expr> {
        self.binary(
            &[
                ("<", "_<_"),
                ("<=", "_<=_"),
                (">", "_>_"),
                (">=", "_>=_"),
                ("==", "_==_"),
                ("!=", "_!=_"),
                ("in", "@in"),
            ],
            Self::sum,
        )
    }

    fn sum(&mut self) -> Parse<Expr> {
        self.binary(&[("+", operator::ADD), ("-", "_-_")], Self::product)
    }

    fn product(&mut self) -> Parse<Expr> {
        self.binary(&[("*", "_*_"), ("/", "_/_"), ("%", "_%_")], Self::unary)
    }

    fn binary(
        &mut self,
        operators: &[(&str, &str)],
        operand: impl Fn(&mut Self) -> Parse<Expr>,
    ) -> Parse<Expr> {
        let mut left = operand(self)?;
        loop {
            let token = self.token();
            let is_it = |sign: &str| {
                token.is(sign) || (sign == "in" && token.kind == TokenKind::Ident && token.text == "in")
            };
            let Some((_, function)) = operators.iter().find(|(sign, _)| is_it(sign)) else {
                return Ok(left);
            };
            let position = self.next().position;
            let id = self.id(position);
            let right = operand(self)?;
            let kind = Kind::Call { function: (*function).into(), target: None, args: vec![left, right] };
            left = self.build(id, kind)?;
        }
    }

    fn unary(&mut self) -> Parse<Expr> {
        for (sign, function) in [("!", operator::NOT), ("-", operator::NEGATE)] {
            let Some(position) = self.token().is(sign).then(|| self.token().position) else { continue };
            // A sign before a number belongs to it.
            let number = matches!(
                self.tokens.get(self.at + 1).map(|token| &token.kind),
                Some(TokenKind::Int | TokenKind::Double)
            );
            if sign == "-" && number {
                return self.member();
            }
            let mut odd = false;
            while self.take(sign).is_some() {
                odd = !odd;
            }
            let operand = self.member()?;
            if !odd {
                return Ok(operand);
            }
            return self.call(position, function, vec![operand]);
        }
        self.member()
    }
}

/// What may begin an operand, as the messages of upstream's parser list it.
const OPERANDS: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, \
                        STRING, BYTES, IDENTIFIER}";
