//! From flags to the kubelet's settings.

use crate::config::ResourceFlags;
use anyhow::{Context, Result, bail};
use corten_kubelet::{CpuSet, Settings, duration, resource_list};
use std::time::Duration;

/// Reads the flags.
///
/// # Errors
/// In words for the one who set them, what is wrong.
pub fn of(flags: &ResourceFlags) -> Result<Settings> {
    let mut settings = Settings {
        max_pod_grace_seconds: flags.eviction_max_pod_grace_period,
        pressure_transition: duration(
            "eviction-pressure-transition-period",
            &flags.eviction_pressure_transition_period,
        )?,
        system_reserved: resource_list("system-reserved", &flags.system_reserved)?,
        kube_reserved: resource_list("kube-reserved", &flags.kube_reserved)?,
        image_gc_high: flags.image_gc_high_threshold,
        image_gc_low: flags.image_gc_low_threshold,
        image_minimum_age: duration("minimum-image-ttl-duration", &flags.minimum_image_ttl_duration)?,
        image_maximum_age: duration("image-maximum-gc-age", &flags.image_maximum_gc_age)?,
        serialize_image_pulls: flags.serialize_image_pulls,
        max_parallel_image_pulls: flags.max_parallel_image_pulls,
        minimum_container_age: duration(
            "minimum-container-ttl-duration",
            &flags.minimum_container_ttl_duration,
        )?,
        // Any negative number stands for no limit.
        most_dead_per_container: usize::try_from(flags.maximum_dead_containers_per_container).ok(),
        pod_pids: flags.pod_max_pids,
        log_max_size: bytes(&flags.container_log_max_size).context("--container-log-max-size")?,
        log_max_files: flags.container_log_max_files,
        status_update: duration("node-status-update-frequency", &flags.node_status_update_frequency)?,
        lease: Duration::from_secs(flags.node_lease_duration_seconds),
        static_cpus: match flags.cpu_manager_policy.as_str() {
            "none" | "" => false,
            "static" => true,
            other => bail!("--cpu-manager-policy: {other:?} is neither \"none\" nor \"static\""),
        },
        reserved_cpus: flags
            .reserved_cpus
            .parse::<CpuSet>()
            .map_err(anyhow::Error::msg)
            .context("--reserved-cpus")?,
        shutdown_grace: duration("shutdown-grace-period", &flags.shutdown_grace_period)?,
        shutdown_grace_critical: duration(
            "shutdown-grace-period-critical-pods",
            &flags.shutdown_grace_period_critical_pods,
        )?,
        ..Settings::default()
    };
    settings.set_thresholds(
        &flags.eviction_hard,
        &flags.eviction_soft,
        &flags.eviction_soft_grace_period,
        &flags.eviction_minimum_reclaim,
    )?;
    check(&settings)?;
    Ok(settings)
}

fn check(settings: &Settings) -> Result<()> {
    if settings.image_gc_low >= settings.image_gc_high || settings.image_gc_high > 100 {
        bail!("--image-gc-low-threshold must be below --image-gc-high-threshold, which is at most 100");
    }
    match settings.max_parallel_image_pulls {
        Some(0) => bail!("--max-parallel-image-pulls must be greater than 0"),
        Some(2..) if settings.serialize_image_pulls => {
            bail!("--max-parallel-image-pulls cannot be larger than 1 unless --serialize-image-pulls=false")
        }
        _ => {}
    }
    if settings.pod_pids == 0 || settings.pod_pids < -1 {
        bail!("--pod-max-pids must be more than 0, or -1 for any number");
    }
    if settings.log_max_files < 2 {
        bail!("--container-log-max-files must be at least 2: the file being written, and one before it");
    }
    if settings.lease.is_zero() || settings.status_update.is_zero() {
        bail!("--node-lease-duration-seconds and --node-status-update-frequency must be more than 0");
    }
    if settings.shutdown_grace_critical > settings.shutdown_grace {
        bail!(
            "--shutdown-grace-period-critical-pods must not exceed --shutdown-grace-period, of which it is part"
        );
    }
    let whole =
        |list: &corten_semantics::resources::ResourceList| list.get("cpu").map_or(0, |q| q.milli_value());
    let reserved = whole(&settings.system_reserved) + whole(&settings.kube_reserved);
    if settings.static_cpus && settings.reserved_cpus.is_empty() && reserved == 0 {
        bail!(
            "--cpu-manager-policy=static needs processors that stay everybody's: give --reserved-cpus, \
             or cpu in --system-reserved or --kube-reserved"
        );
    }
    Ok(())
}

fn bytes(text: &str) -> Result<u64> {
    let quantity: corten_api::Quantity = text.parse().with_context(|| format!("{text:?} is no amount"))?;
    u64::try_from(quantity.value()).ok().filter(|b| *b > 0).context("must be more than 0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        flags: ResourceFlags,
    }

    fn read(arguments: &[&str]) -> Result<Settings> {
        of(&Only::try_parse_from(std::iter::once("corten").chain(arguments.iter().copied()))?.flags)
    }

    #[test]
    fn the_defaults_are_upstreams_and_wrong_flags_are_explained() {
        let settings = read(&[]).expect("valid");
        assert_eq!((settings.thresholds.len(), settings.log_max_size), (6, 10 << 20));
        for (argument, why) in [
            ("--eviction-hard=memory.free<1", "unsupported eviction signal"),
            ("--system-reserved=gpu=1", "cannot reserve"),
            ("--image-gc-low-threshold=90", "must be below"),
            ("--container-log-max-files=1", "at least 2"),
            ("--container-log-max-size=-1", "more than 0"),
            ("--cpu-manager-policy=static", "needs processors"),
            ("--reserved-cpus=x", "no processor"),
            ("--shutdown-grace-period-critical-pods=5s", "must not exceed"),
            ("--minimum-image-ttl-duration=soon", "no duration"),
            ("--max-parallel-image-pulls=0", "greater than 0"),
            ("--pod-max-pids=0", "more than 0"),
        ] {
            let error = format!("{:#}", read(&[argument]).map(|_| ()).expect_err("invalid"));
            assert!(error.contains(why), "{argument}: {error}");
        }
        assert!(read(&["--cpu-manager-policy=static", "--reserved-cpus=0"]).is_ok());
        for (arguments, at_once) in [
            (&[][..], Some(1)),
            (&["--serialize-image-pulls=false"], None),
            (&["--max-parallel-image-pulls=3"], Some(3)),
            (&["--max-parallel-image-pulls=1", "--serialize-image-pulls=true"], Some(1)),
        ] {
            assert_eq!(read(arguments).expect("valid").pulls_at_once(), at_once, "{arguments:?}");
        }
        assert!(read(&["--max-parallel-image-pulls=2", "--serialize-image-pulls=true"]).is_err());
        let settings =
            read(&["--maximum-dead-containers-per-container=-1", "--pod-max-pids=64"]).expect("valid");
        assert_eq!((settings.most_dead_per_container, settings.pod_pids), (None, 64));
    }
}
