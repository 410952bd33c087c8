//! Streams: logs, attaching, terminals, exec, and connections to ports.

use crate::kernel::{files, uptime};
use crate::pod::{Conn, Pod, able, eventually, kind, process, since, wait_exit};
use corten_pod::protocol::*;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

#[test]
fn processes_run_in_a_container() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    pod.launch(pod.plan("a", "sleep 1000")).unwrap();
    let (code, text) = pod.exec("a", process(&["sh", "-c", "cat; id -u; exit 7"]), "hello\n").unwrap();
    assert_eq!((code, text.as_str()), (7, "hello\n0\n"));
    let failure = pod.exec("a", process(&["foo"]), "").unwrap_err();
    assert_eq!(failure.message, "exec: \"foo\": executable file not found in $PATH");
    assert_eq!(failure.cause, Cause::NoExecutable);
    let mut lost = process(&["true"]);
    lost.cwd = "/nowhere".into();
    let failure = pod.exec("a", lost, "").unwrap_err();
    assert!(failure.message.contains("no such file or directory"), "{}", failure.message);
    // Another user may open its own output again.
    let mut web = process(&["sh", "-c", "echo again > /proc/self/fd/1"]);
    web.user.name = "web".into();
    assert_eq!(pod.exec("a", web, "").unwrap(), (0, "again\n".into()));
    assert_eq!(pod.exec("b", process(&["true"]), "").unwrap_err().cause, Cause::NoContainer);
}

#[test]
fn a_process_dies_with_its_connection() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    pod.launch(pod.plan("a", "sleep 1000")).unwrap();
    let mut conn = pod.connect();
    let exec = Exec { container: "a".into(), process: process(&["sleep", "1001"]), size: (0, 0) };
    let Reply::Started(pid) = conn.ask(&Request::Exec(Box::new(exec)), &[]) else { panic!("not started") };
    assert!(std::fs::exists(format!("/proc/{pid}")).unwrap());
    drop(conn);
    eventually("it is killed", || !std::fs::exists(format!("/proc/{pid}")).unwrap());
}

#[test]
fn terminals_work() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let mut plan = pod.plan("a", "tty; ls -l /dev/console; read line; echo got $line; exit 3");
    plan.process.terminal = true;
    plan.stdin = true;
    plan.process.user.name = "web".into();
    let mut events = pod.subscribe();
    pod.launch(plan).unwrap();
    let (from, to) = files::pipe().unwrap();
    let mut conn = pod.connect();
    let attach = Attach { container: "a".into(), stdin: true, stdout: true, stderr: false };
    assert_eq!(conn.ask(&Request::Attach(attach), &[&to]), Reply::Attached(true));
    drop(to);
    let terminal = conn.descriptors.pop().expect("the terminal");
    files::write(&terminal, b"hello\n").unwrap();
    assert_eq!(wait_exit(&mut events, "a").code, 3);
    let log = pod.log("a");
    assert!(log.contains("/dev/pts/0\n") && log.contains("got hello\n"), "{log}");
    let Some(Reply::Exited(exit)) = conn.receive() else { panic!("no end") };
    assert_eq!(exit.code, 3);
    let mut text = String::new();
    std::fs::File::from(from).read_to_string(&mut text).unwrap();
    assert!(text.contains("got hello"), "{text}");

    pod.launch(pod.plan("b", "sleep 1000")).unwrap();
    let mut shell = process(&["sh", "-c", "stty size; tty; exit 7"]);
    shell.terminal = true;
    let mut conn = pod.connect();
    let exec = Exec { container: "b".into(), process: shell, size: (81, 23) };
    assert!(matches!(conn.ask(&Request::Exec(Box::new(exec)), &[]), Reply::Started(_)));
    let mut terminal = std::fs::File::from(conn.descriptors.pop().expect("the terminal"));
    let mut text = Vec::new();
    let mut buffer = [0; 100];
    // A terminal ends with an error.
    while let Ok(count) = terminal.read(&mut buffer) {
        text.extend_from_slice(&buffer[..count]);
    }
    assert_eq!(String::from_utf8(text).unwrap(), "23 81\r\n/dev/pts/0\r\n");
    assert!(matches!(conn.receive(), Some(Reply::Exited(exit)) if exit.code == 7));
}

fn attach(pod: &Pod, container: &str, stdin: bool) -> (Conn, std::fs::File, Option<OwnedFd>) {
    let (from, to) = files::pipe().unwrap();
    let mut conn = pod.connect();
    let attach = Attach { container: container.into(), stdin, stdout: true, stderr: false };
    assert_eq!(conn.ask(&Request::Attach(attach), &[&to]), Reply::Attached(false));
    let input = conn.descriptors.pop();
    (conn, from.into(), input)
}

#[test]
fn attached_streams_are_copies() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let mut plan = pod.plan("a", "cat; echo over");
    (plan.stdin, plan.stdin_once) = (true, true);
    pod.launch(plan).unwrap();
    let (second, mut watching, none) = attach(&pod, "a", false);
    assert!(none.is_none());
    let (mut first, mut output, input) = attach(&pod, "a", true);
    let mut input = std::fs::File::from(input.unwrap());
    input.write_all(b"one\n").unwrap();
    // The end that is made here is the container's, who reads no more.
    drop(input);
    let mut text = String::new();
    output.read_to_string(&mut text).unwrap();
    assert_eq!(text, "one\nover\n");
    assert!(matches!(first.receive(), Some(Reply::Exited(exit)) if exit.code == 0));
    text.clear();
    watching.read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), pod.log("a").as_str()), ("one\nover\n", "one\nover\n"));
    drop(second);

    // Without it, stdin stays open for who comes next.
    let mut plan = pod.plan("b", "read a; read b; echo $a $b");
    plan.stdin = true;
    pod.launch(plan).unwrap();
    for word in ["x", "y"] {
        let (_conn, _output, input) = attach(&pod, "b", true);
        writeln!(std::fs::File::from(input.unwrap()), "{word}").unwrap();
    }
    eventually("both were read", || pod.log("b") == "x y\n");
}

#[test]
fn a_stuck_watcher_is_left_when_it_leaves() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let mut plan = pod.plan("a", "read x; yes | head -c 1000000; echo; echo over");
    plan.stdin = true;
    pod.launch(plan).unwrap();
    let (stuck, _unread, input) = attach(&pod, "a", true);
    writeln!(std::fs::File::from(input.unwrap()), "go").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let size = || std::fs::metadata(pod.dir.join("a/log")).unwrap().len();
    let held = size();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(held, size(), "it holds the container up");
    assert!(matches!(pod.ask(&Request::Hello), Reply::Hello(_)), "but nobody else");
    drop(stuck);
    eventually("all is there", || pod.log("a").ends_with("over\n"));
}

#[test]
fn a_stuck_watcher_is_left_in_the_end() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let mut plan = pod.plan("a", "read x; yes | head -c 1000000; echo; echo over");
    plan.stdin = true;
    let mut events = pod.subscribe();
    pod.launch(plan).unwrap();
    let begin = uptime();
    let (_stuck, _unread, input) = attach(&pod, "a", true);
    writeln!(std::fs::File::from(input.unwrap()), "go").unwrap();
    assert_eq!(wait_exit(&mut events, "a").code, 0);
    assert!(since(begin) > std::time::Duration::from_secs(9), "{:?}", since(begin));
    assert!(pod.log("a").ends_with("over\n"));
}

#[test]
fn logs_hold_all_that_was_written() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let begin = uptime();
    let (_, log) = pod.run(pod.plan("fast", "seq 1 200000; head -c 40000 /dev/zero | tr '\\0' x"));
    println!("200000 lines in {:?}", since(begin));
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!((lines.len(), lines[199_999], lines[200_000].len()), (200_001, "200000", 40_000));
    let raw = std::fs::read_to_string(pod.dir.join("fast/log")).unwrap();
    let tags: Vec<&str> = raw.lines().skip(200_000).map(|line| line.split(' ').nth(2).unwrap()).collect();
    assert_eq!(tags, ["P", "P", "P"]);
    let first: Vec<&str> = raw.lines().next().unwrap().split(' ').collect();
    assert_eq!((first[0].len(), &first[1..]), (30, &["stdout", "F", "1"][..]));

    pod.launch(pod.plan("rotate", "while :; do echo x; sleep 0.05; done")).unwrap();
    eventually("it writes", || !pod.log("rotate").is_empty());
    std::fs::rename(pod.dir.join("rotate/log"), pod.dir.join("rotate/log.1")).unwrap();
    assert_eq!(pod.ask(&Request::ReopenLog("rotate".into())), Reply::Done);
    eventually("it writes on", || !pod.log("rotate").is_empty());
}

#[test]
fn a_full_disk_stops_nobody() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    // The disk is one that the first container has mounted, seen from here through its root.
    let mut plan = pod.plan("disk", "exec sleep 1000");
    plan.mounts.push(kind("tmpfs", "/full", "size=64k"));
    let disk = pod.launch(plan).unwrap();
    let full = format!("/proc/{}/root/full", disk.pid);
    let mut plan = pod.plan("a", "seq 1 100000; echo lost; exit 9");
    plan.log = Some(format!("{full}/log"));
    plan.dir = full.clone();
    let exit = pod.run(plan).0;
    assert_eq!(exit.code, 9);
    let text = std::fs::read_to_string(format!("{full}/log")).unwrap();
    assert!(text.ends_with('\n') && text.lines().all(|line| line.contains(" stdout F ")), "whole lines only");
    assert_eq!(pod.run(pod.plan("b", "exit 2")).0.code, 2);
}

#[test]
fn output_held_open_by_others_delays_no_end() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let mut plan = pod.plan("a", "(sleep 2; echo late) & echo early; exit 1");
    plan.pid_namespace = PidNamespace::Host;
    let begin = uptime();
    let (exit, log) = pod.run(plan);
    assert!(since(begin) < std::time::Duration::from_millis(1500));
    assert_eq!((exit.code, log.as_str()), (1, "early\n"));
}

#[test]
fn ports_are_reached() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let network = files::open(&format!("/proc/{}/ns/net", pod.child.id()), 0, 0).unwrap();
    for (port, address) in [(80, "127.0.0.1:80"), (90, "[::1]:90")] {
        // A thread that is in the pod's network listens there.
        let network = files::duplicate(&network).unwrap();
        let server = std::thread::spawn(move || {
            crate::kernel::mounts::join(network, libc::CLONE_NEWNET).unwrap();
            let listener = std::net::TcpListener::bind(address).unwrap();
            let (mut peer, _) = listener.accept().unwrap();
            let mut text = [0; 4];
            peer.read_exact(&mut text).unwrap();
            peer.write_all(&text).unwrap();
        });
        let mut conn = pod.connect();
        eventually("it listens", || {
            conn = pod.connect();
            conn.ask(&Request::Connect(port), &[]) == Reply::Done
        });
        let socket = std::net::TcpStream::from(conn.descriptors.pop().unwrap());
        socket.set_nonblocking(false).unwrap();
        (&socket).write_all(b"ping").unwrap();
        let mut text = String::new();
        (&socket).read_to_string(&mut text).unwrap();
        assert_eq!(text, "ping");
        server.join().unwrap();
    }
    let Reply::Failed(failure) = pod.ask(&Request::Connect(81)) else { panic!("nobody listens") };
    assert_eq!(failure.message, "dial tcp 127.0.0.1:81: connect: connection refused");
}
