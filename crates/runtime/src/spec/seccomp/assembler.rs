//! The kernel's classic BPF: instructions, and jumps that find their places.

/// Loads a word of `struct seccomp_data`.
pub(super) const LOAD: u16 = 0x20;
pub(super) const AND: u16 = 0x54;
pub(super) const JUMP: u16 = 0x05;
pub(super) const JUMP_EQUAL: u16 = 0x15;
pub(super) const JUMP_GREATER: u16 = 0x25;
pub(super) const JUMP_GREATER_OR_EQUAL: u16 = 0x35;
pub(super) const RETURN: u16 = 0x06;

/// Offsets in `struct seccomp_data`.
pub(super) const NUMBER: u32 = 0;
pub(super) const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The offset of an argument's low and high word, on a little-endian machine.
pub(super) fn argument(index: u32) -> (u32, u32) {
    (ARGUMENTS + 8 * index, ARGUMENTS + 8 * index + 4)
}

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub code: u16,
    pub if_true: u8,
    pub if_false: u8,
    pub operand: u32,
}

impl Instruction {
    pub(super) fn new(code: u16, operand: u32) -> Self {
        Instruction { code, if_true: 0, if_false: 0, operand }
    }

    pub(super) fn bytes(self) -> [u8; 8] {
        let mut out = [0; 8];
        out[..2].copy_from_slice(&self.code.to_ne_bytes());
        out[2..4].copy_from_slice(&[self.if_true, self.if_false]);
        out[4..].copy_from_slice(&self.operand.to_ne_bytes());
        out
    }
}

/// Ends with a verdict.
pub(super) fn verdict(action: u32) -> Vec<Instruction> {
    vec![Instruction::new(RETURN, action)]
}

/// `if (A <code> operand) yes else no`, whatever their lengths; both end with a verdict.
pub(super) fn branch(
    code: u16,
    operand: u32,
    yes: Vec<Instruction>,
    no: Vec<Instruction>,
) -> Vec<Instruction> {
    let mut out = Vec::with_capacity(no.len() + yes.len() + 2);
    match u8::try_from(no.len()) {
        Ok(if_true) => out.push(Instruction { if_true, ..Instruction::new(code, operand) }),
        Err(_) => {
            out.push(Instruction { if_false: 1, ..Instruction::new(code, operand) });
            out.push(Instruction::new(JUMP, no.len() as u32));
        }
    }
    out.extend(no);
    out.extend(yes);
    out
}
