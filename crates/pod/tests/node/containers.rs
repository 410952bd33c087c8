//! Containers from start to end.

use crate::pod::{Pod, able, process};
use corten_pod::protocol::*;
use corten_pod::wire::Wire;

#[test]
fn a_container_runs_and_its_end_is_recorded() {
    if !able() {
        return;
    }
    let pod = Pod::start(|_| {});
    let (exit, log) = pod.run(pod.plan("a", "echo out; echo err >&2; echo $$; hostname; printf end; exit 7"));
    assert_eq!((exit.code, exit.signal, exit.out_of_memory), (7, 0, false));
    let mut lines: Vec<&str> = log.lines().collect();
    lines.sort();
    assert_eq!(lines, ["1", "end", "err", "out", "testpod"]);
    let file = std::fs::read(pod.dir.join("a/exit")).unwrap();
    assert_eq!(Exit::from_bytes(&file), Ok(exit));
    assert_eq!(pod.ask(&Request::Forget("a".into())), Reply::Done);
}

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
}
