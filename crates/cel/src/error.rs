//! What can go wrong, in upstream's words.

use std::fmt;

/// Why an expression does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompileError {
    /// All that is wrong, in the order of the source.
    pub issues: Vec<Issue>,
    pub(crate) source: String,
}

/// One thing that is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// From one.
    pub line: usize,
    /// In characters, from zero.
    pub column: usize,
    pub message: String,
}

/// How many issues are told of one expression.
pub(crate) const MOST_ISSUES: usize = 100;

/// With source and position, as cel-go shows them; API errors put `compilation failed: ` before it.
impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, issue) in self.issues.iter().take(MOST_ISSUES).enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            write!(f, "ERROR: <input>:{}:{}: {}", issue.line, issue.column + 1, issue.message)?;
            let Some(line) = self.source.split('\n').nth(issue.line.saturating_sub(1)) else { continue };
            write!(f, "\n | {}\n | ", line.replace('\t', " "))?;
            let mut characters = line.chars();
            for c in characters.by_ref().take(issue.column) {
                f.write_str(if c.len_utf8() > 1 { "\u{ff0e}" } else { "." })?;
            }
            f.write_str(if characters.next().is_some_and(|c| c.len_utf8() > 1) { "\u{ff3e}" } else { "^" })?;
        }
        match self.issues.len().saturating_sub(MOST_ISSUES) {
            0 => Ok(()),
            more => write!(f, "\n{more} more errors were truncated"),
        }
    }
}

impl std::error::Error for CompileError {}

/// Why an evaluation has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvalError {
    /// What the expression did, in upstream's words: `no such key: x`.
    Failed(String),
    /// The expression cost more than one evaluation may.
    CallLimit,
    /// The budget that several evaluations share is spent.
    Budget,
}

impl EvalError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        EvalError::Failed(message.into())
    }

    pub(crate) fn no_overload() -> Self {
        EvalError::new("no such overload")
    }

    /// Whether no other branch may make up for it.
    pub fn is_final(&self) -> bool {
        !matches!(self, EvalError::Failed(_))
    }
}

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EvalError::Failed(message) => message,
            EvalError::CallLimit => "operation cancelled: actual cost limit exceeded",
            EvalError::Budget => {
                "validation failed due to running out of cost budget, no further validation rules will be run"
            }
        })
    }
}

impl std::error::Error for EvalError {}
