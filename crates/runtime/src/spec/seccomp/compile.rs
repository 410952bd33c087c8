//! From rules to instructions: per architecture a binary search over ranges of numbers with the same fate.

use std::collections::BTreeMap;

use super::assembler::{
    AND, ARCH, Instruction, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_OR_EQUAL, LOAD, NUMBER, argument, branch,
    verdict,
};
use super::profile::{
    ACTION, ALLOW, Arch, Condition, Context, ERRNO, KILL_THREAD, LOG, Operator, Profile, TRACE,
};
use super::{Filter, SeccompError, numbers};

/// The kernel's `BPF_MAXINSNS`.
const MAX_INSTRUCTIONS: usize = 4096;

/// The bit of x32's numbers. -1 is a call that a tracer took out, not one of x32.
const X32_FIRST: u32 = 0x4000_0000;
const X32_LAST: u32 = u32::MAX - 1;

/// The calls of 32-bit ARM alone are far above the others, and say nothing of how new a profile is.
const ARM_PRIVATE: u32 = 0xf_0000;

const NO_SUCH_CALL: u32 = ERRNO | nix::libc::ENOSYS as u32;

/// What happens to a call: alternatives with conditions, in order, and what if none holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fate {
    alternatives: Vec<(Vec<Condition>, u32)>,
    otherwise: u32,
}

impl Fate {
    fn plain(action: u32) -> Fate {
        Fate { alternatives: Vec::new(), otherwise: action }
    }
}

pub(super) fn compile(profile: &Profile, context: Context) -> Result<Filter, SeccompError> {
    let mut code = verdict(KILL_THREAD);
    let foreign = profile.archs.iter().filter(|a| token(**a).is_some());
    let mut archs: Vec<Arch> = foreign.copied().filter(|a| compatible(*a, context.arch)).collect();
    archs.push(context.arch);
    for arch in archs {
        let mut section = vec![Instruction::new(LOAD, NUMBER)];
        section.extend(search(&ranges(profile, arch), wide(arch)));
        code = branch(JUMP_EQUAL, token(arch).unwrap_or_default(), section, code);
    }
    code.insert(0, Instruction::new(LOAD, ARCH));
    if code.len() > MAX_INSTRUCTIONS {
        return Err(SeccompError::TooLong(code.len()));
    }
    let program = code.into_iter().flat_map(Instruction::bytes).collect();
    Ok(Filter { program, flags: profile.flags })
}

/// The kernel's `AUDIT_ARCH_*`; x32 has none of its own.
fn token(arch: Arch) -> Option<u32> {
    Some(match arch {
        Arch::X86_64 => 0xc000_003e,
        Arch::X86 => 0x4000_0003,
        Arch::Aarch64 => 0xc000_00b7,
        Arch::Arm => 0x4000_0028,
        Arch::X32 => return None,
    })
}

/// Whether a machine can run programs of an architecture.
fn compatible(arch: Arch, machine: Arch) -> bool {
    matches!((arch, machine), (Arch::X86, Arch::X86_64) | (Arch::Arm, Arch::Aarch64))
}

/// Whether arguments have 64 bits.
fn wide(arch: Arch) -> bool {
    matches!(arch, Arch::X86_64 | Arch::Aarch64)
}

fn table(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 | Arch::X32 => numbers::X86_64,
        Arch::X86 => numbers::X86,
        Arch::Aarch64 => numbers::AARCH64,
        Arch::Arm => numbers::ARM,
    }
}

/// Ranges of numbers by their first, each with its fate, beginning with 0.
fn ranges(profile: &Profile, arch: Arch) -> Vec<(u32, Fate)> {
    let default = Fate::plain(profile.default);
    let (fates, newest) = fates(profile, arch);
    let mut points: BTreeMap<u32, Fate> = BTreeMap::from([(0, default.clone())]);
    for (number, fate) in &fates {
        points.insert(*number, fate.clone());
        if !fates.contains_key(&(number + 1)) {
            points.insert(number + 1, default.clone());
        }
    }
    if let Some(newest) = newest.filter(|_| !matches!(profile.default & ACTION, ALLOW | LOG | TRACE)) {
        points.insert(newest + 1, Fate::plain(NO_SUCH_CALL));
    }
    if arch == Arch::X86_64 {
        let x32 = if profile.archs.contains(&Arch::X32) { NO_SUCH_CALL } else { KILL_THREAD };
        points.insert(X32_FIRST, Fate::plain(x32));
        points.insert(X32_LAST + 1, default);
    }
    let mut out: Vec<(u32, Fate)> = Vec::new();
    for (first, fate) in points {
        if out.last().is_none_or(|(_, last)| *last != fate) {
            out.push((first, fate));
        }
    }
    out
}

/// The fate of each call that a rule is about, by its number, and the newest call that is named. Names that
/// the architecture does not have are passed over, and so are rules that say what happens anyway.
fn fates(profile: &Profile, arch: Arch) -> (BTreeMap<u32, Fate>, Option<u32>) {
    let numbers = numbers::numbers(table(arch));
    let mut fates: BTreeMap<u32, (Fate, bool)> = BTreeMap::new();
    let mut newest = None;
    for rule in &profile.rules {
        for number in rule.names.iter().filter_map(|name| numbers.get(name.as_str()).copied()) {
            if number < ARM_PRIVATE {
                newest = newest.max(Some(number));
            }
            if rule.action == profile.default {
                continue;
            }
            let (fate, decided) =
                fates.entry(number).or_insert_with(|| (Fate::plain(profile.default), false));
            if !rule.conditions.is_empty() {
                fate.alternatives.push((rule.conditions.clone(), rule.action));
            } else if !*decided {
                (fate.otherwise, *decided) = (rule.action, true);
            }
        }
    }
    (fates.into_iter().map(|(number, (fate, _))| (number, fate)).collect(), newest)
}

/// Finds the range of the number in the accumulator.
fn search(ranges: &[(u32, Fate)], wide: bool) -> Vec<Instruction> {
    match ranges {
        [] => verdict(KILL_THREAD),
        [(_, fate)] => decide(fate, wide),
        _ => {
            let (low, high) = ranges.split_at(ranges.len() / 2);
            branch(JUMP_GREATER_OR_EQUAL, high[0].0, search(high, wide), search(low, wide))
        }
    }
}

fn decide(fate: &Fate, wide: bool) -> Vec<Instruction> {
    let mut out = Vec::new();
    for (conditions, action) in &fate.alternatives {
        out.extend(alternative(conditions, *action, wide));
    }
    out.extend(verdict(fate.otherwise));
    out
}

/// Where a jump leads.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    /// To the next instruction.
    Next,
    /// Behind the condition, which holds.
    Holds,
    /// Behind the alternative, which does not hold.
    Fails,
}

/// Ends with the action if all conditions hold, else goes on behind.
fn alternative(conditions: &[Condition], action: u32, wide: bool) -> Vec<Instruction> {
    let mut steps: Vec<(Instruction, To, To, usize)> = Vec::new();
    for condition in conditions {
        let start = steps.len();
        let test = test(condition, wide);
        let end = start + test.len();
        steps.extend(test.into_iter().map(|(i, yes, no)| (i, yes, no, end)));
    }
    let fails = steps.len() + 1;
    let mut out: Vec<Instruction> = Vec::with_capacity(fails);
    for (at, (mut instruction, yes, no, holds)) in steps.into_iter().enumerate() {
        // At most six conditions of five instructions each: the distances are short.
        let distance = |to: To| match to {
            To::Next => 0,
            To::Holds => (holds - at - 1) as u8,
            To::Fails => (fails - at - 1) as u8,
        };
        (instruction.if_true, instruction.if_false) = (distance(yes), distance(no));
        out.push(instruction);
    }
    out.extend(verdict(action));
    out
}

/// The instructions of one condition. The last one leads on if it holds.
fn test(condition: &Condition, wide: bool) -> Vec<(Instruction, To, To)> {
    use To::{Fails, Holds, Next};
    let halves = |value: u64| (value as u32, (value >> 32) as u32);
    let (low_at, high_at) = argument(condition.index);
    let plain = |code, operand| (Instruction::new(code, operand), Next, Next);
    let jump = |code, operand, yes, no| (Instruction::new(code, operand), yes, no);
    let (low, high) = halves(condition.value);
    let (low_two, high_two) = halves(condition.value_two);
    let (upper, lower) = match condition.operator {
        Operator::Equal => {
            (vec![jump(JUMP_EQUAL, high, Next, Fails)], vec![jump(JUMP_EQUAL, low, Next, Fails)])
        }
        Operator::NotEqual => {
            (vec![jump(JUMP_EQUAL, high, Next, Holds)], vec![jump(JUMP_EQUAL, low, Fails, Next)])
        }
        Operator::MaskedEqual => (
            vec![plain(AND, high), jump(JUMP_EQUAL, high_two, Next, Fails)],
            vec![plain(AND, low), jump(JUMP_EQUAL, low_two, Next, Fails)],
        ),
        Operator::Greater | Operator::GreaterOrEqual => {
            let code =
                if condition.operator == Operator::Greater { JUMP_GREATER } else { JUMP_GREATER_OR_EQUAL };
            let upper = vec![jump(JUMP_GREATER, high, Holds, Next), jump(JUMP_EQUAL, high, Next, Fails)];
            (upper, vec![jump(code, low, Next, Fails)])
        }
        Operator::Less | Operator::LessOrEqual => {
            let code =
                if condition.operator == Operator::Less { JUMP_GREATER_OR_EQUAL } else { JUMP_GREATER };
            let upper = vec![jump(JUMP_GREATER, high, Fails, Next), jump(JUMP_EQUAL, high, Next, Holds)];
            (upper, vec![jump(code, low, Fails, Next)])
        }
    };
    let mut out = Vec::new();
    if wide {
        out.push(plain(LOAD, high_at));
        out.extend(upper);
    }
    out.push(plain(LOAD, low_at));
    out.extend(lower);
    out
}
