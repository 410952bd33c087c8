//! A profile's file, and what is left of it on this machine for a container's capabilities.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SeccompError;

/// An architecture whose calls a filter can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86, also on a 64-bit kernel.
    X86,
    /// 64-bit x86 with short pointers.
    X32,
    /// 64-bit ARM.
    Aarch64,
    /// 32-bit ARM, also on a 64-bit kernel.
    Arm,
}

impl Arch {
    /// The architecture this is compiled for.
    pub fn native() -> Arch {
        if cfg!(target_arch = "aarch64") { Arch::Aarch64 } else { Arch::X86_64 }
    }

    /// As profiles write it; `None` for those that no machine of ours can be.
    fn parse(name: &str) -> Option<Arch> {
        Some(match name {
            "SCMP_ARCH_X86_64" => Arch::X86_64,
            "SCMP_ARCH_X86" => Arch::X86,
            "SCMP_ARCH_X32" => Arch::X32,
            "SCMP_ARCH_AARCH64" => Arch::Aarch64,
            "SCMP_ARCH_ARM" => Arch::Arm,
            _ => return None,
        })
    }

    /// As `includes` and `excludes` write it.
    fn go_name(self) -> &'static str {
        match self {
            Arch::X86_64 => "amd64",
            Arch::X86 => "x86",
            Arch::X32 => "x32",
            Arch::Aarch64 => "arm64",
            Arch::Arm => "arm",
        }
    }
}

/// What a filter depends on beside its profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Context {
    /// The machine's architecture.
    pub arch: Arch,
    /// The container's bounding set, a bit each.
    pub capabilities: u64,
    /// The kernel's version: major and minor.
    pub kernel: (u32, u32),
}

impl Context {
    /// Whether the container may have a capability, named with `CAP_`.
    pub(super) fn has(&self, capability: &str) -> bool {
        let bit = crate::spec::capabilities::number(capability);
        bit.is_some_and(|bit| self.capabilities & 1 << bit != 0)
    }
}

/// How an argument is compared, as 64-bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    NotEqual,
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
    /// `argument & value == value_two`.
    MaskedEqual,
}

/// A condition on an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    pub index: u32,
    pub operator: Operator,
    pub value: u64,
    pub value_two: u64,
}

/// What happens to calls of these names on which all conditions hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub names: Vec<String>,
    /// `SECCOMP_RET_*` with its data.
    pub action: u32,
    pub conditions: Vec<Condition>,
}

/// A profile for one machine and one set of capabilities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What happens to calls that no rule is about.
    pub default: u32,
    /// Architectures beside the machine's own.
    pub archs: Vec<Arch>,
    /// Rules; of those that hold, those with conditions come first, and otherwise the first counts.
    pub rules: Vec<Rule>,
    /// `SECCOMP_FILTER_FLAG_*`.
    pub flags: u32,
}

pub(super) const KILL_PROCESS: u32 = 0x8000_0000;
pub(super) const KILL_THREAD: u32 = 0;
pub(super) const TRAP: u32 = 0x0003_0000;
pub(super) const ERRNO: u32 = 0x0005_0000;
pub(super) const TRACE: u32 = 0x7ff0_0000;
pub(super) const LOG: u32 = 0x7ffc_0000;
pub(super) const ALLOW: u32 = 0x7fff_0000;
/// The action without its data.
pub(super) const ACTION: u32 = 0xffff_0000;

pub(super) const FLAG_LOG: u32 = 1 << 1;
pub(super) const FLAG_SPEC_ALLOW: u32 = 1 << 2;

/// An action's value. The data of `SCMP_ACT_ERRNO` and `SCMP_ACT_TRACE` is `EPERM` unless given.
fn action(name: &str, data: Option<u32>) -> Result<u32, SeccompError> {
    let data = data.unwrap_or(nix::libc::EPERM as u32);
    if data > 0xffff {
        return Err(SeccompError::Invalid(format!("errnoRet {data} has more than 16 bits")));
    }
    Ok(match name {
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => KILL_THREAD,
        "SCMP_ACT_KILL_PROCESS" => KILL_PROCESS,
        "SCMP_ACT_TRAP" => TRAP,
        "SCMP_ACT_ERRNO" => ERRNO | data,
        "SCMP_ACT_TRACE" => TRACE | data,
        "SCMP_ACT_LOG" => LOG,
        "SCMP_ACT_ALLOW" => ALLOW,
        "SCMP_ACT_NOTIFY" => return Err(SeccompError::Notify),
        "" => return Err(SeccompError::Invalid("an action is missing".to_owned())),
        other => return Err(SeccompError::Invalid(format!("unknown action {other:?}"))),
    })
}

fn operator(name: &str) -> Result<Operator, SeccompError> {
    Ok(match name {
        "SCMP_CMP_NE" => Operator::NotEqual,
        "SCMP_CMP_LT" => Operator::Less,
        "SCMP_CMP_LE" => Operator::LessOrEqual,
        "SCMP_CMP_EQ" => Operator::Equal,
        "SCMP_CMP_GE" => Operator::GreaterOrEqual,
        "SCMP_CMP_GT" => Operator::Greater,
        "SCMP_CMP_MASKED_EQ" => Operator::MaskedEqual,
        other => return Err(SeccompError::Invalid(format!("unknown operator {other:?}"))),
    })
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct File {
    default_action: String,
    default_errno_ret: Option<u32>,
    architectures: Option<Vec<String>>,
    arch_map: Option<Vec<ArchMap>>,
    flags: Option<Vec<String>>,
    listener_path: String,
    syscalls: Option<Vec<FileRule>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ArchMap {
    architecture: String,
    sub_architectures: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FileRule {
    name: String,
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u32>,
    args: Option<Vec<FileArgument>>,
    includes: Option<Choice>,
    excludes: Option<Choice>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FileArgument {
    index: u32,
    value: u64,
    value_two: u64,
    op: String,
}

/// When a rule counts, or does not.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Choice {
    caps: Option<Vec<String>>,
    arches: Option<Vec<String>>,
    min_kernel: Option<String>,
}

impl Profile {
    /// Reads a profile's JSON and decides what of it counts here.
    pub fn parse(bytes: &[u8], context: Context) -> Result<Profile, SeccompError> {
        let file: File = serde_json::from_slice(bytes).map_err(|e| SeccompError::Decode(e.to_string()))?;
        if !file.listener_path.is_empty() {
            return Err(SeccompError::Notify);
        }
        let mut rules = Vec::new();
        for rule in file.syscalls.iter().flatten() {
            rule.append_to(&mut rules, context)?;
        }
        Ok(Profile {
            default: action(&file.default_action, file.default_errno_ret)?,
            archs: file.archs(context.arch),
            rules,
            flags: flags(file.flags.as_deref(), context)?,
        })
    }
}

impl File {
    fn archs(&self, native: Arch) -> Vec<Arch> {
        let mapped = self.arch_map.iter().flatten().filter(|m| Arch::parse(&m.architecture) == Some(native));
        let mapped = mapped.flat_map(|m| m.sub_architectures.iter().flatten());
        let names = self.architectures.iter().flatten().chain(mapped);
        let mut archs: Vec<Arch> = names.filter_map(|n| Arch::parse(n)).filter(|a| *a != native).collect();
        archs.sort();
        archs.dedup();
        archs
    }
}

/// The kernel's flags. Without any, calls need not be slowed down against speculation, which is runc's default.
fn flags(names: Option<&[String]>, context: Context) -> Result<u32, SeccompError> {
    let Some(names) = names else { return Ok(default_flags(context)) };
    let mut out = 0;
    for name in names {
        out |= match name.as_str() {
            "SECCOMP_FILTER_FLAG_LOG" => FLAG_LOG,
            "SECCOMP_FILTER_FLAG_SPEC_ALLOW" => FLAG_SPEC_ALLOW,
            // A container begins with one thread, and nobody listens.
            "SECCOMP_FILTER_FLAG_TSYNC" | "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" => 0,
            other => return Err(SeccompError::Invalid(format!("unknown flag {other:?}"))),
        };
    }
    Ok(out)
}

pub(super) fn default_flags(context: Context) -> u32 {
    if context.kernel >= (4, 17) { FLAG_SPEC_ALLOW } else { 0 }
}

impl FileRule {
    fn append_to(&self, rules: &mut Vec<Rule>, context: Context) -> Result<(), SeccompError> {
        let included = self.includes.as_ref().is_none_or(|c| c.all_hold(context));
        let excluded = self.excludes.as_ref().is_some_and(|c| c.any_holds(context));
        if !included || excluded {
            return Ok(());
        }
        let mut names = self.names.clone().unwrap_or_default();
        if !self.name.is_empty() {
            names.push(self.name.clone());
        }
        if names.is_empty() {
            return Err(SeccompError::Invalid("a rule without the name of a system call".to_owned()));
        }
        let action = action(&self.action, self.errno_ret)?;
        let mut conditions = Vec::new();
        for argument in self.args.iter().flatten() {
            if argument.index > 5 {
                return Err(SeccompError::Invalid(format!("argument {}: there are 0 to 5", argument.index)));
            }
            conditions.push(Condition {
                index: argument.index,
                operator: operator(&argument.op)?,
                value: argument.value,
                value_two: argument.value_two,
            });
        }
        let mut of = BTreeMap::<u32, usize>::new();
        conditions.iter().for_each(|c| *of.entry(c.index).or_default() += 1);
        if of.values().all(|count| *count == 1) {
            rules.push(Rule { names, action, conditions });
            return Ok(());
        }
        // Several conditions on one argument are alternatives: what older versions made of them, and what
        // profiles rely on.
        let each = conditions.into_iter().map(|c| Rule { names: names.clone(), action, conditions: vec![c] });
        rules.extend(each);
        Ok(())
    }
}

impl Choice {
    fn kernel(&self) -> Option<(u32, u32)> {
        let (major, minor) = self.min_kernel.as_deref()?.split_once('.')?;
        Some((major.parse().ok()?, minor.parse().ok()?))
    }

    fn all_hold(&self, context: Context) -> bool {
        let named = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
        let arches = named(&self.arches);
        named(&self.caps).iter().all(|c| context.has(c))
            && (arches.is_empty() || arches.iter().any(|a| a == context.arch.go_name()))
            && (self.min_kernel.is_none() || self.kernel().is_some_and(|k| context.kernel >= k))
    }

    fn any_holds(&self, context: Context) -> bool {
        self.caps.iter().flatten().any(|c| context.has(c))
            || self.arches.iter().flatten().any(|a| a == context.arch.go_name())
            || self.kernel().is_some_and(|k| context.kernel >= k)
    }
}
