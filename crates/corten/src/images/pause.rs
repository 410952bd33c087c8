//! The smallest program that holds a pod's namespaces open: it ignores the end of its children, so that the
//! kernel reaps them, and waits for ever. Written as machine code, so that nothing has to be compiled or
//! pulled for it.

/// Where the program is loaded.
const BASE: u64 = 0x40_0000;
const HEADERS: u64 = 64 + 56;

/// The executable (ELF, static) for this machine's architecture.
pub fn executable() -> Vec<u8> {
    let (machine, code) = code();
    let size = HEADERS + code.len() as u64;
    let mut out = Vec::with_capacity(size as usize);
    // ELF header: 64 bits, little endian, System V, an executable.
    out.extend_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&machine.to_le_bytes());
    out.extend_from_slice(&1u32.to_le_bytes());
    for address in [BASE + HEADERS, 64, 0] {
        out.extend_from_slice(&address.to_le_bytes());
    }
    out.extend_from_slice(&0u32.to_le_bytes());
    for value in [64u16, 56, 1, 0, 0, 0] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    // One segment: everything, readable and executable.
    out.extend_from_slice(&1u32.to_le_bytes());
    out.extend_from_slice(&5u32.to_le_bytes());
    for value in [0, BASE, BASE, size, size, 0x1000] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    out.extend_from_slice(&code);
    out
}

#[cfg(target_arch = "x86_64")]
fn code() -> (u16, Vec<u8>) {
    let mut code = vec![
        0x48, 0x83, 0xec, 0x20, // sub rsp, 32: a struct sigaction
        0x48, 0xc7, 0x04, 0x24, 1, 0, 0, 0, // its handler: SIG_IGN
        0x31, 0xc0, // xor eax, eax
        0x48, 0x89, 0x44, 0x24, 0x08, // flags
        0x48, 0x89, 0x44, 0x24, 0x10, // restorer
        0x48, 0x89, 0x44, 0x24, 0x18, // mask
        0xb8, 13, 0, 0, 0, // rt_sigaction(
        0xbf, 17, 0, 0, 0, // SIGCHLD,
        0x48, 0x89, 0xe6, // &action,
        0x31, 0xd2, // no old one,
        0x41, 0xba, 8, 0, 0, 0, // 8)
        0x0f, 0x05, // syscall
    ];
    code.extend_from_slice(&[0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]); // for ever: pause()
    (62, code)
}

#[cfg(target_arch = "aarch64")]
fn code() -> (u16, Vec<u8>) {
    let instructions: [u32; 15] = [
        0xd100_83ff, // sub sp, sp, #32: a struct sigaction
        0xd280_0021, // mov x1, #1: SIG_IGN
        0xa900_7fe1, // stp x1, xzr, [sp]
        0xa901_7fff, // stp xzr, xzr, [sp, #16]
        0xd280_0220, // mov x0, #17: SIGCHLD
        0x9100_03e1, // mov x1, sp
        0xd280_0002, // mov x2, #0
        0xd280_0103, // mov x3, #8
        0xd280_10c8, // mov x8, #134: rt_sigaction
        0xd400_0001, // svc
        0xd280_0000, // mov x0, #0
        0xd280_0001, // mov x1, #0
        0xd280_0928, // mov x8, #73: ppoll(nothing, for ever)
        0xd400_0001, // svc
        0x17ff_fffc, // again
    ];
    (183, instructions.iter().flat_map(|i| i.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_waits_until_it_is_killed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("pause");
        std::fs::write(&file, super::executable()).expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let mut child = std::process::Command::new(&file).spawn().expect("the kernel takes it");
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(child.try_wait().expect("a child").is_none(), "it must not end by itself");
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
}
