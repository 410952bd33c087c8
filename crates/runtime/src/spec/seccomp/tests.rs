//! Filters, by an interpreter of the kernel's BPF and, as root, by the kernel itself.

use std::io::Write as _;
use std::process::Command;

use super::assembler::{
    AND, Instruction, JUMP, JUMP_EQUAL, JUMP_GREATER, JUMP_GREATER_OR_EQUAL, LOAD, RETURN,
};
use super::numbers::{self, numbers};
use super::profile::{ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD, LOG, TRACE, TRAP};
use super::*;

const X86_64: u32 = 0xc000_003e;
const X86: u32 = 0x4000_0003;
const AARCH64: u32 = 0xc000_00b7;
const ARM: u32 = 0x4000_0028;
const S390X: u32 = 0x8000_0016;

const EPERM: u32 = ERRNO | nix::libc::EPERM as u32;
const ENOSYS: u32 = ERRNO | nix::libc::ENOSYS as u32;

/// What the kernel would say; it also sees that every jump goes forward and ends within the program.
fn run(filter: &Filter, arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let code: Vec<Instruction> = filter
        .program
        .chunks_exact(8)
        .map(|b| Instruction {
            code: u16::from_ne_bytes([b[0], b[1]]),
            if_true: b[2],
            if_false: b[3],
            operand: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        })
        .collect();
    let mut data = [0u32; 16];
    (data[0], data[1]) = (number, arch);
    for (at, argument) in arguments.iter().enumerate() {
        (data[4 + 2 * at], data[5 + 2 * at]) = (*argument as u32, (*argument >> 32) as u32);
    }
    let (mut at, mut a) = (0usize, 0u32);
    loop {
        let i = code[at];
        at += 1;
        let taken = match i.code {
            LOAD => {
                a = data[i.operand as usize / 4];
                continue;
            }
            AND => {
                a &= i.operand;
                continue;
            }
            JUMP => {
                at += i.operand as usize;
                continue;
            }
            JUMP_EQUAL => a == i.operand,
            JUMP_GREATER => a > i.operand,
            JUMP_GREATER_OR_EQUAL => a >= i.operand,
            RETURN => return i.operand,
            other => panic!("unknown instruction {other:#x}"),
        };
        at += usize::from(if taken { i.if_true } else { i.if_false });
    }
}

fn context(arch: Arch, capabilities: &[&str]) -> Context {
    let bit = |name: &&str| 1 << crate::spec::capabilities::number(name).expect("known");
    Context { arch, capabilities: capabilities.iter().map(bit).sum(), kernel: (6, 1) }
}

fn compiled(profile: &str) -> Filter {
    let filters = Filters::default();
    let filter = filters.get(Source::File(profile.as_bytes()), context(Arch::X86_64, &[]));
    (*filter.expect("a good profile")).clone()
}

fn x86_64(name: &str) -> u32 {
    numbers(numbers::X86_64)[name]
}

#[test]
fn the_default_profile_on_x86() {
    let filters = Filters::default();
    let plain = filters.get(Source::Default, context(Arch::X86_64, &[])).expect("compiles");
    let admin = filters.get(Source::Default, context(Arch::X86_64, &["SYS_ADMIN"])).expect("compiles");
    const NEWUSER: u64 = 0x1000_0000;
    const NEWNET: u64 = 0x4000_0000;
    for (name, arguments, for_plain, for_admin) in [
        ("read", [0, 0], ALLOW, ALLOW),
        ("openat2", [0, 0], ALLOW, ALLOW),
        ("removexattrat", [0, 0], ALLOW, ALLOW),
        ("ptrace", [0, 0], ALLOW, ALLOW),
        ("mount", [0, 0], EPERM, ALLOW),
        ("unshare", [0, 0], EPERM, ALLOW),
        ("setns", [0, 0], EPERM, ALLOW),
        ("keyctl", [0, 0], EPERM, EPERM),
        ("add_key", [0, 0], EPERM, EPERM),
        ("init_module", [0, 0], EPERM, EPERM),
        ("kexec_load", [0, 0], EPERM, EPERM),
        ("io_uring_setup", [0, 0], EPERM, EPERM),
        ("userfaultfd", [0, 0], EPERM, EPERM),
        ("clone", [17, 0], ALLOW, ALLOW),
        ("clone", [17 | NEWUSER, 0], EPERM, ALLOW),
        ("clone", [17 | NEWNET, 0], EPERM, ALLOW),
        ("clone3", [0, 0], ENOSYS, ALLOW),
        ("socket", [2, 1], ALLOW, ALLOW),
        ("socket", [40, 1], EPERM, EPERM),
        ("socket", [40 + (1 << 32), 1], ALLOW, ALLOW),
        ("personality", [0, 0], ALLOW, ALLOW),
        ("personality", [0x2_0008, 0], ALLOW, ALLOW),
        ("personality", [0xffff_ffff, 0], ALLOW, ALLOW),
        ("personality", [0x4_0000, 0], EPERM, EPERM),
        ("file_getattr", [0, 0], ENOSYS, ENOSYS),
    ] {
        let arguments = [arguments[0], arguments[1], 0, 0, 0, 0];
        let number = x86_64(name);
        assert_eq!(run(&plain, X86_64, number, arguments), for_plain, "{name} {arguments:x?}");
        assert_eq!(run(&admin, X86_64, number, arguments), for_admin, "{name} {arguments:x?}, admin");
    }
    let i386 = numbers(numbers::X86);
    for (arch, number, expected) in [
        (X86, i386["read"], ALLOW),
        (X86, i386["socketcall"], ALLOW),
        (X86, i386["mount"], EPERM),
        (X86, 5000, ENOSYS),
        (X86_64, 5000, ENOSYS),
        (X86_64, 0x4000_0000, ENOSYS),
        (X86_64, 0x4000_0000 | x86_64("mount"), ENOSYS),
        (X86_64, u32::MAX, EPERM),
        (AARCH64, 63, KILL_THREAD),
        (S390X, 3, KILL_THREAD),
    ] {
        assert_eq!(run(&plain, arch, number, [0; 6]), expected, "{number} of {arch:#x}");
    }
    assert_eq!(run(&plain, X86, i386["clone"], [NEWUSER, 0, 0, 0, 0, 0]), EPERM);
    assert_eq!(run(&plain, X86, i386["clone"], [17, 0, 0, 0, 0, 0]), ALLOW);
    assert_eq!(plain.flags, 4, "calls are not slowed down against speculation");
}

#[test]
fn the_default_profile_on_arm_and_by_capability() {
    let filters = Filters::default();
    let plain = filters.get(Source::Default, context(Arch::Aarch64, &[])).expect("compiles");
    let (wide, narrow) = (numbers(numbers::AARCH64), numbers(numbers::ARM));
    for (arch, number, expected) in [
        (AARCH64, wide["read"], ALLOW),
        (AARCH64, wide["mount"], EPERM),
        (AARCH64, 0x4000_0000, ENOSYS),
        (ARM, narrow["read"], ALLOW),
        (ARM, narrow["set_tls"], ALLOW),
        (ARM, narrow["mount"], EPERM),
        (ARM, 600, ENOSYS),
        (X86_64, 0, KILL_THREAD),
    ] {
        assert_eq!(run(&plain, arch, number, [0; 6]), expected, "{number} of {arch:#x}");
    }
    for (capability, name) in [
        ("SYS_BOOT", "reboot"),
        ("SYS_CHROOT", "chroot"),
        ("SYS_MODULE", "finit_module"),
        ("SYS_TIME", "clock_settime"),
        ("SYSLOG", "syslog"),
        ("BPF", "bpf"),
        ("PERFMON", "perf_event_open"),
        ("DAC_READ_SEARCH", "open_by_handle_at"),
        ("SYS_NICE", "mbind"),
        ("SYS_PTRACE", "pidfd_getfd"),
        ("SYS_TTY_CONFIG", "vhangup"),
    ] {
        let with = filters.get(Source::Default, context(Arch::X86_64, &[capability])).expect("compiles");
        let without = filters.get(Source::Default, context(Arch::X86_64, &[])).expect("compiles");
        assert_eq!(run(&with, X86_64, x86_64(name), [0; 6]), ALLOW, "{name} with {capability}");
        assert_eq!(run(&without, X86_64, x86_64(name), [0; 6]), EPERM, "{name} without {capability}");
    }
}

#[test]
fn arguments_are_compared_in_all_64_bits() {
    const V: u64 = 0x5_0000_0007;
    let values =
        [0, 6, 7, 8, 0x4_0000_0007, 0x4_ffff_ffff, V - 1, V, V + 1, 0x6_0000_0000, 0x6_0000_0007, u64::MAX];
    type Holds = fn(u64) -> bool;
    let operators: [(&str, Holds); 7] = [
        ("SCMP_CMP_NE", |a| a != V),
        ("SCMP_CMP_LT", |a| a < V),
        ("SCMP_CMP_LE", |a| a <= V),
        ("SCMP_CMP_EQ", |a| a == V),
        ("SCMP_CMP_GE", |a| a >= V),
        ("SCMP_CMP_GT", |a| a > V),
        ("SCMP_CMP_MASKED_EQ", |a| a & V == 0x4_0000_0001),
    ];
    for index in [0usize, 5] {
        for (operator, holds) in operators {
            let filter = compiled(&format!(
                r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ERRNO",
                "errnoRet":7,"args":[{{"index":{index},"value":{V},"valueTwo":17179869185,"op":"{operator}"}}]}}]}}"#
            ));
            for value in values {
                let mut arguments = [0; 6];
                arguments[index] = value;
                let expected = if holds(value) { ERRNO | 7 } else { ALLOW };
                assert_eq!(run(&filter, X86_64, 0, arguments), expected, "{operator} {value:#x}");
            }
        }
    }
}

#[test]
fn rules_of_a_profile() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,"architectures":["SCMP_ARCH_X86_64"],
        "syscalls":[
        {"names":["read","no_such_call"],"action":"SCMP_ACT_ALLOW"},
        {"name":"write","action":"SCMP_ACT_LOG"},
        {"names":["open"],"action":"SCMP_ACT_TRAP"},
        {"names":["stat"],"action":"SCMP_ACT_KILL_PROCESS"},
        {"names":["fstat"],"action":"SCMP_ACT_KILL"},
        {"names":["lstat"],"action":"SCMP_ACT_TRACE","errnoRet":9},
        {"names":["poll"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},
            {"index":1,"value":2,"op":"SCMP_CMP_EQ"}]},
        {"names":["lseek"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"},
            {"index":0,"value":2,"op":"SCMP_CMP_EQ"}]},
        {"names":["mmap"],"action":"SCMP_ACT_ALLOW"},
        {"names":["mmap"],"action":"SCMP_ACT_KILL","args":[{"index":2,"value":4,"valueTwo":4,"op":"SCMP_CMP_MASKED_EQ"}]},
        {"names":["mmap"],"action":"SCMP_ACT_LOG"},
        {"names":["brk"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
        {"names":["dup"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["amd64","arm64"],"minKernel":"5.10"}},
        {"names":["dup2"],"action":"SCMP_ACT_ALLOW","includes":{"minKernel":"9.1"}},
        {"names":["dup3"],"action":"SCMP_ACT_ALLOW","excludes":{"arches":["amd64"]}},
        {"names":["pipe"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"]},"includes":{}}
        ]}"#,
    );
    for (name, arguments, expected) in [
        ("read", [0, 0, 0], ALLOW),
        ("write", [0, 0, 0], LOG),
        ("open", [0, 0, 0], TRAP),
        ("stat", [0, 0, 0], KILL_PROCESS),
        ("fstat", [0, 0, 0], KILL_THREAD),
        ("lstat", [0, 0, 0], TRACE | 9),
        ("poll", [1, 2, 0], ALLOW),
        ("poll", [1, 3, 0], ENOSYS),
        ("lseek", [1, 0, 0], ALLOW),
        ("lseek", [2, 0, 0], ALLOW),
        ("lseek", [3, 0, 0], ENOSYS),
        ("mmap", [0, 0, 5], KILL_THREAD),
        ("mmap", [0, 0, 3], ALLOW),
        ("brk", [0, 0, 0], ENOSYS),
        ("dup", [0, 0, 0], ALLOW),
        ("dup2", [0, 0, 0], ENOSYS),
        ("dup3", [0, 0, 0], ENOSYS),
        ("pipe", [0, 0, 0], ALLOW),
    ] {
        let arguments = [arguments[0], arguments[1], arguments[2], 0, 0, 0];
        assert_eq!(run(&filter, X86_64, x86_64(name), arguments), expected, "{name} {arguments:?}");
    }
    assert_eq!(run(&filter, X86_64, 0x4000_0000, [0; 6]), KILL_THREAD, "x32 is not named");
    assert_eq!(run(&filter, X86, 3, [0; 6]), KILL_THREAD, "nor is 32-bit x86");
}

#[test]
fn a_list_of_what_is_forbidden_says_nothing_of_newer_calls() {
    let filter = compiled(
        r#"{"defaultAction":"SCMP_ACT_ALLOW","archMap":[{"architecture":"SCMP_ARCH_X86_64",
        "subArchitectures":["SCMP_ARCH_X86"]}],"flags":["SECCOMP_FILTER_FLAG_LOG"],
        "syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}"#,
    );
    assert_eq!(run(&filter, X86_64, x86_64("mkdir"), [0; 6]), EPERM);
    assert_eq!(run(&filter, X86_64, 9000, [0; 6]), ALLOW);
    assert_eq!(run(&filter, X86, numbers(numbers::X86)["mkdir"], [0; 6]), EPERM);
    assert_eq!(run(&filter, X86, 9000, [0; 6]), ALLOW);
    assert_eq!(filter.flags, 2);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for (profile, text) in [
        ("", "decoding seccomp profile failed"),
        ("{}", "an action is missing"),
        (r#"{"defaultAction":"SCMP_ACT_MAYBE"}"#, "unknown action \"SCMP_ACT_MAYBE\""),
        (r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#, "SCMP_ACT_NOTIFY"),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x"}"#, "SCMP_ACT_NOTIFY"),
        (r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":70000}"#, "more than 16 bits"),
        (r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["FAST"]}"#, "unknown flag \"FAST\""),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"action":"SCMP_ACT_LOG"}]}"#,
            "without the name of a system call",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG",
            "args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]}]}"#,
            "argument 6",
        ),
        (
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_LOG",
            "args":[{"index":0,"value":1,"op":"=="}]}]}"#,
            "unknown operator",
        ),
    ] {
        let error = Profile::parse(profile.as_bytes(), context(Arch::X86_64, &[])).expect_err(profile);
        assert!(error.to_string().contains(text), "{error}");
    }
    let rules: Vec<String> = (0..2000)
        .map(|n| {
            format!(
                r#"{{"names":["read"],"action":"SCMP_ACT_LOG","args":[{{"index":0,"value":{n},"op":"SCMP_CMP_EQ"}}]}}"#
            )
        })
        .collect();
    let long = format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}}"#, rules.join(","));
    let filters = Filters::default();
    let error = filters.get(Source::File(long.as_bytes()), context(Arch::X86_64, &[])).expect_err("too long");
    assert!(matches!(error, SeccompError::TooLong(_)), "{error}");
}

#[test]
fn long_chunks_are_jumped_over() {
    // Every second call has forty alternatives, so that halves of the search are far apart.
    let names: Vec<&str> = numbers(numbers::X86_64).into_keys().step_by(20).take(10).collect();
    let rules: Vec<String> = (0..40u32)
        .map(|n| {
            let names = serde_json::to_string(&names).expect("text");
            format!(
                r#"{{"names":{names},"action":"SCMP_ACT_ERRNO","errnoRet":{n},"args":[{{"index":1,"value":{n},"op":"SCMP_CMP_EQ"}}]}}"#
            )
        })
        .collect();
    let filter =
        compiled(&format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}}"#, rules.join(",")));
    for (name, number) in numbers(numbers::X86_64) {
        for value in [0, 17, 39, 40] {
            let expected = if names.contains(&name) && value < 40 { ERRNO | value } else { ALLOW };
            assert_eq!(
                run(&filter, X86_64, number, [0, value.into(), 0, 0, 0, 0]),
                expected,
                "{name} {value}"
            );
        }
    }
}

#[test]
fn filters_are_compiled_once() {
    let filters = Filters::default();
    let plain = context(Arch::X86_64, &[]);
    let first = filters.get(Source::Default, plain).expect("compiles");
    assert!(Arc::ptr_eq(&first, &filters.get(Source::Default, plain).expect("compiles")));
    let other = filters.get(Source::Default, context(Arch::X86_64, &["SYS_ADMIN"])).expect("compiles");
    assert!(!Arc::ptr_eq(&first, &other));
    assert!(first.program.len() / 8 < 500, "{} instructions", first.program.len() / 8);
}

/// Loads the filter of its first argument and says what the kernel answers to some calls.
const SCRIPT: &str = r#"
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
program = open(sys.argv[1], "rb").read()
code = ctypes.create_string_buffer(program, len(program))
class Fprog(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
fprog = Fprog(len(program) // 8, ctypes.addressof(code))
libc.prctl(38, 1, 0, 0, 0)
if libc.syscall(317, 1, int(sys.argv[2]), ctypes.byref(fprog)) != 0:
    sys.exit("not loaded: %d" % ctypes.get_errno())
def call(*arguments):
    ctypes.set_errno(0)
    result = libc.syscall(*[ctypes.c_long(a) for a in arguments])
    return ctypes.get_errno() if result < 0 else 0
print(call(39), call(272, 0x40000000), call(165, 0, 0, 0, 0, 0), call(250, 0, 0), call(435, 0, 0),
      call(9000), call(41, 40, 1, 0), call(135, 0xffffffff))
"#;

#[test]
fn the_kernel_takes_the_default_profile_and_acts_on_it() {
    if !corten_sys::is_root()
        || Arch::native() != Arch::X86_64
        || Command::new("python3").arg("-V").output().is_err()
    {
        return eprintln!("skipped: needs root and python3");
    }
    let filters = Filters::default();
    for (capabilities, expected) in [
        // getpid, unshare, mount, keyctl, clone3, a number far too new, a socket to the hypervisor, personality.
        (&[][..], "0 1 1 1 38 38 1 0"),
        (&["SYS_ADMIN"][..], "0 0 14 1 22 38 1 0"),
    ] {
        let filter = filters.get(Source::Default, context(Arch::X86_64, capabilities)).expect("compiles");
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&filter.program).expect("written");
        let out = Command::new("python3")
            .args(["-c", SCRIPT])
            .arg(file.path())
            .arg(filter.flags.to_string())
            .output()
            .expect("python3 runs");
        let said = String::from_utf8_lossy(&out.stdout);
        assert_eq!(said.trim(), expected, "{capabilities:?}: {}", String::from_utf8_lossy(&out.stderr));
    }
}
