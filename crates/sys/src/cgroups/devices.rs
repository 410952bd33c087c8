//! Which devices a group may use: lines for version 1, a program for version 2.

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeviceKind {
    /// Both kinds, and then every number.
    All,
    /// Block devices.
    Block,
    /// Character devices.
    Char,
}

/// What may be done with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceAccess {
    /// Reading.
    pub read: bool,
    /// Writing.
    pub write: bool,
    /// Making nodes for it.
    pub mknod: bool,
}

impl DeviceAccess {
    /// Everything.
    pub const ALL: DeviceAccess = DeviceAccess { read: true, write: true, mknod: true };
    /// Making nodes only.
    pub const MKNOD: DeviceAccess = DeviceAccess { read: false, write: false, mknod: true };

    /// Reads a text of the letters `r`, `w` and `m`; `None` for another letter, or none.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.chars().any(|c| !"rwm".contains(c)) {
            return None;
        }
        let has = |letter: char| text.contains(letter);
        Some(DeviceAccess { read: has('r'), write: has('w'), mknod: has('m') })
    }

    /// The kernel's bits (`BPF_DEVCG_ACC_*`).
    fn bits(self) -> i32 {
        i32::from(self.mknod) | i32::from(self.read) << 1 | i32::from(self.write) << 2
    }
}

/// A device, or a range of them, that a group may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceRule {
    /// Its kind.
    pub kind: DeviceKind,
    /// Its major number; `None` for any.
    pub major: Option<u32>,
    /// Its minor number; `None` for any.
    pub minor: Option<u32>,
    /// What may be done with it.
    pub access: DeviceAccess,
}

impl DeviceRule {
    /// Every device, in every way.
    pub const ALL: DeviceRule =
        DeviceRule { kind: DeviceKind::All, major: None, minor: None, access: DeviceAccess::ALL };

    fn is_all(&self) -> bool {
        self.kind == DeviceKind::All && self.access == DeviceAccess::ALL
    }

    /// The rule as version 1's `devices.allow` takes it.
    pub(super) fn line(&self) -> String {
        let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        let kind = match self.kind {
            DeviceKind::All => return "a".to_owned(),
            DeviceKind::Block => 'b',
            DeviceKind::Char => 'c',
        };
        let mut line = format!("{kind} {}:{} ", number(self.major), number(self.minor));
        let DeviceAccess { read, write, mknod } = self.access;
        let letters = [(read, 'r'), (write, 'w'), (mknod, 'm')];
        line.extend(letters.iter().filter(|(given, _)| *given).map(|(_, letter)| letter));
        line
    }
}

/// One instruction of extended BPF, as the kernel takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Instruction {
    pub code: u8,
    /// Destination in the low half, source in the high one.
    pub registers: u8,
    pub offset: i16,
    pub immediate: i32,
}

const LOAD_WORD: u8 = 0x61;
const MOVE_REGISTER: u8 = 0xbf;
const MOVE: u8 = 0xb7;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_NOT_EQUAL: u8 = 0x55;
const JUMP_NOT_EQUAL_32: u8 = 0x56;
const JUMP_IF_SET: u8 = 0x45;
const EXIT: u8 = 0x95;

const KIND: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers, offset, immediate }
}

/// A program of type `BPF_PROG_TYPE_CGROUP_DEVICE` that allows what the rules allow, and nothing else.
pub(super) fn program(rules: &[DeviceRule]) -> Vec<Instruction> {
    // The context in register 1: access in the high half and kind in the low half of a word, major, minor.
    let mut out = vec![
        instruction(LOAD_WORD, ACCESS | 1 << 4, 0, 0),
        instruction(MOVE_REGISTER, KIND | ACCESS << 4, 0, 0),
        instruction(AND, KIND, 0, 0xffff),
        instruction(SHIFT_RIGHT, ACCESS, 0, 16),
        instruction(LOAD_WORD, MAJOR | 1 << 4, 4, 0),
        instruction(LOAD_WORD, MINOR | 1 << 4, 8, 0),
    ];
    if rules.iter().any(DeviceRule::is_all) {
        out.extend(verdict(1));
        return out;
    }
    for rule in rules {
        let mut tests = Vec::new();
        match rule.kind {
            DeviceKind::All => {}
            DeviceKind::Block => tests.push((JUMP_NOT_EQUAL, KIND, 1)),
            DeviceKind::Char => tests.push((JUMP_NOT_EQUAL, KIND, 2)),
        }
        let forbidden = DeviceAccess::ALL.bits() & !rule.access.bits();
        if forbidden != 0 {
            tests.push((JUMP_IF_SET, ACCESS, forbidden));
        }
        // Numbers of more than 31 bits would be extended by their sign in a 64-bit comparison.
        let number = |n: u32, register| {
            let code = if n > i32::MAX as u32 { JUMP_NOT_EQUAL_32 } else { JUMP_NOT_EQUAL };
            (code, register, n as i32)
        };
        tests.extend(rule.major.map(|n| number(n, MAJOR)));
        tests.extend(rule.minor.map(|n| number(n, MINOR)));
        for (at, (code, register, immediate)) in tests.iter().enumerate() {
            // Over the other tests and the two instructions of the verdict.
            let skip = (tests.len() - at - 1 + 2) as i16;
            out.push(instruction(*code, *register, skip, *immediate));
        }
        out.extend(verdict(1));
    }
    out.extend(verdict(0));
    out
}

fn verdict(allow: i32) -> [Instruction; 2] {
    [instruction(MOVE, 0, 0, allow), instruction(EXIT, 0, 0, 0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(kind: DeviceKind, major: Option<u32>, minor: Option<u32>, access: &str) -> DeviceRule {
        DeviceRule { kind, major, minor, access: DeviceAccess::parse(access).expect("access") }
    }

    /// What the kernel would do.
    fn run(program: &[Instruction], kind: u32, access: u32, major: u32, minor: u32) -> bool {
        let context = [access << 16 | kind, major, minor];
        let mut registers = [0u64; 11];
        let mut at = 0;
        loop {
            let i = program[at];
            at += 1;
            let (to, from) = (usize::from(i.registers & 15), usize::from(i.registers >> 4));
            let immediate = i64::from(i.immediate) as u64;
            let jump = match i.code {
                LOAD_WORD => {
                    registers[to] = u64::from(context[i.offset as usize / 4]);
                    false
                }
                MOVE_REGISTER => {
                    registers[to] = registers[from];
                    false
                }
                MOVE => {
                    registers[to] = immediate;
                    false
                }
                AND => {
                    registers[to] &= immediate;
                    false
                }
                SHIFT_RIGHT => {
                    registers[to] >>= immediate;
                    false
                }
                JUMP_NOT_EQUAL => registers[to] != immediate,
                JUMP_NOT_EQUAL_32 => registers[to] as u32 != immediate as u32,
                JUMP_IF_SET => registers[to] & immediate != 0,
                EXIT => return registers[0] == 1,
                other => panic!("unknown instruction {other:#x}"),
            };
            if jump {
                at += i.offset as usize;
            }
        }
    }

    const BLOCK: u32 = 1;
    const CHAR: u32 = 2;
    const MAKE: u32 = 1;
    const READ: u32 = 2;
    const WRITE: u32 = 4;

    #[test]
    fn the_program_allows_what_the_rules_allow() {
        let rules = [
            rule(DeviceKind::Char, None, None, "m"),
            rule(DeviceKind::Char, Some(1), Some(3), "rwm"),
            rule(DeviceKind::Block, Some(8), None, "r"),
            rule(DeviceKind::Char, Some(10), Some(0xffff_fff0), "w"),
        ];
        let program = program(&rules);
        for (kind, access, major, minor, allowed) in [
            (CHAR, MAKE, 9, 9, true),
            (BLOCK, MAKE, 9, 9, false),
            (CHAR, READ | WRITE, 1, 3, true),
            (CHAR, READ, 1, 4, false),
            (BLOCK, READ, 1, 3, false),
            (BLOCK, READ, 8, 77, true),
            (BLOCK, READ | WRITE, 8, 77, false),
            (CHAR, WRITE, 10, 0xffff_fff0, true),
            (CHAR, WRITE, 10, 0x7fff_fff0, false),
        ] {
            assert_eq!(run(&program, kind, access, major, minor), allowed, "{kind} {access} {major}:{minor}");
        }
        assert!(run(&super::program(&[rules[0], DeviceRule::ALL]), BLOCK, 7, 1, 1));
        assert!(!run(&super::program(&[]), CHAR, READ, 1, 3));
    }

    #[test]
    fn lines_of_version_one() {
        for (rule, line) in [
            (DeviceRule::ALL, "a"),
            (rule(DeviceKind::Char, Some(1), Some(3), "rwm"), "c 1:3 rwm"),
            (rule(DeviceKind::Block, None, None, "m"), "b *:* m"),
            (rule(DeviceKind::Char, Some(136), None, "wr"), "c 136:* rw"),
        ] {
            assert_eq!(rule.line(), line);
        }
        assert_eq!((DeviceAccess::parse("rx"), DeviceAccess::parse("")), (None, None));
    }
}
