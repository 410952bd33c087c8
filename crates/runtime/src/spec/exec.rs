//! A further process in a container: as the first one, but for what it runs.

use corten_node_api::cri;
use corten_pod::protocol::{Exec, Process};

use super::refusal::invalid;
use super::{Refusal, args};

/// What an exec request makes of the container's first process. The size of its terminal comes later.
pub fn plan_exec(process: &Process, request: &cri::ExecRequest) -> Result<Exec, Refusal> {
    if request.cmd.is_empty() {
        return Err(invalid("no command specified"));
    }
    if request.tty && request.stderr {
        return Err(invalid("tty and stderr cannot both be true"));
    }
    let mut process = process.clone();
    process.args = request.cmd.clone();
    process.terminal = request.tty;
    if request.tty {
        args::set(&mut process.env, "TERM=xterm".to_owned());
    }
    Ok(Exec { container: request.container_id.clone(), process, size: (0, 0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_pod::protocol::{Capabilities, User};

    #[test]
    fn an_exec_is_confined_as_its_container() {
        let process = Process {
            args: vec!["server".into()],
            env: vec!["A=1".into()],
            cwd: "/srv".into(),
            user: User { name: "1000".into(), ..User::default() },
            capabilities: Capabilities { bounding: 1, ..Capabilities::default() },
            no_new_privileges: true,
            seccomp: vec![6, 0, 0, 0, 0, 0, 0, 0],
            rlimits: vec![(7, (1, 2))],
            oom_score_adj: Some(500),
            ..Process::default()
        };
        let request = cri::ExecRequest {
            container_id: "c".into(),
            cmd: vec!["sh".into(), "-c".into()],
            tty: true,
            stdin: true,
            stdout: true,
            stderr: false,
        };
        let exec = plan_exec(&process, &request).expect("a command");
        let expected = Process {
            args: request.cmd.clone(),
            env: vec!["A=1".into(), "TERM=xterm".into()],
            terminal: true,
            ..process.clone()
        };
        assert_eq!(exec, Exec { container: "c".into(), process: expected, size: (0, 0) });
        let both = cri::ExecRequest { stderr: true, ..request.clone() };
        assert!(plan_exec(&process, &both).is_err());
        assert!(plan_exec(&process, &cri::ExecRequest { cmd: Vec::new(), ..request }).is_err());
    }
}
