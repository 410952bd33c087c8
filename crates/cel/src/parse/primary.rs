//! Operands: literals, names, calls, selections, lists, maps and objects.

use super::lexer::TokenKind;
use super::{OPERANDS, Parse, Parser};
use crate::ast::{Constant, Element, Entry, Expr, FieldInit, Kind, operator};
use crate::escape::RESERVED;

impl Parser<'_> {
    /// A primary and the selections, calls and indices after it.
    pub(super) fn member(&mut self) -> Parse<Expr> {
        let mut expr = self.primary()?;
        loop {
            if let Some(position) = self.take(".") {
                expr = self.selection(expr, position)?;
            } else if let Some(position) = self.take("[") {
                let function =
                    if self.take("?").is_some() { operator::OPTIONAL_INDEX } else { operator::INDEX };
                let id = self.id(position);
                let index = self.expr()?;
                self.expect("]")?;
                let args = vec![expr, index];
                expr = self.build(id, Kind::Call { function: function.into(), target: None, args })?;
            } else {
                return Ok(expr);
            }
        }
    }

    fn selection(&mut self, operand: Expr, position: u32) -> Parse<Expr> {
        let optional = self.take("?").is_some();
        if self.token().kind != TokenKind::Ident
            || ["in", "true", "false", "null"].contains(&&*self.token().text)
        {
            let token = self.token();
            let text = if token.kind == TokenKind::End { "" } else { &token.text };
            let (at, text) = (token.position, text.to_owned());
            self.report(at, format!("Syntax error: no viable alternative at input '.{text}'"));
            return Err(super::Stop);
        }
        let field = self.next();
        if optional {
            let id = self.id(position);
            let name_id = self.id(field.position);
            let name = self.build(name_id, Kind::Literal(Constant::String(field.text.into())))?;
            let args = vec![operand, name];
            return self
                .build(id, Kind::Call { function: operator::OPTIONAL_SELECT.into(), target: None, args });
        }
        let Some(open) = self.take("(") else {
            let id = self.id(position);
            return self
                .build(id, Kind::Select { operand: operand.into(), field: field.text.into(), test: false });
        };
        let id = self.id(open);
        let args = self.arguments()?;
        self.expand(id, field.text.into(), Some(operand), args)
    }

    /// What stands between parentheses, the closing one included.
    fn arguments(&mut self) -> Parse<Vec<Expr>> {
        let mut args = Vec::new();
        if self.take(")").is_some() {
            return Ok(args);
        }
        loop {
            args.push(self.expr()?);
            if self.take(",").is_none() {
                self.expect(")")?;
                return Ok(args);
            }
        }
    }

    fn primary(&mut self) -> Parse<Expr> {
        let token = self.token().clone();
        match &token.kind {
            TokenKind::Sign("(") => {
                self.next();
                let expr = self.expr()?;
                self.expect(")")?;
                Ok(expr)
            }
            TokenKind::Sign("[") => self.list(),
            TokenKind::Sign("{") => self.map(),
            TokenKind::Sign(".") => {
                self.next();
                if self.token().kind != TokenKind::Ident {
                    return Err(self.unexpected("IDENTIFIER"));
                }
                self.name(true)
            }
            TokenKind::Ident => match &*token.text {
                "true" | "false" | "null" => {
                    let constant = match &*self.next().text {
                        "null" => Constant::Null,
                        word => Constant::Bool(word == "true"),
                    };
                    self.literal(token.position, constant)
                }
                "in" => Err(self.unexpected(OPERANDS)),
                _ => self.name(false),
            },
            TokenKind::Sign("-") | TokenKind::Int | TokenKind::Uint | TokenKind::Double => self.number(),
            TokenKind::String(text) => {
                self.next();
                self.literal(token.position, Constant::String(text.as_str().into()))
            }
            TokenKind::Bytes(bytes) => {
                self.next();
                self.literal(token.position, Constant::Bytes(bytes.as_slice().into()))
            }
            TokenKind::Sign(_) | TokenKind::End => Err(self.unexpected(OPERANDS)),
        }
    }

    fn literal(&mut self, position: u32, constant: Constant) -> Parse<Expr> {
        let id = self.id(position);
        self.build(id, Kind::Literal(constant))
    }

    fn number(&mut self) -> Parse<Expr> {
        let position = self.token().position;
        let sign = if self.take("-").is_some() { "-" } else { "" };
        let token = self.next();
        let digits = token.text.trim_end_matches(['u', 'U']);
        let (radix, digits) = digits.strip_prefix("0x").map_or((10, digits), |digits| (16, digits));
        let signed = format!("{sign}{digits}");
        let (constant, kind) = match token.kind {
            TokenKind::Uint => (u64::from_str_radix(digits, radix).ok().map(Constant::Uint), "uint"),
            TokenKind::Double => {
                let value = signed.parse().ok().filter(|value: &f64| value.is_finite());
                (value.map(Constant::Double), "double")
            }
            _ => (i64::from_str_radix(&signed, radix).ok().map(Constant::Int), "int"),
        };
        let constant = constant.unwrap_or_else(|| {
            self.report(position, format!("invalid {kind} literal"));
            Constant::Null
        });
        self.literal(position, constant)
    }

    /// An identifier, a call of a function, or an object (`a.b{...}`).
    fn name(&mut self, dot: bool) -> Parse<Expr> {
        if let Some(name) = self.object_name(dot) {
            return self.object(name);
        }
        let token = self.next();
        if RESERVED.contains(&&*token.text) {
            self.report(token.position, format!("reserved identifier: {}", token.text));
        }
        let name = format!("{}{}", if dot { "." } else { "" }, token.text);
        if let Some(open) = self.take("(") {
            let id = self.id(open);
            let args = self.arguments()?;
            return self.expand(id, name.into(), None, args);
        }
        let id = self.id(token.position);
        self.build(id, Kind::Ident(name.into()))
    }

    /// The name before a `{`, taken if there is one.
    fn object_name(&mut self, dot: bool) -> Option<String> {
        let mut end = self.at;
        let mut name = String::from(if dot { "." } else { "" });
        loop {
            let token = self.tokens.get(end).filter(|token| token.kind == TokenKind::Ident)?;
            name.push_str(&token.text);
            let after = self.tokens.get(end + 1)?;
            if after.is("{") {
                self.at = end + 1;
                return Some(name);
            }
            if !after.is(".") {
                return None;
            }
            name.push('.');
            end += 2;
        }
    }

    fn object(&mut self, name: String) -> Parse<Expr> {
        let open = self.next().position;
        let id = self.id(open);
        let mut fields = Vec::new();
        while self.take("}").is_none() {
            let optional = self.take("?").is_some();
            if self.token().kind != TokenKind::Ident {
                return Err(self.unexpected("IDENTIFIER"));
            }
            let field = self.next();
            let colon = self.expect(":")?;
            let id = self.id(colon);
            let value = self.expr()?;
            fields.push(FieldInit { id, name: field.text.into(), value, optional });
            if self.take(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        self.build(id, Kind::Struct { name: name.into(), fields })
    }

    fn list(&mut self) -> Parse<Expr> {
        let open = self.next().position;
        let id = self.id(open);
        let mut elements = Vec::new();
        while self.take("]").is_none() {
            if elements.is_empty() && self.take(",").is_some() {
                self.expect("]")?;
                break;
            }
            let optional = self.take("?").is_some();
            elements.push(Element { value: self.expr()?, optional });
            if self.take(",").is_none() {
                self.expect("]")?;
                break;
            }
        }
        self.build(id, Kind::List(elements))
    }

    fn map(&mut self) -> Parse<Expr> {
        let open = self.next().position;
        let id = self.id(open);
        let mut entries = Vec::new();
        while self.take("}").is_none() {
            if entries.is_empty() && self.take(",").is_some() {
                self.expect("}")?;
                break;
            }
            let optional = self.take("?").is_some();
            let key = self.expr()?;
            self.expect(":")?;
            let value = self.expr()?;
            entries.push(Entry { key, value, optional });
            if self.take(",").is_none() {
                self.expect("}")?;
                break;
            }
        }
        self.build(id, Kind::Map(entries))
    }
}
