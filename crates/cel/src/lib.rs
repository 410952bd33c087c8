//! The Common Expression Language as Kubernetes v1.35 speaks it. An [`Env`] declares variables and compiles text
//! into a [`Program`]: parsed, macros expanded, types checked, its cost estimated from [`Declared`] sizes. The
//! program evaluates over [`Bindings`], which are views of JSON and are read only as far as the expression looks;
//! what it costs is counted against a [`Budget`]. Messages are cel-go's and Kubernetes' own.

pub mod admission;
mod ast;
mod authorizer;
mod budget;
mod check;
mod cost;
mod declared;
mod env;
mod error;
mod escape;
mod eval;
mod extension;
mod functions;
mod parse;
mod pattern;
mod program;
mod schema;
mod source;
mod time;
mod types;
mod value;

pub use authorizer::{Authorizer, Check, Checked, Decision, ResourceCheckFields};
pub use budget::{Budget, MATCH_CONDITIONS_BUDGET, PER_CALL_LIMIT, RUNTIME_BUDGET};
pub use declared::{Declared, Field, ListIdentity, ListType, MapType, ObjectType};
pub use env::Env;
pub use error::{CompileError, EvalError, Issue};
pub use escape::escape;
pub use extension::Extension;
pub use pattern::Pattern;
pub use program::{Bindings, CostEstimate, Program};
pub use time::{Duration, Timestamp};
pub use types::{Param, Type};
pub use value::{Entries, Fields, List, MadeObject, Map, Table, Text, Value, typed};
