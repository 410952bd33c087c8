//! What a container runs, with which environment, and where.

use corten_node_api::cri;

use super::Refusal;
use super::refusal::invalid;
use crate::images::ImageConfig;

/// Where programs are looked for when neither image nor configuration says.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The command line: a command replaces the image's entrypoint and its arguments; arguments alone replace
/// the image's.
pub(super) fn args(config: &cri::ContainerConfig, image: &ImageConfig) -> Result<Vec<String>, Refusal> {
    let (mut command, mut args) = (config.command.clone(), config.args.clone());
    if command.is_empty() {
        if args.is_empty() {
            args = image.cmd.clone();
        }
        // An empty name is how builders take an entrypoint away.
        if image.entrypoint != [""] {
            command = image.entrypoint.clone();
        }
    }
    command.extend(args);
    if command.is_empty() {
        return Err(invalid("no command specified"));
    }
    Ok(command)
}

/// The environment: defaults, the image's, the configuration's; a later one replaces an earlier one in its
/// place.
pub(super) fn env(
    config: &cri::ContainerConfig,
    image: &ImageConfig,
    hostname: &str,
) -> Result<Vec<String>, Refusal> {
    let mut out = vec![PATH.to_owned()];
    if config.tty {
        out.push("TERM=xterm".to_owned());
    }
    out.push(format!("HOSTNAME={hostname}"));
    image.env.iter().for_each(|variable| set(&mut out, variable.clone()));
    for pair in &config.envs {
        let value = std::str::from_utf8(&pair.value)
            .map_err(|_| invalid(format!("environment variable {:?} is not UTF-8 text", pair.key)))?;
        if pair.key.is_empty() || pair.key.contains(['=', '\0']) || value.contains('\0') {
            return Err(invalid(format!("environment variable {:?} is not a name with a value", pair.key)));
        }
        set(&mut out, format!("{}={value}", pair.key));
    }
    Ok(out)
}

/// Sets a variable, in the place where it was.
pub(super) fn set(env: &mut Vec<String>, variable: String) {
    let name = |v: &str| v.split_once('=').map_or(v.len(), |(name, _)| name.len());
    let end = name(&variable);
    match env.iter_mut().find(|v| name(v) == end && v[..end] == variable[..end]) {
        Some(place) => *place = variable,
        None => env.push(variable),
    }
}

/// Where it starts.
pub(super) fn cwd(config: &cri::ContainerConfig, image: &ImageConfig) -> Result<String, Refusal> {
    let dir = if config.working_dir.is_empty() { &image.working_dir } else { &config.working_dir };
    match dir.as_str() {
        "" => Ok("/".to_owned()),
        dir if dir.starts_with('/') => Ok(dir.to_owned()),
        dir if config.working_dir.is_empty() => Ok(format!("/{dir}")),
        dir => Err(invalid(format!("working directory {dir:?} is not absolute"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn command_and_arguments_against_the_images() {
        for (command, args, entrypoint, cmd, expected) in [
            ("", "", "e", "c", Ok("e c")),
            ("", "a", "e", "c", Ok("e a")),
            ("k", "", "e", "c", Ok("k")),
            ("k", "a", "e", "c", Ok("k a")),
            ("", "", "", "c", Ok("c")),
            ("", "", "e", "", Ok("e")),
            ("", "", "", "", Err(())),
        ] {
            let config =
                cri::ContainerConfig { command: words(command), args: words(args), ..Default::default() };
            let image =
                ImageConfig { entrypoint: words(entrypoint), cmd: words(cmd), ..ImageConfig::default() };
            let got = super::args(&config, &image).map(|a| a.join(" ")).map_err(|_| ());
            assert_eq!(got, expected.map(str::to_owned), "{command:?} {args:?} {entrypoint:?} {cmd:?}");
        }
        let image = ImageConfig { entrypoint: vec![String::new()], cmd: words("c"), ..Default::default() };
        assert_eq!(super::args(&cri::ContainerConfig::default(), &image), Ok(words("c")));
    }

    #[test]
    fn the_environment_is_overridden_in_place() {
        let image = ImageConfig { env: words("A=1 PATH=/x B= EMPTY"), ..ImageConfig::default() };
        let pair = |key: &str, value: &str| cri::KeyValue { key: key.into(), value: value.into() };
        let mut config = cri::ContainerConfig {
            envs: vec![pair("A", "2=3"), pair("HOSTNAME", "h"), pair("C", ""), pair("AB", "4")],
            ..Default::default()
        };
        let expected = "PATH=/x HOSTNAME=h A=2=3 B= EMPTY C= AB=4";
        let env = |config: &_, image: &_| super::env(config, image, "pod").map(|e| e.join(" ")).ok();
        assert_eq!(env(&config, &image).as_deref(), Some(expected));
        config = cri::ContainerConfig { tty: true, ..Default::default() };
        let expected = format!("{PATH} TERM=xterm HOSTNAME=pod");
        assert_eq!(env(&config, &ImageConfig::default()), Some(expected));
        for (key, value) in [("", "1"), ("A=B", "1"), ("A", "\0")] {
            config.envs = vec![pair(key, value)];
            assert_eq!(env(&config, &image), None, "{key:?}={value:?}");
        }
        config.envs = vec![cri::KeyValue { key: "A".into(), value: vec![0xff] }];
        assert_eq!(env(&config, &image), None, "not text");
    }

    #[test]
    fn the_directory_is_the_configurations_or_the_images() {
        for (config, image, expected) in [
            ("", "", Some("/")),
            ("", "/i", Some("/i")),
            ("", "i", Some("/i")),
            ("/c", "/i", Some("/c")),
            ("c", "", None),
        ] {
            let config = cri::ContainerConfig { working_dir: config.into(), ..Default::default() };
            let image = ImageConfig { working_dir: image.into(), ..ImageConfig::default() };
            assert_eq!(cwd(&config, &image).ok().as_deref(), expected);
        }
    }
}
